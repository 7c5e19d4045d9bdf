export { PolicyError } from './bundle.js';
export * from './decide.js';
export * from './directory/index.js';
export { type FoundOpa, findOpa, OPA_VERSION, type OpaSearch } from './opa.js';
export { loadPolicy, type PolicySource } from './policy.js';
export type * from './policy-types.js';
export type { Question } from './question.js';
