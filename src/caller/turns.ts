/** Runs work with at most so many at once and so many waiting; undefined where the queue is full. */
export type Turns = <T>(work: () => Promise<T>) => Promise<T> | undefined;

/**
 * Verifying a signature takes a thread of the pool that also syncs the journal: tokens that nobody knows yet may not
 * fill it.
 */
export const turns = (limits: { readonly atOnce: number; readonly waiting: number }): Turns => {
  const queue: (() => void)[] = [];
  let running = 0;

  const begin = (): Promise<void> => {
    if (running < limits.atOnce) {
      running += 1;
      return Promise.resolve();
    }
    return new Promise((resolve) => queue.push(resolve));
  };

  /** The place goes to the next in line, if there is one. */
  const end = (): void => {
    const next = queue.shift();
    if (next) next();
    else running -= 1;
  };

  return (work) => {
    if (running >= limits.atOnce && queue.length >= limits.waiting) return undefined;
    return begin().then(work).finally(end);
  };
};
