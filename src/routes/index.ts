export { identify, tokenHash } from './identify.js';
export { loadRoutes, readRoutes, routesFromOpenApi } from './load.js';
export { type Asked, MOST_QUESTIONS, questionPicks, questionsOf } from './questions.js';
export { readTarget } from './target.js';
export * from './types.js';
export { filled, type Sources, sayPick, valueAt } from './values.js';
