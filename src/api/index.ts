export { type Api, createApi } from './app.js';
export {
  MAX_EVALUATIONS,
  type Reply,
  readEvaluation,
  readEvaluations,
  refusalsAmong,
  replyEvaluation,
  replyEvaluations,
  replyProblem,
} from './authzen.js';
export { BULK_BYTES, DECISION_BYTES, readBody } from './body.js';
export type * from './deps.js';
export { openApiOf } from './openapi.js';
export { PROBLEM_TYPE, type Problem, problem } from './problem.js';
export { requestIdOf } from './request-id.js';
