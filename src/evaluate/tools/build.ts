import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PolicyError, packBundle, readBundle } from '../bundle.js';
import { loadPolicy } from '../policy.js';
import { capabilitiesOf } from './capabilities.js';
import { sayRefused } from './check.js';
import { type PolicyTask, runOpa, sayFailure } from './opa-run.js';

/** A bundle that was built, and proved by loading it. */
export type BuiltBundle = { readonly revision: string; readonly entrypoints: readonly string[]; readonly bytes: number };

const withRefused = (message: string, refused: ReadonlySet<string>): string => {
  const called = [...new Set([...message.matchAll(/undefined function (\S+)/g)].map(([, name]) => name as string))].filter((name) => refused.has(name));
  return [message, ...called.map(sayRefused)].join('\n');
};

/** The bytes of the bundle of a folder of policies, without its tests. Rejects with {@link PolicyError}. */
export const bundleOf = async (task: PolicyTask, entrypoints: readonly string[]): Promise<Buffer> => {
  const { usable, refused } = await capabilitiesOf(task);
  const folder = await mkdtemp(join(tmpdir(), 'verdict-policy-'));
  try {
    const [capabilities, out] = [join(folder, 'capabilities.json'), join(folder, 'bundle.tar.gz')];
    await writeFile(capabilities, JSON.stringify(usable));
    const chosen = entrypoints.flatMap((entrypoint) => ['-e', entrypoint]);
    const ran = await runOpa(task, ['build', '-t', 'wasm', ...chosen, '--capabilities', capabilities, '--ignore', '*_test.rego', '-o', out, '-b', '.']);
    if (ran.code !== 0) throw new PolicyError(`The policies in ${task.source} can't be built: ${withRefused(sayFailure(ran), refused)}`);
    return await packBundle(await readBundle(await readFile(out)));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

/**
 * Builds the bundle of a folder of policies, without its tests, and writes it to `out` in one step once it has proved to load.
 * The bytes depend on the sources, the entrypoints and OPA's version alone. Rejects with {@link PolicyError}; `out` is then as it was.
 */
export const buildBundle = async (task: PolicyTask & { readonly out: string; readonly entrypoints: readonly string[] }): Promise<BuiltBundle> => {
  const [entrypoint] = task.entrypoints;
  if (entrypoint === undefined) throw new PolicyError('A bundle needs at least one entrypoint, such as verdict/decision.');
  const draft = `${task.out}.${process.pid}.draft`;
  try {
    const bytes = await bundleOf(task, task.entrypoints);
    const { revision, entrypoints } = await loadPolicy({ bytes, entrypoint, memoryPages: 2048 });
    await writeFile(draft, bytes);
    await rename(draft, task.out);
    return { revision, entrypoints, bytes: bytes.length };
  } finally {
    await rm(draft, { force: true });
  }
};
