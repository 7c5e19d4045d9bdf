import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Database, open } from 'lmdb';
import type { LogRange } from '../event/index.js';
import { type JournalEnvironment, unpackCommit } from './journal-env.js';
import { type Cursor, missedIn, nextCommit, recordedAt } from './journal-missed.js';
import type { BatchLimits, Chunk, Consumer, Following, Handler, Lag, Missed } from './stream.js';

export type FollowerOptions = {
  readonly name: string;
  readonly limits: BatchLimits;
  readonly handle: Handler;
  readonly following: Following;
  readonly environments: readonly { readonly slot: string; readonly env: JournalEnvironment }[];
  /** The folder for the cursors' LMDB environments. */
  readonly cursors: string;
  /** Told how far it is, whenever it has moved. */
  readonly moved: (cursors: ReadonlyMap<string, Cursor>) => void;
  readonly ended: () => void;
  readonly onTrouble: (sentence: string) => void;
};

/** What it must have elsewhere before it goes on, and where that is: kept, so that a restart goes on with the same. */
type Errand = {
  readonly from: number;
  readonly to: number;
  readonly ranges: readonly LogRange[];
  readonly next: readonly (readonly [slot: string, at: Cursor])[];
};

/** Followers are many, and nobody waits for them. */
const POLL_MS = 100;
/** Every write is an fsync that decisions would wait behind; what was handled since the last one comes again after a crash. */
const SAVE_MS = 1_000;
/** While it waits for more, it looks how much there is: at most so often, and about so many times. */
const LOOK_MS = 200;
const LOOKS = 20;
const RETRY_MS = { first: 200, most: 5_000 };
/** No slot has this name. */
const ERRAND = '.errand';

const missedOf = ({ from, to, ranges }: Errand): Missed => {
  const byLog = new Map(ranges.map((range) => [range.log, range]));
  return {
    from,
    to,
    ranges,
    key: createHash('sha256').update(JSON.stringify(ranges)).digest('hex').slice(0, 32),
    has: ({ log, seq }) => {
      const range = byLog.get(log);
      return range !== undefined && seq >= range.from && seq <= range.to;
    },
  };
};

/**
 * Reads one node's journals without holding them back. What was removed before it came is an errand: it is told, and
 * goes on behind that when it is done.
 */
export const journalFollower = (options: FollowerOptions): Consumer => {
  const { limits, environments, following } = options;
  const path = join(options.cursors, options.name);
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const saved: Database<Cursor | Errand, string> = open({ path, overlappingSync: false, encoding: 'json' });
  const cursors = new Map<string, Cursor>();
  for (const { key, value } of saved.getRange()) if (key !== ERRAND) cursors.set(key, value as Cursor);
  let errand = saved.get(ERRAND) as Errand | undefined;
  let savedAt = Date.now();
  let isUnsaved = false;
  let running: Promise<void> | undefined;
  let complaint: string | undefined;
  const stopping = new AbortController();

  const sleep = (ms: number): Promise<unknown> => delay(ms, undefined, { signal: stopping.signal }).catch(() => undefined);

  const save = async (): Promise<void> => {
    savedAt = Date.now();
    isUnsaved = false;
    await saved.batch(() => {
      for (const [slot, cursor] of cursors) void saved.put(slot, cursor);
    });
  };

  const saveWhenDue = async (): Promise<void> => {
    if (isUnsaved && Date.now() - savedAt >= SAVE_MS) await save();
  };

  /** Tries until it is done, or this follower stops. True where it is done. */
  const persist = async (attempt: () => Promise<void>): Promise<boolean> => {
    let pause = RETRY_MS.first;
    while (!stopping.signal.aborted) {
      try {
        await attempt();
        complaint = undefined;
        return true;
      } catch (error) {
        if (stopping.signal.aborted) return false;
        complaint = (error as Error).message;
        options.onTrouble(complaint);
      }
      await sleep(pause);
      pause = Math.min(pause * 2, RETRY_MS.most);
    }
    return false;
  };

  const noteErrand = async (): Promise<void> => {
    const now = Date.now();
    const missed = environments.flatMap(({ slot, env }) => {
      env.root.resetReadTxn();
      const here = missedIn(env, cursors.get(slot), following.since, now);
      return here ? [{ slot, ...here }] : [];
    });
    if (missed.length === 0) return;
    errand = {
      from: Math.min(...missed.map(({ from }) => from)),
      to: Math.max(...missed.map(({ to }) => to)),
      ranges: missed.flatMap(({ ranges }) => ranges),
      next: missed.map(({ slot, next }) => [slot, next]),
    };
    await saved.put(ERRAND, errand);
  };

  const runErrand = async (mine: Errand): Promise<void> => {
    if (!(await persist(() => following.onMissed(missedOf(mine))))) return;
    for (const [slot, at] of mine.next) cursors.set(slot, at);
    errand = undefined;
    await saved.batch(() => {
      for (const [slot, cursor] of cursors) void saved.put(slot, cursor);
      void saved.remove(ERRAND);
    });
    options.moved(cursors);
  };

  /** Chunks that follow the cursors without a hole, up to the limit, and the cursors behind them. */
  const gather = (): { readonly chunks: readonly Chunk[]; readonly next: ReadonlyMap<string, Cursor>; readonly bytes: number; readonly isMissing: boolean } => {
    const chunks: Chunk[] = [];
    const next = new Map<string, Cursor>();
    let bytes = 0;
    let isMissing = false;
    for (const { slot, env } of environments) {
      if (bytes >= limits.bytes) break;
      env.root.resetReadTxn();
      const first = nextCommit(env, cursors.get(slot));
      if (first === 'missed') isMissing = true;
      if (first === undefined || first === 'missed') continue;
      for (const { key, value } of env.commits.getRange({ start: first.key })) {
        const chunk = unpackCommit(key, value);
        chunks.push(chunk);
        bytes += chunk.lines.length;
        next.set(slot, { log: chunk.log, seq: chunk.to, at: recordedAt(chunk.lines) });
        if (bytes >= limits.bytes) break;
      }
    }
    return { chunks, next, bytes, isMissing };
  };

  const step = async (): Promise<void> => {
    if (errand) return runErrand(errand);
    let found = gather();
    // A few commits a moment apart are one batch: each is a request at the other end.
    const due = Date.now() + limits.age_ms;
    while (found.chunks.length > 0 && found.bytes < limits.bytes && Date.now() < due && !stopping.signal.aborted) {
      await sleep(Math.min(due - Date.now(), Math.max(LOOK_MS, limits.age_ms / LOOKS)));
      await saveWhenDue();
      found = gather();
    }
    // Told to stop while it waited for more: what there is comes again.
    if (stopping.signal.aborted) return;
    if (found.chunks.length > 0) {
      if (!(await persist(() => options.handle(found.chunks)))) return;
      for (const [slot, cursor] of found.next) cursors.set(slot, cursor);
      isUnsaved = true;
      options.moved(cursors);
    }
    await saveWhenDue();
    if (found.isMissing) await noteErrand();
    else if (found.chunks.length === 0) await sleep(POLL_MS);
  };

  const run = async (): Promise<void> => {
    options.moved(cursors);
    while (!stopping.signal.aborted) await step();
    if (isUnsaved) await save();
  };

  const lag = (): Lag => {
    let events = 0;
    let oldest = Number.POSITIVE_INFINITY;
    for (const { slot, env } of environments) {
      env.root.resetReadTxn();
      const at = cursors.get(slot);
      const head = env.state.get('head');
      if (!head || (at && at.log === head.log && at.seq >= head.seq)) continue;
      const behind = eventsBehind(env, at, head);
      if (behind === 0) continue;
      events += behind;
      oldest = Math.min(oldest, at?.at ?? following.since);
    }
    return { events, seconds: events === 0 ? 0 : Math.max(0, (Date.now() - oldest) / 1000) };
  };

  return {
    start: async () => {
      running ??= run();
    },
    stop: async () => {
      stopping.abort();
      await running;
      options.ended();
      await saved.close();
    },
    lag,
    trouble: () => complaint,
  };
};

/** How many events lie between a cursor and the head; without a cursor, those of the log that is being written. */
const eventsBehind = (env: JournalEnvironment, at: Cursor | undefined, head: { readonly log: string; readonly seq: number }): number => {
  if (!at) return head.seq;
  if (at.log === head.log) return head.seq - at.seq;
  let events = head.seq;
  for (const { key, value } of env.logs.getRange({ start: at.log, end: head.log })) events += key === at.log ? Math.max(0, value - at.seq) : value;
  return events;
};
