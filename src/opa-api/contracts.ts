import { type Contract, DECISION_BYTES, type ParameterSchema, type Schema } from '../api/index.js';
import { MAX_INPUTS } from './read.js';

const input: Schema = { description: 'Any JSON; a question (subject, action, resource, context) is answered as AuthZEN’s is.' };
const decisionId = { type: 'string', description: "The decision's event." } as const;
const result: Schema = { description: 'What the policy answers; absent where it is undefined.' };

const error = {
  title: 'OpaError',
  type: 'object',
  required: ['code', 'message'],
  properties: {
    code: { enum: ['invalid_parameter', 'undefined_document', 'unauthorized', 'internal_error'] },
    message: { type: 'string' },
    errors: {
      type: 'array',
      items: { type: 'object', required: ['code', 'message'], properties: { code: { type: 'string' }, message: { type: 'string' } } },
    },
    decision_id: decisionId,
  },
} as const;

const answered = {
  title: 'OpaResult',
  type: 'object',
  required: ['decision_id'],
  properties: {
    decision_id: decisionId,
    result,
    warning: { type: 'object', required: ['code', 'message'], properties: { code: { type: 'string' }, message: { type: 'string' } } },
    provenance: { type: 'object' },
    metrics: { type: 'object' },
  },
} as const;

const batch = {
  title: 'OpaBatch',
  type: 'object',
  required: ['batch_decision_id', 'responses'],
  properties: {
    batch_decision_id: { type: 'string', description: 'The request id, which the record of each input carries.' },
    responses: { type: 'object', additionalProperties: { type: 'object' } },
  },
} as const;

const flag = { enum: ['true', 'false'] } as const;
const wanted: ParameterSchema = {
  properties: {
    pretty: { ...flag, description: 'With line ends and indentation.' },
    provenance: { ...flag, description: "With the policy's revision." },
    metrics: { ...flag, description: 'With the time that the policy took.' },
    instrument: { ...flag, description: 'As `metrics`.' },
    explain: { type: 'string', description: 'Taken and let be: nothing is explained.' },
    'strict-builtin-errors': { ...flag, description: 'Taken and let be: builtins of a compiled policy have no errors.' },
  },
};
const path: ParameterSchema = {
  required: ['path'],
  properties: { path: { type: 'string', maxLength: 256, description: 'An entrypoint of the policy, or a path into what it answers; it may have slashes.' } },
};

const shared = { tag: 'opa', permission: 'decision.evaluate' } as const;
const ERRORS = { 400: { description: 'What was sent can not be read.', content: { 'application/json': error } } } as const;
const body = (schema: Schema): NonNullable<Contract['body']> => ({
  limit: DECISION_BYTES,
  as: 'bytes',
  content: { 'application/json': schema },
  optional: true,
});
const RESULT = { description: 'The result, or none where it is undefined.', content: { 'application/json': answered } } as const;

/** What OPA's REST API takes and gives here: `opaFront` keeps it, before any router. */
export const opaContracts: readonly Contract[] = [
  {
    ...shared,
    method: 'POST',
    path: '/v1/data/{path}',
    operation: 'opaQuery',
    summary: "A document of the policy for an input (OPA's REST API).",
    description: 'Every query is recorded as a decision before its answer leaves.',
    params: path,
    query: wanted,
    body: body({ type: 'object', properties: { input } }),
    answers: { 200: RESULT, ...ERRORS },
  },
  {
    ...shared,
    method: 'GET',
    path: '/v1/data/{path}',
    operation: 'opaQueryByParameter',
    summary: 'The same with the input in the address.',
    params: path,
    query: { properties: { input: { type: 'string', description: 'The input as JSON.' }, ...wanted.properties } },
    answers: { 200: RESULT, ...ERRORS },
  },
  {
    ...shared,
    method: 'POST',
    path: '/v1/batch/data/{path}',
    operation: 'opaBatch',
    summary: 'A document of the policy for several inputs by name.',
    params: path,
    query: wanted,
    body: body({
      type: 'object',
      required: ['inputs'],
      properties: { inputs: { type: 'object', maxProperties: MAX_INPUTS, additionalProperties: input } },
    }),
    answers: {
      200: { description: 'Each input has its result.', content: { 'application/json': batch } },
      207: { description: 'Some have an error in their place.', content: { 'application/json': batch } },
      ...ERRORS,
    },
  },
  {
    ...shared,
    method: 'POST',
    path: '/',
    operation: 'opaDefault',
    summary: "The decision of `policy.entrypoint`, as a bare document; the body is the input (OPA's default decision).",
    query: { properties: { pretty: { ...flag, description: 'With line ends and indentation.' } } },
    body: body(input),
    answers: {
      200: { description: 'The document.', content: { 'application/json': {} }, headers: ['X-Verdict-Decision'] },
      404: { description: 'It is undefined.', content: { 'application/json': error }, headers: ['X-Verdict-Decision'] },
      ...ERRORS,
    },
  },
  {
    method: 'GET',
    path: '/health',
    operation: 'opaHealth',
    tag: 'opa',
    summary: 'Whether this process answers, as OPA says it.',
    permission: 'anonymous',
    query: { properties: { bundles: { type: 'string' }, plugins: { type: 'string' }, 'exclude-plugin': { type: 'string' } } },
    answers: { 200: { description: 'It does.', content: { 'application/json': { type: 'object', maxProperties: 0 } } } },
  },
];
