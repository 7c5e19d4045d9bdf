import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Config, isUrl } from './config.js';
import { type BundleSource, fileSource, httpSource } from './rollout/index.js';

/** What to ask of a bundle, and the memory it may have. */
export const policyRules = ({ policy }: Pick<Config, 'policy'>): { readonly entrypoint: string; readonly memoryPages: number } => ({
  entrypoint: policy.entrypoint,
  memoryPages: policy.memory_pages,
});

/** The bundle that ships. */
export const SHIPPED_BUNDLE = fileURLToPath(new URL('../policies/bundle.tar.gz', import.meta.url));

/** Where bundles come from: the configured server or file, or the one that ships. */
export const bundleSource = ({ policy }: Pick<Config, 'policy'>): BundleSource => {
  if (isUrl(policy.bundle)) return httpSource(policy);
  const path = policy.bundle === '' ? SHIPPED_BUNDLE : resolve(policy.bundle);
  return fileSource({ ...policy, path });
};
