import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { loadPolicy, type Policy } from '../../src/evaluate/index.js';
import { parseCases, readCases, runBatch, runCase } from '../../src/evaluate/tools/index.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const files = await readCases(`${root}/fixtures/decisions`);

/** Names in full: vitest would cut a `$name` short. */
const named = <T extends { readonly name: string }>(all: readonly T[]): (readonly [string, T])[] => all.map((one) => [one.name, one] as const);

let policy: Policy;
beforeAll(async () => {
  policy = await loadPolicy({ path: `${root}/policies/bundle.tar.gz`, entrypoint: 'verdict/decision', memoryPages: 2048 });
});

describe.each(files.map((one) => [basename(one.file), one] as const))('the decisions of %s', (_file, { directory, cases, batches = [] }) => {
  test.each(named(cases))('%s', async (_, one) => {
    expect(await runCase(one, directory, policy)).toEqual([]);
  });
  test.each(named(batches))('%s', async (_, one) => {
    expect(await runBatch(one, directory, policy)).toEqual([]);
  });
});

describe('the cases in docs/policies.md', () => {
  const [, example = ''] = /### Cases[\s\S]*?```yaml\n([\s\S]*?)```/.exec(readFileSync(`${root}/docs/policies.md`, 'utf8')) ?? [];
  const { directory, cases } = parseCases(example, 'docs/policies.md');
  test.each(named(cases))('%s', async (_, one) => {
    expect(await runCase(one, directory, policy)).toEqual([]);
  });
});
