import type { LogRange } from '../event/index.js';
import type { Ranges } from '../ingest/index.js';

const nameOf = ({ log, from }: LogRange): string => `${log}/${from}`;

/**
 * Publishes what has changed in the received ranges since the last time: runs that are new or longer, and runs that
 * have become part of another. After a start, all of them once.
 */
export const publishChanges = (
  ranges: Pick<Ranges, 'list'>,
  publish: (runs: readonly LogRange[], gone: readonly LogRange[]) => Promise<void>,
): (() => Promise<void>) => {
  let published = new Map<string, LogRange>();
  return async () => {
    const now = new Map(ranges.list().map((run) => [nameOf(run), run]));
    const changed = [...now].filter(([name, run]) => published.get(name)?.to !== run.to).map(([, run]) => run);
    const gone = [...published].filter(([name]) => !now.has(name)).map(([, run]) => run);
    await publish(changed, gone);
    published = now;
  };
};
