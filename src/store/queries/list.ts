import { isTimeout, run, type StoreClient } from '../client.js';
import type { Tables } from '../tables.js';
import type { Position } from './cursor.js';
import { accountsOf, all, alternatives, type Conditions, conditionsOf, type EventFilter, type Reach, spanOf, whereText } from './filter.js';

export type ListConfig = {
  /** The most time one page may take, in seconds. */
  readonly seconds: number;
};

/** One page: whole lines as they were recorded, each ended by a newline, newest first. */
export type Page = {
  readonly lines: Buffer;
  readonly count: number;
  /** Where the next page goes on; undefined where nothing is left. A page can be short, even empty, and still have a next one: then the time was up. */
  readonly next: Position | undefined;
};

const FIRST_WINDOW_MS = 60_000;
const WIDEST_WINDOW_MS = 32 * 86_400_000;
const WIDEN_BY = 30;
const NARROWEST_WINDOW_MS = 100;
/** From here on a window has no lower end: everything that is left. */
const UNBOUNDED_MS = 8.64e15;
const MANY_STAMPS = 1000;
const PROBE_SECONDS = 0.3;

/** The time column is compared to whole milliseconds, so that no rounding is between a cursor and a row. */
const at = (name: string): string => `fromUnixTimestamp64Milli({${name}:Int64}, 'UTC')`;

const notBefore = (from: number): Conditions => (Number.isFinite(from) ? { sql: [`timestamp >= ${at('from')}`], params: { from } } : { sql: [], params: {} });

const behind = ({ before, after }: Position): Conditions => {
  if (after)
    return {
      sql: [`timestamp <= ${at('before')}`, `(timestamp < ${at('before')} OR (account, source, id) < ({a:String}, {s:String}, {i:String}))`],
      params: { before, a: after.account, s: after.source, i: after.id },
    };
  return before >= UNBOUNDED_MS ? { sql: [], params: {} } : { sql: [`timestamp < ${at('before')}`], params: { before } };
};

/**
 * Where a walk begins: at the end of the time asked for, with what is recorded by `now`. One account's events are kept
 * in the order of their time, so they can be read from the newest on without a window, until that takes too long.
 */
export const startOf = (filter: EventFilter, reach: Reach, now: number): Position => {
  const accounts = accountsOf(filter, reach);
  const ordered = accounts !== 'all' && accounts.length === 1;
  return { recorded: now, before: Math.min(spanOf(filter).to, UNBOUNDED_MS), window: ordered ? UNBOUNDED_MS : FIRST_WINDOW_MS };
};

/** A time as ClickHouse reads it: `2026-11-22 04:03:48.496`. */
const timeText = (time: number): string => new Date(time).toISOString().slice(0, -1).replace('T', ' ');

const lastLine = (lines: Buffer): Buffer => lines.subarray(lines.lastIndexOf(10, lines.length - 2) + 1, lines.length - 1);

/** The position behind the last of these lines. */
const behindLast = (position: Position, lines: Buffer): Position => {
  const event = JSON.parse(lastLine(lines).toString('utf8')) as { timestamp: string; account: string; source: string; id: string };
  return { ...position, before: Date.parse(event.timestamp), after: { account: event.account, source: event.source, id: event.id } };
};

const countLines = (lines: Buffer): number => {
  let count = 0;
  for (let at = lines.indexOf(10); at >= 0; at = lines.indexOf(10, at + 1)) count += 1;
  return count;
};

/** The first `count` lines. */
const firstLines = (lines: Buffer, count: number): Buffer => {
  let end = 0;
  for (let n = 0; n < count; n += 1) end = lines.indexOf(10, end) + 1;
  return lines.subarray(0, end);
};

/** A window that was looked through quickly is followed by a wider one. */
const widened = (window: number, tookMs: number): number => {
  const wider = window * (tookMs < 200 ? WIDEN_BY : tookMs < 1000 ? 2 : 1);
  return wider > WIDEST_WINDOW_MS ? UNBOUNDED_MS : wider;
};

const narrowed = (window: number): number => Math.max(NARROWEST_WINDOW_MS, Math.floor(Math.min(window, WIDEST_WINDOW_MS * 8) / 8));

/**
 * Pages of events, newest first. It looks back over windows of time that grow: first for the timestamps of what
 * matches (few columns), then for the lines at those timestamps. So a page costs what it shows, not what the table
 * holds, and a search that finds little is cut into queries that each end. Rows that came twice are shown once: the
 * one recorded first.
 */
export const newList = (config: ListConfig, deps: { readonly client: StoreClient; readonly tables: Tables; readonly now?: () => number }) => {
  const { client, tables } = deps;
  const now = deps.now ?? Date.now;

  type Look = { readonly conditions: Conditions; readonly position: Position; readonly from: number; readonly limit: number; readonly seconds: number };
  type Options = { readonly signal?: AbortSignal };

  const whereOf = (look: Look, ...more: readonly Conditions[]): Conditions =>
    all(
      look.conditions,
      { sql: [`recorded <= ${at('recorded')}`], params: { recorded: look.position.recorded } },
      notBefore(look.from),
      behind(look.position),
      ...more,
    );

  /** The newest timestamps that match, in milliseconds, one for each row. */
  const stampsOf = async (look: Look, options: Options): Promise<readonly number[]> => {
    const where = whereOf(look);
    const newest = alternatives(where).map((one) => `SELECT timestamp FROM ${tables.events} WHERE ${one} ORDER BY timestamp DESC LIMIT {limit:UInt32}`);
    const stamps = newest.length === 1 ? newest[0] : `SELECT timestamp FROM (${newest.join(' UNION ALL ')}) ORDER BY timestamp DESC LIMIT {limit:UInt32}`;
    const text = await run(
      client,
      { query: `SELECT toUnixTimestamp64Milli(timestamp) FROM (${stamps}) FORMAT TSVRaw`, params: { ...where.params, limit: look.limit } },
      { seconds: look.seconds, ...options },
    );
    return text.length === 0 ? [] : text.toString('latin1').trimEnd().split('\n').map(Number);
  };

  /** The lines at these timestamps (newest first). */
  const linesAt = async (look: Look, stamps: readonly number[], options: Options): Promise<Buffer> => {
    const distinct = [...new Set(stamps)];
    const among: Conditions =
      distinct.length > MANY_STAMPS
        ? { sql: [], params: {} }
        : { sql: ["timestamp IN {stamps:Array(DateTime64(3, 'UTC'))}"], params: { stamps: distinct.map(timeText) } };
    const where = whereOf({ ...look, from: distinct.at(-1) as number }, among);
    return run(
      client,
      {
        query: `SELECT raw FROM ${tables.events} WHERE ${whereText(where)}
ORDER BY timestamp DESC, account DESC, source DESC, id DESC, recorded, log, seq LIMIT 1 BY account, source, id LIMIT {limit:UInt32} FORMAT TSVRaw`,
        params: { ...where.params, limit: look.limit },
      },
      { seconds: look.seconds, ...options },
    );
  };

  /** Whether anything is left, as far as that is known quickly. */
  const nothingLeft = async (look: Look, options: Options): Promise<boolean> => {
    try {
      return (await stampsOf({ ...look, limit: 1, seconds: PROBE_SECONDS }, options)).length === 0;
    } catch (error) {
      if (isTimeout(error)) return false;
      throw error;
    }
  };

  /**
   * One page of at most `limit` events from `position` on. Rejects where the store can't answer; a query that reaches
   * its time limit is no failure: the page has what was found by then.
   */
  return async (filter: EventFilter, reach: Reach, start: Position, limit: number, options: Options = {}): Promise<Page> => {
    const accounts = accountsOf(filter, reach);
    const { from } = spanOf(filter);
    const found: Buffer[] = [];
    let count = 0;
    let position = start;
    const page = (next: Position | undefined): Page => ({ lines: found.length === 1 ? (found[0] as Buffer) : Buffer.concat(found), count, next });
    if (accounts !== 'all' && accounts.length === 0) return page(undefined);
    const conditions = conditionsOf(filter, accounts);
    const deadline = now() + config.seconds * 1000;

    while (position.before > from || position.after) {
      const started = now();
      const left = (deadline - started) / 1000;
      if (left <= 0) return page(position);
      const edge = position.window >= UNBOUNDED_MS ? Number.NEGATIVE_INFINITY : Math.min(position.before, started) - position.window;
      const last = edge <= from;
      const look: Look = {
        conditions,
        position,
        from: last ? from : edge,
        limit: limit - count + 1,
        seconds: Math.max(0.1, found.length > 0 ? left : left / 2),
      };
      try {
        const stamps = await stampsOf(look, options);
        const lines = stamps.length > 0 ? await linesAt(look, stamps, options) : Buffer.alloc(0);
        const full = stamps.length === look.limit;
        const got = countLines(lines);
        if (count + got > limit) {
          found.push(firstLines(lines, limit - count));
          count = limit;
          return page(behindLast(position, found.at(-1) as Buffer));
        }
        if (got > 0) found.push(lines);
        count += got;
        const window = full ? position.window : widened(position.window, now() - started);
        if (full) position = { recorded: position.recorded, before: stamps.at(-1) as number, window };
        else if (last) return page(undefined);
        else position = { recorded: position.recorded, before: edge, window };
        if (count === limit) return page((await nothingLeft({ ...look, position, from }, options)) ? undefined : position);
      } catch (error) {
        if (!isTimeout(error)) throw error;
        position = { ...position, window: narrowed(position.window) };
      }
    }
    return page(undefined);
  };
};
