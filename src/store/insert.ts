import { codeOf, reasonOf, run, type StoreClient } from './client.js';
import { STANDARD_DAYS } from './migrations/index.js';
import type { Tables } from './tables.js';

/** What became of an insert: it is on disk; the data is at fault; or the store can't take anything now (the same again, later). */
export type InsertOutcome =
  | { readonly outcome: 'inserted' }
  | {
      readonly outcome: 'refused';
      /** `Code: 469. VIOLATED_CONSTRAINT: …` */
      readonly reason: string;
      readonly code: number;
      /** The line the store stumbled over, counted from 1, where it says so: a hint, not a promise that others are good. */
      readonly line?: number;
    }
  | { readonly outcome: 'unavailable'; readonly reason: string };

export type InsertOptions = {
  readonly signal?: AbortSignal;
  /** The days of accounts that are kept for other than the standard time. */
  readonly days?: ReadonlyMap<string, number>;
};

/**
 * ClickHouse's error codes that put the data at fault: the same lines would be refused for ever. Every other error
 * (no connection, no memory, too many parts, a missing table or right) may pass, and the batch is tried again.
 * Source: ClickHouse, src/Common/ErrorCodes.cpp.
 */
export const DATA_FAULTS: ReadonlySet<number> = new Set([
  6, // CANNOT_PARSE_TEXT
  25, // CANNOT_PARSE_ESCAPE_SEQUENCE
  26, // CANNOT_PARSE_QUOTED_STRING
  27, // CANNOT_PARSE_INPUT_ASSERTION_FAILED
  33, // CANNOT_READ_ALL_DATA
  38, // CANNOT_PARSE_DATE
  41, // CANNOT_PARSE_DATETIME
  53, // TYPE_MISMATCH
  69, // ARGUMENT_OUT_OF_BOUND
  72, // CANNOT_PARSE_NUMBER
  117, // INCORRECT_DATA
  131, // TOO_LARGE_STRING_SIZE
  306, // TOO_DEEP_RECURSION
  321, // VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
  349, // CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
  467, // CANNOT_PARSE_BOOL
  469, // VIOLATED_CONSTRAINT
]);

const INSERT_SECONDS = 120;
const LF = 10;
const ACCOUNT_KEY = Buffer.from('"account":"');
const QUOTE = 34;
const BACKSLASH = 92;

/** The account a line names, as it stands there; the first key of that name is the event's own (id, timestamp and recorded before it hold no objects). */
const accountOf = (lines: Buffer, from: number, to: number): string | undefined => {
  const key = lines.indexOf(ACCOUNT_KEY, from);
  if (key < 0 || key >= to) return undefined;
  const start = key + ACCOUNT_KEY.length;
  let end = start;
  while (end < to && lines[end] !== QUOTE) end += lines[end] === BACKSLASH ? 2 : 1;
  const text = lines.toString('utf8', start, end);
  return text.includes('\\') ? (JSON.parse(`"${text}"`) as string) : text;
};

/**
 * The lines with each one's days behind a tab, or undefined where every line is kept for the standard time.
 * A JSON line has no tab of its own: inside strings it is escaped.
 */
const withDays = (lines: Buffer, days: ReadonlyMap<string, number>): Buffer | undefined => {
  const parts: Buffer[] = [];
  let special = false;
  for (let from = 0; from < lines.length; ) {
    const newline = lines.indexOf(LF, from);
    const to = newline < 0 ? lines.length : newline;
    if (to > from) {
      const kept = days.get(accountOf(lines, from, to) ?? '');
      special ||= kept !== undefined && kept !== STANDARD_DAYS;
      parts.push(lines.subarray(from, to), Buffer.from(`\t${kept ?? STANDARD_DAYS}\n`));
    }
    from = to + 1;
  }
  return special ? Buffer.concat(parts) : undefined;
};

/** `(at row 17)`, as the parser says it, or `at row 17`, as a constraint does. */
const lineIn = (text: string): { readonly line: number } | undefined => {
  const row = /\bat row (\d+)/.exec(text)?.[1];
  return row ? { line: Number(row) } : undefined;
};

const outcomeOf = (error: unknown): InsertOutcome => {
  const code = codeOf(error);
  if (code === undefined || !DATA_FAULTS.has(code)) return { outcome: 'unavailable', reason: reasonOf(error) };
  return { outcome: 'refused', reason: reasonOf(error), code, ...lineIn((error as Error).message) };
};

/**
 * Inserts events: `lines` are JSON lines, each ended by a newline, kept as they are. All of them or none; when it
 * says `inserted` they are on disk. The same lines again do no harm. Never rejects. A line is parsed once, where the
 * table's columns are taken from it: what isn't JSON has no timestamp and is refused there.
 */
export const insertLines = async (client: StoreClient, tables: Tables, lines: Buffer, options: InsertOptions = {}): Promise<InsertOutcome> => {
  if (lines.length === 0) return { outcome: 'inserted' };
  const marked = options.days && options.days.size > 0 ? withDays(lines, options.days) : undefined;
  const into = marked ? `${tables.events} (raw, days) FORMAT TSVRaw` : `${tables.events} (raw) FORMAT LineAsString`;
  const attempt = (settings: Readonly<Record<string, number>>): Promise<InsertOutcome> =>
    run(
      client,
      { query: `INSERT INTO ${into}` },
      { data: marked ?? lines, seconds: INSERT_SECONDS, settings, ...(options.signal ? { signal: options.signal } : {}) },
    ).then(() => ({ outcome: 'inserted' as const }), outcomeOf);
  const first = await attempt({});
  // The quick parser takes no integers beyond 64 bits; the other one does.
  return first.outcome === 'refused' ? attempt({ allow_simdjson: 0 }) : first;
};
