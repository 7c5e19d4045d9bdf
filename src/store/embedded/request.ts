import type { IncomingMessage } from 'node:http';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import type { Statement } from './engine.js';
import { QueryFailure } from './failure.js';

const unzip = promisify(gunzip);

/** Parameters of ClickHouse's HTTP interface that are no settings of the query. */
const NO_SETTINGS = new Set([
  ...['query', 'database', 'default_format', 'query_id', 'user', 'password', 'role', 'quota_key', 'session_id', 'session_timeout', 'session_check'],
  ...['compress', 'decompress', 'buffer_size', 'wait_end_of_query', 'stacktrace', 'client_protocol_version', 'close_session'],
  // settings of the server's HTTP side, which the engine doesn't have
  ...['enable_http_compression', 'http_zlib_compression_level', 'send_progress_in_http_headers', 'http_headers_progress_interval_ms'],
  ...['http_response_buffer_size', 'http_native_compression_disable_checksumming_on_decompress', 'http_response_compression_method'],
  ...['http_wait_end_of_query', 'http_send_progress_interval_ms'],
]);

const MAX_BODY = 256 * 1024 * 1024;

/** The request's whole body, unpacked. Throws a QueryFailure for an encoding that isn't known or a body beyond 256 MiB. */
export const readBody = async (request: IncomingMessage): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY) throw new QueryFailure(131, `Code: 131. DB::Exception: The body is larger than ${MAX_BODY} bytes. (TOO_LARGE_STRING_SIZE)`);
    chunks.push(chunk);
  }
  const body = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (encoding === 'identity') return body;
  if (encoding !== 'gzip') throw new QueryFailure(89, `Code: 89. DB::Exception: Unknown compression method '${encoding}'. (UNKNOWN_COMPRESSION_METHOD)`);
  return unzip(body, { maxOutputLength: MAX_BODY }).catch((error: Error) => {
    throw new QueryFailure(354, `Code: 354. DB::Exception: The body can't be unzipped: ${error.message}. (ZLIB_INFLATE_FAILED)`);
  });
};

/** The statement that a request's address and body make: the query stands in either, or begins in one and goes on in the other. */
export const statementOf = (url: URL, body: Buffer): Statement => {
  const inUrl = url.searchParams.get('query');
  const settings = new Map<string, string>();
  const params = new Map<string, string>();
  for (const [name, value] of url.searchParams) {
    if (name.startsWith('param_')) params.set(name.slice('param_'.length), value);
    else if (!NO_SETTINGS.has(name)) settings.set(name, value);
  }
  const query = inUrl ?? body.toString('utf8');
  if (query.trim() === '') throw new QueryFailure(62, 'Code: 62. DB::Exception: Syntax error: Empty query. (SYNTAX_ERROR)');
  return {
    query,
    body: inUrl === null ? undefined : body,
    database: url.searchParams.get('database') ?? 'default',
    format: url.searchParams.get('default_format') ?? 'TabSeparated',
    settings,
    params,
  };
};
