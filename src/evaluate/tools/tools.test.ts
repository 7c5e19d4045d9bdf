import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { describeWithOpa, fixturePolicies } from '../../../test/peers/opa.js';
import { ALLOWED_BUILTINS } from '../builtins.js';
import { readBundle } from '../bundle.js';
import { SDK_BUILTINS } from '../opa-wasm.js';
import { capabilitiesOf } from './capabilities.js';
import { buildBundle, checkPolicies, type PolicyProblem, sayProblem, testPolicies } from './index.js';
import { insteadOf } from './instead.js';

const policies = fileURLToPath(new URL('../../../policies', import.meta.url));
const entrypoints = ['verdict/decision'];

await describeWithOpa('policies', (opa) => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'verdict-tools-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const write = async (files: { readonly [name: string]: string }): Promise<string> => {
    const source = join(folder, 'source');
    for (const [name, content] of Object.entries(files)) {
      await mkdir(join(source, name, '..'), { recursive: true });
      await writeFile(join(source, name), content);
    }
    return source;
  };

  describe.each([
    { name: 'platform', file: 'bundle.tar.gz', entrypoint: 'verdict/decision', least: 800 },
    { name: 'api', file: 'api.tar.gz', entrypoint: 'verdict/api/decision', least: 10 },
  ])('that ship ($name)', ({ name, file, entrypoint, least }) => {
    const shipped = join(policies, name);
    const committed = (): Promise<Buffer> => readFile(join(policies, file));

    test('are what their committed bundle was built from, byte for byte', { timeout: 60_000 }, async () => {
      const source = join(folder, 'somewhere', 'else');
      await cp(shipped, source, { recursive: true });
      const out = join(folder, 'bundle.tar.gz');
      const built = await buildBundle({ source, opa, out, entrypoints: [entrypoint] });
      const [fresh, kept] = [await readFile(out), await committed()];
      expect(fresh.equals(kept), `policies/${file} is not what policies/${name} gives: run \`npm run policies\` and commit it`).toBe(true);
      expect(built).toMatchObject({ entrypoints: [entrypoint], bytes: kept.length });
    });

    test('are formatted, strict, tested to the last line, and hold no test in their bundle', { timeout: 120_000 }, async () => {
      expect(await checkPolicies({ source: shipped, opa })).toEqual([]);
      const tests = await testPolicies({ source: shipped, opa });
      expect(tests).toMatchObject({ failed: [], skipped: 0, coverage: 100, uncovered: [] });
      expect(tests.passed).toBeGreaterThan(least);
      const files = [...(await readBundle(await committed())).keys()];
      expect(files).toEqual(expect.arrayContaining(['.manifest', 'data.json', 'policy.wasm']));
      expect(files.filter((one) => /_test|\.tar|\.yaml/.test(one))).toEqual([]);
    });
  });

  describe('that can’t be built', () => {
    const refusal = async (source: string, chosen: readonly string[] = entrypoints): Promise<string> => {
      const out = join(folder, 'kept.tar.gz');
      await writeFile(out, 'the one before');
      const error = await buildBundle({ source, opa, out, entrypoints: chosen }).catch((thrown: unknown) => thrown);
      expect((error as Error).name).toBe('PolicyError');
      expect(await readFile(out, 'utf8')).toBe('the one before');
      expect((await readdir(folder)).filter((name) => name.includes('kept'))).toEqual(['kept.tar.gz']);
      return (error as Error).message;
    };

    test('because they call what WASM lacks name the calls and their lines', async () => {
      const message = await refusal(join(fixturePolicies, 'clock'));
      expect(message).toContain('policy.rego:5: rego_type_error: undefined function time.now_ns');
      expect(message).toMatch(/OPA has time\.now_ns, but not inside WASM, where Verdict's policies run; use input\.facts\.now/);
      expect(message).toMatch(/OPA has object\.subset, but not inside WASM/);
    });

    test('because they are no Rego name file and line', async () => {
      expect(await refusal(await write({ 'a.rego': 'package verdict\n\ndecision := ' }))).toMatch(/a\.rego:3: rego_parse_error/);
    });

    test('because the entrypoint is missing, or none is given, say so', async () => {
      expect(await refusal(join(fixturePolicies, 'boolean'), ['verdict/nothing'])).toContain('verdict/nothing');
      expect(await refusal(join(fixturePolicies, 'boolean'), [])).toMatch(/needs at least one entrypoint/);
    });

    test('because there is no such folder, or no OPA, say so', async () => {
      expect(await refusal(join(folder, 'missing'))).toMatch(/missing is not a folder of policies\.$/);
      const task = { source: policies, opa: join(folder, 'no-opa'), out: join(folder, 'x.tar.gz'), entrypoints };
      await expect(buildBundle(task)).rejects.toThrow(/no-opa could not be run: /);
    });
  });

  test('are tested case by case: what fails is named with its line, and coverage counts no test file', async () => {
    const rego = 'package a\n\np if input.x == 1\n\nq := "never asked" if input.y\n';
    const passing = 'package a_test\n\nimport data.a\n\ntest_one if a.p with input as {"x": 1}\n';
    const source = await write({ 'a.rego': rego, 'a_test.rego': passing });
    expect(await testPolicies({ source, opa })).toMatchObject({ passed: 1, skipped: 0, failed: [], coverage: 50, uncovered: ['a.rego:5'] });
    await write({ 'c_test.rego': 'package c_test\n\ntodo_test_later if false\n' });
    expect(await testPolicies({ source, opa })).toMatchObject({ passed: 1, skipped: 1, failed: [], coverage: undefined });
    await write({ 'b_test.rego': 'package b_test\n\ntest_cases[note] if {\n\tsome note, x in {"one": 1, "two": 2}\n\tx == 1\n}\n\ntest_none if false\n' });
    const { failed, passed, coverage } = await testPolicies({ source, opa });
    expect(failed).toEqual([
      { name: 'data.b_test.test_cases: two', place: 'b_test.rego:3', message: 'is not true' },
      { name: 'data.b_test.test_none', place: 'b_test.rego:8', message: 'is not true' },
    ]);
    expect({ passed, coverage }).toEqual({ passed: 2, coverage: undefined });
  });

  test('that don’t compile can’t be tested, and are told by file and line', async () => {
    const source = await write({ 'a.rego': 'package a\n\np if nothing(1)\n' });
    await expect(testPolicies({ source, opa })).rejects.toThrow(/a\.rego:3: rego_type_error: undefined function nothing/);
  });

  test('that call what WASM lacks fail the check with file, line and what to use instead, whatever else is wrong; tests may call it', async () => {
    const source = await write({
      'a.rego': 'package a\n\nimport data.unused\n\np if time.now_ns() > 1\n\nq if object.subset({1}, {2})\n\nr if nothing(1)\n',
      'a_test.rego': 'package a_test\n\nimport data.a\n\ntest_p if {\n\ttime.now_ns() > 1\n\ta.p\n}\n',
    });
    const problems = await checkPolicies({ source, opa });
    expect(problems.map(({ kind, file, line }) => `${kind} ${file}:${line}`)).toEqual([
      'types a.rego:3',
      'builtin a.rego:5',
      'builtin a.rego:7',
      'types a.rego:9',
    ]);
    expect(problems[1]?.message).toBe(
      "OPA has time.now_ns, but not inside WASM, where Verdict's policies run; use input.facts.now, the time of the decision in milliseconds since 1970.",
    );
    expect(sayProblem(problems[3] as PolicyProblem)).toBe('a.rego:9: rego_type_error: undefined function nothing');
  });

  test('that call any builtin that WASM lacks are told what to use instead', async () => {
    const { refused } = await capabilitiesOf({ source: policies, opa });
    expect(refused.size).toBeGreaterThan(90);
    expect([...refused].filter((name) => insteadOf(name) === undefined)).toEqual([]);
  });

  test('that are no Rego fail the check by file and line, and not once more for each check', async () => {
    const source = await write({ 'a.rego': 'package a\n\np := \n' });
    expect(await checkPolicies({ source, opa })).toMatchObject([
      { kind: 'types', file: 'a.rego', line: 4, message: 'rego_parse_error: unexpected eof token' },
      { kind: 'types', file: 'a.rego', line: 4 },
    ]);
  });

  test('that are badly formatted or loosely typed fail the check', async () => {
    const source = await write({ 'a.rego': 'package a\n\nimport data.b\n\np   :=  1\n', 'b.rego': 'package b\n\nq := 1\n' });
    expect(await checkPolicies({ source, opa })).toEqual([
      { kind: 'format', file: 'a.rego', message: 'is not formatted: run `opa fmt --write` on it.' },
      { kind: 'types', file: 'a.rego', line: 3, message: 'rego_compile_error: import data.b unused' },
    ]);
  });
});

test('what to use instead is said for families of builtins and for single ones', () => {
  expect(insteadOf('time.parse_rfc3339_ns')).toContain('input.facts.times');
  expect(insteadOf('time.now_ns')).toContain('input.facts.now');
  expect(insteadOf('crypto.x509.parse_certificates')).toContain('before the decision');
  expect(insteadOf('acme.own')).toBeUndefined();
});

test('every builtin that the SDK brings may be called', () => {
  for (const name of SDK_BUILTINS) expect(ALLOWED_BUILTINS).toContain(name);
});
