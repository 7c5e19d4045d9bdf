import { createHash } from 'node:crypto';
import type { Place, Question, Search, SearchKind, SearchOutcome } from '../evaluate/index.js';
import { eventParts, isObject, type Json, newAjv, sayError } from '../event/index.js';
import {
  actionSchema,
  contextSchema,
  type Refused,
  type Reply,
  readObject,
  refuse,
  replyJson,
  replyProblem,
  resourceSchema,
  subjectSchema,
} from './authzen.js';
import { DECISION_BYTES } from './body.js';
import { problem } from './problem.js';

/** AuthZEN 1.0's search requests and answers (section 8) as pure functions. */

/** The most results of one answer, and how many there are where the request doesn't say. */
export const MAX_RESULTS = 10_000;

/** The longest token: an account's name and an id in it, each of 256 characters, as JSON in base64url. */
const MAX_TOKEN = 8_192;

const page = {
  type: 'object',
  properties: {
    token: { type: 'string', maxLength: MAX_TOKEN, description: 'The next_token of the answer before.' },
    limit: { type: 'integer', minimum: 0, description: `The most results; never more than ${MAX_RESULTS}.` },
  },
} as const;

const properties = { type: 'object' } as const;
/** What is searched for: an id is no fault, and no matter. */
const searched = (type: object) => ({ type: 'object', required: ['type'], properties: { type, properties } }) as const;

/** AuthZEN 1.0, sections 8.4 to 8.6. Fields they don't know are ignored, as is what an action search says of an action. */
export const searchSchemas = {
  subject: {
    title: 'SubjectSearch',
    type: 'object',
    required: ['subject', 'action', 'resource'],
    properties: { subject: searched(eventParts.actor.properties.type), action: actionSchema, resource: resourceSchema, context: contextSchema, page },
  },
  resource: {
    title: 'ResourceSearch',
    type: 'object',
    required: ['subject', 'action', 'resource'],
    properties: { subject: subjectSchema, action: actionSchema, resource: searched(eventParts.resource.properties.type), context: contextSchema, page },
  },
  action: {
    title: 'ActionSearch',
    type: 'object',
    required: ['subject', 'resource'],
    properties: { subject: subjectSchema, resource: resourceSchema, context: contextSchema, page },
  },
} as const;

const text = { type: 'string' } as const;
const results = {
  subject: { type: 'object', required: ['type', 'id'], properties: { type: text, id: text } },
  resource: { type: 'object', required: ['type', 'id'], properties: { type: text, id: text } },
  action: { type: 'object', required: ['name'], properties: { name: text } },
} as const;

/** What a search is answered with (AuthZEN 1.0, section 8.3). */
export const foundSchema = (kind: SearchKind) =>
  ({
    type: 'object',
    required: ['page', 'results'],
    properties: {
      page: {
        type: 'object',
        required: ['next_token', 'count'],
        properties: { next_token: { type: 'string', description: 'Empty: there is no more.' }, count: { type: 'integer', minimum: 0 } },
      },
      context: {
        type: 'object',
        properties: { id: { type: 'string', description: "The search's event." }, policy: { type: 'string', description: "The policy's revision." } },
      },
      results: { type: 'array', items: results[kind] },
    },
  }) as const;

type Asked = Partial<Question> & { readonly page?: { readonly token?: string; readonly limit?: number } };

const ajv = newAjv();
const valid = {
  subject: ajv.compile<Asked>(searchSchemas.subject),
  resource: ajv.compile<Asked>(searchSchemas.resource),
  action: ajv.compile<Asked>(searchSchemas.action),
};

const sorted = (value: Json): Json => {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isObject(value)) return value;
  const names = Object.keys(value).sort();
  return Object.fromEntries(names.map((name) => [name, sorted(value[name] as Json)]));
};

/** Only what counts: without the searched-for id, and without what AuthZEN doesn't know. */
const questionOf = (kind: SearchKind, { subject, action, resource, context }: Asked): Question => ({
  subject: kind === 'subject' ? { ...party(subject), id: '' } : party(subject),
  action: kind === 'action' ? { name: '' } : { name: action?.name ?? '', ...(action?.properties && { properties: action.properties }) },
  resource: kind === 'resource' ? { ...party(resource), id: '' } : party(resource),
  ...(context && { context }),
});

const party = (given: Asked['subject']): Question['subject'] => ({
  type: given?.type ?? '',
  id: given?.id ?? '',
  ...(given?.properties && { properties: given.properties }),
});

/** Which question of whom a token belongs to, whatever the order of the JSON's members. */
const bindingOf = (kind: SearchKind, question: Question, caller: string): string =>
  createHash('sha256')
    .update(JSON.stringify([kind, caller, sorted(question as unknown as Json)]))
    .digest('base64url')
    .slice(0, 22);

const VERSION = 1;

const tokenOf = (search: Search, { stretch, after }: Place, caller: string): string =>
  Buffer.from(JSON.stringify([VERSION, bindingOf(search.kind, search.question, caller), search.limit, stretch, after])).toString('base64url');

const parsed = (token: string): unknown => {
  if (!/^[A-Za-z0-9_-]+$/.test(token)) return undefined;
  try {
    return JSON.parse(Buffer.from(token, 'base64url').toString('utf8'));
  } catch {
    return undefined;
  }
};

type Token = { readonly binding: string; readonly limit: number; readonly place: Place };

/** What an id or an account's name can be, or nothing. */
const PLACE = /^[^\p{Cc}\p{Surrogate}]{0,256}$/u;

const readToken = (token: string): Token | undefined => {
  const parts = parsed(token);
  if (!Array.isArray(parts) || parts.length !== 5 || parts[0] !== VERSION) return undefined;
  const [, binding, limit, stretch, after] = parts as unknown[];
  if (typeof binding !== 'string' || typeof stretch !== 'string' || typeof after !== 'string') return undefined;
  if (!Number.isInteger(limit) || (limit as number) < 0 || (limit as number) > MAX_RESULTS || !PLACE.test(after) || !PLACE.test(stretch)) return undefined;
  return { binding, limit: limit as number, place: { stretch, after } };
};

const INVALID = 'The token is not valid: use next_token of the answer before, unchanged.';
const OTHERS =
  'The token belongs to another search: with it, subject, action, resource, context and limit are those of the request before, and so is the credential.';

export type SearchRead = { readonly ok: true; readonly search: Search } | Refused;

/** Reads a search. `caller` is who asks; `limit` the most bytes of the body. */
export const readSearch = (kind: SearchKind, body: Buffer, contentType: string | undefined, caller: string, limit = DECISION_BYTES): SearchRead => {
  const read = readObject(body, contentType, limit);
  if (!read.ok) return read;
  const validate = valid[kind];
  if (!validate(read.value)) return refuse(400, 'search.invalid', sayError(validate.errors));
  const { page: asked = {} } = read.value;
  const question = questionOf(kind, read.value);
  const most = asked.limit === undefined ? undefined : Math.min(asked.limit, MAX_RESULTS);
  // An empty token is that of the last answer, and of none.
  if (asked.token === undefined || asked.token === '') return { ok: true, search: { kind, question, limit: most ?? MAX_RESULTS } };
  const token = readToken(asked.token);
  if (!token) return refuse(400, 'page.token', INVALID);
  if (token.binding !== bindingOf(kind, question, caller) || (most !== undefined && most !== token.limit)) return refuse(400, 'page.token', OTHERS);
  return { ok: true, search: { kind, question, limit: token.limit, from: token.place } };
};

/** What a search's outcome is answered with. The page comes first, so that a client can show how much follows. */
export const replySearch = (search: Search, outcome: SearchOutcome, caller: string, requestId: string): Reply => {
  switch (outcome.kind) {
    case 'found': {
      const { ids, next, context } = outcome;
      const { kind, question } = search;
      return replyJson({
        page: { next_token: next ? tokenOf(search, next, caller) : '', count: ids.length },
        context,
        results: kind === 'action' ? ids.map((name) => ({ name })) : ids.map((id) => ({ type: question[kind].type, id })),
      });
    }
    case 'forbidden':
      return replyProblem(problem(403, outcome.code, outcome.message), requestId);
    case 'too_large':
      return replyProblem(problem(413, 'question.too_large', outcome.message), requestId);
    case 'busy':
      return replyProblem(problem(503, 'search.busy', outcome.message), requestId);
  }
};
