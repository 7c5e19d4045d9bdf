import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Database, open } from 'lmdb';
import { type CommitKey, type JournalEnvironment, openJournalEnvironment, unpackCommit } from './journal-env.js';
import { journalFollower } from './journal-follower.js';
import { type Handled, keptForFollowers } from './journal-kept.js';
import type { BatchLimits, Chunk, Consumer, Handler, Lag, Stream } from './stream.js';

export type JournalStreamOptions = {
  /** The journals of this node, by worker slot. One that no living process writes is trimmed by the stream itself. */
  readonly journals: readonly { readonly slot: string; readonly path: string; readonly isOrphan?: boolean }[];
  readonly maxBytes: number;
  /** The folder for the cursors' LMDB environments, one for each consumer. */
  readonly cursors: string;
  /** The consumers that hold the journal back: what all of them have handled is released. */
  readonly holding: readonly string[];
  /** Told how far a slot's journal may be removed: `through` is the last seq of `log` that every holding consumer has handled. */
  readonly release: (slot: string, log: string, through: number) => void;
  readonly onTrouble?: (consumer: string, sentence: string) => void;
  /** How much of each journal may stay for followers that are just behind, in bytes. */
  readonly keep_bytes?: number;
};

type Cursor = { readonly log: string; readonly seq: number };

const POLL_MS = 20;
const RETRY_MS = { first: 200, most: 5_000 };
/** A follower may never fill the journal: what is kept for it is a small part of what fits. */
const keepBytes = (maxBytes: number): number => Math.min(32 << 20, maxBytes >> 3);

/** The feed of one node's own journals: {@link Stream} without a broker. */
export const journalStream = (options: JournalStreamOptions): Stream & { readonly nudge: () => void } => {
  const environments = options.journals.map(({ slot, path, isOrphan = false }) => ({
    slot,
    isOrphan,
    env: openJournalEnvironment(path, options.maxBytes),
  }));
  const progress = new Map<string, ReadonlyMap<string, Cursor>>();
  const waiters = new Set<() => void>();

  const kept = keptForFollowers(options.keep_bytes ?? keepBytes(options.maxBytes));

  const told = new Map<string, Cursor>();

  const releaseHandled = (isAgain: boolean): void => {
    if (options.holding.length === 0) return;
    for (const { slot, env, isOrphan } of environments) {
      const last = slowest(options.holding.map((holder) => progress.get(holder)?.get(slot)));
      const free = last && kept.released(slot, last);
      const before = told.get(slot);
      if (!free || (!isAgain && before?.log === free.log && before.seq === free.seq)) continue;
      told.set(slot, free);
      if (isOrphan) trim(env, free);
      else options.release(slot, free.log, free.seq);
    }
  };

  const moved: ConsumerOptions['moved'] = (name, cursors, handled) => {
    progress.set(name, new Map(cursors));
    if (!options.holding.includes(name)) return;
    if (name === options.holding[0]) kept.passed(handled);
    releaseHandled(true);
  };

  return {
    consumer: (name, limits, handle, following) =>
      following
        ? journalFollower({
            name,
            limits,
            handle,
            following,
            environments,
            cursors: options.cursors,
            moved: (cursors) => {
              kept.follow(name, cursors);
              releaseHandled(false);
            },
            ended: () => {
              kept.leave(name);
              releaseHandled(false);
            },
            onTrouble: (sentence) => options.onTrouble?.(name, sentence),
          })
        : journalConsumer({ name, limits, handle, environments, options, moved, waiters }),
    forget: async (name) => rmSync(join(options.cursors, name), { recursive: true, force: true }),
    nudge: () => {
      for (const wake of waiters) wake();
    },
    close: async () => {
      for (const { env } of environments) await env.root.close();
    },
  };
};

/** Removes what every holding consumer has handled from a journal that nobody writes any more. */
const trim = (env: JournalEnvironment, last: Cursor): void => {
  for (const key of env.commits.getKeys({ start: ['', 0], end: [last.log, last.seq + 1] })) void env.commits.remove(key);
};

/** The earliest of several cursors; undefined while one of them has not begun. */
const slowest = (cursors: readonly (Cursor | undefined)[]): Cursor | undefined =>
  cursors.reduce((least, one) => (!least || !one ? undefined : one.log < least.log || (one.log === least.log && one.seq < least.seq) ? one : least));

type ConsumerOptions = {
  readonly name: string;
  readonly limits: BatchLimits;
  readonly handle: Handler;
  readonly environments: readonly { readonly slot: string; readonly env: JournalEnvironment }[];
  readonly options: JournalStreamOptions;
  readonly moved: (name: string, cursors: ReadonlyMap<string, Cursor>, handled: readonly Handled[]) => void;
  readonly waiters: Set<() => void>;
};

const openCursors = (folder: string, name: string): Database<Cursor, string> => {
  const path = join(folder, name);
  mkdirSync(path, { recursive: true, mode: 0o700 });
  return open<Cursor, string>({ path, overlappingSync: false, encoding: 'json' });
};

const journalConsumer = ({ name, limits, handle, environments, options, moved, waiters }: ConsumerOptions): Consumer => {
  const saved = openCursors(options.cursors, name);
  const cursors = new Map<string, Cursor>();
  for (const { key, value } of saved.getRange()) cursors.set(key, value);
  const read = new Map(cursors);
  let pending: Chunk[] = [];
  let handled: Handled[] = [];
  let pendingBytes = 0;
  let since = 0;
  let running: Promise<void> | undefined;
  let isStopping = false;
  let complaint: string | undefined;
  let wake: () => void = () => undefined;

  const sleep = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(done, ms);
      function done(): void {
        clearTimeout(timer);
        waiters.delete(done);
        resolve();
      }
      waiters.add(done);
      wake = done;
    });

  const gather = (): void => {
    for (const { slot, env } of environments) {
      if (pendingBytes >= limits.bytes) return;
      env.root.resetReadTxn();
      const at = read.get(slot);
      const start: CommitKey = at ? [at.log, at.seq + 1] : ['', 0];
      for (const { key, value } of env.commits.getRange({ start })) {
        const chunk = unpackCommit(key, value);
        if (pending.length === 0) since = Date.now();
        pending.push(chunk);
        handled.push({ slot, log: chunk.log, seq: chunk.to, bytes: chunk.lines.length });
        pendingBytes += chunk.lines.length;
        read.set(slot, { log: chunk.log, seq: chunk.to });
        if (pendingBytes >= limits.bytes) break;
      }
    }
  };

  const settle = async (): Promise<void> => {
    await saved.batch(() => {
      for (const [slot, cursor] of read) void saved.put(slot, cursor);
    });
    for (const [slot, cursor] of read) cursors.set(slot, cursor);
    pending = [];
    pendingBytes = 0;
    moved(name, cursors, handled);
    handled = [];
  };

  const handleOnce = async (): Promise<void> => {
    let pause = RETRY_MS.first;
    for (;;) {
      try {
        await handle(pending);
        complaint = undefined;
        return await settle();
      } catch (error) {
        complaint = (error as Error).message;
        options.onTrouble?.(name, complaint);
      }
      if (isStopping) return;
      await sleep(pause);
      pause = Math.min(pause * 2, RETRY_MS.most);
    }
  };

  const run = async (): Promise<void> => {
    moved(name, cursors, []);
    while (!isStopping) {
      gather();
      const isDue = pending.length > 0 && (pendingBytes >= limits.bytes || Date.now() - since >= limits.age_ms);
      if (isDue) await handleOnce();
      else await sleep(pending.length > 0 ? Math.min(POLL_MS, limits.age_ms) : POLL_MS);
    }
    gather();
    if (pending.length > 0) await handleOnce();
  };

  const lag = (): Lag => {
    const behind = environments.map(({ slot, env }) => behindIn(env, cursors.get(slot)));
    const oldest = Math.min(...behind.map((one) => one.oldest));
    const events = behind.reduce((sum, one) => sum + one.events, 0);
    return { events, seconds: events === 0 ? 0 : Math.max(0, (Date.now() - oldest) / 1000) };
  };

  return {
    start: async () => {
      running ??= run();
    },
    stop: async () => {
      isStopping = true;
      wake();
      await running;
      await saved.close();
    },
    lag,
    trouble: () => complaint,
  };
};

/** Events after a cursor, and when the first of them was recorded. Looks at the ends of each log only: a log has no holes. */
const behindIn = (env: JournalEnvironment, at: Cursor | undefined): { readonly events: number; readonly oldest: number } => {
  env.root.resetReadTxn();
  let events = 0;
  let oldest = Number.POSITIVE_INFINITY;
  let start: CommitKey = at ? [at.log, at.seq + 1] : ['', 0];
  for (;;) {
    const [first] = env.commits.getRange({ start, limit: 1 });
    if (!first) return { events, oldest };
    const end: CommitKey = [first.key[0], Number.MAX_SAFE_INTEGER];
    const [last] = env.commits.getRange({ start: end, end: first.key, reverse: true, limit: 1 });
    const tail = last ? unpackCommit(last.key, last.value) : unpackCommit(first.key, first.value);
    if (events === 0) oldest = Date.parse(recordedOf(unpackCommit(first.key, first.value).lines));
    events += tail.to - first.key[1] + 1;
    start = end;
  }
};

/** The `recorded` of the first line: its place in the line is fixed (see event/line.ts). */
const recordedOf = (lines: Buffer): string => {
  const at = lines.indexOf('"recorded":"');
  return at < 0 ? '' : lines.toString('latin1', at + 12, at + 36);
};
