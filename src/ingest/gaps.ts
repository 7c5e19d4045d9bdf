import type { LogRange } from '../event/index.js';
import { joinRuns, missingRuns } from './ranges.js';

/** What the store can say about completeness. */
export type Completeness = {
  readonly heads: () => Promise<readonly { readonly log: string; readonly last: number }[]>;
  readonly received: () => Promise<readonly LogRange[]>;
};

/**
 * What of each log no consumer has received, up to the log's last known place. Ranges are compared, not rows, so that
 * retention doesn't look like loss; and heads, so that a lost tail does.
 */
export const findGaps = async ({ heads, received }: Completeness): Promise<readonly LogRange[]> => {
  // Heads first: what is received meanwhile can only close a gap.
  const known = await heads();
  const byLog = new Map<string, [number, number][]>();
  for (const { log, from, to } of await received()) byLog.set(log, [...(byLog.get(log) ?? []), [from, to]]);
  const joined = new Map([...byLog].map(([log, runs]) => [log, joinRuns(runs)]));
  const lasts = new Map([...joined].map(([log, runs]) => [log, runs.at(-1)?.[1] ?? 0]));
  for (const { log, last } of known) lasts.set(log, Math.max(last, lasts.get(log) ?? 0));
  return [...lasts].flatMap(([log, last]) => missingRuns(joined.get(log) ?? [], last).map(([from, to]) => ({ log, from, to })));
};
