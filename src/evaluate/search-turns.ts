import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';

/** Does some work when it is its turn, and resolves with what came of it. `until` is when it has to stop, on the clock of `performance.now()`. */
export type SearchTurns = <T>(work: (until: number) => T) => Promise<T>;

export type TurnsConfig = {
  /** How long a turn is, in milliseconds: of all searches together, however many there are. */
  readonly turnMs: number;
  /** How long a turn is put off at most while decisions wait for their records, in milliseconds. */
  readonly deferMs: number;
};

/** How long to look away while decisions are under way, in milliseconds: a commit takes about as long. */
const LOOK_AWAY_MS = 1;

/**
 * Searches take turns, in the order in which they ask for them. Between two turns the event loop goes round, and does
 * what else waits there. A decision needs several rounds from its question to its answer: while some are under way
 * (`isBusy`), the next turn waits, but not for ever.
 */
export const searchTurns = ({ turnMs, deferMs }: TurnsConfig, isBusy: () => boolean = () => false): SearchTurns => {
  let left = turnMs;
  let line: Promise<void> = Promise.resolve();

  const others = async (): Promise<void> => {
    await nextTurn();
    const begun = performance.now();
    while (isBusy() && performance.now() - begun < deferMs) await sleep(LOOK_AWAY_MS);
    left = turnMs;
  };

  return async (work) => {
    const before = line;
    let end = (): void => undefined;
    line = new Promise((resolve) => {
      end = resolve;
    });
    await before;
    if (left <= 0) await others();
    const begun = performance.now();
    try {
      return work(begun + left);
    } finally {
      left -= performance.now() - begun;
      end();
    }
  };
};
