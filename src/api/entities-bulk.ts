import { checkChanges, EntityRefused } from '../evaluate/directory/limits.js';
import type { EntityChange, EntityOutcome } from '../evaluate/directory/types.js';
import { eventParts, isObject, type JsonObject, newAjv, newUlid, sayError } from '../event/index.js';
import type { Posted } from '../ingest/record.js';
import { NDJSON_TYPES, readBatch } from './batch.js';
import { BULK_BYTES, mediaTypeOf } from './body.js';
import { type Ask, failed, json, type Route, route } from './contract.js';
import type { ApiDeps } from './deps.js';
import { entityType, putOf } from './entities.js';
import { isReservedType, keepingFault, placeOf } from './entity-rules.js';
import { type IsThere, shapeFault, thereIn } from './entity-shape.js';
import { problem } from './problem.js';

/** The most entities in one request. */
export const MAX_ENTITIES = 1_000;

const itemSchema = {
  title: 'EntityChange',
  type: 'object',
  required: ['type', 'id'],
  additionalProperties: false,
  properties: {
    op: { enum: ['put', 'delete'], description: 'put where it is absent.' },
    type: entityType,
    id: eventParts.resource.properties.id,
    account: eventParts.account,
    properties: { type: 'object' },
    if_version: { type: 'integer', minimum: 0, description: 'The version it rests on; 0: it must not exist.' },
  },
} as const;

type Item = {
  readonly op?: 'put' | 'delete';
  readonly type: string;
  readonly id: string;
  readonly account?: string;
  readonly properties?: JsonObject;
  readonly if_version?: number;
};
const isItem = newAjv().compile<Item>(itemSchema);

const resultSchema = {
  type: 'object',
  required: ['data'],
  properties: {
    data: {
      type: 'object',
      required: ['entities'],
      properties: {
        entities: {
          type: 'array',
          items: {
            type: 'object',
            required: ['index', 'status'],
            additionalProperties: false,
            properties: {
              index: { type: 'integer', minimum: 0 },
              status: { type: 'integer', description: 'What this one would have been answered with by itself.' },
              version: { type: 'integer', minimum: 1 },
              code: { type: 'string' },
              detail: { type: 'string' },
              pointer: { type: 'string', description: 'Where in the entity the mistake is (RFC 6901).' },
            },
          },
        },
      },
    },
  },
} as const;

type Result = {
  readonly index: number;
  readonly status: number;
  readonly version?: number;
  readonly code?: string;
  readonly detail?: string;
  readonly pointer?: string;
};

/** Many entities in one request, each by itself. */
export const bulkEntityRoutes = (deps: ApiDeps): readonly Route[] => [
  route(
    {
      method: 'POST',
      path: '/v1/entities',
      operation: 'writeEntities',
      tag: 'directory',
      summary: 'Makes, replaces or deletes many entities: an array or NDJSON, each by itself, in order.',
      permission: 'entity.write',
      body: {
        limit: BULK_BYTES,
        as: 'bytes',
        content: {
          'application/json': { type: 'array', items: itemSchema, minItems: 1, maxItems: MAX_ENTITIES },
          ...Object.fromEntries(NDJSON_TYPES.map((type) => [type, { type: 'string', description: 'One change a line.' }])),
        },
      },
      answers: { 200: { description: 'What became of each.', content: { 'application/json': resultSchema } } },
    },
    async (ask) => {
      const type = mediaTypeOf(ask.header('content-type'));
      const read = await readBatch(
        ask.bytes,
        NDJSON_TYPES.some((one) => one === type),
        MAX_ENTITIES,
      );
      if (!read.ok) return failed(read.problem);
      const [only] = read.items;
      if (read.items.length === 1 && only?.ok && !isObject(only.value)) return failed(problem(422, 'entity.invalid', 'An entity must be an object.'));
      return json({ data: { entities: await writeAll(read.items, ask, deps) } });
    },
  ),
];

type Planned = { readonly index: number; readonly change: EntityChange };

const plan = (posted: Posted, index: number, ask: Ask, deps: ApiDeps, isThere: IsThere): Planned | Result => {
  if (!posted.ok) return { index, status: posted.status ?? 400, code: posted.code, detail: posted.detail };
  if (!isItem(posted.value)) return { index, status: 422, code: 'entity.invalid', detail: sayError(isItem.errors, 'entity') };
  const item = posted.value;
  if (isReservedType(item.type)) return { index, status: 403, code: 'entity.reserved', detail: `Entities of type ${item.type} are Verdict's own.` };
  const isPut = item.op !== 'delete';
  if (isPut && !item.properties) return { index, status: 422, code: 'entity.invalid', detail: 'entity must have "properties".' };
  const current = deps.directory.get(item.type, item.id);
  const placed = placeOf(item, current, ask.caller, deps.guard);
  if (!placed.ok) return { index, status: placed.status, code: placed.code, detail: placed.detail };
  const change = changeOf(item, placed.account);
  const fault = keepingFault(ask.caller, current, change);
  if (fault !== undefined) return { index, status: 403, code: 'entity.keeping', detail: fault };
  const wrong = change.op === 'put' ? shapeFault({ ...change, account: change.account }, isThere) : undefined;
  return wrong ? { index, status: 422, code: 'entity.invalid', ...wrong } : checked(index, change);
};

const changeOf = (item: Item, account: string | undefined): EntityChange =>
  item.op === 'delete'
    ? { change: newUlid(), type: item.type, id: item.id, op: 'delete', ...(item.if_version !== undefined && { expected: item.if_version }) }
    : putOf(item, account, item.properties ?? {}, item.if_version);

/** What no directory can hold is told by itself, so that the others can still be written. */
const checked = (index: number, change: EntityChange): Planned | Result => {
  try {
    checkChanges([change]);
    return { index, change };
  } catch (error) {
    if (!(error instanceof EntityRefused)) throw error;
    return { index, status: error.code === 'entity.too_large' ? 413 : 422, code: error.code, detail: error.message };
  }
};

/** What comes before in the same request counts as there: a document can be attached in the request that brings it. */
const planAll = (items: readonly Posted[], ask: Ask, deps: ApiDeps): readonly (Planned | Result)[] => {
  const isKnown = thereIn(deps.directory);
  const coming = new Map<string, boolean>();
  const isThere: IsThere = (type, id) => coming.get(`${type}/${id}`) ?? isKnown(type, id);
  return items.map((posted, index) => {
    const planned = plan(posted, index, ask, deps, isThere);
    if ('change' in planned) coming.set(`${planned.change.type}/${planned.change.id}`, planned.change.op === 'put');
    return planned;
  });
};

const writeAll = async (items: readonly Posted[], ask: Ask, deps: ApiDeps): Promise<readonly Result[]> => {
  const plans = planAll(items, ask, deps);
  await noteRefused(plans, ask, deps);
  const planned = plans.filter((one): one is Planned => 'change' in one);
  const changes = planned.map(({ change }) => change);
  const outcomes = changes.length > 0 ? await deps.writeEntities(ask.caller, changes, { requestId: ask.requestId, address: ask.address }) : [];
  const written = planned.map(({ index }, place) => toResult(index, outcomes[place]));
  return [...plans.filter((one): one is Result => 'status' in one), ...written].sort((left, right) => left.index - right.index);
};

const noteRefused = async (plans: readonly (Planned | Result)[], ask: Ask, deps: ApiDeps): Promise<void> => {
  const codes = new Set(plans.flatMap((one) => ('status' in one && one.status === 403 ? [one.code ?? 'caller.account'] : [])));
  for (const code of codes)
    await deps.refused(ask.caller, { address: ask.address, code, path: '/v1/entities', requestId: ask.requestId, permission: 'entity.write' });
};

const toResult = (index: number, outcome: EntityOutcome | undefined): Result => {
  switch (outcome?.outcome) {
    case 'applied':
      return { index, status: outcome.created ? 201 : 200, version: outcome.entity.version };
    case 'deleted':
      return { index, status: 204 };
    case 'version_mismatch':
      return { index, status: 412, code: 'entity.version', detail: 'Another version, or none, stands there now.' };
    case 'account_mismatch':
      return { index, status: 409, code: 'entity.account', detail: 'It belongs to another account; an entity is never moved.' };
    case 'not_found':
      return { index, status: 404, code: 'entity.unknown', detail: 'There is no such entity.' };
    default:
      return { index, status: 503, code: 'directory.unavailable', detail: outcome?.reason ?? 'The directory gave no answer.' };
  }
};
