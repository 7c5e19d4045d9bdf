import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { JsonObject } from '../event/index.js';
import { COMPRESSIONS, type Compression, EXPORT_FORMATS, type ExportFormat, type Manifest, newExporter } from '../export/index.js';
import type { Reach } from '../store/index.js';
import { filterParameters, filterRecord, readFilter } from './audit-filter.js';
import { fromStore, recordRead } from './audit-logs.js';
import { type Answer, type Ask, failed, type Route, route } from './contract.js';
import type { ApiDeps } from './deps.js';
import { problem } from './problem.js';

/** A client that takes nothing for so long has gone. */
const STALLED_MS = 60_000;

/** What ends a whole file, and no other. */
const TRAILERS = ['Verdict-Rows', 'Repr-Digest', 'Verdict-Recorded-Until'] as const;

const trailersOf = ({ rows, sha256, recorded_until }: Manifest): { readonly [name in (typeof TRAILERS)[number]]: string } => ({
  'Verdict-Rows': String(rows),
  'Repr-Digest': `sha-256=:${Buffer.from(sha256, 'hex').toString('base64')}:`,
  'Verdict-Recorded-Until': recorded_until,
});

/** Evidence as a file: complete, or visibly broken. */
export const exportRoutes = (deps: ApiDeps): readonly Route[] => [
  route(
    {
      method: 'GET',
      path: '/v1/audit-logs/export',
      operation: 'exportEvents',
      tag: 'query',
      summary: 'Every event of a filter, as a file.',
      description:
        'Streamed. The trailers Verdict-Rows (how many events), Repr-Digest (SHA-256 of the file, RFC 9530) and Verdict-Recorded-Until (RFC 3339: events recorded later, or not yet in the store when the export began, are not in it) end a whole file; a failure midway breaks the connection.',
      permission: 'audit.export',
      query: {
        properties: {
          ...filterParameters,
          format: { enum: EXPORT_FORMATS, description: 'json where it is absent.' },
          compression: { enum: Object.keys(COMPRESSIONS), description: 'The file is packed; its digest is that of the packed file.' },
          csv_raw: { enum: ['true', 'false'], description: 'true: cells that a spreadsheet takes for formulas stay as they are.' },
        },
      },
      answers: {
        200: {
          description: 'The file.',
          content: {
            'application/json': { type: 'object' },
            'application/x-ndjson': { type: 'string' },
            'text/csv': { type: 'string' },
            'text/plain': { type: 'string', description: 'RFC 5424 or CEF, an event a line.' },
            'application/vnd.apache.parquet': { type: 'string' },
            'application/gzip': { type: 'string' },
            'application/zstd': { type: 'string' },
          },
          headers: ['Trailer', ...TRAILERS, 'Content-Disposition'],
        },
      },
    },
    (ask) => exportEvents(ask, deps),
  ),
];

const exportEvents = async (ask: Ask, deps: ApiDeps): Promise<Answer> => {
  const read = readFilter(ask.query, ask.caller, 'audit.export', deps.guard);
  if (!read.ok) return read.account === undefined ? failed(read.problem) : { kind: 'refused', problem: read.problem, account: read.account };
  if (ask.incoming.httpVersionMajor === 1 && ask.incoming.httpVersionMinor === 0)
    return failed(problem(505, 'http.version', 'An export ends with trailers, which need HTTP/1.1.'));
  const format = (ask.query['format'] ?? 'json') as ExportFormat;
  const compression = ask.query['compression'] as Compression | undefined;
  const details = filterRecord(ask.query);
  const gone = new AbortController();
  ask.outgoing.once('close', () => gone.abort(new Error('The client went away.')));
  const file = newExporter({}, { store: deps.audit })(read.filter, read.reach, format, {
    csvRaw: ask.query['csv_raw'] === 'true',
    ...(compression && { compression }),
    signal: gone.signal,
  });

  // A form's own beginning comes before the store is asked: two pieces in, the store has answered.
  const begun = await fromStore(deps, ask, async () => [await file.chunks.next(), await file.chunks.next()] as const);
  if (!begun.ok) return begun.answer;
  writeHead(ask.outgoing, ask.requestId, {
    name: compression ? `${format}.${COMPRESSIONS[compression]}` : format,
    contentType: compression ? `application/${compression}` : file.contentType,
    now: (deps.now ?? Date.now)(),
  });
  let bytes = 0;
  try {
    const put = async (part: IteratorResult<Buffer, void>): Promise<void> => {
      if (part.done) return;
      bytes += part.value.length;
      await write(ask.outgoing, part.value, gone.signal);
    };
    for (const part of begun.value) await put(part);
    for (let part = await file.chunks.next(); !part.done; part = await file.chunks.next()) await put(part);
    const manifest = file.manifest() as Manifest;
    const { rows, sha256, recorded_until } = manifest;
    await recordRead(deps, ask, { action: 'audit.export', reach: read.reach, details: { ...details, format, rows, bytes, sha256, recorded_until } });
    ask.outgoing.addTrailers(trailersOf(manifest));
    ask.outgoing.end();
  } catch (error) {
    await noteFailure(ask, deps, read.reach, { ...details, format, bytes }, error);
    await file.chunks.return();
    // The client has part of a file: only a broken connection says so.
    ask.outgoing.destroy();
  }
  return { kind: 'sent', status: 200 };
};

/** Waits for a client that reads slowly; gives up on one that takes nothing. */
const write = async (outgoing: ServerResponse, bytes: Buffer, gone: AbortSignal): Promise<void> => {
  if (gone.aborted) throw gone.reason;
  if (!outgoing.write(bytes)) await once(outgoing, 'drain', { signal: AbortSignal.any([gone, AbortSignal.timeout(STALLED_MS)]) });
};

type Head = { readonly name: string; readonly contentType: string; readonly now: number };

const writeHead = (outgoing: ServerResponse, requestId: string, { name, contentType, now }: Head): void => {
  const stamp = new Date(now).toISOString().replaceAll(/[-:]|\.\d+/g, '');
  outgoing.writeHead(200, {
    'content-type': contentType,
    'content-disposition': `attachment; filename="audit-logs-${stamp}.${name}"`,
    'transfer-encoding': 'chunked',
    trailer: TRAILERS.join(', '),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'x-request-id': requestId,
  });
};

/** What did leave before it broke is recorded all the same. */
const noteFailure = async (ask: Ask, deps: ApiDeps, reach: Reach, details: JsonObject, error: unknown): Promise<void> => {
  deps.log.error({ request_id: ask.requestId, err: error }, 'an export broke off');
  try {
    await recordRead(deps, ask, { action: 'audit.export', reach, details, failed: true });
  } catch (failure) {
    deps.log.error({ request_id: ask.requestId, err: failure }, 'an export that broke off could not be recorded');
  }
};
