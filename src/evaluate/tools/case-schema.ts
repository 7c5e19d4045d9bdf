import { PERMISSIONS } from '../../caller/types.js';
import { eventParts } from '../../event/index.js';

/** JSON Schemas (draft-07) of what people write: questions, entities, and the cases of fixtures/decisions. */

const object = { type: 'object' } as const;
const objectOf = { additionalProperties: false, type: 'object' } as const;
const { type, id } = eventParts.actor.properties;
const thing = { ...objectOf, required: ['type', 'id'], properties: { type, id, properties: object } } as const;

export const questionSchema = {
  ...objectOf,
  required: ['subject', 'action', 'resource'],
  properties: {
    subject: thing,
    action: { ...objectOf, required: ['name'], properties: { name: eventParts.action, properties: object } },
    resource: thing,
    context: object,
  },
} as const;

export const entitySchema = {
  ...objectOf,
  required: ['type', 'id', 'properties'],
  properties: { type, id, account: eventParts.account, properties: object, version: { type: 'integer', minimum: 1 } },
} as const;

const reasonSchema = { ...objectOf, required: ['code'], properties: { code: { type: 'string' }, message: { type: 'string' } } } as const;

const answerSchema = {
  ...objectOf,
  required: ['allow', 'reasons'],
  properties: { allow: { type: 'boolean' }, reasons: { type: 'array', items: reasonSchema }, advice: { type: 'array', items: object } },
} as const;

const circumstances = {
  name: { type: 'string', minLength: 1 },
  caller: {
    ...objectOf,
    properties: {
      accounts: { anyOf: [{ const: 'all' }, { type: 'array', items: eventParts.account }] },
      permissions: { type: 'array', items: { enum: PERMISSIONS } },
    },
  },
  now: { type: 'string', format: 'date-time' },
} as const;

export const caseSchema = {
  ...objectOf,
  required: ['name', 'question', 'answer'],
  properties: { ...circumstances, question: questionSchema, answer: answerSchema, event: object, further_events: { type: 'array', items: object } },
} as const;

/** Several questions of one request, and as many answers. */
export const batchSchema = {
  ...objectOf,
  required: ['name', 'questions', 'answers'],
  properties: {
    ...circumstances,
    questions: { type: 'array', minItems: 1, items: questionSchema },
    answers: { type: 'array', items: answerSchema },
    events: { type: 'array', items: object },
  },
} as const;

export const caseFileSchema = {
  ...objectOf,
  required: ['directory', 'cases'],
  properties: {
    directory: { type: 'array', items: entitySchema },
    cases: { type: 'array', items: object },
    batches: { type: 'array', items: object },
  },
} as const;
