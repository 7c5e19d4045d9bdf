import { type EventDraft, EventTooLarge, MAX_EVENT_BYTES, newUlidAfter, type Position, place, toLine } from '../event/index.js';
import { type Commit, groupCommit, type Waiting } from './journal-commit.js';
import { commitCount, type JournalEnvironment, openJournalEnvironment, packCommit } from './journal-env.js';
import { fingerprintMemory } from './journal-fingerprints.js';
import { brokerWaiters } from './journal-handover.js';
import { logClosed, logHead, logOpened } from './journal-life.js';
import { type Fingerprint, type Intent, type Journal, JournalUnavailable, type Recorded } from './journal-types.js';

export type JournalOptions = {
  /** The folder of this worker's LMDB environment. */
  readonly path: string;
  readonly maxBytes: number;
  /** `kafka`: an append resolves only when its events were handed on to the brokers as well. */
  readonly durability: 'disk' | 'kafka';
  /** Told once, when a commit fails: the log is over, the process must end. */
  readonly onFailure: (error: Error) => void;
  /** Told after each commit. */
  readonly onCommit?: (events: number) => void;
  readonly now?: () => number;
};

const IDLE_RELEASE_MS = 200;
const ANNOUNCE_MS = 60_000;

/**
 * Opens this worker's journal and starts a new log in it. If an earlier life ended without closing its log, the new
 * one begins with that log's `log.closed`, so that its length is known for ever.
 */
export const openJournal = async (options: JournalOptions): Promise<Journal> => {
  const journal = createJournal(options, openJournalEnvironment(options.path, options.maxBytes));
  await journal.begin();
  return journal;
};

/** Why a commit failed: lmdb's error carries the cause as a promise that rejects with it. */
const causeOf = async (error: unknown): Promise<Error> => {
  const cause: unknown = await Promise.resolve((error as { commitError?: unknown }).commitError).catch((reason: unknown) => reason);
  if (cause instanceof Error) return cause;
  return error instanceof Error ? error : new Error(String(error));
};

/** The clock's time as RFC 3339, made once for each millisecond. */
const stamps = (now: () => number) => {
  let made = Number.NaN;
  let stamp = '';
  return (): string => {
    const ms = now();
    if (ms !== made) {
      made = ms;
      stamp = new Date(ms).toISOString();
    }
    return stamp;
  };
};

/** Events and bytes that stand on disk and were not handed on. */
const depthOf = (env: JournalEnvironment): { events: number; bytes: number } => {
  const depth = { events: 0, bytes: 0 };
  for (const { value } of env.commits.getRange()) {
    depth.events += commitCount(value);
    depth.bytes += value.length;
  }
  return depth;
};

/** The latest log that this journal knows. Cursors compare logs: a new one must stand after it, whatever the clock says. */
const lastLog = (env: JournalEnvironment): string | undefined => {
  const [key] = env.commits.getKeys({ reverse: true, limit: 1 });
  const head = env.state.get('head')?.log;
  return key && (head === undefined || key[0] > head) ? key[0] : head;
};

const createJournal = (options: JournalOptions, env: JournalEnvironment) => {
  const now = options.now ?? Date.now;
  const recordedNow = stamps(now);
  const log = newUlidAfter(lastLog(env));
  const depth = depthOf(env);
  const fingerprints = fingerprintMemory(env, now);
  const brokers = brokerWaiters();
  const releasing = new Set<string>();
  let seq = 0;
  let written = 0;
  let announced = 0;
  let failed: JournalUnavailable | undefined;
  let isClosing = false;
  let idleTimer: NodeJS.Timeout | undefined;

  /** With this log's first commit it is known for ever where the one before ended. */
  const noteLog = (): void => {
    const previous = env.state.get('head');
    if (previous && previous.log !== log) void env.logs.put(previous.log, previous.seq);
    void env.logs.put(log, 0);
  };

  const write = (commit: Commit): void => {
    if (commit.lines.length > 0) {
      const value = packCommit(commit.lines.length, Buffer.from(commit.lines.join('')));
      void env.commits.put([log, commit.first], value);
      if (commit.first === 1) noteLog();
      void env.state.put('head', { log, seq: commit.first + commit.lines.length - 1, closed: commit.closes });
      commit.bytes = value.length;
    }
    for (const append of commit.appends) {
      for (const change of append.fulfils) void env.intents.remove(change);
      for (const [fingerprint, recorded] of append.fingerprints) fingerprints.write(fingerprint, recorded);
    }
    for (const { change, draft } of commit.intents) void env.intents.put(change, draft);
    for (const change of commit.struck) void env.intents.remove(change);
    for (const key of commit.released) void env.commits.remove(key);
  };

  const onWritten = (commit: Commit): void => {
    depth.events += commit.lines.length;
    depth.bytes += commit.bytes;
    if (commit.lines.length > 0) written = commit.first + commit.lines.length - 1;
    for (const [name, first] of commit.released) releasing.delete(`${name}/${first}`);
    const at = { log, seq: commit.first + commit.lines.length - 1 };
    for (const append of commit.appends) {
      for (const [fingerprint] of append.fingerprints) fingerprints.written(fingerprint);
      if (options.durability === 'kafka') brokers.add(at, append);
      else append.resolve();
    }
    for (const waiting of commit.others) waiting.resolve();
    if (commit.lines.length > 0) options.onCommit?.(commit.lines.length);
  };

  const onFailed = async (error: unknown, waiting: () => readonly Waiting[]): Promise<void> => {
    const { message } = await causeOf(error);
    const failure = new JournalUnavailable(
      'journal.failed',
      `The journal in ${options.path} could not be written (${message}); this process stops answering and is replaced.`,
    );
    failed = failure;
    for (const one of [...waiting(), ...brokers.drop()]) one.reject(failure);
    options.onFailure(failure);
  };

  const commits = groupCommit({ write: (commit) => env.root.batch(() => write(commit)), onWritten, onFailed });

  const refuse = (bytes: number): void => {
    if (failed) throw failed;
    if (isClosing) throw new JournalUnavailable('journal.closed', 'This process is stopping and takes no more events; ask again, another one answers.');
    if (depth.bytes + commits.pending().bytes + bytes > options.maxBytes)
      throw new JournalUnavailable(
        'journal.full',
        `The journal in ${options.path} is full: ${depth.bytes} of ${options.maxBytes} bytes (journal.max_bytes) wait for the store. Nothing is recorded or allowed until the store takes them.`,
      );
  };

  const lineOf = (draft: EventDraft, position: Position, recorded: string, index: number): string => {
    const text = `${toLine(place(draft, position, recorded))}\n`;
    if (text.length > MAX_EVENT_BYTES / 3 && Buffer.byteLength(text) > MAX_EVENT_BYTES) throw new EventTooLarge(index);
    return text;
  };

  const noted = (results: readonly Recorded[], given: readonly (Fingerprint | undefined)[]): (readonly [Fingerprint, Recorded])[] => {
    const found: (readonly [Fingerprint, Recorded])[] = [];
    for (const [index, fingerprint] of given.entries()) {
      const result = results[index];
      if (!fingerprint || !result) continue;
      fingerprints.note(fingerprint, result);
      found.push([fingerprint, result]);
    }
    return found;
  };

  const enqueue = (drafts: readonly EventDraft[], given: readonly (Fingerprint | undefined)[], fulfils: readonly string[]) => {
    const recorded = recordedNow();
    const results = drafts.map((draft, index): Recorded => ({ id: draft.id, log, seq: seq + index + 1, recorded }));
    const texts = drafts.map((draft, index) => lineOf(draft, results[index] as Recorded, recorded, index));
    const bytes = texts.reduce((sum, text) => sum + text.length, 0);
    refuse(bytes);
    const commit = commits.next();
    if (commit.lines.length === 0) commit.first = seq + 1;
    seq += drafts.length;
    commit.bytes += bytes;
    for (const text of texts) commit.lines.push(text);
    const done = new Promise<void>((resolve, reject) => commit.appends.push({ resolve, reject, fingerprints: noted(results, given), fulfils }));
    commits.schedule();
    return { results, done };
  };

  const asked = (add: (commit: Commit) => void): Promise<void> => {
    refuse(0);
    const commit = commits.next();
    add(commit);
    const done = new Promise<void>((resolve, reject) => commit.others.push({ resolve, reject }));
    commits.schedule();
    return done;
  };

  const release: Journal['release'] = (through, last) => {
    for (const { key, value } of env.commits.getRange({ start: ['', 0], end: [through, last + 1], snapshot: false })) {
      const mark = `${key[0]}/${key[1]}`;
      if (releasing.has(mark)) continue;
      releasing.add(mark);
      commits.next().released.push(key);
      depth.events -= commitCount(value);
      depth.bytes -= value.length;
    }
    brokers.handedOn(through, last);
    idleTimer ??= setTimeout(() => {
      idleTimer = undefined;
      commits.schedule();
    }, IDLE_RELEASE_MS).unref();
  };

  /** Resolves when an earlier record is as safe as an answer needs it: on disk it is; on the brokers once it was handed on. */
  const settled: Journal['settled'] = async (position) => {
    if (options.durability === 'disk') return;
    const [commit] = env.commits.getRange({ start: [position.log, position.seq], end: [position.log, 0], reverse: true, limit: 1 });
    const isStanding = commit && commit.key[1] + commitCount(commit.value) > position.seq && !releasing.has(`${position.log}/${commit.key[1]}`);
    if (isStanding) await new Promise<void>((resolve, reject) => brokers.add(position, { resolve, reject }));
  };

  /** Writes an act of the log itself; waits for the disk alone, for nobody is answered by it. */
  const act = async (drafts: readonly EventDraft[]): Promise<void> => {
    const { done } = enqueue(drafts, [], []);
    if (options.durability === 'disk') await done;
    else done.catch(() => undefined);
  };

  const begin = async (): Promise<void> => {
    const previous = env.state.get('head');
    const closed = previous && !previous.closed ? [logClosed(previous, false, now())] : [];
    await act([...closed, logOpened(log, now())]);
  };

  const forgetOld = async (): Promise<void> => {
    while (!failed && !isClosing && (await fingerprints.forgetOld()));
  };

  const announce = (): void => {
    forgetOld().catch(() => undefined);
    if (failed || isClosing || seq === announced) return;
    // A full journal announces nothing; the next minute tries again.
    const announcing = act([logHead({ log, seq }, now())]);
    announced = seq;
    announcing.catch(() => {
      announced = 0;
    });
  };
  const announcer = setInterval(announce, ANNOUNCE_MS).unref();

  const end = async (): Promise<void> => {
    clearInterval(announcer);
    clearTimeout(idleTimer);
    if (failed || isClosing) return;
    await commits.settle();
    const closed = act([logClosed({ log, seq: seq + 1 }, true, now())]);
    commits.next().closes = true;
    isClosing = true;
    await closed.catch(() => undefined);
    await commits.settle();
  };

  return {
    log,
    append: async (drafts, { fingerprints: given = [], fulfils = [] } = {}) => {
      const { results, done } = enqueue(drafts, given, fulfils);
      await done;
      return results;
    },
    begin,
    end,
    close: async () => {
      await end();
      await env.root.close();
    },
    head: () => ({ log, seq: written }),
    release,
    settled,
    announce,
    depth: () => {
      const { events, bytes } = commits.pending();
      return { events: depth.events + events, bytes: depth.bytes + bytes };
    },
    known: fingerprints.known,
    intend: (intents: readonly Intent[]) => asked((commit) => commit.intents.push(...intents)),
    abandon: (changes: readonly string[]) => asked((commit) => commit.struck.push(...changes)),
    openIntents: () => [...env.intents.getRange()].map(({ key, value }) => ({ change: key, draft: value as EventDraft })),
  } satisfies Journal & { begin: () => Promise<void> };
};
