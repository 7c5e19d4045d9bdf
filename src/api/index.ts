export { type Api, createApi } from './app.js';
export {
  asQuestion,
  MAX_EVALUATIONS,
  type Reply,
  readEvaluation,
  readEvaluations,
  refusalsAmong,
  replyEvaluation,
  replyEvaluations,
  replyProblem,
} from './authzen.js';
export { BULK_BYTES, DECISION_BYTES, mediaTypeOf, readBody } from './body.js';
export type { Contract, ParameterSchema, Schema } from './contract.js';
export type * from './deps.js';
export { isReservedType, placeOf } from './entity-rules.js';
export { shapeFault, thereIn } from './entity-shape.js';
export { readJson } from './json.js';
export { openApiOf } from './openapi.js';
export { PROBLEM_TYPE, type Problem, problem } from './problem.js';
export { echoedIdOf, requestIdOf } from './request-id.js';
