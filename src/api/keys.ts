import type { ApiKeyOutcome, ApiKeyWish } from '../caller/index.js';
import { OWN_SOURCES } from '../caller/name.js';
import { PERMISSIONS } from '../caller/types.js';
import { eventParts } from '../event/index.js';
import { PLAIN_BYTES } from './body.js';
import { type Answer, type Ask, failed, json, type Route, route } from './contract.js';
import type { ApiDeps } from './deps.js';
import { problem } from './problem.js';

const keySchema = {
  title: 'ApiKey',
  type: 'object',
  required: ['id', 'name', 'accounts', 'permissions', 'created'],
  properties: {
    id: { type: 'string' },
    name: { type: 'string' },
    accounts: { oneOf: [{ const: 'all' }, { type: 'array', items: { type: 'string' } }] },
    permissions: { type: 'array', items: { enum: PERMISSIONS } },
    created: { type: 'string', format: 'date-time' },
    created_by: { type: 'string' },
    expires: { type: 'string', format: 'date-time' },
    revoked: { type: 'string', format: 'date-time' },
    last_used: { type: 'string', format: 'date-time' },
    rotated_from: { type: 'string' },
    replaced_by: { type: 'string' },
  },
} as const;
const wishSchema = {
  title: 'ApiKeyWish',
  type: 'object',
  required: ['name', 'accounts', 'permissions'],
  additionalProperties: false,
  properties: {
    name: { ...eventParts.account, description: 'What its events carry as their source.' },
    accounts: { oneOf: [{ const: 'all' }, { type: 'array', items: eventParts.account, minItems: 1, maxItems: 1000, uniqueItems: true }] },
    permissions: { type: 'array', items: { enum: PERMISSIONS }, minItems: 1, uniqueItems: true },
    expires: { type: 'string', minLength: 1, maxLength: 64, description: 'When it ends: a span (12h, 7d, 4w), a date or RFC 3339; never, where it is absent.' },
  },
} as const;
const wrap = (schema: object) => ({ type: 'object', required: ['data'], properties: { data: schema } }) as const;
const madeSchema = wrap({
  type: 'object',
  required: ['key', 'secret'],
  properties: { key: keySchema, secret: { type: 'string', description: 'The credential itself: shown this once.' } },
});
const idParam = { required: ['id'], properties: { id: eventParts.id } } as const;

/** The credentials that Verdict gives out. */
export const keyRoutes = (deps: ApiDeps): readonly Route[] => {
  const metaOf = (ask: Ask) => ({ requestId: ask.requestId, address: ask.address });
  const common = { tag: 'keys', permission: 'key.manage' } as const;
  return [
    route(
      {
        ...common,
        method: 'POST',
        path: '/v1/keys',
        operation: 'createKey',
        summary: 'Makes an API key. Nobody can give more than they hold.',
        body: { limit: PLAIN_BYTES, as: 'json', content: { 'application/json': wishSchema } },
        answers: { 201: { description: 'The key, and its secret for this once.', content: { 'application/json': madeSchema } } },
      },
      async (ask) => {
        const wish = ask.body as ApiKeyWish;
        if (OWN_SOURCES.has(wish.name.trim().toLowerCase()))
          return failed(problem(422, 'source.reserved', `"${wish.name}" is for Verdict's own events; give the key another name.`));
        return toAnswer(await deps.keys.create(ask.caller, wish, metaOf(ask)), ask);
      },
    ),
    route(
      {
        ...common,
        method: 'GET',
        path: '/v1/keys',
        operation: 'listKeys',
        summary: 'The API keys of the accounts that the caller reaches.',
        answers: {
          200: {
            description: 'The keys.',
            content: { 'application/json': wrap({ type: 'object', required: ['keys'], properties: { keys: { type: 'array', items: keySchema } } }) },
          },
        },
      },
      (ask) => json({ data: { keys: deps.keys.list(ask.caller) } }),
    ),
    route(
      {
        ...common,
        method: 'POST',
        path: '/v1/keys/{id}/rotate',
        operation: 'rotateKey',
        summary: 'Makes a successor; the old key stays valid until it is revoked.',
        params: idParam,
        answers: { 201: { description: 'The successor, and its secret for this once.', content: { 'application/json': madeSchema } } },
      },
      async (ask) => toAnswer(await deps.keys.rotate(ask.caller, ask.params['id'] as string, metaOf(ask)), ask),
    ),
    route(
      {
        ...common,
        method: 'DELETE',
        path: '/v1/keys/{id}',
        operation: 'revokeKey',
        summary: 'Revokes an API key at once.',
        params: idParam,
        answers: { 204: { description: 'It is revoked.' } },
      },
      async (ask) => toAnswer(await deps.keys.revoke(ask.caller, ask.params['id'] as string, metaOf(ask)), ask),
    ),
  ];
};

const toAnswer = (outcome: ApiKeyOutcome, ask: Ask): Answer => {
  switch (outcome.outcome) {
    case 'made':
      return json({ data: { key: outcome.key, secret: outcome.secret } }, undefined, 201);
    case 'revoked':
      return { kind: 'empty', status: 204 };
    case 'not_found':
      return failed(problem(404, 'key.unknown', `There is no key ${ask.params['id'] ?? ''} that this credential may manage.`));
    case 'refused':
      if (!outcome.code.startsWith('caller.')) return failed(problem(422, outcome.code, outcome.message));
      return { kind: 'refused', permission: 'key.manage', problem: problem(403, outcome.code, outcome.message) };
    case 'unavailable':
      return failed(problem(503, 'directory.unavailable', outcome.message));
  }
};
