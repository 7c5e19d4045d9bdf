import { setTimeout as sleep } from 'node:timers/promises';
import type { LogRange, Position } from '../event/index.js';
import { joinRuns, missingRuns } from './ranges.js';

/** What is known about completeness. */
export type Completeness = {
  /** How far each log got, as the store knows. */
  readonly heads: () => Promise<readonly { readonly log: string; readonly last: number }[]>;
  /** How far the logs of this node's journals got, as they stand there now. */
  readonly journals: () => Promise<readonly Position[]>;
  readonly received: () => Promise<readonly LogRange[]>;
};

/** How long what is on its way may take to arrive, and how often it is looked for, in milliseconds. */
const PATIENCE_MS = 5_000;
const LOOK_MS = 250;

type Runs = readonly (readonly [number, number])[];

const runsByLog = (ranges: readonly LogRange[]): ReadonlyMap<string, Runs> => {
  const byLog = new Map<string, [number, number][]>();
  for (const { log, from, to } of ranges) byLog.set(log, [...(byLog.get(log) ?? []), [from, to]]);
  return new Map([...byLog].map(([log, runs]) => [log, joinRuns(runs)]));
};

/** What is missing up to each log's last known place. */
const missing = (heads: ReadonlyMap<string, number>, received: readonly LogRange[]): readonly LogRange[] => {
  const runs = runsByLog(received);
  return [...new Set([...heads.keys(), ...runs.keys()])].flatMap((log) => {
    const known = runs.get(log) ?? [];
    const last = Math.max(heads.get(log) ?? 0, known.at(-1)?.[1] ?? 0);
    return missingRuns(known, last).map(([from, to]) => ({ log, from, to }));
  });
};

/**
 * What of each log no consumer has received, up to where the log had got when this was asked. Ranges are compared, not
 * rows, so that retention doesn't look like loss; and heads, so that a tail that is lost or waits does. What is only on
 * its way is waited for, `patience_ms` at most.
 */
export const findGaps = async ({ heads, journals, received }: Completeness, { patience_ms = PATIENCE_MS } = {}): Promise<readonly LogRange[]> => {
  const known = new Map<string, number>();
  for (const { log, seq } of await journals()) known.set(log, seq);
  for (const { log, last } of await heads()) known.set(log, Math.max(last, known.get(log) ?? 0));
  const end = Date.now() + patience_ms;
  for (;;) {
    const gaps = missing(known, await received());
    if (gaps.length === 0 || Date.now() >= end) return gaps;
    await sleep(LOOK_MS);
  }
};
