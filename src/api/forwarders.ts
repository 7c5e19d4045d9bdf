import { eventParts, eventSchema } from '../event/index.js';
import type { ForwarderOutcome, ForwarderWish } from '../forward/index.js';
import { PLAIN_BYTES } from './body.js';
import { type Answer, type Ask, failed, json, type Route, route, type Schema } from './contract.js';
import type { ApiDeps } from './deps.js';
import { problem } from './problem.js';

const time = { type: 'string', format: 'date-time' } as const;
const accounts = { oneOf: [{ const: 'all' }, { type: 'array', items: eventParts.account, minItems: 1, maxItems: 1000, uniqueItems: true }] } as const;
const pattern = { ...eventParts.action, description: '`*` stands for any characters.' } as const;
const list = (items: object, maxItems: number) => ({ type: 'array', items, minItems: 1, maxItems, uniqueItems: true }) as const;

const filter = {
  type: 'object',
  additionalProperties: false,
  description: 'Which events go out: those that every part given names. All, where it is empty.',
  properties: {
    actions: list(pattern, 100),
    results: list(eventSchema.properties.result, 5),
    kinds: list(eventSchema.properties.kind, 2),
  },
} as const;
const destination = {
  type: 'object',
  required: ['type'],
  properties: { type: { type: 'string', minLength: 1, maxLength: 64 } },
  description: 'Where it sends, by type. Secrets are kept encrypted and shown as ********, which, given back, leaves them as they are.',
} as const;
const parts = {
  name: eventParts.account,
  accounts,
  filter,
  format: { type: 'string', minLength: 1, maxLength: 64, description: "The form that events take; the destination's usual one, where it is absent." },
  destination,
  region: {
    type: ['string', 'null'],
    maxLength: 64,
    description: 'Where the destination lies. Events of accounts that are kept in regions go there only if it is one of them.',
  },
} as const;
const wishSchema = {
  title: 'ForwarderWish',
  type: 'object',
  required: ['name', 'destination'],
  additionalProperties: false,
  properties: {
    ...parts,
    since: { type: 'string', maxLength: 64, description: 'A date or an RFC 3339 time: what was recorded from then on goes out. Now, where it is absent.' },
  },
} as const;
const changeSchema = { title: 'ForwarderChange', type: 'object', additionalProperties: false, minProperties: 1, properties: parts } as const;

const count = { type: 'integer', minimum: 0 } as const;
const forwarderSchema = {
  title: 'Forwarder',
  type: 'object',
  required: [
    'id',
    'name',
    'accounts',
    'filter',
    'format',
    'destination',
    'since',
    'paused',
    'created',
    'state',
    'sent',
    'refused',
    'withheld',
    'lag',
    'replays',
  ],
  properties: {
    id: { type: 'string' },
    ...parts,
    since: time,
    paused: { type: 'boolean' },
    resumed: time,
    created: time,
    created_by: { type: 'string' },
    state: { enum: ['running', 'paused', 'waiting', 'stopped', 'catching_up'] },
    reason: { type: 'string', description: 'Why it waits or has stopped.' },
    next_try: time,
    sent: { ...count, description: 'Events that the destination took.' },
    refused: { ...count, description: 'Events that it refused for their content: they are in quarantine.' },
    withheld: { ...count, description: 'Events that may not leave their region.' },
    lag: {
      type: 'object',
      required: ['events', 'seconds'],
      properties: {
        events: { ...count, description: 'Events not looked at yet.' },
        seconds: { type: 'number', minimum: 0, description: 'The age of the oldest of them.' },
      },
    },
    last_success: time,
    last_error: { type: 'object', required: ['at', 'message'], properties: { at: time, message: { type: 'string' } } },
    replays: {
      type: 'array',
      items: {
        type: 'object',
        required: ['id', 'from', 'to', 'asked', 'state', 'sent'],
        properties: {
          id: { type: 'string' },
          from: time,
          to: time,
          asked: time,
          state: { enum: ['running', 'waiting', 'done', 'stopped'] },
          sent: count,
          through: { ...time, description: 'Everything recorded before this has been sent.' },
          reason: { type: 'string' },
        },
      },
    },
  },
} as const;
const stepsSchema = {
  type: 'object',
  required: ['ok', 'steps'],
  properties: {
    ok: { type: 'boolean' },
    steps: {
      type: 'array',
      items: {
        type: 'object',
        required: ['step', 'ok', 'detail', 'ms'],
        properties: {
          step: { enum: ['resolve', 'connect', 'tls', 'handshake', 'send', 'accepted'] },
          ok: { type: 'boolean' },
          detail: { type: 'string' },
          ms: { type: 'number', minimum: 0 },
        },
      },
    },
  },
} as const;
const rangeSchema = {
  type: 'object',
  required: ['from', 'to'],
  additionalProperties: false,
  properties: {
    from: { type: 'string', maxLength: 64, description: 'A date or an RFC 3339 time, by when events were recorded.' },
    to: { type: 'string', maxLength: 64, description: 'A date (that whole day, UTC, is in) or an RFC 3339 time (itself is not in).' },
  },
} as const;

const wrap = (name: string, schema: object) =>
  ({ type: 'object', required: ['data'], properties: { data: { type: 'object', required: [name], properties: { [name]: schema } } } }) as const;
const one = (description: string) => ({ description, content: { 'application/json': wrap('forwarder', forwarderSchema) } }) as const;
const idParam = { required: ['id'], properties: { id: eventParts.id } } as const;
const body = (schema: Schema) => ({ limit: PLAIN_BYTES, as: 'json', content: { 'application/json': schema } }) as const;

/** Standing feeds of events to syslog, SIEMs and other places. */
export const forwarderRoutes = ({ forwarders }: Pick<ApiDeps, 'forwarders'>): readonly Route[] => {
  const common = { tag: 'forwarders', permission: 'forwarder.manage' } as const;
  const metaOf = (ask: Ask) => ({ requestId: ask.requestId, address: ask.address });
  const idOf = (ask: Ask): string => ask.params['id'] as string;

  const act = (name: 'pause' | 'resume', summary: string): Route =>
    route(
      {
        ...common,
        method: 'POST',
        path: `/v1/forwarders/{id}/${name}`,
        operation: `${name}Forwarder`,
        summary,
        params: idParam,
        answers: { 200: one('The forwarder.') },
      },
      async (ask) => toAnswer(await forwarders[name](ask.caller, idOf(ask), metaOf(ask)), ask),
    );

  return [
    route(
      {
        ...common,
        method: 'POST',
        path: '/v1/forwarders',
        operation: 'createForwarder',
        summary: "Makes a forwarder. It sends the events of the caller's accounts alone; of all accounts, only where the caller has all.",
        body: body(wishSchema),
        answers: { 201: one('The forwarder.') },
      },
      async (ask) => toAnswer(await forwarders.create(ask.caller, ask.body as ForwarderWish, metaOf(ask)), ask),
    ),
    route(
      {
        ...common,
        method: 'GET',
        path: '/v1/forwarders',
        operation: 'listForwarders',
        summary: 'The forwarders of the accounts that the caller reaches, and how they do.',
        answers: { 200: { description: 'The forwarders.', content: { 'application/json': wrap('forwarders', { type: 'array', items: forwarderSchema }) } } },
      },
      async (ask) => json({ data: { forwarders: await forwarders.list(ask.caller) } }),
    ),
    route(
      {
        ...common,
        method: 'GET',
        path: '/v1/forwarders/{id}',
        operation: 'getForwarder',
        summary: 'One forwarder, and how it does.',
        params: idParam,
        answers: { 200: one('The forwarder.') },
      },
      async (ask) => {
        const found = await forwarders.get(ask.caller, idOf(ask));
        return found ? json({ data: { forwarder: found } }) : notFound(ask);
      },
    ),
    route(
      {
        ...common,
        method: 'PATCH',
        path: '/v1/forwarders/{id}',
        operation: 'changeForwarder',
        summary: 'Changes a forwarder; it goes on from where it is. What is given replaces what was there, what is absent stays.',
        params: idParam,
        body: body(changeSchema),
        answers: { 200: one('The forwarder as it is now.') },
      },
      async (ask) => toAnswer(await forwarders.change(ask.caller, idOf(ask), ask.body as Partial<ForwarderWish>, metaOf(ask)), ask),
    ),
    route(
      {
        ...common,
        method: 'DELETE',
        path: '/v1/forwarders/{id}',
        operation: 'removeForwarder',
        summary: 'Ends a forwarder, and forgets where it was.',
        params: idParam,
        answers: { 204: { description: 'It is gone.' } },
      },
      async (ask) => toAnswer(await forwarders.remove(ask.caller, idOf(ask), metaOf(ask)), ask),
    ),
    act('pause', 'Stops sending; what is recorded from now on is sent after it is resumed.'),
    act('resume', 'Goes on where it was paused, and tries again where it had stopped.'),
    route(
      {
        ...common,
        method: 'POST',
        path: '/v1/forwarders/{id}/replay',
        operation: 'replayForwarder',
        summary: 'Sends a past range again from the store, beside the live feed.',
        params: idParam,
        body: body(rangeSchema),
        answers: { 202: one('It is wished for; `replays` tells how far it is.') },
      },
      async (ask) => {
        const outcome = await forwarders.replay(ask.caller, idOf(ask), ask.body as { from: string; to: string }, metaOf(ask));
        return outcome.outcome === 'changed' ? json({ data: { forwarder: outcome.forwarder } }, undefined, 202) : toAnswer(outcome, ask);
      },
    ),
    route(
      {
        ...common,
        method: 'POST',
        path: '/v1/forwarders/{id}/test',
        operation: 'testForwarder',
        summary: 'Sends one marked event, and says what each step did.',
        params: idParam,
        answers: {
          200: {
            description: 'The steps, up to the first that failed.',
            content: { 'application/json': { type: 'object', required: ['data'], properties: { data: stepsSchema } } },
          },
        },
      },
      async (ask) => toAnswer(await forwarders.test(ask.caller, idOf(ask), metaOf(ask)), ask),
    ),
  ];
};

const notFound = (ask: Ask): Answer =>
  failed(problem(404, 'forwarder.unknown', `There is no forwarder ${ask.params['id'] ?? ''} that this credential may manage.`));

const isForbidden = (code: string): boolean => code.startsWith('caller.') || code === 'forwarder.residency';

const toAnswer = (outcome: ForwarderOutcome, ask: Ask): Answer => {
  switch (outcome.outcome) {
    case 'made':
      return json({ data: { forwarder: outcome.forwarder } }, undefined, 201);
    case 'changed':
      return json({ data: { forwarder: outcome.forwarder } });
    case 'removed':
      return { kind: 'empty', status: 204 };
    case 'tested':
      return json({ data: { ok: outcome.ok, steps: outcome.steps } });
    case 'not_found':
      return notFound(ask);
    case 'refused': {
      const { code, message, account } = outcome;
      if (!isForbidden(code)) return failed(problem(422, code, message));
      return { kind: 'refused', permission: 'forwarder.manage', problem: problem(403, code, message), ...(account !== undefined && { account }) };
    }
    case 'unavailable':
      return failed(problem(503, 'directory.unavailable', outcome.message));
  }
};
