import { type RunOptions, rowsOf, run, type StoreClient } from '../client.js';
import type { Tables } from '../tables.js';
import type { Position } from './cursor.js';
import { accountsOf, all, alternatives, type Conditions, type EventFilter, type Reach, spanOf, whereText } from './filter.js';

/** One look at a part of the table: what to find, behind which position, not before which time (milliseconds), and how much of it. */
export type Look = {
  readonly conditions: Conditions;
  readonly position: Position;
  readonly from: number;
  readonly limit: number;
  readonly seconds: number;
};

export type LookOptions = Pick<RunOptions, 'signal'>;

const FIRST_WINDOW_MS = 60_000;
const WIDEST_WINDOW_MS = 32 * 86_400_000;
const WIDEN_BY = 30;
const NARROWEST_WINDOW_MS = 100;
/** From here on a window has no lower end: everything that is left. */
export const UNBOUNDED_MS = 8.64e15;
const MANY_STAMPS = 1000;

/**
 * Where a walk begins: at the end of the time asked for, with what is recorded by `now`. One account's events are kept
 * in the order of their time, so they can be read from the newest on without a window, until that takes too long; but
 * not for what every part of the table has a little of, and no index rules out: then each part would be looked into.
 */
export const startOf = (filter: EventFilter, reach: Reach, now: number): Position => {
  const accounts = accountsOf(filter, reach);
  const ordered = accounts !== 'all' && accounts.length === 1 && filter.user === undefined && filter.q === undefined;
  return { recorded: now, before: Math.min(spanOf(filter).to, UNBOUNDED_MS), window: ordered ? UNBOUNDED_MS : FIRST_WINDOW_MS };
};

/** The lower end of the position's window, and whether that is the end of the walk. */
export const windowOf = (position: Position, from: number, now: number): { readonly edge: number; readonly last: boolean } => {
  const edge = position.window >= UNBOUNDED_MS ? Number.NEGATIVE_INFINITY : Math.min(position.before, now) - position.window;
  return edge <= from ? { edge: from, last: true } : { edge, last: false };
};

/** What came of a window: how long it took (milliseconds), how many rows it had, and how many were wanted. */
export type Looked = { readonly took: number; readonly found: number; readonly wanted: number };

/** The window after one that had too little: as wide as the rest should need, where it had anything, and much wider where it had nothing. */
export const widened = (window: number, { took, found, wanted }: Looked): number => {
  const needed = found === 0 ? WIDEN_BY : Math.min(WIDEN_BY, Math.max(1, (1.5 * (wanted - found)) / found));
  const wider = Math.ceil(window * (took < 200 ? needed : took < 1000 ? Math.min(needed, 2) : 1));
  return wider > WIDEST_WINDOW_MS ? UNBOUNDED_MS : wider;
};

/** One that took too long, by a narrower. */
export const narrowed = (window: number): number => Math.max(NARROWEST_WINDOW_MS, Math.floor(Math.min(window, WIDEST_WINDOW_MS * 8) / 8));

/** The position behind the last of these lines. */
export const behindLast = (position: Position, lines: Buffer): Position => {
  const last = lines.subarray(lines.lastIndexOf(10, lines.length - 2) + 1, lines.length - 1);
  const event = JSON.parse(last.toString('utf8')) as { timestamp: string; account: string; source: string; id: string };
  return { ...position, before: Date.parse(event.timestamp), after: { account: event.account, source: event.source, id: event.id } };
};

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

/** A time as ClickHouse reads it: `2026-11-22 04:03:48.496`. */
const timeText = (time: number): string => new Date(time).toISOString().slice(0, -1).replace('T', ' ');

const among = (stamps: readonly number[]): Conditions =>
  stamps.length === 0 || stamps.length > MANY_STAMPS
    ? { sql: [], params: {} }
    : { sql: ["timestamp IN {stamps:Array(DateTime64(3, 'UTC'))}"], params: { stamps: stamps.map(timeText) } };

const whereOf = (look: Look, stamps: readonly number[] = []): Conditions =>
  all(
    look.conditions,
    { sql: [`recorded <= ${at('recorded')}`], params: { recorded: look.position.recorded } },
    notBefore(look.from),
    behind(look.position),
    among(stamps),
  );

export type Bounds = { readonly rows: number; readonly oldest: number; readonly newest: number };

/** The two questions that pages and exports are made of: when are the newest matches, and what are the lines there. */
export const newLooks = ({ client, tables }: { readonly client: StoreClient; readonly tables: Tables }) => {
  const newest = (where: Conditions): string => {
    const each = alternatives(where).map((one) => `SELECT timestamp FROM ${tables.events} WHERE ${one} ORDER BY timestamp DESC LIMIT {limit:UInt32}`);
    return each.length === 1 ? (each[0] as string) : `SELECT timestamp FROM (${each.join(' UNION ALL ')}) ORDER BY timestamp DESC LIMIT {limit:UInt32}`;
  };

  return {
    /** The newest timestamps that match, in milliseconds, newest first, one for each row. */
    stamps: async (look: Look, options: LookOptions): Promise<readonly number[]> => {
      const where = whereOf(look);
      const query = `SELECT toUnixTimestamp64Milli(timestamp) FROM (${newest(where)}) FORMAT TSVRaw`;
      const text = await run(client, { query, params: { ...where.params, limit: look.limit } }, { seconds: look.seconds, ...options });
      return text.length === 0 ? [] : text.toString('latin1').trimEnd().split('\n').map(Number);
    },

    /** How many of the newest `limit` there are, and between which times. */
    bounds: async (look: Look, options: LookOptions): Promise<Bounds> => {
      const where = whereOf(look);
      const time = (which: string): string => `toUnixTimestamp64Milli(${which}(timestamp))`;
      const query = `SELECT count() AS rows, ${time('min')} AS oldest, ${time('max')} AS newest FROM (${newest(where)}) FORMAT JSONEachRow`;
      const [found] = await rowsOf<Bounds>(client, { query, params: { ...where.params, limit: look.limit } }, { seconds: look.seconds, ...options });
      return found ?? { rows: 0, oldest: 0, newest: 0 };
    },

    /** The statement that answers the lines (at these timestamps, where there are any), newest first; what came twice is there once, as it was recorded first. */
    lines: (look: Look, stamps: readonly number[] = []) => {
      const where = whereOf(look, stamps);
      return {
        query: `SELECT raw FROM ${tables.events} WHERE ${whereText(where)}
ORDER BY timestamp DESC, account DESC, source DESC, id DESC, recorded, log, seq LIMIT 1 BY account, source, id LIMIT {limit:UInt32} FORMAT TSVRaw`,
        params: { ...where.params, limit: look.limit },
      };
    },
  };
};
