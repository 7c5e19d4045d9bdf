import type { LogRange } from '../../event/index.js';
import { isTimeout, run, type StoreClient } from '../client.js';
import type { Tables } from '../tables.js';
import { all, type Conditions, type Reach, whereText } from './filter.js';
import { narrowed, UNBOUNDED_MS, widened } from './look.js';

/** What is walked through, in the order in which it was recorded: times in milliseconds since 1970, both in. */
export type Walk = {
  readonly from: number;
  readonly to: number;
  readonly accounts: Reach;
  /** Patterns: `*` stands for any characters. None: all. */
  readonly actions?: readonly string[];
  readonly results?: readonly string[];
  readonly kinds?: readonly string[];
  /** Only events in these places; where there are very many, others may be among what is found. */
  readonly ranges?: readonly LogRange[];
};

/** How far a walk has got: everything recorded before `recorded` is had, and of that millisecond what stands up to `after`. */
export type WalkPosition = {
  readonly recorded: number;
  readonly after?: { readonly account: string; readonly log: string; readonly seq: number };
  /** How much time the next page looks through, and how many rows it takes at most. */
  readonly window: number;
  readonly rows: number;
};

/** Whole lines as they were recorded; `next` is where the walk goes on, undefined at its end. A page may be empty and have a next one. */
export type WalkPage = { readonly lines: readonly string[]; readonly next: WalkPosition | undefined };

const FIRST_WINDOW_MS = 2_000;
const NARROWEST_MS = 20;
const FIRST_ROWS = 1_000;
const PAGE_BYTES = 4 << 20;
const ROWS = { fewest: 64, most: 8_000 };

export const walkStart = ({ from }: Pick<Walk, 'from'>): WalkPosition => ({ recorded: from, window: FIRST_WINDOW_MS, rows: FIRST_ROWS });

const plain = (text: string): string => text.replace(/[\\%_]/g, '\\$&');
const at = (name: string): string => `fromUnixTimestamp64Milli({${name}:Int64}, 'UTC')`;

const actionsOf = (actions: readonly string[] | undefined): Conditions | undefined => {
  if (!actions || actions.length === 0 || actions.includes('*')) return undefined;
  const exact = actions.filter((one) => !one.includes('*'));
  const patterns = actions.filter((one) => one.includes('*')).map((one) => one.split('*').map(plain).join('%'));
  const likes = patterns.map((_, index) => `action LIKE {like${index}:String}`);
  return {
    sql: [`(${[...(exact.length > 0 ? ['action IN {actions:Array(String)}'] : []), ...likes].join(' OR ')})`],
    params: { ...(exact.length > 0 && { actions: exact }), ...Object.fromEntries(patterns.map((pattern, index) => [`like${index}`, pattern])) },
  };
};

const oneOf = (column: 'account' | 'result' | 'kind', values: readonly string[] | undefined): Conditions | undefined =>
  values && { sql: [`${column} IN {${column}s:Array(String)}`], params: { [`${column}s`]: values } };

const MOST_RANGES = 64;

const inRanges = (ranges: readonly LogRange[] | undefined): Conditions | undefined =>
  ranges && ranges.length <= MOST_RANGES
    ? {
        sql: [`(${ranges.map((_, n) => `(log = {log${n}:String} AND seq BETWEEN {first${n}:UInt64} AND {last${n}:UInt64})`).join(' OR ') || 'false'})`],
        params: Object.fromEntries(
          ranges.flatMap(({ log, from, to }, n) => [
            [`log${n}`, log],
            [`first${n}`, from],
            [`last${n}`, to],
          ]),
        ),
      }
    : undefined;

const whereOf = (walk: Walk, { recorded, after }: WalkPosition, edge: number): Conditions =>
  all(
    { sql: [`recorded >= ${at('recorded')}`, `recorded < ${at('edge')}`, 'expires > now()'], params: { recorded, edge } },
    after && {
      sql: [`(recorded > ${at('recorded')} OR (account, log, seq) > ({a:String}, {l:String}, {s:UInt64}))`],
      params: { a: after.account, l: after.log, s: after.seq },
    },
    oneOf('account', walk.accounts === 'all' ? undefined : walk.accounts),
    actionsOf(walk.actions),
    oneOf('result', walk.results),
    oneOf('kind', walk.kinds),
    inRanges(walk.ranges),
  );

const behind = (line: string): Required<Pick<WalkPosition, 'recorded' | 'after'>> => {
  const { recorded, account, log, seq } = JSON.parse(line) as { recorded: string; account: string; log: string; seq: number };
  return { recorded: Date.parse(recorded), after: { account, log, seq } };
};

/** The window that a page fills, where the last one took `span` milliseconds and the next takes so many times its rows: the store reads all that is in it. */
const fitting = (span: number, times: number): number => Math.max(NARROWEST_MS, Math.ceil((span + 1) * times * 1.2));

/**
 * Walks through what was recorded in a span of time, in the order of (recorded, account, log, seq), a page at a time:
 * each looks through a window that widens while there is little and narrows where the store takes too long. It takes
 * one thread of the store's, so that it doesn't stand in the way of those who wait for an answer.
 */
export const newWalk =
  (config: { readonly seconds: number }, { client, tables, now }: { readonly client: StoreClient; readonly tables: Tables; readonly now: () => number }) =>
  async (walk: Walk, position: WalkPosition, options: { readonly signal?: AbortSignal } = {}): Promise<WalkPage> => {
    const end = walk.to + 1;
    if (position.recorded >= end || (walk.accounts !== 'all' && walk.accounts.length === 0)) return { lines: [], next: undefined };
    const edge = Math.min(end, position.recorded + Math.min(position.window, UNBOUNDED_MS));
    const where = whereOf(walk, position, edge);
    const query = `SELECT raw FROM ${tables.events} WHERE ${whereText(where)}
ORDER BY recorded, account, log, seq LIMIT 1 BY log, seq LIMIT {rows:UInt32} FORMAT TSVRaw`;
    const started = now();
    try {
      const bytes = await run(
        client,
        { query, params: { ...where.params, rows: position.rows } },
        { seconds: config.seconds, settings: { max_threads: 1 }, ...options },
      );
      const lines = bytes.length === 0 ? [] : bytes.toString('utf8').trimEnd().split('\n');
      const rows = lines.length === 0 ? position.rows : Math.min(ROWS.most, Math.max(ROWS.fewest, Math.floor(PAGE_BYTES / (bytes.length / lines.length))));
      if (lines.length === position.rows) {
        const reached = behind(lines.at(-1) as string);
        return { lines, next: { ...reached, window: fitting(reached.recorded - position.recorded, rows / position.rows), rows } };
      }
      const window = widened(position.window, { took: now() - started, found: lines.length, wanted: position.rows });
      return { lines, next: edge >= end ? undefined : { recorded: edge, window, rows } };
    } catch (error) {
      if (!isTimeout(error) || options.signal?.aborted) throw error;
      return { lines: [], next: { ...position, window: narrowed(position.window) } };
    }
  };
