import { createHash, randomUUID, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { performance } from 'node:perf_hooks';
import type { Engine } from './engine.js';
import { failureOf, QueryFailure, statusOf } from './failure.js';
import { readBody, statementOf } from './request.js';

export type FrontConfig = { readonly username: string; readonly password: string };

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** The user and password that a request brings: basic authentication, ClickHouse's own headers, or parameters. */
const credentialsOf = (request: IncomingMessage, url: URL): string => {
  const basic = /^Basic\s+(.+)$/i.exec(request.headers.authorization ?? '')?.[1];
  if (basic) return Buffer.from(basic, 'base64').toString('utf8');
  const user = request.headers['x-clickhouse-user'] ?? url.searchParams.get('user') ?? 'default';
  return `${String(user)}:${String(request.headers['x-clickhouse-key'] ?? url.searchParams.get('password') ?? '')}`;
};

const TYPES: Readonly<Record<string, string>> = {
  JSON: 'application/json; charset=UTF-8',
  JSONCompact: 'application/json; charset=UTF-8',
  JSONEachRow: 'application/x-ndjson; charset=UTF-8',
  JSONCompactEachRow: 'application/x-ndjson; charset=UTF-8',
  TabSeparated: 'text/tab-separated-values; charset=UTF-8',
  TSVRaw: 'text/tab-separated-values; charset=UTF-8',
};

const summaryOf = (counts: { readonly rowsRead: number; readonly bytesRead: number; readonly written: boolean; readonly elapsed: number }): string => {
  const [rows, bytes] = [String(counts.rowsRead), String(counts.bytesRead)];
  return JSON.stringify({
    read_rows: rows,
    read_bytes: bytes,
    written_rows: counts.written ? rows : '0',
    written_bytes: counts.written ? bytes : '0',
    total_rows_to_read: '0',
    result_rows: counts.written ? rows : '0',
    result_bytes: counts.written ? bytes : '0',
    elapsed_ns: String(Math.round(counts.elapsed * 1e6)),
  });
};

const refuse = (response: ServerResponse, error: unknown, version: string): void => {
  const failure = failureOf(error);
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response.writeHead(statusOf(failure.code), { 'content-type': 'text/plain; charset=UTF-8', 'x-clickhouse-exception-code': String(failure.code) });
  response.end(`${failure.message.trimEnd()} (version ${version})\n`);
};

/**
 * ClickHouse's HTTP interface over the engine, as far as `@clickhouse/client` uses it: the query in the address or the
 * body, `param_*`, settings, `database`, `default_format`, gzip, `/ping`, query ids, summaries, and errors with their
 * code in `X-ClickHouse-Exception-Code`. An answer is sent when it is whole (as with `wait_end_of_query=1`).
 * Source: https://clickhouse.com/docs/interfaces/http
 */
export const newFront = (config: FrontConfig, engine: Engine): Server => {
  const expected = digest(`${config.username}:${config.password}`);

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '/', 'http://store');
    if (url.pathname === '/ping' || url.pathname === '/replicas_status') {
      response.writeHead(200, { 'content-type': 'text/html; charset=UTF-8' }).end('Ok.\n');
      return;
    }
    const queryId = url.searchParams.get('query_id') ?? randomUUID();
    response.setHeader('x-clickhouse-query-id', queryId);
    response.setHeader('x-clickhouse-server-display-name', 'embedded');
    response.setHeader('x-clickhouse-timezone', 'UTC');
    if (!timingSafeEqual(digest(credentialsOf(request, url)), expected))
      throw new QueryFailure(
        516,
        'Code: 516. DB::Exception: Authentication failed: password is incorrect, or there is no user with such name. (AUTHENTICATION_FAILED)',
      );
    if (url.pathname !== '/') throw new QueryFailure(60, `Code: 60. DB::Exception: There is no handle ${url.pathname}. (UNKNOWN_TABLE)`);
    const statement = statementOf(url, await readBody(request));
    const started = performance.now();
    const result = await engine.run(statement);
    const format = /\bFORMAT\s+(\w+)\s*;?\s*$/i.exec(statement.query)?.[1] ?? statement.format;
    const written = statement.body !== undefined && statement.body.length > 0;
    response.writeHead(200, {
      'content-type': TYPES[format] ?? 'text/plain; charset=UTF-8',
      'content-length': result.bytes.length,
      'x-clickhouse-format': format,
      'x-clickhouse-summary': summaryOf({ rowsRead: result.rowsRead, bytesRead: result.bytesRead, written, elapsed: performance.now() - started }),
    });
    response.end(result.bytes);
  };

  const server = createServer({ maxHeaderSize: 1024 * 1024, keepAliveTimeout: 30_000 }, (request, response) => {
    response.on('error', () => undefined);
    answer(request, response).catch((error: unknown) => {
      // What is left of a body that was not read is thrown away.
      request.resume();
      refuse(response, error, engine.version);
    });
  });
  server.requestTimeout = 0;
  return server;
};
