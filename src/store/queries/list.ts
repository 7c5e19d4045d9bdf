import { isTimeout, run, type StoreClient } from '../client.js';
import type { Tables } from '../tables.js';
import type { Position } from './cursor.js';
import { accountsOf, conditionsOf, type EventFilter, type Reach, spanOf } from './filter.js';
import { behindLast, type Look, type LookOptions, narrowed, newLooks, widened, windowOf } from './look.js';

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

const PROBE_SECONDS = 0.3;

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

/**
 * Pages of events, newest first. It looks back over windows of time that grow: first for the timestamps of what
 * matches (few columns), then for the lines at those timestamps. So a page costs what it shows, not what the table
 * holds, and a search that finds little is cut into queries that each end. Rows that came twice are shown once: the
 * one recorded first.
 */
export const newList = (config: ListConfig, deps: { readonly client: StoreClient; readonly tables: Tables; readonly now?: () => number }) => {
  const { client, tables } = deps;
  const now = deps.now ?? Date.now;

  const looks = newLooks({ client, tables });

  const linesAt = async (look: Look, stamps: readonly number[], options: LookOptions): Promise<Buffer> => {
    const distinct = [...new Set(stamps)];
    return run(client, looks.lines({ ...look, from: distinct.at(-1) as number }, distinct), { seconds: look.seconds, ...options });
  };

  /** Whether anything is left, as far as that is known quickly. */
  const nothingLeft = async (look: Look, options: LookOptions): Promise<boolean> => {
    try {
      return (await looks.stamps({ ...look, limit: 1, seconds: PROBE_SECONDS }, options)).length === 0;
    } catch (error) {
      if (isTimeout(error)) return false;
      throw error;
    }
  };

  /**
   * One page of at most `limit` events from `position` on. Rejects where the store can't answer; a query that reaches
   * its time limit is no failure: the page has what was found by then.
   */
  return async (filter: EventFilter, reach: Reach, start: Position, limit: number, options: LookOptions = {}): Promise<Page> => {
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
      const { edge, last } = windowOf(position, from, started);
      const look: Look = {
        conditions,
        position,
        from: edge,
        limit: limit - count + 1,
        seconds: Math.max(0.1, found.length > 0 ? left : left / 2),
      };
      try {
        const stamps = await looks.stamps(look, options);
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
        const window = full ? position.window : widened(position.window, { took: now() - started, found: got, wanted: look.limit });
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
