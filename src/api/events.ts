import type { Accepted, Posted, Rejected } from '../ingest/record.js';
import { createRecorder, MAX_POSTED, postedEventSchema } from '../ingest/record.js';
import { NDJSON_TYPES, readBatch } from './batch.js';
import { BULK_BYTES, mediaTypeOf } from './body.js';
import { CLOUDEVENT, CLOUDEVENTS, cloudEventSchema, fromCloudEvent, fromHeaders, isBinary } from './cloudevents.js';
import { type Answer, type Ask, failed, json, type Route, route } from './contract.js';
import type { ApiDeps } from './deps.js';
import { problem } from './problem.js';

const accepted = {
  type: 'object',
  required: ['index', 'id', 'log', 'seq', 'recorded'],
  additionalProperties: false,
  properties: {
    index: { type: 'integer', minimum: 0, description: 'Its place in the request, from 0.' },
    id: { type: 'string' },
    log: { type: 'string' },
    seq: { type: 'integer', minimum: 1 },
    recorded: { type: 'string', format: 'date-time' },
    duplicate: { const: true, description: 'It was recorded before: this is the first record.' },
  },
} as const;
const rejected = {
  type: 'object',
  required: ['index', 'code', 'detail'],
  additionalProperties: false,
  properties: { index: { type: 'integer', minimum: 0 }, code: { type: 'string' }, detail: { type: 'string' } },
} as const;
const recordedSchema = {
  type: 'object',
  required: ['data'],
  additionalProperties: false,
  properties: {
    data: {
      type: 'object',
      required: ['events'],
      additionalProperties: false,
      properties: { events: { type: 'array', items: accepted }, errors: { type: 'array', items: rejected } },
    },
  },
} as const;

const oneOrMore = { oneOf: [postedEventSchema, { type: 'array', items: postedEventSchema, minItems: 1, maxItems: MAX_POSTED }] } as const;
const lines = { type: 'string', description: 'One event a line.' } as const;

/** What producers record. */
export const eventRoutes = (deps: ApiDeps): readonly Route[] => {
  const record = createRecorder({ journal: deps.journal, guard: deps.guard, ...(deps.now && { now: deps.now }) });
  return [
    route(
      {
        method: 'POST',
        path: '/v1/events',
        operation: 'recordEvents',
        tag: 'record',
        summary: 'Records what happened: one event, an array, NDJSON, or CloudEvents.',
        description: 'Answered when the events are on disk. Binary CloudEvents have their attributes in ce-* headers and the event as JSON.',
        permission: 'event.record',
        query: {
          properties: { on_error: { enum: ['reject', 'skip'], description: 'With bad events: record none (reject, the default), or the good ones (skip).' } },
        },
        body: {
          limit: BULK_BYTES,
          as: 'bytes',
          content: {
            'application/json': oneOrMore,
            ...Object.fromEntries(NDJSON_TYPES.map((type) => [type, lines])),
            [CLOUDEVENT]: cloudEventSchema,
            [CLOUDEVENTS]: { type: 'array', items: cloudEventSchema, minItems: 1, maxItems: MAX_POSTED },
          },
        },
        answers: { 200: { description: 'They are durable; each has its place.', content: { 'application/json': recordedSchema } } },
      },
      async (ask) => {
        const read = await itemsOf(ask);
        if (!read.ok) return failed(read.problem);
        const onError = ask.query['on_error'] === 'skip' ? 'skip' : 'reject';
        const outcome = await record(read.items, ask.caller, onError);
        if (outcome.outcome === 'rejected') return answerRejected(outcome.errors);
        await noteForbidden(deps, ask, outcome.errors);
        return answerRecorded(outcome.events, outcome.errors, onError);
      },
    ),
  ];
};

const itemsOf = async (ask: Ask): ReturnType<typeof readBatch> => {
  const type = mediaTypeOf(ask.header('content-type'));
  const read = await readBatch(
    ask.bytes,
    NDJSON_TYPES.some((one) => one === type),
    MAX_POSTED,
  );
  if (!read.ok) return read;
  if (type === CLOUDEVENT || type === CLOUDEVENTS) return { ok: true, items: read.items.map(mapped) };
  if (!isBinary(ask.incoming.headers)) return read;
  const [only, ...more] = read.items;
  if (!only?.ok || more.length > 0)
    return { ok: false, problem: problem(400, 'cloudevent.invalid', 'A CloudEvent in binary mode has one event as JSON in its body.') };
  return { ok: true, items: [fromHeaders(ask.incoming.headers, only.value)] };
};

const mapped = (item: Posted): Posted => (item.ok ? fromCloudEvent(item.value) : item);

const shownError = ({ index, code, detail }: Rejected) => ({ index, code, detail });

const answerRecorded = (events: readonly Accepted[], errors: readonly Rejected[], onError: 'reject' | 'skip'): Answer =>
  json({
    data: {
      events: events.map(({ index, id, log, seq, recorded, duplicate }) => ({ index, id, log, seq, recorded, ...(duplicate && { duplicate }) })),
      ...(onError === 'skip' && { errors: errors.map(shownError) }),
    },
  });

/** All bad events in one problem: its status and code are theirs where they agree. */
const answerRejected = (errors: readonly Rejected[]): Answer => {
  const [first] = errors as readonly [Rejected, ...Rejected[]];
  const isSame = errors.every((one) => one.code === first.code && one.status === first.status);
  const refusal = errors.find((one) => one.status === 403);
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more; nothing was recorded)` : '';
  const found = problem(
    refusal ? 403 : isSame ? first.status : 422,
    isSame ? first.code : (refusal?.code ?? 'events.invalid'),
    `Event ${first.index}: ${first.detail}${more}`,
    {
      errors: errors.map(shownError),
    },
  );
  if (!refusal) return failed(found);
  return { kind: 'refused', problem: found, permission: 'event.record', ...(refusal.account !== undefined && { account: refusal.account }) };
};

/** With `skip` the answer is a 200, but whoever wrote to an account that isn't theirs is in the audit trail. */
const noteForbidden = async (deps: ApiDeps, ask: Ask, errors: readonly Rejected[]): Promise<void> => {
  const accounts = new Map(errors.filter((one) => one.status === 403).map((one) => [`${one.code}/${one.account}`, one]));
  for (const { code, account } of accounts.values())
    await deps.refused(ask.caller, {
      address: ask.address,
      code,
      path: '/v1/events',
      requestId: ask.requestId,
      permission: 'event.record',
      ...(account !== undefined && { account }),
    });
};
