export type { CacheConfig } from './cache.js';
export { type AskOptions, type SearchOptions, type VerdictClient, type VerdictClientConfig, verdictClient } from './client.js';
export type { Asked } from './gate.js';
export * from './types.js';
