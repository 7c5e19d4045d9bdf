import { isUtf8 } from 'node:buffer';
import { type ChdbConnection, createChdbConnection } from 'chdb/connection';
import { QueryFailure } from './failure.js';

/** One statement as it came over HTTP. `body` is what follows the statement: an insert's data. */
export type Statement = {
  readonly query: string;
  readonly body: Buffer | undefined;
  readonly database: string;
  readonly format: string;
  /** Setting → value, as text. */
  readonly settings: ReadonlyMap<string, string>;
  /** Parameter → value, escaped as ClickHouse's HTTP interface takes it. */
  readonly params: ReadonlyMap<string, string>;
};

export type Answer = { readonly bytes: Buffer; readonly rowsRead: number; readonly bytesRead: number; readonly seconds: number };

export type Engine = {
  /** Runs one statement. Rejects with a {@link QueryFailure} or with the engine's own error. */
  readonly run: (statement: Statement) => Promise<Answer>;
  readonly version: string;
  /** Closes every connection, when what runs on them is done. */
  readonly close: () => Promise<void>;
};

/** What runs side by side: inserts must not wait for queries, nor either for a mutation. */
type Lane = 'insert' | 'change' | 'query';
const CONNECTIONS: Readonly<Record<Lane, number>> = { insert: 1, change: 1, query: 4 };
const MAX_WAITING = 256;

const laneOf = (query: string): Lane => {
  const word = /^(?:\s+|--[^\n]*\n|\/\*[\s\S]*?\*\/)*([A-Za-z]+)/.exec(query)?.[1]?.toUpperCase();
  if (word === 'INSERT') return 'insert';
  return word === 'SELECT' || word === 'WITH' || word === 'SHOW' || word === 'DESCRIBE' || word === 'EXPLAIN' || word === 'EXISTS' ? 'query' : 'change';
};

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', "'": "\\'", '\0': '\\0', '\n': '\\n', '\r': '\\r', '\t': '\\t', '\b': '\\b', '\f': '\\f' };

/** A ClickHouse string literal. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters that a literal escapes
export const literal = (text: string): string => `'${text.replace(/[\\'\u0000\n\r\t\b\f]/g, (character) => ESCAPES[character] as string)}'`;

/** One connection to chDB, and what earlier statements have left set on it: `SET` lasts as long as the connection. */
type Seat = { readonly connection: ChdbConnection; readonly settings: Set<string>; readonly params: Set<string>; database: string };

const named = (name: string): string => {
  if (!NAME.test(name)) throw new QueryFailure(115, `Code: 115. DB::Exception: Unknown setting '${name}'. (UNKNOWN_SETTING)`);
  return name;
};

/** The statement with what must be set for it before, and what earlier statements had set undone. */
const prepared = (seat: Seat, statement: Statement): string => {
  const lines: string[] = [];
  if (statement.database && statement.database !== seat.database) lines.push(`USE \`${named(statement.database)}\``);
  for (const name of seat.settings) if (!statement.settings.has(name)) lines.push(`SET ${name} = DEFAULT`);
  for (const [name, value] of statement.settings) lines.push(`SET ${named(name)} = ${literal(value)}`);
  for (const [name, value] of statement.params) lines.push(`SET param_${named(name)} = ${literal(value)}`);
  return [...lines, statement.query].join(';\n');
};

const settle = (seat: Seat, statement: Statement): void => {
  seat.settings.clear();
  for (const name of statement.settings.keys()) seat.settings.add(name);
  for (const name of statement.params.keys()) seat.params.add(name);
  if (statement.database) seat.database = statement.database;
};

const DATA = /\bFORMAT\s+([A-Za-z]+)\s*;?\s*$/i;
const LINES = /^(JSONAsString|JSONEachRow|JSONCompactEachRow|TabSeparated(Raw)?|TSV(Raw)?)$/i;

/**
 * An insert's data as text. chDB takes data in line with the statement and ends it at an empty line: what follows
 * would be read as SQL. So empty lines are taken out where they mean nothing, and refused elsewhere.
 */
const dataOf = (query: string, body: Buffer): string => {
  const format = DATA.exec(query)?.[1];
  if (!format) return body.toString('utf8');
  if (!isUtf8(body) || body.includes(0))
    throw new QueryFailure(117, 'Code: 117. DB::Exception: The embedded store takes UTF-8 text without NUL bytes as data. (INCORRECT_DATA)');
  const text = body.toString('utf8').replace(/^\s*\n/, '');
  if (!/\n[ \t\r\v\f]*\n/.test(text)) return text;
  if (!LINES.test(format)) throw new QueryFailure(117, `Code: 117. DB::Exception: The embedded store takes no empty lines in ${format}. (INCORRECT_DATA)`);
  return text.replace(/\n[\s]*\n/g, '\n');
};

/** A lane's connections, handed out in the order they are asked for. */
const newLane = (open: () => ChdbConnection, size: number) => {
  const free: Seat[] = Array.from({ length: size }, () => ({
    connection: open(),
    settings: new Set<string>(),
    params: new Set<string>(),
    database: 'default',
  }));
  const seats = [...free];
  const waiting: ((seat: Seat) => void)[] = [];
  const take = async (): Promise<Seat> => {
    const seat = free.pop();
    if (seat) return seat;
    if (waiting.length >= MAX_WAITING) throw new QueryFailure(202, 'Code: 202. DB::Exception: Too many simultaneous queries. (TOO_MANY_SIMULTANEOUS_QUERIES)');
    return new Promise((resolve) => waiting.push(resolve));
  };
  const give = (seat: Seat): void => {
    const next = waiting.shift();
    if (next) next(seat);
    else free.push(seat);
  };
  /** A connection that carries a parameter this statement uses but doesn't bring would answer with an old value. */
  const fresh = async (seat: Seat, statement: Statement): Promise<Seat> => {
    const stale = [...seat.params].some((name) => !statement.params.has(name) && new RegExp(`\\{\\s*${name}\\s*:`).test(statement.query));
    if (!stale) return seat;
    const replacement: Seat = { connection: open(), settings: new Set<string>(), params: new Set<string>(), database: 'default' };
    seats[seats.indexOf(seat)] = replacement;
    await seat.connection.close();
    return replacement;
  };
  return { take, give, fresh, close: () => Promise.all(seats.map((seat) => seat.connection.close())) };
};

/** Opens chDB on a folder. Throws the engine's error where the folder is held by another process or can't be used. */
export const openEngine = async (folder: string): Promise<Engine> => {
  const open = () => createChdbConnection({ path: folder });
  const first = open();
  const version = Buffer.from((await first.chdb.queryAsync('SELECT version()', { format: 'TabSeparated' })).bytes())
    .toString('utf8')
    .trim();
  const lanes = { insert: newLane(open, CONNECTIONS.insert), change: newLane(open, CONNECTIONS.change), query: newLane(open, CONNECTIONS.query) };
  return {
    version,
    run: async (statement) => {
      const lane = lanes[laneOf(statement.query)];
      let seat = await lane.take();
      try {
        seat = await lane.fresh(seat, statement);
        const data = statement.body && statement.body.length > 0 ? `\n${dataOf(statement.query, statement.body)}` : '';
        const sql = prepared(seat, statement) + data;
        settle(seat, statement);
        const result = await seat.connection.chdb.queryAsync(sql, { format: statement.format });
        const bytes = result.bytes();
        return {
          bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
          rowsRead: result.rowsRead ?? 0,
          bytesRead: result.bytesRead ?? 0,
          seconds: result.elapsed ?? 0,
        };
      } finally {
        lane.give(seat);
      }
    },
    close: async () => {
      await Promise.all([lanes.insert.close(), lanes.change.close(), lanes.query.close()]);
      await first.close();
    },
  };
};
