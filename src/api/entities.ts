import { oneByOne } from '../caller/one-by-one.js';
import type { Caller } from '../caller/types.js';
import type { Entity, EntityChange, EntityOutcome } from '../evaluate/directory/types.js';
import { eventParts, type JsonObject, newUlid } from '../event/index.js';
import { PLAIN_BYTES } from './body.js';
import { type Answer, type AnswerContract, type Ask, failed, json, type Route, route } from './contract.js';
import type { ApiDeps } from './deps.js';
import { isReservedType, keepingFault, maySee, placeOf } from './entity-rules.js';
import { shapeFault, thereIn } from './entity-shape.js';
import { mergePatch } from './merge-patch.js';
import { problem } from './problem.js';

/** A type has no slash: together with the id it makes `<type>/<id>`. */
export const entityType = { ...eventParts.resource.properties.type, pattern: '^[^/\\u0000-\\u001f\\u007f]+$' } as const;
export const entityParams = {
  required: ['type', 'id'],
  properties: { type: entityType, id: eventParts.resource.properties.id },
} as const;
const typeParam = { required: ['type'], properties: { type: entityType } } as const;

export const entitySchema = {
  title: 'Entity',
  type: 'object',
  required: ['type', 'id', 'properties', 'version', 'updated'],
  additionalProperties: false,
  properties: {
    type: { type: 'string' },
    id: { type: 'string' },
    account: { type: 'string' },
    properties: { type: 'object' },
    version: { type: 'integer', minimum: 1 },
    updated: { type: 'string', format: 'date-time' },
  },
} as const;

const entityBody = {
  type: 'object',
  required: ['properties'],
  additionalProperties: false,
  properties: { account: eventParts.account, properties: { type: 'object' } },
} as const;
const patchBody = {
  type: 'object',
  additionalProperties: false,
  properties: { account: eventParts.account, properties: { type: 'object', description: 'A merge patch (RFC 7396): null takes a property away.' } },
} as const;

const conditions = {
  properties: {
    'if-match': { type: 'string', description: 'The version it rests on, as the ETag has it; `*`: it must exist.' },
    'if-none-match': { type: 'string', description: '`*`: it must not exist.' },
  },
} as const;
const whole = (description: string): AnswerContract => ({ description, content: { 'application/json': entitySchema }, headers: ['ETag'] });

type Wish = { readonly type: string; readonly id: string };
type Make = (current: Entity | undefined, expected: number | undefined) => EntityChange | Answer;

/** What Verdict is told of subjects and resources, one at a time. */
export const entityRoutes = (deps: ApiDeps): readonly Route[] => {
  const { directory, writeEntities } = deps;
  const metaOf = (ask: Ask) => ({ requestId: ask.requestId, address: ask.address });
  const inTurn = oneByOne();
  const wishOf = (ask: Ask): Wish => ({ type: ask.params['type'] as string, id: ask.params['id'] as string });

  const write = async (ask: Ask, change: EntityChange): Promise<EntityOutcome> => {
    const [outcome] = await writeEntities(ask.caller, [change], metaOf(ask));
    return outcome ?? { outcome: 'unavailable', reason: 'The directory gave no answer.' };
  };

  /** Makes a change from what stands there; undefined, if that moved meanwhile and the caller named no version. */
  const attempt = async (ask: Ask, wish: Wish, make: Make): Promise<Answer | undefined> => {
    const current = directory.get(wish.type, wish.id);
    const condition = conditionOf(ask, current && maySee(ask.caller, current) ? current : undefined);
    if (!condition.ok) return condition.answer;
    const made = make(current, condition.expected);
    if ('kind' in made) return made;
    const fault = keepingFault(ask.caller, current, made);
    if (fault !== undefined) return { kind: 'refused', problem: problem(403, 'entity.keeping', fault), permission: 'entity.write', account: wish.id };
    const wrong = made.op === 'put' ? shapeFault({ ...wish, account: made.account, properties: made.properties }, thereIn(directory)) : undefined;
    if (wrong) return failed(problem(422, 'entity.invalid', wrong.detail, { pointer: wrong.pointer }));
    const outcome = await write(ask, made);
    return outcome.outcome === 'version_mismatch' && !namesVersion(ask) ? undefined : toAnswer(outcome, ask.caller, wish);
  };

  const change = async (ask: Ask, make: Make): Promise<Answer> => {
    const wish = wishOf(ask);
    if (isReservedType(wish.type)) return reserved(wish.type);
    return (await inTurn(`${wish.type}/${wish.id}`, () => attempt(ask, wish, make))) ?? busy(wish);
  };

  return [
    route(
      {
        method: 'PUT',
        path: '/v1/entities/{type}/{id}',
        operation: 'putEntity',
        tag: 'directory',
        summary: 'Makes or replaces an entity; answered when it is durable and readable here.',
        permission: 'entity.write',
        params: entityParams,
        headers: conditions,
        body: { limit: PLAIN_BYTES, as: 'json', content: { 'application/json': entityBody } },
        answers: { 200: whole('It was replaced.'), 201: whole('It is new.') },
      },
      (ask) => {
        const wish = wishOf(ask);
        const body = ask.body as { readonly account?: string; readonly properties: JsonObject };
        return change(ask, (current, expected) => {
          const placed = placeOf({ ...wish, ...(body.account !== undefined && { account: body.account }) }, current, ask.caller, deps.guard);
          if (!placed.ok) return refusal(placed);
          return putOf(wish, placed.account, body.properties, expected);
        });
      },
    ),
    route(
      {
        method: 'GET',
        path: '/v1/entities/{type}/{id}',
        operation: 'getEntity',
        tag: 'directory',
        summary: 'One entity, as this node knows it.',
        permission: 'entity.read',
        params: entityParams,
        answers: { 200: whole('The entity.') },
      },
      (ask) => {
        const wish = wishOf(ask);
        if (isReservedType(wish.type)) return reserved(wish.type);
        const entity = directory.get(wish.type, wish.id);
        if (!entity) return notFound(wish);
        return maySee(ask.caller, entity) ? json(entity, etag(entity)) : hidden(wish, entity);
      },
    ),
    route(
      {
        method: 'PATCH',
        path: '/v1/entities/{type}/{id}',
        operation: 'patchEntity',
        tag: 'directory',
        summary: 'Changes some properties of an entity (RFC 7396).',
        permission: 'entity.write',
        params: entityParams,
        headers: conditions,
        body: { limit: PLAIN_BYTES, as: 'json', content: { 'application/merge-patch+json': patchBody, 'application/json': patchBody } },
        answers: { 200: whole('The entity as it is now.') },
      },
      (ask) => {
        const wish = wishOf(ask);
        const body = ask.body as { readonly account?: string; readonly properties?: JsonObject };
        return change(ask, (current, expected) => {
          if (!current) return notFound(wish);
          if (!maySee(ask.caller, current)) return hidden(wish, current);
          const placed = placeOf({ ...wish, ...(body.account !== undefined && { account: body.account }) }, current, ask.caller, deps.guard);
          if (!placed.ok) return refusal(placed);
          const properties = mergePatch(current.properties, body.properties ?? {}) as JsonObject;
          return putOf(wish, placed.account, properties, expected ?? current.version);
        });
      },
    ),
    route(
      {
        method: 'DELETE',
        path: '/v1/entities/{type}/{id}',
        operation: 'deleteEntity',
        tag: 'directory',
        summary: 'Takes an entity away; its history stays in the audit trail.',
        permission: 'entity.write',
        params: entityParams,
        headers: conditions,
        answers: { 204: { description: 'It is gone.' } },
      },
      (ask) => {
        const wish = wishOf(ask);
        return change(ask, (current, expected) => {
          if (!current) return notFound(wish);
          if (!maySee(ask.caller, current)) return hidden(wish, current);
          return { change: newUlid(), ...wish, op: 'delete', expected: expected ?? current.version };
        });
      },
    ),
    route(
      {
        method: 'GET',
        path: '/v1/entities/{type}',
        operation: 'listEntities',
        tag: 'directory',
        summary: 'Entities of a type, in order of id.',
        permission: 'entity.read',
        params: typeParam,
        query: {
          properties: {
            account: eventParts.account,
            limit: { type: 'string', pattern: '^([1-9]\\d{0,2}|1000)$', description: '1–1000; 100 where it is absent.' },
            cursor: { type: 'string', pattern: '^[A-Za-z0-9_-]{1,1400}$' },
          },
        },
        answers: { 200: { description: 'A page.', content: { 'application/json': pageSchema } } },
      },
      (ask) => listEntities(ask, deps),
    ),
  ];
};

const pageSchema = {
  type: 'object',
  required: ['data'],
  properties: {
    data: {
      type: 'object',
      required: ['entities'],
      properties: { entities: { type: 'array', items: entitySchema }, next_cursor: { type: 'string' } },
    },
  },
} as const;

const listEntities = (ask: Ask, { directory, guard }: Pick<ApiDeps, 'directory' | 'guard'>): Answer => {
  const type = ask.params['type'] as string;
  if (isReservedType(type)) return reserved(type);
  const { account, cursor } = ask.query;
  const refusal = account === undefined ? undefined : guard(ask.caller, 'entity.read', account);
  if (account !== undefined && refusal) return { kind: 'refused', account, problem: problem(403, refusal.code, refusal.message) };
  const limit = Number(ask.query['limit'] ?? 100);
  const after = cursor === undefined ? undefined : Buffer.from(cursor, 'base64url').toString('utf8');
  const accounts = account !== undefined ? [account] : ask.caller.accounts === 'all' ? [undefined] : ask.caller.accounts;
  const entities = accounts
    .flatMap((one) => directory.list(type, { limit: limit + 1, ...(one !== undefined && { account: one }), ...(after !== undefined && { after }) }))
    .sort((left, right) => Buffer.compare(Buffer.from(left.id), Buffer.from(right.id)));
  const page = entities.slice(0, limit);
  const last = page.at(-1);
  const next = entities.length > limit && last ? { next_cursor: Buffer.from(last.id).toString('base64url') } : {};
  return json({ data: { entities: page, ...next } });
};

/** The change that puts an entity there. */
export const putOf = (wish: Wish, account: string | undefined, properties: JsonObject, expected: number | undefined): EntityChange => ({
  change: newUlid(),
  type: wish.type,
  id: wish.id,
  op: 'put',
  properties,
  ...(account !== undefined && { account }),
  ...(expected !== undefined && { expected }),
});

type Condition = { readonly ok: true; readonly expected: number | undefined } | { readonly ok: false; readonly answer: Answer };

const ETAG = /^"([1-9]\d{0,15})"$/;

/** What If-Match and If-None-Match ask for (RFC 9110, section 13.1), as the version that must stand there. */
const conditionOf = (ask: Ask, current: Entity | undefined): Condition => {
  const match = ask.header('if-match');
  const none = ask.header('if-none-match');
  const bad = (detail: string): Condition => ({ ok: false, answer: failed(problem(400, 'condition.invalid', detail)) });
  if (match !== undefined && none !== undefined) return bad('If-Match and If-None-Match can not both be given.');
  if (none !== undefined) return none === '*' ? { ok: true, expected: 0 } : bad('If-None-Match takes only *.');
  if (match === undefined) return { ok: true, expected: undefined };
  if (match === '*')
    return current
      ? { ok: true, expected: current.version }
      : { ok: false, answer: failed(problem(412, 'entity.version', 'It does not exist (If-Match: *).')) };
  const version = ETAG.exec(match)?.[1];
  return version === undefined ? bad('If-Match takes the ETag of an answer, such as "3", or *.') : { ok: true, expected: Number(version) };
};

/** Whether the caller says from which version, or that there is none: then it hears of what came between. */
const namesVersion = (ask: Ask): boolean => ask.header('if-none-match') !== undefined || (ask.header('if-match') ?? '*') !== '*';

const etag = (entity: Entity) => ({ etag: `"${entity.version}"` });

const reserved = (type: string): Answer => ({
  kind: 'refused',
  problem: problem(403, 'entity.reserved', `Entities of type ${type} are Verdict's own; API keys are managed at /v1/keys, forwarders at /v1/forwarders.`),
});

const busy = ({ type, id }: Wish): Answer =>
  failed(problem(503, 'entity.busy', `Others kept changing ${type}/${id}, and this change was not made; try again.`));

const notFound = ({ type, id }: Wish): Answer => failed(problem(404, 'entity.unknown', `There is no ${type}/${id}.`));

/** What belongs to another account isn't there, as far as the answer tells; that it was asked for is recorded. */
const hidden = ({ type, id }: Wish, entity: Entity): Answer => ({
  kind: 'refused',
  problem: problem(404, 'entity.unknown', `There is no ${type}/${id}.`),
  ...(entity.account !== undefined && { account: entity.account }),
});

const refusal = (placed: Exclude<ReturnType<typeof placeOf>, { ok: true }>): Answer => {
  const found = problem(placed.status, placed.code, placed.detail);
  if (placed.status !== 403 && placed.account === undefined) return failed(found);
  return { kind: 'refused', problem: found, permission: 'entity.write', ...(placed.account !== undefined && { account: placed.account }) };
};

const toAnswer = (outcome: EntityOutcome, caller: Caller, wish: Wish): Answer => {
  switch (outcome.outcome) {
    case 'applied':
      return json(outcome.entity, etag(outcome.entity), outcome.created ? 201 : 200);
    case 'deleted':
      return { kind: 'empty', status: 204 };
    case 'version_mismatch': {
      const seen = outcome.current && maySee(caller, outcome.current) ? outcome.current : undefined;
      const detail = seen ? `Version ${seen.version} stands there now; read it and decide anew.` : 'Another version, or none, stands there now.';
      return failed(problem(412, 'entity.version', detail, seen ? { version: seen.version } : {}));
    }
    case 'account_mismatch':
      return failed(problem(409, 'entity.account', `${wish.type}/${wish.id} belongs to another account; an entity is never moved.`));
    case 'not_found':
      return notFound(wish);
    case 'unavailable':
      return failed(problem(503, 'directory.unavailable', outcome.reason));
  }
};
