import { type EventDraft, EventTooLarge, MAX_EVENT_BYTES, newEventId, newUlid, place, SYSTEM_ACCOUNT, toLine } from '../event/index.js';
import { type CommitKey, commitCount, type JournalEnvironment, openJournalEnvironment, packCommit } from './journal-env.js';
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

type Waiting = { readonly resolve: () => void; readonly reject: (error: Error) => void };
type Append = Waiting & {
  readonly fingerprints: readonly (readonly [Fingerprint, Recorded])[];
  readonly fulfils: readonly string[];
};

const REMEMBER_MS = 48 * 3_600_000;
const IDLE_RELEASE_MS = 200;
const FORGET_AT_ONCE = 5_000;

/**
 * Opens this worker's journal and starts a new log in it. If an earlier life ended without closing its log, the new
 * one begins with that log's `log.closed`, so that its length is known for ever.
 */
export const openJournal = async (options: JournalOptions): Promise<Journal> => {
  const journal = createJournal(options, openJournalEnvironment(options.path, options.maxBytes));
  await journal.begin();
  return journal;
};

/** An act of the journal itself, under Verdict's own account. */
const lifeEvent = (action: string, log: string, details: EventDraft['details'], now: number): EventDraft => ({
  id: newEventId(),
  timestamp: new Date(now).toISOString(),
  account: SYSTEM_ACCOUNT,
  kind: 'activity',
  actor: { type: 'service', id: 'verdict' },
  action,
  resource: { type: 'log', id: log },
  result: 'success',
  source: 'verdict',
  ...(details && { details }),
});

/** Why a commit failed: lmdb's error carries the cause as a promise that rejects with it. */
const causeOf = async (error: unknown): Promise<Error> => {
  const cause: unknown = await Promise.resolve((error as { commitError?: unknown }).commitError).catch((reason: unknown) => reason);
  if (cause instanceof Error) return cause;
  return error instanceof Error ? error : new Error(String(error));
};

const createJournal = (options: JournalOptions, env: JournalEnvironment) => {
  const now = options.now ?? Date.now;
  const log = newUlid();
  let seq = 0;
  let announced = 0;
  let failed: JournalUnavailable | undefined;
  let closing = false;

  // What the next commit will hold.
  let lines: string[] = [];
  let lineBytes = 0;
  let firstSeq = 1;
  let appends: Append[] = [];
  let intended: { readonly intents: readonly Intent[]; readonly waiting: Waiting }[] = [];
  let abandoned: { readonly changes: readonly string[]; readonly waiting: Waiting }[] = [];
  let released: CommitKey[] = [];
  const releasing = new Set<string>();
  let committing: Promise<void> | undefined;
  let scheduled = false;
  let idleTimer: NodeJS.Timeout | undefined;

  // What stands on disk and was not handed on.
  const depth = { events: 0, bytes: 0 };
  const awaitingBrokers: { readonly log: string; readonly seq: number; readonly waiting: Waiting }[] = [];
  const pendingFingerprints = new Map<string, Recorded & { readonly content: string }>();

  for (const { value } of env.commits.getRange()) {
    depth.events += commitCount(value);
    depth.bytes += value.length;
  }

  let stampMs = 0;
  let stamp = '';
  const recordedNow = (): string => {
    const ms = now();
    if (ms !== stampMs) {
      stampMs = ms;
      stamp = new Date(ms).toISOString();
    }
    return stamp;
  };

  const schedule = (): void => {
    if (scheduled || committing || failed) return;
    scheduled = true;
    setImmediate(() => {
      scheduled = false;
      void commitLoop();
    });
  };

  const fail = (error: Error): void => {
    failed = new JournalUnavailable(
      'journal.failed',
      `The journal in ${options.path} could not be written (${error.message}); this process stops answering and is replaced.`,
    );
    const failure = failed;
    for (const waiting of [
      ...appends,
      ...intended.map((one) => one.waiting),
      ...abandoned.map((one) => one.waiting),
      ...awaitingBrokers.map((one) => one.waiting),
    ])
      waiting.reject(failure);
    appends = [];
    intended = [];
    abandoned = [];
    awaitingBrokers.length = 0;
    options.onFailure(failure);
  };

  const isIdle = (): boolean => lines.length === 0 && intended.length === 0 && abandoned.length === 0 && released.length === 0;

  const commitLoop = async (): Promise<void> => {
    while (!failed && !committing && !isIdle()) {
      committing = commitOnce();
      await committing;
      committing = undefined;
    }
  };

  const commitOnce = async (): Promise<void> => {
    const batch = { lines, bytes: lineBytes, first: firstSeq, last: seq, appends, intended, abandoned, released };
    lines = [];
    lineBytes = 0;
    firstSeq = seq + 1;
    appends = [];
    intended = [];
    abandoned = [];
    released = [];
    const mine: Waiting[] = [...batch.appends, ...batch.intended.map((one) => one.waiting), ...batch.abandoned.map((one) => one.waiting)];
    try {
      await env.root.batch(() => write(batch));
    } catch (error) {
      const reason = await causeOf(error);
      fail(reason);
      for (const waiting of mine) waiting.reject(failed as JournalUnavailable);
      return;
    }
    depth.events += batch.lines.length;
    for (const key of batch.released) releasing.delete(`${key[0]}/${key[1]}`);
    for (const append of batch.appends) for (const [fingerprint] of append.fingerprints) pendingFingerprints.delete(fingerprint.key);
    if (options.durability === 'kafka') for (const append of batch.appends) awaitingBrokers.push({ log, seq: batch.last, waiting: append });
    for (const waiting of options.durability === 'kafka' ? mine.slice(batch.appends.length) : mine) waiting.resolve();
    if (batch.lines.length > 0) options.onCommit?.(batch.lines.length);
  };

  const write = (batch: {
    readonly lines: readonly string[];
    readonly first: number;
    readonly last: number;
    readonly appends: readonly Append[];
    readonly intended: typeof intended;
    readonly abandoned: typeof abandoned;
    readonly released: readonly CommitKey[];
  }): void => {
    if (batch.lines.length > 0) {
      const value = packCommit(batch.lines.length, Buffer.from(batch.lines.join('')));
      void env.commits.put([log, batch.first], value);
      void env.state.put('head', { log, seq: batch.last, closed: closing });
      depth.bytes += value.length;
    }
    for (const append of batch.appends) {
      for (const change of append.fulfils) void env.intents.remove(change);
      for (const [fingerprint, recorded] of append.fingerprints) {
        void env.fingerprints.put(fingerprint.key, { ...recorded, content: fingerprint.content });
        void env.fingerprintTimes.put([now(), fingerprint.key], '');
      }
    }
    for (const { intents } of batch.intended) for (const intent of intents) void env.intents.put(intent.change, intent.draft);
    for (const { changes } of batch.abandoned) for (const change of changes) void env.intents.remove(change);
    for (const key of batch.released) void env.commits.remove(key);
  };

  const refuse = (bytes: number): void => {
    if (failed) throw failed;
    if (closing) throw new JournalUnavailable('journal.closed', 'This process is stopping and takes no more events; ask again, another one answers.');
    if (depth.bytes + lineBytes + bytes > options.maxBytes)
      throw new JournalUnavailable(
        'journal.full',
        `The journal in ${options.path} is full: ${depth.bytes} of ${options.maxBytes} bytes (journal.max_bytes) wait for the store. Nothing is recorded or allowed until the store takes them.`,
      );
  };

  const enqueue = (drafts: readonly EventDraft[], fingerprints: readonly (Fingerprint | undefined)[], fulfils: readonly string[]) => {
    const start = seq;
    const recorded = recordedNow();
    const texts = drafts.map((draft, index) => {
      const text = `${toLine(place(draft, { log, seq: start + index + 1 }, recorded))}\n`;
      if (text.length > MAX_EVENT_BYTES / 3 && Buffer.byteLength(text) > MAX_EVENT_BYTES) throw new EventTooLarge(index);
      return text;
    });
    const bytes = texts.reduce((sum, text) => sum + text.length, 0);
    refuse(bytes);
    seq += drafts.length;
    lineBytes += bytes;
    for (const text of texts) lines.push(text);
    const results = drafts.map((draft, index): Recorded => ({ id: draft.id, log, seq: start + index + 1, recorded }));
    const stamped = results.flatMap((result, index) => {
      const fingerprint = fingerprints[index];
      if (!fingerprint) return [];
      pendingFingerprints.set(fingerprint.key, { ...result, content: fingerprint.content });
      return [[fingerprint, result] as const];
    });
    const done = new Promise<void>((resolve, reject) => appends.push({ resolve, reject, fingerprints: stamped, fulfils }));
    schedule();
    return { results, done };
  };

  const append: Journal['append'] = async (drafts, { fingerprints = [], fulfils = [] } = {}) => {
    const { results, done } = enqueue(drafts, fingerprints, fulfils);
    await done;
    return results;
  };

  /** Forgets what is older than two days, some at a time, so that no answer waits for it. */
  const forgetOld = (): void => {
    const old = [...env.fingerprintTimes.getKeys({ end: [now() - REMEMBER_MS, ''], limit: FORGET_AT_ONCE, snapshot: false })];
    if (old.length === 0 || failed || closing) return;
    void env.root
      .batch(() => {
        for (const [time, key] of old) {
          void env.fingerprints.remove(key);
          void env.fingerprintTimes.remove([time, key]);
        }
      })
      .then(forgetOld, () => undefined);
  };

  const release: Journal['release'] = (through, last) => {
    for (const { key, value } of env.commits.getRange({ start: ['', 0], end: [through, last + 1], snapshot: false })) {
      const mark = `${key[0]}/${key[1]}`;
      if (releasing.has(mark)) continue;
      releasing.add(mark);
      released.push(key);
      depth.events -= commitCount(value);
      depth.bytes -= value.length;
    }
    for (let index = awaitingBrokers.length - 1; index >= 0; index--) {
      const one = awaitingBrokers[index] as (typeof awaitingBrokers)[number];
      if (one.log > through || (one.log === through && one.seq > last)) continue;
      awaitingBrokers.splice(index, 1);
      one.waiting.resolve();
    }
    idleTimer ??= setTimeout(() => {
      idleTimer = undefined;
      schedule();
    }, IDLE_RELEASE_MS).unref();
  };

  /** Resolves when an earlier record is as safe as an answer needs it: on disk it is; on the brokers once it was handed on. */
  const settled: Journal['settled'] = async ({ log: name, seq: place }) => {
    if (options.durability === 'disk') return;
    const [commit] = env.commits.getRange({ start: [name, place], end: [name, 0], reverse: true, limit: 1 });
    const isStanding = commit !== undefined && commit.key[1] + commitCount(commit.value) > place && !releasing.has(`${name}/${commit.key[1]}`);
    if (!isStanding) return;
    await new Promise<void>((resolve, reject) => awaitingBrokers.push({ log: name, seq: place, waiting: { resolve, reject } }));
  };

  const begin = async (): Promise<void> => {
    const previous = env.state.get('head');
    const opened = lifeEvent('log.opened', log, { log }, now());
    const closed = previous && !previous.closed ? [lifeEvent('log.closed', previous.log, { log: previous.log, last: previous.seq, clean: false }, now())] : [];
    const { done } = enqueue([...closed, opened], [], []);
    if (options.durability === 'disk') await done;
    else done.catch(() => undefined);
  };

  const announce = (): void => {
    forgetOld();
    if (failed || closing || seq === announced) return;
    try {
      enqueue([lifeEvent('log.head', log, { log, last: seq }, now())], [], []).done.catch(() => undefined);
      announced = seq;
    } catch {
      // A full journal announces nothing; the next minute tries again.
    }
  };
  const announcer = setInterval(announce, 60_000).unref();

  const settle = async (): Promise<void> => {
    while (!failed && (committing || scheduled || !isIdle())) {
      schedule();
      await (committing ?? new Promise((resolve) => setImmediate(resolve)));
    }
  };

  const end = async (): Promise<void> => {
    clearInterval(announcer);
    clearTimeout(idleTimer);
    if (!failed && !closing) {
      await settle();
      const last = seq + 1;
      const { done } = enqueue([lifeEvent('log.closed', log, { log, last, clean: true }, now())], [], []);
      closing = true;
      if (options.durability === 'disk') await done.catch(() => undefined);
      else done.catch(() => undefined);
      await settle();
    }
  };

  return {
    log,
    append,
    begin,
    end,
    close: async () => {
      await end();
      await env.root.close();
    },
    release,
    settled,
    announce,
    depth: () => ({ events: depth.events + lines.length, bytes: depth.bytes + lineBytes }),
    known: (key: string) => pendingFingerprints.get(key) ?? (env.fingerprints.get(key) as (Recorded & { content: string }) | undefined),
    intend: (intents: readonly Intent[]) => {
      refuse(0);
      return new Promise<void>((resolve, reject) => {
        intended.push({ intents, waiting: { resolve, reject } });
        schedule();
      });
    },
    abandon: (changes: readonly string[]) => {
      refuse(0);
      return new Promise<void>((resolve, reject) => {
        abandoned.push({ changes, waiting: { resolve, reject } });
        schedule();
      });
    },
    openIntents: () => [...env.intents.getRange()].map(({ key, value }) => ({ change: key, draft: value as EventDraft })),
  } satisfies Journal & { begin: () => Promise<void> };
};
