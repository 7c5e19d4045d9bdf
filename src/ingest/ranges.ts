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

type Run = readonly [from: number, to: number];

/** All runs joined where they touch or overlap, in order. Pure; takes them in any order. */
export const joinRuns = (runs: readonly Run[]): readonly Run[] => {
  const joined: [number, number][] = [];
  for (const [from, to] of [...runs].sort(([left], [right]) => left - right)) {
    const last = joined.at(-1);
    if (last && from <= last[1] + 1) last[1] = Math.max(last[1], to);
    else joined.push([from, to]);
  }
  return joined;
};

/** The seqs missing between 1 and `last`. */
export const missingRuns = (runs: readonly Run[], last: number): readonly Run[] => {
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
  const byLog = new Map<string, readonly Run[]>();
  for (const { key, value } of runs.getRange()) byLog.set(key[0], [...(byLog.get(key[0]) ?? []), [key[1], value]]);

  /** One log's new runs at once: partitions interleave a log, so that thousands of pieces may come in one batch. */
  const addTo = (log: string, more: readonly Run[]): void => {
    const before = new Map(byLog.get(log) ?? []);
    const after = joinRuns([...before, ...more]);
    const starts = new Set(after.map(([from]) => from));
    for (const start of before.keys()) if (!starts.has(start)) void runs.remove([log, start]);
    for (const [from, to] of after) if (before.get(from) !== to) void runs.put([log, from], to);
    byLog.set(log, after);
  };

  return {
    add: async (ranges) => {
      const pieces = new Map<string, Run[]>();
      for (const { log, from, to } of ranges) {
        const known = pieces.get(log);
        if (known) known.push([from, to]);
        else pieces.set(log, [[from, to]]);
      }
      await runs.batch(() => {
        for (const [log, more] of pieces) addTo(log, more);
      });
    },
    list: () => [...byLog].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([log, list]) => list.map(([from, to]) => ({ log, from, to }))),
    close: () => runs.close(),
  };
};
