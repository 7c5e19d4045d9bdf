import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Changes the thing of this name, one caller after the other. `attempt` answers undefined where another process changed
 * the thing meanwhile, and is made again; the result is undefined where that went on for the whole of the patience.
 */
export type OneByOne = <T>(name: string, attempt: () => Promise<T | undefined>) => Promise<T | undefined>;

/** How long a change waits for its turn and is tried again, in milliseconds. */
const PATIENCE_MS = 10_000;
/** Between two attempts lies a random part of a pause that doubles, so that processes don't meet again and again. */
const PAUSE_MS = { first: 4, most: 250 };

/** Within this process nobody comes between; among several processes each is tried until it succeeds, within `patienceMs`. */
export const oneByOne = (patienceMs = PATIENCE_MS): OneByOne => {
  const last = new Map<string, Promise<unknown>>();

  const persist = async <T>(attempt: () => Promise<T | undefined>, until: number): Promise<T | undefined> => {
    for (let pause = PAUSE_MS.first; performance.now() < until; pause = Math.min(pause * 2, PAUSE_MS.most)) {
      const result = await attempt();
      if (result !== undefined) return result;
      await sleep(Math.random() * pause);
    }
    return undefined;
  };

  return (name, attempt) => {
    const until = performance.now() + patienceMs;
    const mine = (last.get(name) ?? Promise.resolve()).then(() => persist(attempt, until));
    const ended = mine
      .catch(() => undefined)
      .then(() => {
        if (last.get(name) === ended) last.delete(name);
      });
    last.set(name, ended);
    return mine;
  };
};
