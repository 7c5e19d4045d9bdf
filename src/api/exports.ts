import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { eventParts, newUlid } from '../event/index.js';
import { COMPRESSIONS, type Compression, EXPORT_FORMATS, type ExportFormat, type ExportJob, hasEnded, type JobState, type Part } from '../export/index.js';
import { filterParameters, filterRecord, readFilter } from './audit-filter.js';
import { recordRead } from './audit-logs.js';
import { PLAIN_BYTES } from './body.js';
import { rangeOf } from './byte-range.js';
import { type Answer, type Ask, failed, json, type Route, route } from './contract.js';
import type { ApiDeps } from './deps.js';
import { problem } from './problem.js';

const wishSchema = {
  title: 'ExportWish',
  type: 'object',
  additionalProperties: false,
  properties: {
    ...filterParameters,
    format: { enum: EXPORT_FORMATS, description: 'jsonl where it is absent.' },
    compression: { enum: Object.keys(COMPRESSIONS) },
    csv_raw: { type: 'boolean' },
    archive: {
      const: true,
      description:
        'All that is known of `account`, and nothing else beside it here: its events, entities and forwarders, without secrets, as one tar.gz with a manifest. Takes the permission entity.read, too.',
    },
  },
} as const;

const partSchema = {
  type: 'object',
  required: ['name', 'rows', 'bytes', 'sha256'],
  properties: { name: { type: 'string' }, rows: { type: 'integer' }, bytes: { type: 'integer' }, sha256: { type: 'string' } },
} as const;

const exportSchema = {
  title: 'Export',
  type: 'object',
  required: ['id', 'state', 'format', 'filter', 'by', 'created', 'rows', 'bytes', 'parts'],
  properties: {
    id: { type: 'string' },
    account: { type: 'string', description: 'Absent: every account that the caller reached.' },
    state: { enum: ['queued', 'running', 'done', 'failed'] },
    format: { enum: EXPORT_FORMATS },
    compression: { enum: Object.keys(COMPRESSIONS) },
    filter: { type: 'object' },
    archive: { const: true },
    by: { type: 'string' },
    created: { type: 'string', format: 'date-time' },
    started: { type: 'string', format: 'date-time' },
    ended: { type: 'string', format: 'date-time' },
    expires: { type: 'string', format: 'date-time', description: 'When its files go.' },
    rows: { type: 'integer', description: 'Written so far.' },
    bytes: { type: 'integer' },
    parts: { type: 'array', items: partSchema },
    message: { type: 'string', description: 'Why it waits or failed.' },
  },
} as const;

const oneSchema = { type: 'object', required: ['data'], properties: { data: exportSchema } } as const;
const listSchema = {
  type: 'object',
  required: ['data'],
  properties: { data: { type: 'object', required: ['exports'], properties: { exports: { type: 'array', items: exportSchema } } } },
} as const;
const idParam = { required: ['id'], properties: { id: eventParts.id } } as const;
const partParam = { required: ['id', 'part'], properties: { id: eventParts.id, part: { type: 'string', minLength: 1, maxLength: 160 } } } as const;

const shown = (job: ExportJob, state: JobState) => {
  const { reach: _reach, csv_raw: _raw, policy: _policy, ...told } = job;
  return { ...told, ...state };
};

const UNKNOWN = problem(
  404,
  'export.unknown',
  'This node has no such export; ask the node that took it. An export is kept for exports.keep_hours after its end.',
);

const NO_ARCHIVE = problem(400, 'export.archive', 'An archive is of one account, whole: give "account" and "archive", and nothing else.');

/** Exports too big for one request: taken, run beside everything else, and fetched part by part. */
export const exportJobRoutes = (deps: ApiDeps): readonly Route[] => {
  const { exportJobs: folder } = deps;
  const common = { tag: 'query', permission: 'audit.export' } as const;

  /** The job, if it is there and the caller may have what it holds; a stranger's is as good as unknown. */
  const jobOf = (ask: Ask): ExportJob | undefined => {
    const job = folder.job(ask.params['id'] as string);
    if (!job) return undefined;
    const accounts = job.reach === 'all' ? [undefined] : job.reach;
    if (job.reach === 'all' && ask.caller.accounts !== 'all') return undefined;
    return accounts.every((account) => deps.guard(ask.caller, 'audit.export', account) === undefined) ? job : undefined;
  };
  const reachOf = (job: ExportJob) => (job.account === undefined ? job.reach : [job.account]);

  const take = async (ask: Ask): Promise<Answer> => {
    const {
      format = 'jsonl',
      compression,
      csv_raw,
      archive,
      ...query
    } = ask.body as { format?: ExportFormat; compression?: Compression; csv_raw?: boolean; archive?: true } & Record<string, string>;
    if (
      archive &&
      Object.keys(ask.body as object)
        .sort()
        .join() !== 'account,archive'
    )
      return failed(NO_ARCHIVE);
    const read = readFilter(query, ask.caller, 'audit.export', deps.guard);
    if (!read.ok) return read.account === undefined ? failed(read.problem) : { kind: 'refused', problem: read.problem, account: read.account };
    const { account } = read.filter;
    const refusal = archive && deps.guard(ask.caller, 'entity.read', account);
    if (refusal) return { kind: 'refused', problem: problem(403, refusal.code, refusal.message), account: account as string };
    const job: ExportJob = {
      id: `exp-${newUlid()}`,
      ...(account !== undefined && { account }),
      filter: read.filter,
      reach: read.reach,
      format,
      ...(compression && { compression }),
      ...(csv_raw && { csv_raw }),
      ...(archive && { archive }),
      by: ask.caller.id,
      created: new Date((deps.now ?? Date.now)()).toISOString(),
      policy: deps.revision(),
    };
    const details = archive ? { ...filterRecord(query), archive } : { ...filterRecord(query), format, ...(compression && { compression }) };
    const taken = await folder.take(job, () =>
      recordRead(deps, ask, { action: 'export.create', resource: { type: 'export', id: job.id }, reach: reachOf(job), details }),
    );
    if (taken.busy !== undefined)
      return failed(
        problem(
          409,
          'export.running',
          `${account === undefined ? 'An export over all accounts' : `An export of account ${account}`} is not done yet: ${taken.busy}. Wait for it, or delete it.`,
        ),
      );
    return json({ data: shown(job, folder.state(job.id)) }, { Location: `/v1/exports/${job.id}` }, 202);
  };

  const fetchPart = async (ask: Ask, job: ExportJob): Promise<Answer> => {
    const part = folder.state(job.id).parts.find(({ name }) => name === ask.params['part']);
    if (!part || folder.state(job.id).state !== 'done')
      return failed(problem(404, 'export.part_unknown', 'There is no such part, or the export is not done yet.'));
    const etag = `"${part.sha256}"`;
    const isSame = [undefined, etag].includes(ask.header('if-range'));
    const range = isSame ? rangeOf(ask.header('range'), part.bytes) : 'whole';
    if (range === 'unsatisfiable')
      return {
        ...failed(problem(416, 'range.unsatisfiable', `The part has ${part.bytes} bytes.`)),
        headers: { 'Content-Range': `bytes */${part.bytes}` },
      } as Answer;
    const { first, last } = range === 'whole' ? { first: 0, last: part.bytes - 1 } : range;
    await recordRead(deps, ask, {
      action: 'audit.export',
      resource: { type: 'export', id: job.id },
      reach: reachOf(job),
      details: { part: part.name, first, last },
    });
    return send(ask, part, { etag, first, last, isWhole: range === 'whole' }, folder.part(job.id, part.name), deps);
  };

  return [
    route(
      {
        ...common,
        method: 'POST',
        path: '/v1/exports',
        operation: 'createExport',
        summary: 'Begins an export that runs by itself.',
        description: 'For ranges too big for one request. An account has one at a time. It becomes one or more parts, each a whole file, with a manifest.',
        body: { limit: PLAIN_BYTES, as: 'json', content: { 'application/json': wishSchema } },
        answers: { 202: { description: 'It is taken; Location is where to look.', content: { 'application/json': oneSchema }, headers: ['Location'] } },
      },
      take,
    ),
    route(
      {
        ...common,
        method: 'GET',
        path: '/v1/exports',
        operation: 'listExports',
        summary: 'The exports of this node.',
        answers: { 200: { description: 'Oldest first.', content: { 'application/json': listSchema } } },
      },
      (ask) => {
        const mine = folder.ids().flatMap((id) => {
          const job = jobOf({ ...ask, params: { id } });
          return job ? [shown(job, folder.state(id))] : [];
        });
        return json({ data: { exports: mine } });
      },
    ),
    route(
      {
        ...common,
        method: 'GET',
        path: '/v1/exports/{id}',
        operation: 'getExport',
        summary: 'How far an export is.',
        params: idParam,
        answers: { 200: { description: 'The export.', content: { 'application/json': oneSchema } } },
      },
      (ask) => {
        const job = jobOf(ask);
        return job ? json({ data: shown(job, folder.state(job.id)) }) : failed(UNKNOWN);
      },
    ),
    route(
      {
        ...common,
        method: 'GET',
        path: '/v1/exports/{id}/manifest',
        operation: 'getExportManifest',
        summary: 'What an export holds: filter, counts per day and action, places of each log, and the SHA-256 of each part.',
        params: idParam,
        answers: { 200: { description: 'The manifest.', content: { 'application/json': { type: 'object' } } } },
      },
      (ask) => {
        const job = jobOf(ask);
        if (!job) return failed(UNKNOWN);
        const manifest = folder.manifest(job.id);
        return manifest ? json(manifest) : failed(problem(404, 'export.not_done', 'The export is not done yet, or failed.'));
      },
    ),
    route(
      {
        ...common,
        method: 'GET',
        path: '/v1/exports/{id}/parts/{part}',
        operation: 'getExportPart',
        summary: 'A part of an export.',
        description: 'Takes Range and If-Range (RFC 9110), so that a download that broke off goes on where it stopped.',
        params: partParam,
        answers: {
          200: {
            description: 'The file.',
            content: { 'application/octet-stream': { type: 'string' } },
            headers: ['ETag', 'Accept-Ranges', 'Repr-Digest', 'Content-Disposition'],
          },
          206: { description: 'The range.', content: { 'application/octet-stream': { type: 'string' } }, headers: ['ETag', 'Content-Range', 'Repr-Digest'] },
        },
      },
      (ask) => {
        const job = jobOf(ask);
        return job ? fetchPart(ask, job) : failed(UNKNOWN);
      },
    ),
    route(
      {
        ...common,
        method: 'DELETE',
        path: '/v1/exports/{id}',
        operation: 'deleteExport',
        summary: 'Ends an export, and removes its files.',
        params: idParam,
        answers: { 204: { description: 'It goes.' } },
      },
      async (ask) => {
        const job = jobOf(ask);
        if (!job) return failed(UNKNOWN);
        const ended = hasEnded(folder.state(job.id));
        await recordRead(deps, ask, { action: 'export.delete', resource: { type: 'export', id: job.id }, reach: reachOf(job), details: { ended } });
        folder.dismiss(job.id);
        return { kind: 'empty', status: 204 };
      },
    ),
  ];
};

type Slice = { readonly etag: string; readonly first: number; readonly last: number; readonly isWhole: boolean };

const send = async (ask: Ask, part: Part, { etag, first, last, isWhole }: Slice, path: string, deps: Pick<ApiDeps, 'log'>): Promise<Answer> => {
  const status = isWhole ? 200 : 206;
  ask.outgoing.writeHead(status, {
    'content-type': 'application/octet-stream',
    'content-length': last - first + 1,
    'content-disposition': `attachment; filename="${part.name}"`,
    'accept-ranges': 'bytes',
    etag,
    'repr-digest': `sha-256=:${Buffer.from(part.sha256, 'hex').toString('base64')}:`,
    ...(!isWhole && { 'content-range': `bytes ${first}-${last}/${part.bytes}` }),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'x-request-id': ask.requestId,
  });
  try {
    if (part.bytes > 0) await pipeline(createReadStream(path, { start: first, end: last }), ask.outgoing);
    else ask.outgoing.end();
  } catch (error) {
    deps.log.warn({ request_id: ask.requestId, error: (error as Error).message }, 'a download broke off');
    ask.outgoing.destroy();
  }
  return { kind: 'sent', status };
};
