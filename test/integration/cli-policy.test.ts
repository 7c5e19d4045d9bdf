import { spawn } from 'node:child_process';
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { describeWithOpa } from '../peers/opa.js';
import { removeFolder, temporaryFolder } from '../peers/verdict.js';

const ROOT = resolve(import.meta.dirname, '../..');
const BINARY = join(ROOT, 'bin/verdict.js');

type Ran = { readonly code: number | null; readonly out: string; readonly err: string };

await describeWithOpa('verdict policy', (opa) => {
  const folder = temporaryFolder();
  afterAll(() => removeFolder(folder));

  const verdict = (...args: readonly string[]): Promise<Ran> =>
    new Promise((done) => {
      const child = spawn(process.execPath, [BINARY, 'policy', ...args], { cwd: folder, env: { ...process.env, OPA: opa } });
      let out = '';
      let err = '';
      child.stdout.on('data', (part: Buffer) => {
        out += part.toString();
      });
      child.stderr.on('data', (part: Buffer) => {
        err += part.toString();
      });
      child.on('close', (code) => done({ code, out, err }));
    });

  describe('with the policies that ship', () => {
    it('tests them, all lines reached', async () => {
      const { code, out } = await verdict('test', join(ROOT, 'policies'), '--output', 'json');
      expect(code).toBe(0);
      expect(JSON.parse(out)).toMatchObject({ failed: [], uncovered: [], problems: [] });
    });

    it('builds the bundle that is committed, byte for byte', async () => {
      expect((await verdict('build', join(ROOT, 'policies'), '--output', 'mine.tar.gz')).code).toBe(0);
      expect(readFileSync(join(folder, 'mine.tar.gz')).equals(readFileSync(join(ROOT, 'policies/bundle.tar.gz')))).toBe(true);
    });
  });

  describe('with policies that are wrong', () => {
    const own = join(folder, 'own');

    it('names a test that fails, and exits 6', async () => {
      cpSync(join(ROOT, 'policies'), own, { recursive: true });
      writeFileSync(join(own, 'verdict', 'more_test.rego'), 'package verdict_test\n\ntest_never if false\n');
      const { code, err } = await verdict('test', own);
      expect(code).toBe(6);
      expect(err).toContain('test_never');
    });

    it('builds nothing from Rego that does not compile', async () => {
      writeFileSync(join(own, 'verdict', 'broken.rego'), 'package verdict\n\nbroken if {\n');
      const { code, err } = await verdict('build', own, '--output', 'broken.tar.gz');
      expect(code).toBe(1);
      expect(err).toContain('broken.rego');
      expect(existsSync(join(folder, 'broken.tar.gz'))).toBe(false);
    });

    it('says that a folder is missing', async () => {
      expect(await verdict('test', 'nowhere')).toMatchObject({ code: 1, err: expect.stringContaining('nowhere is not a folder of policies') });
    });
  });
});
