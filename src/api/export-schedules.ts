import { eventParts, eventSchema } from '../event/index.js';
import { COMPRESSIONS, EXPORT_FORMATS } from '../export/index.js';
import type { ScheduleOutcome, ScheduleWish } from '../schedule/index.js';
import { PLAIN_BYTES } from './body.js';
import { type Answer, type Ask, failed, json, type Route, route } from './contract.js';
import type { ApiDeps } from './deps.js';
import { problem } from './problem.js';

const time = { type: 'string', format: 'date-time' } as const;
const list = (items: object, maxItems: number) => ({ type: 'array', items, minItems: 1, maxItems, uniqueItems: true }) as const;

const parts = {
  name: eventParts.account,
  accounts: { oneOf: [{ const: 'all' }, { type: 'array', items: eventParts.account, minItems: 1, maxItems: 1000, uniqueItems: true }] },
  filter: {
    type: 'object',
    additionalProperties: false,
    properties: {
      actions: list({ ...eventParts.action, description: '`*` stands for any characters.' }, 100),
      results: list(eventSchema.properties.result, 5),
      kinds: list(eventSchema.properties.kind, 2),
    },
  },
  format: { enum: EXPORT_FORMATS, description: 'jsonl where it is absent.' },
  compression: { enum: Object.keys(COMPRESSIONS) },
  cron: { type: 'string', minLength: 9, maxLength: 256, description: 'Minute, hour, day of the month, month, day of the week.' },
  time_zone: { type: 'string', minLength: 1, maxLength: 64, description: "By IANA's name, such as Africa/Lagos; UTC where it is absent." },
  destination: {
    type: 'object',
    required: ['type'],
    properties: { type: { type: 'string', minLength: 1, maxLength: 64 } },
    description: '`folder`, `s3` or `webhook`, and its configuration (docs/exports.md). Secrets are kept encrypted and shown as ********.',
  },
  region: {
    type: 'string',
    minLength: 1,
    maxLength: 64,
    description: 'Where the destination lies. Events of accounts that are kept in regions go there only if it is one of them.',
  },
} as const;

const wishSchema = {
  title: 'ExportScheduleWish',
  type: 'object',
  required: ['name', 'cron', 'destination'],
  additionalProperties: false,
  properties: {
    ...parts,
    since: { type: 'string', maxLength: 64, description: 'A date or an RFC 3339 time: what was recorded from then on is in the first run.' },
  },
} as const;

const runSchema = {
  type: 'object',
  required: ['planned', 'from', 'ended', 'state', 'rows'],
  properties: {
    planned: { ...time, description: 'When it was due; it holds what was recorded from `from` up to, not including, this.' },
    from: time,
    ended: time,
    state: { enum: ['done', 'failed'] },
    rows: { type: 'integer', minimum: 0 },
    place: { type: 'string', description: 'Where it went.' },
    reason: { type: 'string', description: 'Why it failed; it is tried again.' },
  },
} as const;

const scheduleSchema = {
  title: 'ExportSchedule',
  type: 'object',
  required: ['id', 'name', 'accounts', 'filter', 'format', 'cron', 'time_zone', 'destination', 'paused', 'through', 'runs', 'created'],
  properties: {
    id: { type: 'string' },
    ...parts,
    paused: { type: 'boolean' },
    through: { ...time, description: 'Everything recorded before this was exported.' },
    claim: { type: 'object', description: 'The node that makes a run now.' },
    runs: { type: 'array', items: runSchema, description: 'The last ten, newest first.' },
    created: time,
    created_by: { type: 'string' },
  },
} as const;

const wrap = (name: string, schema: object) =>
  ({ type: 'object', required: ['data'], properties: { data: { type: 'object', required: [name], properties: { [name]: schema } } } }) as const;
const one = (description: string) => ({ description, content: { 'application/json': wrap('schedule', scheduleSchema) } }) as const;
const idParam = { required: ['id'], properties: { id: eventParts.id } } as const;

const UNKNOWN = problem(404, 'schedule.unknown', 'There is no such schedule among those of the accounts that this credential reaches.');

const toAnswer = (outcome: ScheduleOutcome): Answer => {
  switch (outcome.outcome) {
    case 'made':
      return json({ data: { schedule: outcome.schedule } }, { Location: `/v1/export-schedules/${outcome.schedule.id}` }, 201);
    case 'changed':
      return json({ data: { schedule: outcome.schedule } });
    case 'removed':
      return { kind: 'empty', status: 204 };
    case 'not_found':
      return failed(UNKNOWN);
    case 'unavailable':
      return failed(problem(503, 'schedule.unavailable', outcome.message));
    case 'refused': {
      const isForbidden = outcome.code.startsWith('caller.') || outcome.code === 'schedule.residency';
      const told = problem(isForbidden ? 403 : 422, outcome.code, outcome.message);
      return isForbidden && outcome.account !== undefined ? { kind: 'refused', problem: told, account: outcome.account } : failed(told);
    }
  }
};

/** Exports that are made again and again, by a plan. */
export const scheduleRoutes = ({ schedules }: Pick<ApiDeps, 'schedules'>): readonly Route[] => {
  const common = { tag: 'query', permission: 'audit.export' } as const;
  const metaOf = (ask: Ask) => ({ requestId: ask.requestId, address: ask.address });
  const idOf = (ask: Ask): string => ask.params['id'] as string;
  const act = (name: 'pause' | 'resume' | 'run', summary: string): Route =>
    route(
      {
        ...common,
        method: 'POST',
        path: `/v1/export-schedules/{id}/${name}`,
        operation: `${name}ExportSchedule`,
        summary,
        params: idParam,
        answers: { 200: one('The schedule.') },
      },
      async (ask) => toAnswer(await schedules[name](ask.caller, idOf(ask), metaOf(ask))),
    );
  return [
    route(
      {
        ...common,
        method: 'POST',
        path: '/v1/export-schedules',
        operation: 'createExportSchedule',
        summary: 'Plans an export that is made again and again, to a folder, a bucket or a webhook.',
        body: { limit: PLAIN_BYTES, as: 'json', content: { 'application/json': wishSchema } },
        answers: { 201: one('The schedule.') },
      },
      async (ask) => toAnswer(await schedules.create(ask.caller, ask.body as ScheduleWish, metaOf(ask))),
    ),
    route(
      {
        ...common,
        method: 'GET',
        path: '/v1/export-schedules',
        operation: 'listExportSchedules',
        summary: 'The schedules of the accounts that the caller reaches, and their last runs.',
        answers: { 200: { description: 'The schedules.', content: { 'application/json': wrap('schedules', { type: 'array', items: scheduleSchema }) } } },
      },
      (ask) => json({ data: { schedules: schedules.list(ask.caller) } }),
    ),
    route(
      {
        ...common,
        method: 'GET',
        path: '/v1/export-schedules/{id}',
        operation: 'getExportSchedule',
        summary: 'A schedule.',
        params: idParam,
        answers: { 200: one('The schedule.') },
      },
      (ask) => {
        const schedule = schedules.get(ask.caller, idOf(ask));
        return schedule ? json({ data: { schedule } }) : failed(UNKNOWN);
      },
    ),
    act('pause', 'Plans nothing more for now.'),
    act('resume', 'Goes on: what was missed becomes one run.'),
    act('run', 'Makes a run of what was recorded until now, whatever the plan says.'),
    route(
      {
        ...common,
        method: 'DELETE',
        path: '/v1/export-schedules/{id}',
        operation: 'deleteExportSchedule',
        summary: 'Removes a schedule; what it exported stays.',
        params: idParam,
        answers: { 204: { description: 'It is gone.' } },
      },
      async (ask) => toAnswer(await schedules.remove(ask.caller, idOf(ask), metaOf(ask))),
    ),
  ];
};
