import { stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Option } from 'commander';
import { findOpa, loadPolicy, type Policy } from '../../evaluate/index.js';
import { bundleOf, type PolicyTask } from '../../evaluate/tools/index.js';
import { EXIT, Failure } from '../failure.js';
import { remark } from '../output.js';

/** The folder of Rego and data that commands work on where none is named. */
export const DEFAULT_SOURCE = 'policies/platform';

/** The same folder as Verdict ships it: what its own bundle is built from. */
export const SHIPPED_SOURCE = fileURLToPath(new URL(`../../../${DEFAULT_SOURCE}`, import.meta.url));

/** What is asked of a bundle where nothing else is named. */
export const DEFAULT_ENTRYPOINT = 'verdict/decision';

/** The most memory of an evaluation, in pages of 64 KiB. */
const MEMORY_PAGES = 2048;

/** The folder with the OPA to work on it. Rejects with a Failure that says how to get an OPA where there is none. */
export const taskFor = async (source: string): Promise<PolicyTask> => {
  const opa = await findOpa({ say: remark });
  if (!opa.found) throw new Failure(EXIT.failed, opa.message);
  return { source, opa: opa.path };
};

export const entrypointOption = (): Option => new Option('-e, --entrypoint <path>', 'what is asked of it').default(DEFAULT_ENTRYPOINT);

const isFolder = async (path: string): Promise<boolean> => (await stat(path).catch(() => undefined))?.isDirectory() ?? false;

/** Loads a bundle, or builds and loads that of a folder of policies (for which OPA is needed). Rejects with PolicyError. */
export const loadFrom = async (path: string, entrypoint: string): Promise<Policy> => {
  const rules = { entrypoint, memoryPages: MEMORY_PAGES };
  return (await isFolder(path)) ? loadPolicy({ bytes: await bundleOf(await taskFor(path), [entrypoint]), ...rules }) : loadPolicy({ path, ...rules });
};
