import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeWithOpa } from '../peers/opa.js';
import { removeFolder, temporaryFolder } from '../peers/verdict.js';

const ROOT = resolve(import.meta.dirname, '../..');
const BINARY = join(ROOT, 'bin/verdict.js');

type Ran = { readonly code: number | null; readonly out: string; readonly err: string };

await describeWithOpa('verdict policy', (opa) => {
  const folder = temporaryFolder();
  afterAll(() => removeFolder(folder));

  const verdict = (args: readonly string[], input = ''): Promise<Ran> =>
    new Promise((done) => {
      const child = spawn(process.execPath, [BINARY, 'policy', ...args], { cwd: folder, env: { PATH: process.env['PATH'], OPA: opa } });
      let out = '';
      let err = '';
      child.stdout.on('data', (part: Buffer) => {
        out += part.toString();
      });
      child.stderr.on('data', (part: Buffer) => {
        err += part.toString();
      });
      child.on('close', (code) => done({ code, out, err }));
      child.stdin.end(input);
    });

  /** A platform's own policies, in the folder that the commands run in: who is owner or admin may. */
  const platform = (name: string): string => {
    cpSync(join(ROOT, 'test/fixtures/policies/layered'), join(folder, name), { recursive: true });
    return name;
  };

  describe('with the policies that ship', () => {
    it('tests them, all lines reached', async () => {
      const { code, out } = await verdict(['test', join(ROOT, 'policies/platform'), '--cases', join(ROOT, 'fixtures/decisions'), '--output', 'json']);
      expect(code).toBe(0);
      expect(JSON.parse(out)).toMatchObject({ failed: [], uncovered: [], problems: [], cases: { failed: [] } });
      expect(JSON.parse(out).cases.passed).toBeGreaterThan(90);
    });

    it('builds the bundle that is committed, byte for byte', async () => {
      expect((await verdict(['build', join(ROOT, 'policies/platform'), '--output', 'mine.tar.gz'])).code).toBe(0);
      expect(readFileSync(join(folder, 'mine.tar.gz')).equals(readFileSync(join(ROOT, 'policies/bundle.tar.gz')))).toBe(true);
    });

    it('answers by them where nothing else is named, and points at their lines', async () => {
      const question = { subject: { type: 'user', id: 'usr-nobody' }, action: { name: 'instance.explode' }, resource: { type: 'account', id: 'acc-1' } };
      const { code, out } = await verdict(['eval', '-i', '-', '--explain', '--output', 'json'], JSON.stringify(question));
      expect(code).toBe(0);
      expect(JSON.parse(out)).toMatchObject({
        decision: false,
        reasons: [{ code: 'action.unknown' }],
        explanation: { agrees: true, contributions: [{ effect: 'denied', code: 'action.unknown', by: { file: expect.stringContaining('.rego') } }] },
      });
    });
  });

  describe('with policies that are wrong', () => {
    it('names what is wrong with its place and what to use instead, and exits 6', async () => {
      mkdirSync(join(folder, 'wrong'));
      writeFileSync(join(folder, 'wrong', 'a.rego'), 'package a\n\np if time.now_ns() > 1\n');
      const { code, out, err } = await verdict(['check', 'wrong']);
      expect(code).toBe(6);
      expect(out).toContain('wrong/a.rego:3');
      expect(out).toContain('use input.facts.now');
      expect(err).toContain('1 problem in wrong.');
      expect(JSON.parse((await verdict(['check', 'wrong', '--output', 'json'])).out).problems).toMatchObject([{ kind: 'builtin', file: 'a.rego', line: 3 }]);
      expect((await verdict(['check', platform('right')])).code).toBe(0);
    });

    it('names a test that fails, and exits 1', async () => {
      const own = platform('failing');
      writeFileSync(join(folder, own, 'more_test.rego'), 'package verdict_test\n\ntest_never if false\n');
      const { code, out, err } = await verdict(['test', own]);
      expect(code).toBe(1);
      expect(out).toContain('test_never');
      expect(err).toContain('1 test that failed');
    });

    it('builds nothing from Rego that does not compile', async () => {
      const own = platform('broken');
      writeFileSync(join(folder, own, 'broken.rego'), 'package verdict\n\nbroken if {\n');
      const { code, err } = await verdict(['build', own, '--output', 'broken.tar.gz']);
      expect(code).toBe(1);
      expect(err).toContain('broken.rego');
      expect(existsSync(join(folder, 'broken.tar.gz'))).toBe(false);
    });

    it('says that a folder is missing', async () => {
      expect(await verdict(['test', 'nowhere'])).toMatchObject({ code: 1, err: expect.stringContaining('nowhere is not a folder of policies') });
    });
  });

  describe('with a platform’s own policies', () => {
    const question = { subject: { type: 'user', id: 'usr-1' }, action: { name: 'instance.get' }, resource: { type: 'instance', id: 'inst-1' } };
    const directory = [
      { type: 'instance', id: 'inst-1', account: 'acc-1', properties: {} },
      { type: 'membership', id: 'acc-1:usr-1', account: 'acc-1', properties: { role: 'owner' } },
    ];
    const answer = { allow: true, reasons: [{ code: 'layered.role' }] };
    beforeAll(() => {
      platform('own');
      mkdirSync(join(folder, 'my-cases'));
      writeFileSync(join(folder, 'my-cases', 'roles.yaml'), JSON.stringify({ directory, cases: [{ name: 'an owner may', question, answer }] }));
      writeFileSync(join(folder, 'question.json'), JSON.stringify(question));
      platform('next');
      const grants = readFileSync(join(folder, 'next', 'grants.rego'), 'utf8');
      writeFileSync(join(folder, 'next', 'grants.rego'), grants.replace('{"owner", "admin"}', '{"admin"}'));
    });

    it('runs their cases through the compiled policy, and names one that fails with what differs', async () => {
      expect(await verdict(['test', 'own', '--cases', 'my-cases'])).toMatchObject({ code: 0, err: expect.stringContaining('1 passed, 0 failed') });
      const { code, out, err } = await verdict(['test', 'next', '--cases', 'my-cases']);
      expect(code).toBe(1);
      expect(out).toContain('answer.allow is false, and should be true');
      expect(err).toContain('1 case that failed');
      expect((await verdict(['test', 'next', '--no-cases'])).code).toBe(0);
    });

    it('refuses cases that can’t be used, naming file, line and case', async () => {
      mkdirSync(join(folder, 'bad-cases'));
      writeFileSync(join(folder, 'bad-cases', 'a.yaml'), 'directory: []\ncases:\n  - name: lost\n    answer: { allow: true, reasons: [] }\n');
      const { code, err } = await verdict(['test', 'own', '--cases', 'bad-cases']);
      expect({ code, err: err.trim() }).toEqual({ code: 1, err: `bad-cases/a.yaml:3: case "lost" must have required property 'question'.` });
    });

    it('answers a question, and says by which rule', async () => {
      const { code, out } = await verdict(['eval', '-i', 'question.json', '--directory', 'my-cases/roles.yaml', '--source', 'own', '--explain']);
      expect(code).toBe(0);
      expect(out).toMatch(/^decision +allow$/m);
      expect(out).toContain('decision in own/decision.rego:8');
      expect(out).toContain('own/grants.rego:3');
    });

    it('answers by a bundle, and asks where its sources are before it explains', async () => {
      expect((await verdict(['build', 'own', '--output', 'own.tar.gz'])).code).toBe(0);
      const args = ['eval', '-i', 'question.json', '--directory', 'my-cases/roles.yaml', '--bundle', 'own.tar.gz'];
      expect((await verdict(args)).out).toContain('layered.role');
      expect(await verdict([...args, '--explain'])).toMatchObject({ code: 2, err: expect.stringContaining('--source') });
      expect((await verdict([...args, '--explain', '--source', 'own'])).out).toContain('own/grants.rego:3');
      const other = await verdict([...args, '--explain', '--source', 'next']);
      expect(other).toMatchObject({ code: 0, err: expect.stringContaining('OPA answers otherwise') });
    });

    it('refuses a question that is none, or is not there', async () => {
      expect(await verdict(['eval', '-i', '-'], '{"subject":{}}')).toMatchObject({ code: 1, err: expect.stringContaining('question must have required') });
      expect(await verdict(['eval', '-i', 'nowhere.json'])).toMatchObject({ code: 2, err: expect.stringContaining("nowhere.json can't be read") });
    });

    it('compares two: exit code 0 where all answers are the same, 1 where some change, 2 where it can’t be told', async () => {
      const compare = (...args: readonly string[]): Promise<Ran> => verdict(['diff', ...args, '--cases', 'my-cases']);
      expect(await compare('own', 'own')).toMatchObject({ code: 0, out: '', err: expect.stringContaining('same answer') });
      const { code, out, err } = await compare('own', 'next');
      expect({ code, err: err.trim() }).toEqual({ code: 1, err: '1 case of 1 with another answer.' });
      expect(out).toMatch(/an owner may +│ allow: layered\.role +│ deny: layered\.closed/);
      const { changed } = JSON.parse((await compare('own', 'next', '--output', 'json')).out);
      expect(changed).toMatchObject([{ name: 'an owner may', before: { allow: true }, after: { allow: false, reasons: [{ code: 'layered.closed' }] } }]);
      expect(await compare('own', 'nowhere.tar.gz')).toMatchObject({ code: 2, err: expect.stringContaining("nowhere.tar.gz can't be read") });
      expect((await verdict(['diff', 'own', 'next', '--cases', 'nowhere'])).code).toBe(2);
    });
  });
});
