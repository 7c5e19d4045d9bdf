import { setTimeout as sleep } from 'node:timers/promises';
import type { Position } from '../event/index.js';

const HEAD_MS = 5_000;
/** How long the last word may take: a store that doesn't answer must not keep a process from ending. */
const LAST_MS = 1_000;

export type HeadDeps = {
  /** The last event of this process's log that is on disk. */
  readonly head: () => Position;
  readonly publish: (head: Position) => Promise<void>;
};

/**
 * Tells the store every few seconds how far this process's log got, if it grew: straight, and not through the stream,
 * so that `gaps` knows of events that were lost with the journal or wait in it. While the store is away nothing is
 * told; the next time makes up for it. The result ends it, after a last word.
 */
export const publishHead = ({ head, publish }: HeadDeps): (() => Promise<void>) => {
  let told = 0;
  const tell = async (): Promise<void> => {
    const now = head();
    if (now.seq === told) return;
    try {
      await publish(now);
      told = now.seq;
    } catch {
      // The store is away.
    }
  };
  let telling: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    telling = telling.then(tell);
  }, HEAD_MS).unref();
  return async () => {
    clearInterval(timer);
    await Promise.race([telling.then(tell), sleep(LAST_MS, undefined, { ref: false })]);
  };
};
