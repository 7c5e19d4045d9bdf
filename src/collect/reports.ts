import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { open } from 'lmdb';
import type { Event, Position } from '../event/index.js';
import { authorityOf } from './authority.js';

/** A change that a source of ground truth reported, as far as its judgement needs it. */
export type Report = Pick<Event, 'id' | 'timestamp' | 'recorded' | 'account' | 'action' | 'resource' | 'source'> &
  Position & {
    /** Names the report: by account, source and id. */
    readonly key: string;
    /** Where events may have been missed, the change can have happened at any time since then (RFC 3339). */
    readonly since?: string;
    readonly region?: string;
  };

/** Reports that wait to be judged, in an LMDB environment: one writer. */
export type Reports = {
  /** Resolves when they are on disk. One that waits already, or comes again, is the same. */
  readonly add: (reports: readonly Report[]) => Promise<void>;
  /** Every one, the one recorded first in front. */
  readonly list: () => readonly Report[];
  readonly remove: (keys: readonly string[]) => Promise<void>;
  readonly close: () => Promise<void>;
};

const keyOf = ({ account, source, id }: Pick<Event, 'account' | 'source' | 'id'>): string =>
  createHash('sha256').update(`${account}\u0000${source}\u0000${id}`).digest('hex').slice(0, 32);

const text = (value: unknown): string | undefined => (typeof value === 'string' && !Number.isNaN(Date.parse(value)) ? value : undefined);

/** The time from which on an inferred change can have happened (`details.gap.from`), as a collector says it. */
const sinceOf = (details: Event['details']): string | undefined => {
  const gap = details?.['gap'];
  return typeof gap === 'object' && gap !== null && 'from' in gap ? text(gap.from) : undefined;
};

/** What is no JSON is set aside by others. */
const parsed = (line: Buffer): Event | undefined => {
  try {
    return JSON.parse(line.toString('utf8')) as Event;
  } catch {
    return undefined;
  }
};

/** A line as the report of a change that came about, by one of these sources; undefined for any other. */
const readReport = (line: Buffer, sources: ReadonlySet<string>): Report | undefined => {
  const event = parsed(line);
  if (!event || !sources.has(event.source) || event.kind !== 'activity' || event.result !== 'success' || !authorityOf(event.action)) return undefined;
  const { id, timestamp, recorded, account, action, resource, source, log, seq, region } = event;
  const since = sinceOf(event.details);
  return {
    key: keyOf(event),
    ...{ id, timestamp, recorded, account, action, resource, source, log, seq },
    ...(since !== undefined && { since }),
    ...(region !== undefined && { region }),
  };
};

/**
 * Finds reports among lines as the journal made them. Lines are parsed only where a source's name stands in them as a
 * source, which costs one pass over the bytes for each source.
 */
export const reportsIn = (sources: readonly string[]) => {
  const wanted = new Set(sources);
  const marks = sources.map((source) => Buffer.from(`"source":${JSON.stringify(source)}`));
  return (lines: Buffer): readonly Report[] => {
    const found: Report[] = [];
    const starts = new Set<number>();
    for (const mark of marks)
      for (let at = lines.indexOf(mark); at >= 0; at = lines.indexOf(mark, at + mark.length)) {
        const start = lines.lastIndexOf(10, at) + 1;
        const end = lines.indexOf(10, at);
        if (starts.has(start)) continue;
        starts.add(start);
        const report = readReport(lines.subarray(start, end < 0 ? lines.length : end), wanted);
        if (report) found.push(report);
      }
    return found;
  };
};

/** Opens the memory in a folder of its own; made where it is missing. */
export const openReports = (path: string): Reports => {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const waiting = open<Report, string>({ path, overlappingSync: false, encoding: 'json' });
  return {
    add: async (reports) => {
      if (reports.length === 0) return;
      await waiting.batch(() => {
        for (const report of reports) void waiting.put(report.key, report);
      });
    },
    list: () => [...waiting.getRange()].map(({ value }) => value).sort((left, right) => (left.recorded < right.recorded ? -1 : 1)),
    remove: async (keys) => {
      await waiting.batch(() => {
        for (const key of keys) void waiting.remove(key);
      });
    },
    close: () => waiting.close(),
  };
};
