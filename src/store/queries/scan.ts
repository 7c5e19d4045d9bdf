import { setTimeout as sleep } from 'node:timers/promises';
import { isTimeout, run, type StoreClient, streamed } from '../client.js';
import type { Tables } from '../tables.js';
import type { Position } from './cursor.js';
import { accountsOf, type Conditions, conditionsOf, type EventFilter, type Reach, spanOf } from './filter.js';
import { behindLast, type Look, narrowed, newLooks, startOf, widened, windowOf } from './look.js';

export type ScanConfig = {
  /** The most time one question to the store may take, in seconds. */
  readonly seconds: number;
};

export type ScanOptions = {
  readonly signal?: AbortSignal;
  /** Events asked for at once. */
  readonly segment_rows?: number;
};

/** Everything that matches, as it stood when the scan began. */
export type Scan = {
  /** Events recorded later than this (milliseconds since the epoch) are not in it. */
  readonly recorded: number;
  /** Whole lines, each ended by a newline, newest first. Ends only when there are no more; throws where the store fails, at any point. */
  readonly chunks: AsyncGenerator<Buffer, void, void>;
};

/** The store reached its time limit again and again without getting any further back. */
export class ScanStalled extends Error {
  override readonly name = 'ScanStalled';
}

type Segment = { readonly lines: AsyncIterable<Buffer> | undefined; readonly next: Position | undefined };

const SEGMENT_ROWS = 50_000;
const FEWEST_ROWS = 1000;
const MOST_STALLS = 30;
const STALL_MS = 100;
const LF = 10;

/** The bytes cut behind newlines. Throws where the last line has no end. */
async function* wholeLines(bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, void> {
  let rest: Buffer[] = [];
  for await (const chunk of bytes) {
    const end = chunk.lastIndexOf(LF) + 1;
    if (end > 0) yield rest.length > 0 ? Buffer.concat([...rest, chunk.subarray(0, end)]) : chunk.subarray(0, end);
    rest = end > 0 ? [chunk.subarray(end)] : [...rest, chunk];
  }
  if (rest.some((part) => part.length > 0)) throw new Error('The store ended its answer in the middle of a line.');
}

/**
 * Walks everything that matches, newest first, in constant memory: segments of a bounded number of rows, each answered
 * as a stream, and the next one asked for while one is read. Each segment is whole or an error.
 */
export const newScan = (config: ScanConfig, { client, tables, now }: { readonly client: StoreClient; readonly tables: Tables; readonly now: () => number }) => {
  const looks = newLooks({ client, tables });

  const segment = async (conditions: Conditions, position: Position, from: number, limit: number, signal: AbortSignal): Promise<Segment> => {
    const started = now();
    const { edge, last } = windowOf(position, from, started);
    const look: Look = { conditions, position, from: edge, limit, seconds: config.seconds };
    const { rows, oldest, newest } = await looks.bounds(look, { signal });
    const { recorded } = position;
    if (rows < limit) {
      const next = last ? undefined : { recorded, before: edge, window: widened(position.window, { took: now() - started, found: rows, wanted: limit }) };
      return { lines: rows === 0 ? undefined : await streamed(client, looks.lines({ ...look, from: oldest }), { seconds: config.seconds, signal }), next };
    }
    // More than asked for lies behind the oldest of these: its millisecond, which may hold many, belongs to the next segment.
    if (oldest < newest)
      return {
        lines: await streamed(client, looks.lines({ ...look, from: oldest + 1 }), { seconds: config.seconds, signal }),
        next: { recorded, before: oldest + 1, window: position.window },
      };
    const lines = await run(client, looks.lines({ ...look, from: oldest }), { seconds: config.seconds, signal });
    return { lines: one(lines), next: behindLast(position, lines) };
  };

  /** Asks for less at a time until the store answers within its limit. */
  const patiently = async (conditions: Conditions, start: Position, from: number, rows: number, signal: AbortSignal): Promise<Segment> => {
    let position = start;
    let limit = rows;
    for (let stalls = 0; stalls < MOST_STALLS; stalls += 1) {
      try {
        return await segment(conditions, position, from, limit, signal);
      } catch (error) {
        if (!isTimeout(error) || signal.aborted) throw error;
        position = { ...position, window: narrowed(position.window) };
        limit = Math.max(Math.min(limit, FEWEST_ROWS), Math.floor(limit / 4));
        await sleep(STALL_MS);
      }
    }
    throw new ScanStalled(`The store reached its time limit ${MOST_STALLS} times in a row without getting any further back: narrow the query, or try later.`);
  };

  async function* chunks(filter: EventFilter, reach: Reach, start: Position, options: ScanOptions): AsyncGenerator<Buffer, void, void> {
    const accounts = accountsOf(filter, reach);
    if (accounts !== 'all' && accounts.length === 0) return;
    const abandoned = new AbortController();
    const signal = options.signal ? AbortSignal.any([options.signal, abandoned.signal]) : abandoned.signal;
    const { from } = spanOf(filter);
    const conditions = conditionsOf(filter, accounts);
    const fetch = (position: Position): Promise<Segment> | undefined => {
      if (position.before <= from && !position.after) return undefined;
      const segment = patiently(conditions, position, from, options.segment_rows ?? SEGMENT_ROWS, signal);
      // Awaited below; until then a failure is not unhandled.
      segment.catch(() => undefined);
      return segment;
    };
    try {
      let ahead = fetch(start);
      while (ahead) {
        const current: Segment = await ahead;
        ahead = current.next && fetch(current.next);
        if (current.lines) yield* wholeLines(current.lines);
      }
    } finally {
      abandoned.abort();
    }
  }

  return (filter: EventFilter, reach: Reach, options: ScanOptions = {}): Scan => {
    const start = startOf(filter, reach, now());
    return { recorded: start.recorded, chunks: chunks(filter, reach, start, options) };
  };
};

async function* one(lines: Buffer): AsyncGenerator<Buffer, void, void> {
  if (lines.length > 0) yield lines;
}
