import type { CommitKey } from './journal-env.js';
import type { Fingerprint, Intent, Recorded } from './journal-types.js';

export type Waiting = { readonly resolve: () => void; readonly reject: (error: Error) => void };

/** One append's share of a commit. */
export type Append = Waiting & {
  readonly fingerprints: readonly (readonly [Fingerprint, Recorded])[];
  readonly fulfils: readonly string[];
};

/** What one transaction writes: all that was asked for while the one before was on its way to the disk. */
export type Commit = {
  /** JSON lines, each ended by a newline, and the seq of the first. */
  readonly lines: string[];
  first: number;
  bytes: number;
  readonly appends: Append[];
  readonly intents: Intent[];
  /** Intents that are over. */
  readonly struck: string[];
  readonly released: CommitKey[];
  /** Those who wait for this commit and bring no events. */
  readonly others: Waiting[];
  /** The log ends with it. */
  closes: boolean;
};

export type GroupCommitDeps = {
  /** One transaction, on disk when it resolves. */
  readonly write: (commit: Commit) => Promise<unknown>;
  readonly onWritten: (commit: Commit) => void;
  /** Told once. No commit follows; `waiting` gives those who wait for one in vain, up to the moment it is called. */
  readonly onFailed: (error: unknown, waiting: () => readonly Waiting[]) => Promise<void>;
};

const nothing = (): Commit => ({ lines: [], first: 0, bytes: 0, appends: [], intents: [], struck: [], released: [], others: [], closes: false });

/** One transaction at a time, each with everything that came in during the last: thousands of answers share one fdatasync. */
export const groupCommit = (deps: GroupCommitDeps) => {
  let next = nothing();
  let current: Commit | undefined;
  let committing: Promise<void> | undefined;
  let isScheduled = false;
  let hasFailed = false;

  const isIdle = (): boolean => next.lines.length === 0 && next.others.length === 0 && next.released.length === 0;

  const schedule = (): void => {
    if (isScheduled || committing || hasFailed) return;
    isScheduled = true;
    setImmediate(() => {
      isScheduled = false;
      void run();
    });
  };

  const run = async (): Promise<void> => {
    while (!hasFailed && !committing && !isIdle()) {
      committing = commit();
      await committing;
      committing = undefined;
    }
  };

  const commit = async (): Promise<void> => {
    const mine = next;
    next = nothing();
    current = mine;
    try {
      await deps.write(mine);
    } catch (error) {
      hasFailed = true;
      await deps.onFailed(error, () => [...mine.appends, ...mine.others, ...next.appends, ...next.others]);
      return;
    } finally {
      current = undefined;
    }
    deps.onWritten(mine);
  };

  return {
    /** The commit that is being gathered: add to it, then `schedule`. */
    next: () => next,
    schedule,
    /** What is asked for and not yet written. */
    pending: () => ({ events: next.lines.length + (current?.lines.length ?? 0), bytes: next.bytes + (current?.bytes ?? 0) }),
    /** Resolves when everything asked for is written, or never will be. */
    settle: async (): Promise<void> => {
      while (!hasFailed && (committing || isScheduled || !isIdle())) {
        schedule();
        await (committing ?? new Promise((resolve) => setImmediate(resolve)));
      }
    },
  };
};
