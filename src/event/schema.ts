import { Ajv, type ErrorObject, type Options, type ValidateFunction } from 'ajv';
import addFormats from 'ajv-formats';
import type { Event } from './event.js';

const text = (maxLength: number) => ({ type: 'string', maxLength }) as const;
const name = (maxLength: number) => ({ type: 'string', minLength: 1, maxLength, pattern: '^[^\\u0000-\\u001f\\u007f]+$' }) as const;
const timestamp = { type: 'string', pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}\\.\\d{3}Z$' } as const;
const ulid = { type: 'string', pattern: '^[0-7][0-9A-HJKMNP-TV-Z]{25}$' } as const;
const object = { type: 'object' } as const;

/** The parts of an event that a producer writes too; the API's own schemas are made of them. */
export const eventParts = {
  id: name(128),
  account: name(128),
  actor: {
    type: 'object',
    required: ['type', 'id'],
    additionalProperties: false,
    properties: { type: name(64), id: name(256), email: text(320), ip: text(64), user_agent: text(1024) },
  },
  action: name(128),
  resource: {
    type: 'object',
    required: ['type', 'id'],
    additionalProperties: false,
    properties: { type: name(64), id: name(256), name: text(256) },
  },
  details: object,
  caused_by: name(128),
  request: {
    type: 'object',
    additionalProperties: false,
    properties: {
      id: text(256),
      method: text(32),
      path: text(4096),
      status: { type: 'integer', minimum: 0, maximum: 999 },
      duration_ms: { type: 'number', minimum: 0, maximum: 1e9 },
    },
  },
  region: text(64),
} as const;

/** The JSON Schema (draft-07) of one audit record: the line in the journal, on the stream and in `raw`. */
export const eventSchema = {
  $id: 'https://verdict.invalid/schemas/event.json',
  title: 'Event',
  type: 'object',
  required: ['id', 'timestamp', 'recorded', 'account', 'kind', 'actor', 'action', 'resource', 'result', 'details', 'source', 'log', 'seq', 'salts'],
  additionalProperties: false,
  properties: {
    ...eventParts,
    timestamp,
    recorded: timestamp,
    kind: { enum: ['decision', 'activity'] },
    result: { enum: ['allowed', 'denied', 'success', 'failure', 'error'] },
    decision: {
      type: 'object',
      required: ['allow', 'reasons', 'advice', 'policy', 'duration_us', 'question', 'facts'],
      additionalProperties: false,
      properties: {
        allow: { type: 'boolean' },
        reasons: {
          type: 'array',
          items: {
            type: 'object',
            required: ['code', 'message'],
            additionalProperties: false,
            properties: { code: { type: 'string' }, message: { type: 'string' } },
          },
        },
        advice: { type: 'array' },
        policy: { type: 'string' },
        duration_us: { type: 'integer', minimum: 0 },
        question: object,
        facts: { type: 'object', additionalProperties: { type: 'integer', minimum: 0 } },
      },
    },
    source: name(128),
    log: ulid,
    seq: { type: 'integer', minimum: 1 },
    salts: { type: 'array', items: { type: 'string', pattern: '^[0-9a-f]{32}$' }, minItems: 2, maxItems: 2 },
  },
  allOf: [
    { if: { properties: { kind: { const: 'decision' } } }, then: { required: ['decision'], properties: { result: { enum: ['allowed', 'denied'] } } } },
    { if: { properties: { kind: { const: 'activity' } } }, then: { properties: { result: { enum: ['success', 'failure', 'error'] } } } },
  ],
} as const;

/** The product's one ajv: strict about schemas, with the usual formats. */
export const newAjv = (options: Options = {}): Ajv => {
  const ajv = new Ajv({ allErrors: false, strict: true, strictTypes: false, strictRequired: false, ...options });
  addFormats.default(ajv);
  return ajv;
};

/** True if the value is a whole {@link Event}; `isEvent.errors` says what is wrong otherwise. */
export const isEvent: ValidateFunction<Event> = newAjv().compile<Event>(eventSchema);

/** One sentence for the first of ajv's errors: where, and what was expected. */
export const sayError = (errors: readonly ErrorObject[] | null | undefined, root = 'body'): string => {
  const error = errors?.[0];
  if (!error) return `${root} is not valid.`;
  const place = `${root}${error.instancePath.replaceAll('/', '.')}`;
  const extra = error.keyword === 'additionalProperties' ? ` ("${String(error.params['additionalProperty'])}")` : '';
  const allowed = error.keyword === 'enum' ? `: ${(error.params['allowedValues'] as string[]).join(', ')}` : '';
  return `${place} ${error.message ?? 'is not valid'}${extra}${allowed}.`;
};
