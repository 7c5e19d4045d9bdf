import { type Event, eventParts, eventSchema, type JsonObject, newEventId, SYSTEM_ACCOUNT } from '../event/index.js';
import { shownLine } from '../export/index.js';
import { CursorError, type Reach } from '../store/index.js';
import { accountOfRead, filterParameters, filterRecord, readFilter } from './audit-filter.js';
import { type Answer, type Ask, failed, json, type Route, route } from './contract.js';
import type { ApiDeps } from './deps.js';
import { problem } from './problem.js';

const { salts: _salts, ...shownProperties } = eventSchema.properties;
/** An event as it is shown: without its salts. */
export const shownEventSchema = {
  title: 'Event',
  type: 'object',
  required: eventSchema.required.filter((name) => name !== 'salts'),
  additionalProperties: false,
  properties: shownProperties,
} as const;

const pageSchema = {
  type: 'object',
  required: ['data'],
  additionalProperties: false,
  properties: {
    data: {
      type: 'object',
      required: ['events', 'next_cursor'],
      additionalProperties: false,
      properties: { events: { type: 'array', items: shownEventSchema }, next_cursor: { type: ['string', 'null'], description: 'null: nothing is left.' } },
    },
  },
} as const;

const gapsSchema = {
  type: 'object',
  required: ['data'],
  properties: {
    data: {
      type: 'object',
      required: ['gaps'],
      properties: {
        gaps: {
          type: 'array',
          items: {
            type: 'object',
            required: ['log', 'from', 'to'],
            properties: { log: { type: 'string' }, from: { type: 'integer', minimum: 1 }, to: { type: 'integer', minimum: 1 } },
          },
        },
      },
    },
  },
} as const;

const oneSchema = { type: 'object', required: ['data'], additionalProperties: false, properties: { data: shownEventSchema } } as const;

const LIMIT = 50;

/** Makes a read of the audit log an event; resolves when it is durable. */
export const recordRead = async (
  deps: Pick<ApiDeps, 'journal' | 'now'>,
  ask: Ask,
  read: {
    readonly action:
      | 'audit.read'
      | 'audit.export'
      | 'export.create'
      | 'export.delete'
      | 'audit.gaps'
      | 'quarantine.read'
      | 'quarantine.replay'
      | 'entity.review';
    /** What was read, where it isn't the audit log. */
    readonly resource?: { readonly type: string; readonly id: string };
    readonly reach: Reach;
    readonly details: JsonObject;
    readonly failed?: boolean;
  },
): Promise<void> => {
  const account = accountOfRead(read.reach, SYSTEM_ACCOUNT);
  await deps.journal.append([
    {
      id: newEventId(),
      timestamp: new Date((deps.now ?? Date.now)()).toISOString(),
      account,
      kind: 'activity',
      actor: { type: 'credential', id: ask.caller.id, ip: ask.address },
      action: read.action,
      resource: read.resource ?? { type: 'audit-log', id: account },
      result: read.failed ? 'failure' : 'success',
      details: read.details,
      request: { id: ask.requestId, method: ask.incoming.method ?? 'GET', path: ask.incoming.url?.split('?', 1)[0] ?? '' },
      source: 'verdict',
    },
  ]);
};

/** What the store answers; a problem where it can't. The reason is for the log: it may name what is inside. */
export const fromStore = async <T>(
  deps: Pick<ApiDeps, 'log'>,
  ask: Ask,
  query: () => Promise<T>,
): Promise<{ readonly ok: true; readonly value: T } | { readonly ok: false; readonly answer: Answer }> => {
  try {
    return { ok: true, value: await query() };
  } catch (error) {
    if (error instanceof CursorError) return { ok: false, answer: failed(problem(400, error.code, error.message)) };
    deps.log.error({ request_id: ask.requestId, err: error }, 'the store could not answer');
    return { ok: false, answer: failed(problem(503, 'store.unavailable', 'The store can not answer now; ask again. The log says why, under the request id.')) };
  }
};

const jsonText = (text: string): Answer => ({ kind: 'text', status: 200, contentType: 'application/json', text });

/** What compliance teams ask of the audit log. Every read is an event itself. */
export const auditRoutes = (deps: ApiDeps): readonly Route[] => [
  route(
    {
      method: 'GET',
      path: '/v1/audit-logs',
      operation: 'listEvents',
      tag: 'query',
      summary: 'Events, newest first, in pages that new events never shift.',
      permission: 'audit.read',
      query: {
        properties: {
          ...filterParameters,
          limit: { type: 'string', pattern: '^([1-9]\\d{0,2}|1000)$', description: `1–1000; ${LIMIT} where it is absent.` },
          cursor: { type: 'string', minLength: 1, maxLength: 2048, description: "An earlier page's next_cursor, with the same filters." },
        },
      },
      answers: { 200: { description: 'A page; `next_cursor` leads to the next one.', content: { 'application/json': pageSchema } } },
    },
    async (ask) => {
      const read = readFilter(ask.query, ask.caller, 'audit.read', deps.guard);
      if (!read.ok) return read.account === undefined ? failed(read.problem) : { kind: 'refused', problem: read.problem, account: read.account };
      const { cursor, limit } = ask.query;
      const at = { limit: Number(limit ?? LIMIT), ...(cursor !== undefined && { cursor }) };
      const found = await fromStore(deps, ask, () => deps.audit.list(read.filter, read.reach, at));
      if (!found.ok) return found.answer;
      const { lines, next_cursor } = found.value;
      await recordRead(deps, ask, { action: 'audit.read', reach: read.reach, details: { ...filterRecord(ask.query), rows: lines.length } });
      // The events are the bytes that were recorded: nothing is parsed or written anew.
      return jsonText(`{"data":{"events":[${lines.map(shownLine).join(',')}],"next_cursor":${JSON.stringify(next_cursor)}}}`);
    },
  ),
  route(
    {
      method: 'GET',
      path: '/v1/audit-logs/gaps',
      operation: 'listGaps',
      tag: 'query',
      summary: 'What the store has not received of each log. For credentials of all accounts.',
      permission: 'audit.read',
      answers: { 200: { description: 'None, if all is well.', content: { 'application/json': gapsSchema } } },
    },
    async (ask) => {
      if (ask.caller.accounts !== 'all')
        return { kind: 'refused', problem: problem(403, 'caller.account', 'Logs hold events of every account: this takes a credential of all accounts.') };
      const found = await fromStore(deps, ask, deps.audit.gaps);
      if (!found.ok) return found.answer;
      await recordRead(deps, ask, { action: 'audit.gaps', reach: 'all', details: { gaps: found.value.length } });
      return json({ data: { gaps: found.value } });
    },
  ),
  route(
    {
      method: 'GET',
      path: '/v1/audit-logs/{id}',
      operation: 'getEvent',
      tag: 'query',
      summary: 'One event.',
      description: 'Accounts and sources may use the same id: without account and source to choose by, it is the event of that id that was recorded first.',
      permission: 'audit.read',
      params: { required: ['id'], properties: { id: eventParts.id } },
      query: { properties: { account: eventParts.account, source: { ...eventSchema.properties.source, description: 'Who recorded it.' } } },
      answers: { 200: { description: 'The event.', content: { 'application/json': oneSchema } } },
    },
    async (ask) => {
      const id = ask.params['id'] as string;
      const read = readFilter(ask.query, ask.caller, 'audit.read', deps.guard);
      if (!read.ok) return read.account === undefined ? failed(read.problem) : { kind: 'refused', problem: read.problem, account: read.account };
      const found = await fromStore(deps, ask, () => deps.audit.get(id, read.reach, ask.query['source']));
      if (!found.ok) return found.answer;
      const [line] = found.value;
      const reach = line === undefined ? read.reach : [(JSON.parse(line) as Event).account];
      await recordRead(deps, ask, { action: 'audit.read', reach, details: { filter: { id, ...ask.query }, rows: line === undefined ? 0 : 1 } });
      if (line === undefined) return failed(problem(404, 'event.unknown', `There is no event ${id} that this credential may see.`));
      return jsonText(`{"data":${shownLine(line)}}`);
    },
  ),
];
