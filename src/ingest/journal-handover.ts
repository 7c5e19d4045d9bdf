import type { Position } from '../event/index.js';
import type { Waiting } from './journal-commit.js';

/** Answers that wait until the brokers have their events as well (`journal.durability: kafka`). */
export const brokerWaiters = () => {
  const waiters: { readonly at: Position; readonly waiting: Waiting }[] = [];
  return {
    add: (at: Position, waiting: Waiting): void => {
      waiters.push({ at, waiting });
    },
    /** Handed on up to here, earlier logs included. */
    handedOn: (log: string, through: number): void => {
      for (let index = waiters.length - 1; index >= 0; index--) {
        const { at, waiting } = waiters[index] as (typeof waiters)[number];
        if (at.log > log || (at.log === log && at.seq > through)) continue;
        waiters.splice(index, 1);
        waiting.resolve();
      }
    },
    /** None of them will be answered. */
    drop: (): readonly Waiting[] => waiters.splice(0).map(({ waiting }) => waiting),
  };
};
