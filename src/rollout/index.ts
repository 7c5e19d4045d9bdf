export { fileSource } from './file-source.js';
export { httpSource } from './http-source.js';
export { createRollout, type Rollout } from './rollout.js';
export type { BundleSource } from './source.js';
