import { mkdirSync } from 'node:fs';
import { type Database, open } from 'lmdb';
import type { LogRange } from '../event/index.js';

/** What a consumer has received of each log, as runs without a hole; quarantined events count as received. */
export type Ranges = {
  /** Adds runs; resolves when they are on disk. What was there already changes nothing. */
  readonly add: (ranges: readonly LogRange[]) => Promise<void>;
  /** Every run, in order of log and seq. */
  readonly list: () => readonly LogRange[];
  readonly close: () => Promise<void>;
};

type Key = [log: string, from: number];

/** The runs that the new ones make together with those they touch. Pure: `existing` and the result are in order and apart. */
export const mergeRuns = (existing: readonly (readonly [number, number])[], from: number, to: number): readonly (readonly [number, number])[] => {
  const apart = existing.filter(([start, end]) => end < from - 1 || start > to + 1);
  const touching = existing.filter(([start, end]) => !(end < from - 1 || start > to + 1));
  const merged: readonly [number, number] = [Math.min(from, ...touching.map(([start]) => start)), Math.max(to, ...touching.map(([, end]) => end))];
  return [...apart, merged].sort(([left], [right]) => left - right);
};

/** The seqs missing between 1 and `last`. */
export const missingRuns = (runs: readonly (readonly [number, number])[], last: number): readonly (readonly [number, number])[] => {
  const missing: [number, number][] = [];
  let next = 1;
  for (const [from, to] of runs) {
    if (from > next) missing.push([next, Math.min(from - 1, last)]);
    next = Math.max(next, to + 1);
  }
  if (next <= last) missing.push([next, last]);
  return missing;
};

/** Ranges in an LMDB environment of their own: one writer, the consumer. */
export const openRanges = (path: string): Ranges => {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const runs: Database<number, Key> = open<number, Key>({ path, overlappingSync: false, encoding: 'json' });
  const byLog = new Map<string, (readonly [number, number])[]>();
  for (const { key, value } of runs.getRange()) byLog.set(key[0], [...(byLog.get(key[0]) ?? []), [key[1], value]]);

  const addOne = ({ log, from, to }: LogRange): void => {
    const before = byLog.get(log) ?? [];
    const last = before.at(-1);
    if (last && from <= last[1] + 1 && from >= last[0]) {
      // The usual case: the log goes on where it was.
      if (to <= last[1]) return;
      before[before.length - 1] = [last[0], to];
      void runs.put([log, last[0]], to);
      return;
    }
    const after = mergeRuns(before, from, to);
    for (const [start] of before) if (!after.some(([kept]) => kept === start)) void runs.remove([log, start]);
    for (const [start, end] of after) void runs.put([log, start], end);
    byLog.set(log, [...after]);
  };

  return {
    add: async (ranges) => {
      await runs.batch(() => {
        for (const range of ranges) addOne(range);
      });
    },
    list: () => [...byLog].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([log, list]) => list.map(([from, to]) => ({ log, from, to }))),
    close: () => runs.close(),
  };
};
