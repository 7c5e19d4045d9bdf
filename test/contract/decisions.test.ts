import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { loadPolicy, type Policy } from '../../src/evaluate/index.js';
import { parseCases, readCases, runCase } from '../../src/evaluate/tools/index.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const files = await readCases(`${root}/fixtures/decisions`);

let policy: Policy;
beforeAll(async () => {
  policy = await loadPolicy({ path: `${root}/policies/bundle.tar.gz`, entrypoint: 'verdict/decision', memoryPages: 2048 });
});

describe.each(files.map((one) => ({ ...one, name: basename(one.file) })))('the decisions of $name', ({ directory, cases }) => {
  test.each(cases)('$name', async (one) => {
    expect(await runCase(one, directory, policy)).toEqual([]);
  });
});

describe('the cases in docs/policies.md', () => {
  const [, example = ''] = /### Cases[\s\S]*?```yaml\n([\s\S]*?)```/.exec(readFileSync(`${root}/docs/policies.md`, 'utf8')) ?? [];
  const { directory, cases } = parseCases(example, 'docs/policies.md');
  test.each(cases)('$name', async (one) => {
    expect(await runCase(one, directory, policy)).toEqual([]);
  });
});

test('every cell of the role table has its case', () => {
  const data = parse(readFileSync(`${root}/policies/role_table/data.yaml`, 'utf8')) as { readonly actions: Record<string, string> };
  const asked = files.flatMap(({ cases }) => cases.map(({ question, answer }) => `${question.action.name}: ${answer.reasons[0]?.message?.split(' ')[2]}`));
  const roles = ['owner', 'admin', 'developer', 'viewer'];
  const cells = Object.keys(data.actions).flatMap((action) => roles.map((role) => `${action}: ${role}`));
  expect(cells.filter((cell) => !asked.includes(cell))).toEqual([]);
});
