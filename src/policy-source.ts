import { fileURLToPath } from 'node:url';
import type { Config } from './config.js';
import type { PolicySource } from './evaluate/index.js';

/** The bundle to decide by: the configured one, or the one that ships. */
export const policySource = ({ policy }: Config): PolicySource => ({
  path: policy.bundle || fileURLToPath(new URL('../policies/bundle.tar.gz', import.meta.url)),
  entrypoint: policy.entrypoint,
  memoryPages: policy.memory_pages,
});
