import type { Forbidden, Item, ItemOutcome, Outcome, Semantic } from '../evaluate/decide.js';
import type { Question } from '../evaluate/question.js';
import { eventParts, newAjv, sayError } from '../event/index.js';
import { DECISION_BYTES, mediaTypeOf } from './body.js';
import { readJson } from './json.js';
import { PROBLEM_TYPE, type Problem, problem } from './problem.js';

/** AuthZEN 1.0's requests and answers as pure functions, for the Hono routes and for the front that serves the hot paths. */

const properties = { type: 'object' } as const;
export const subjectSchema = {
  type: 'object',
  required: ['type', 'id'],
  properties: { type: eventParts.actor.properties.type, id: eventParts.actor.properties.id, properties },
} as const;
export const actionSchema = { type: 'object', required: ['name'], properties: { name: eventParts.action, properties } } as const;
export const resourceSchema = {
  type: 'object',
  required: ['type', 'id'],
  properties: { type: eventParts.resource.properties.type, id: eventParts.resource.properties.id, properties },
} as const;
export const contextSchema = { type: 'object' } as const;

/** AuthZEN 1.0, section 6.1. Fields it doesn't know are ignored. */
export const evaluationSchema = {
  title: 'Evaluation',
  type: 'object',
  required: ['subject', 'action', 'resource'],
  properties: { subject: subjectSchema, action: actionSchema, resource: resourceSchema, context: contextSchema },
} as const;

const SEMANTICS = ['execute_all', 'deny_on_first_deny', 'permit_on_first_permit'] as const;

/** The most questions in one request. */
export const MAX_EVALUATIONS = 1_000;
/** The most bytes that a request's questions may come to once the defaults are laid under each. */
const MAX_MERGED_BYTES = 4 * 1024 * 1024;

/** AuthZEN 1.0, section 7.1: defaults at the top, questions below. */
export const evaluationsSchema = {
  title: 'Evaluations',
  type: 'object',
  properties: {
    subject: { type: 'object' },
    action: { type: 'object' },
    resource: { type: 'object' },
    context: contextSchema,
    evaluations: { type: 'array', maxItems: MAX_EVALUATIONS, items: { type: 'object' } },
    options: { type: 'object', properties: { evaluations_semantic: { enum: SEMANTICS, default: 'execute_all' } } },
  },
} as const;

const decisionContext = {
  type: 'object',
  properties: {
    id: { type: 'string', description: "The decision's event." },
    reasons: {
      type: 'array',
      items: { type: 'object', required: ['code', 'message'], properties: { code: { type: 'string' }, message: { type: 'string' } } },
    },
    advice: { type: 'array' },
    policy: { type: 'string', description: "The policy's revision." },
    error: { type: 'object', required: ['status', 'message'], properties: { status: { type: 'integer' }, message: { type: 'string' } } },
  },
} as const;

export const decisionSchema = {
  title: 'Decision',
  type: 'object',
  required: ['decision'],
  properties: { decision: { type: 'boolean' }, context: decisionContext },
} as const;
export const decisionsSchema = {
  type: 'object',
  properties: { decision: { type: 'boolean' }, context: decisionContext, evaluations: { type: 'array', items: decisionSchema } },
  anyOf: [{ required: ['decision'] }, { required: ['evaluations'] }],
} as const;

const ajv = newAjv();
const isEvaluation = ajv.compile<Question>(evaluationSchema);
type Batch = { readonly evaluations?: readonly object[]; readonly options?: { readonly evaluations_semantic?: Semantic } } & Partial<Question>;
const isBatch = ajv.compile<Batch>(evaluationsSchema);

/** The value as a question, if it is one that AuthZEN's evaluation takes (AuthZEN 1.0, section 6.1). */
export const asQuestion = (value: object): Question | undefined => (isEvaluation(value) ? value : undefined);

export type Refused = { readonly ok: false; readonly status: number; readonly problem: Problem };
export type EvaluationRead = { readonly ok: true; readonly question: Question } | Refused;
export type EvaluationsRead =
  | { readonly ok: true; readonly kind: 'one'; readonly question: Question }
  | { readonly ok: true; readonly kind: 'many'; readonly items: readonly Item[]; readonly semantic: Semantic }
  | Refused;

export const refuse = (status: number, code: string, detail: string): Refused => ({ ok: false, status, problem: problem(status, code, detail) });

const isJsonType = (contentType: string | undefined): boolean => {
  if (contentType === 'application/json') return true;
  return mediaTypeOf(contentType) === 'application/json';
};

/** Reads a body as AuthZEN has it (AuthZEN 1.0, section 10.1): a Content-Type that is no JSON is a 400 like any other fault. */
export const readObject = (body: Buffer | string, contentType: string | undefined, limit: number): { readonly ok: true; readonly value: unknown } | Refused => {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  if (bytes.length > limit) return refuse(413, 'body.too_large', `The body is over the ${limit} bytes that this address takes; ask less at a time.`);
  if (!isJsonType(contentType)) return refuse(400, 'media_type.unsupported', 'The Content-Type must be application/json.');
  const read = readJson(bytes);
  return read.ok ? read : refuse(400, read.code, read.message);
};

/** Reads one question (AuthZEN 1.0, section 6.1). `limit` is the most bytes of the body. */
export const readEvaluation = (body: Buffer | string, contentType: string | undefined, limit = DECISION_BYTES): EvaluationRead => {
  const read = readObject(body, contentType, limit);
  if (!read.ok) return read;
  if (!isEvaluation(read.value)) return refuse(400, 'evaluation.invalid', sayError(isEvaluation.errors));
  return { ok: true, question: read.value };
};

/**
 * Reads several questions (AuthZEN 1.0, section 7.1). A key that an item names replaces the whole default. No
 * `evaluations`, or none in it, makes the request a single question. An item that isn't a whole question becomes an
 * error in its place.
 */
export const readEvaluations = (body: Buffer | string, contentType: string | undefined, limit = DECISION_BYTES): EvaluationsRead => {
  const read = readObject(body, contentType, limit);
  if (!read.ok) return read;
  if (!isBatch(read.value)) return refuse(400, 'evaluations.invalid', sayError(isBatch.errors));
  const { evaluations, options, ...rest } = read.value;
  if (evaluations === undefined || evaluations.length === 0) {
    if (!isEvaluation(rest)) return refuse(400, 'evaluation.invalid', sayError(isEvaluation.errors));
    return { ok: true, kind: 'one', question: rest };
  }
  const defaults = defaultsOf(rest);
  const repeated = evaluations.length > 1 ? Buffer.byteLength(JSON.stringify(defaults)) * evaluations.length : 0;
  if (repeated > MAX_MERGED_BYTES)
    return refuse(413, 'evaluations.too_large', `The defaults, laid under ${evaluations.length} questions, come to over ${MAX_MERGED_BYTES} bytes; ask fewer.`);
  return {
    ok: true,
    kind: 'many',
    semantic: options?.evaluations_semantic ?? 'execute_all',
    items: evaluations.map((evaluation, index) => itemOf({ ...defaults, ...evaluation }, index)),
  };
};

const defaultsOf = (given: Partial<Question>): Partial<Question> => ({
  ...(given.subject && { subject: given.subject }),
  ...(given.action && { action: given.action }),
  ...(given.resource && { resource: given.resource }),
  ...(given.context && { context: given.context }),
});

const itemOf = (merged: object, index: number): Item =>
  isEvaluation(merged) ? { question: merged } : { error: { status: 400, message: sayError(isEvaluation.errors, `evaluations.${index}`) } };

/** An answer ready to be written: the front adds X-Request-ID. */
export type Reply = { readonly status: number; readonly contentType: string; readonly body: string };

export const replyProblem = (found: Problem, requestId: string): Reply => ({
  status: found.status,
  contentType: PROBLEM_TYPE,
  body: JSON.stringify({ ...found, request_id: requestId }),
});

export const replyJson = (value: unknown): Reply => ({ status: 200, contentType: 'application/json', body: JSON.stringify(value) });

/** What a single question's outcome is answered with. */
export const replyEvaluation = (outcome: Outcome, requestId: string): Reply => {
  switch (outcome.kind) {
    case 'decided':
      return replyJson({ decision: outcome.decision, context: outcome.context });
    case 'forbidden':
      return replyProblem(problem(403, outcome.code, outcome.message), requestId);
    case 'too_large':
      return replyProblem(problem(413, 'question.too_large', outcome.message), requestId);
  }
};

const itemAnswer = (outcome: ItemOutcome): object => {
  switch (outcome.kind) {
    case 'decided':
      return { decision: outcome.decision, context: outcome.context };
    case 'forbidden':
      return { decision: false, context: { error: { status: 403, message: outcome.message } } };
    case 'too_large':
      return { decision: false, context: { error: { status: 413, message: outcome.message } } };
    case 'invalid':
      return { decision: false, context: { error: { status: outcome.status, message: outcome.message } } };
  }
};

/** What several questions' outcomes are answered with: in order, each in its place. A caller that may ask nothing at all gets a 403. */
export const replyEvaluations = (outcomes: readonly ItemOutcome[], requestId: string): Reply => {
  const barred = outcomes.find((outcome) => outcome.kind === 'forbidden' && outcome.code === 'caller.permission');
  if (barred?.kind === 'forbidden') return replyEvaluation(barred, requestId);
  return replyJson({ evaluations: outcomes.map(itemAnswer) });
};

/** The refusals among the outcomes, one for each code and account: each is an event. */
export const refusalsAmong = (outcomes: readonly ItemOutcome[]): readonly Forbidden[] => {
  const found = new Map<string, Forbidden>();
  for (const outcome of outcomes) if (outcome.kind === 'forbidden') found.set(`${outcome.code}/${outcome.account ?? ''}`, outcome);
  return [...found.values()];
};
