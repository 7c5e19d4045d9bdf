export { identify, tokenHash } from './identify.js';
export { hasRepeatedMembers, isJsonType } from './json-body.js';
export { loadRoutes, readRoutes, routesFromOpenApi } from './load.js';
export { type Asked, MOST_QUESTIONS, questionPicks, questionsOf } from './questions.js';
export { type RouteSource, routeTable } from './route-source.js';
export { readTarget } from './target.js';
export * from './types.js';
export { type UnknownOf, unknownResource, unknownSentence } from './unknown.js';
export { connectionOptions, filled, type Sources, sayPick, valueAt } from './values.js';
