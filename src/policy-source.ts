import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Config } from './config.js';
import { PolicyError } from './evaluate/index.js';

/** Where the bundle is (the configured one, or the one that ships), what to ask of it, and the memory it may have. */
export const policySource = ({ policy }: Pick<Config, 'policy'>): { readonly path: string; readonly entrypoint: string; readonly memoryPages: number } => ({
  path: policy.bundle || fileURLToPath(new URL('../policies/bundle.tar.gz', import.meta.url)),
  entrypoint: policy.entrypoint,
  memoryPages: policy.memory_pages,
});

/** The bundle's bytes. Rejects with PolicyError, in one sentence. */
export const bundleBytes = async (path: string): Promise<Uint8Array> => {
  try {
    return await readFile(path);
  } catch (error) {
    throw new PolicyError(`The policy bundle ${path} can't be read: ${(error as Error).message}.`);
  }
};
