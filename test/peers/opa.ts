import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe } from 'vitest';
import { findOpa } from '../../src/evaluate/index.js';

const run = promisify(execFile);

/** The policies that tests build, one folder each. */
export const fixturePolicies = fileURLToPath(new URL('../fixtures/policies/', import.meta.url));

/** Builds one of the test policies as OPA itself would, with no check by Verdict, and returns the bundle's bytes. */
export const fixtureBundle = async (opa: string, name: string, entrypoints: readonly string[] = ['verdict/decision']): Promise<Buffer> => {
  const folder = await mkdtemp(join(tmpdir(), 'verdict-fixture-'));
  try {
    const out = join(folder, 'bundle.tar.gz');
    const chosen = entrypoints.flatMap((entrypoint) => ['-e', entrypoint]);
    await run(opa, ['build', '-t', 'wasm', ...chosen, '-o', out, '-b', '.'], { cwd: join(fixturePolicies, name) });
    return await readFile(out);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

/** A suite that needs OPA, of exactly the version that Verdict's bundle is built with. Left out, with the reason in its name, where there is none; with CI=true a failure. */
export const describeWithOpa = async (name: string, cases: (opa: string) => void): Promise<void> => {
  const opa = await findOpa({ exact: true, say: console.warn });
  if (opa.found) describe(name, () => cases(opa.path));
  else if (process.env['CI'] === 'true') throw new Error(opa.message);
  else describe.skip(`${name} (left out: ${opa.message})`, () => cases(''));
};
