import { readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { ClickHouseError, ClickHouseLogLevel, createClient } from '@clickhouse/client';
import type { ClickHouseConfig } from '../config.js';

export type StoreClient = ReturnType<typeof createClient>;

/** A statement with its bound parameters. */
export type Bound = { readonly query: string; readonly params?: Readonly<Record<string, unknown>> };

export type RunOptions = {
  /** The time the server may take, in seconds: beyond it the statement fails with code 159. */
  readonly seconds?: number;
  readonly signal?: AbortSignal;
  /** An insert's data. */
  readonly data?: Buffer;
  readonly settings?: Readonly<Record<string, string | number>>;
};

const REQUEST_MS = 600_000;
const GRACE_MS = 5000;

const tlsOf = (tls: ClickHouseConfig['tls']): { tls: { ca_cert: Buffer; cert?: Buffer; key?: Buffer } } | Record<string, never> => {
  if (!tls.ca) return {};
  const ca_cert = readFileSync(tls.ca);
  return { tls: tls.cert && tls.key ? { ca_cert, cert: readFileSync(tls.cert), key: readFileSync(tls.key) } : { ca_cert } };
};

/**
 * The one way to the store: a server, a cluster, or the embedded child, by the same client. Without `database` it is
 * for what must run before the database exists. Throws where a TLS file can't be read.
 */
export const createStoreClient = (config: ClickHouseConfig, options: { readonly withoutDatabase?: boolean } = {}): StoreClient =>
  createClient({
    url: config.url,
    username: config.username,
    password: config.password,
    ...(options.withoutDatabase ? {} : { database: config.database }),
    ...tlsOf(config.tls),
    application: 'verdict',
    request_timeout: REQUEST_MS,
    max_open_connections: 16,
    keep_alive: { enabled: true, idle_socket_ttl: 2500 },
    compression: { request: false, response: false },
    log: { level: ClickHouseLogLevel.OFF },
    clickhouse_settings: {
      // An answer comes whole or as an error, never as a short stream with the error at its end.
      wait_end_of_query: 1,
      ...(config.cluster ? { distributed_foreground_insert: 1, insert_distributed_sync: 1 } : {}),
    },
  });

/** Runs a statement and gives the whole answer's bytes. Rejects with ClickHouseError for what the server refuses, with any other error where it can't be reached. */
export const run = async (client: StoreClient, bound: Bound, options: RunOptions = {}): Promise<Buffer> => {
  const limits = options.seconds === undefined ? [] : [AbortSignal.timeout(Math.ceil(options.seconds * 1000) + GRACE_MS)];
  const signals = options.signal ? [...limits, options.signal] : limits;
  const result = await client.exec({
    query: bound.query,
    ...(bound.params ? { query_params: { ...bound.params } } : {}),
    ...(options.data ? { values: Readable.from([options.data], { objectMode: false }) } : {}),
    ...(signals.length > 0 ? { abort_signal: AbortSignal.any(signals) } : {}),
    clickhouse_settings: { ...options.settings, ...(options.seconds === undefined ? {} : { max_execution_time: options.seconds }) },
  });
  const chunks: Buffer[] = [];
  for await (const chunk of result.stream) chunks.push(chunk as Buffer);
  return chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
};

/**
 * Runs a statement and gives its answer as it comes. Rejects as {@link run} does; what fails later fails the stream.
 * The time limit ends with the answer's beginning: how fast it is read is the reader's affair.
 */
export const streamed = async (
  client: StoreClient,
  bound: Bound,
  options: { readonly seconds: number; readonly signal: AbortSignal },
): Promise<AsyncIterable<Buffer>> => {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new DOMException('The store did not answer in time.', 'TimeoutError')), options.seconds * 1000 + GRACE_MS);
  try {
    const result = await client.exec({
      query: bound.query,
      ...(bound.params ? { query_params: { ...bound.params } } : {}),
      abort_signal: AbortSignal.any([late.signal, options.signal]),
      clickhouse_settings: { max_execution_time: options.seconds },
    });
    return result.stream as AsyncIterable<Buffer>;
  } finally {
    clearTimeout(timer);
  }
};

/** Runs a statement that answers `FORMAT JSONEachRow`, and reads its rows. 64-bit numbers come as numbers. */
export const rowsOf = async <Row>(client: StoreClient, bound: Bound, options: RunOptions = {}): Promise<readonly Row[]> => {
  const text = (await run(client, bound, { ...options, settings: { ...options.settings, output_format_json_quote_64bit_integers: 0 } })).toString('utf8');
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Row);
};

/** ClickHouse's code for an error it answered; undefined where it answered none. */
export const codeOf = (error: unknown): number | undefined => (error instanceof ClickHouseError ? Number(error.code) : undefined);

/** The server gave up at `max_execution_time`, or this side did a little later. */
export const isTimeout = (error: unknown): boolean => codeOf(error) === 159 || (error instanceof Error && error.name === 'TimeoutError');

/** What went wrong with a statement, as one line: `Code: 60. …` where the server says so. */
export const reasonOf = (error: unknown): string => {
  if (error instanceof ClickHouseError) return `Code: ${error.code}. ${error.type ?? ''}: ${error.message.split('\n')[0]?.slice(0, 500) ?? ''}`;
  const cause = error as NodeJS.ErrnoException;
  return cause.code ? `${cause.code}: ${cause.message}` : String(cause.message ?? cause);
};
