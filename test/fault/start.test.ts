import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { failedStart, removeFolder, startVerdict, temporaryFolder, until } from '../peers/verdict.js';

let folder: string;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => removeFolder(folder));

const env = (changes: Record<string, string> = {}) => ({ VERDICT_DATA_DIR: join(folder, 'data'), ...changes });

/** The one sentence for the operator: the last line that isn't a log line. */
const sentence = (output: string): string =>
  output
    .split('\n')
    .filter((line) => line && !line.startsWith('{'))
    .at(-1) ?? '';

const OTHER_NAMESPACE = ['unshare', '--pid', '--fork', '--mount-proc'];
const canUnshare = spawnSync('unshare', [...OTHER_NAMESPACE.slice(1), 'true']).status === 0;
/** A zombie has ended; it only waits to be noticed by its parent. */
const isRunning = (pid: number): boolean => {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
};

const isRoot = process.getuid?.() === 0;
const canMount = isRoot && spawnSync('which', ['mount']).status === 0;
if (!canMount && process.env['CI'] === 'true') throw new Error('These tests mount small and read-only file systems; in CI they must run as root.');

describe('a start that can not succeed says why in one sentence and ends with a code other than 0', () => {
  it('port in use', async () => {
    const server = createServer();
    const port = await new Promise<number>((resolve) => server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port)));
    const failed = await failedStart({ folder, env: env({ VERDICT_HTTP_PORT: String(port) }) });
    server.close();
    expect(failed.code).not.toBe(0);
    expect(sentence(failed.output)).toMatch(new RegExp(`port ${port}.*in use`, 'i'));
  });

  it('a second serve on the same data folder', async () => {
    const node = await startVerdict({ folder });
    const failed = await failedStart({ folder, env: env() });
    expect(failed.code).not.toBe(0);
    expect(sentence(failed.output)).toContain('is in use by another Verdict');
    expect(await node.stop()).toBe(0);
  });

  it.runIf(canUnshare)('a second serve on the same data folder from another process namespace, as containers have them', async () => {
    const node = await startVerdict({ folder });
    const failed = await failedStart({ folder, env: env(), under: OTHER_NAMESPACE });
    expect(failed.code).not.toBe(0);
    expect(sentence(failed.output)).toContain('is in use by another Verdict');
    expect(existsSync(join(folder, 'data', 'processes.json'))).toBe(true);
    expect((await failedStart({ folder, env: env() })).code).not.toBe(0);
    expect(await node.stop()).toBe(0);
  });

  it('a data folder of a newer version', async () => {
    mkdirSync(join(folder, 'data'));
    writeFileSync(join(folder, 'data', 'node.json'), JSON.stringify({ version: 99, node: 'x' }));
    const failed = await failedStart({ folder, env: env() });
    expect(failed.code).not.toBe(0);
    expect(sentence(failed.output)).toContain('newer version of Verdict');
  });

  it('a data folder where a file stands', async () => {
    writeFileSync(join(folder, 'data'), '');
    const failed = await failedStart({ folder, env: env() });
    expect(failed.code).not.toBe(0);
    expect(sentence(failed.output)).toContain("can't be used");
  });

  it.runIf(canMount)('a read-only data folder', async () => {
    const mount = join(folder, 'mount');
    mkdirSync(mount);
    expect(spawnSync('mount', ['-t', 'tmpfs', '-o', 'ro,size=1m', 'tmpfs', mount]).status).toBe(0);
    try {
      const failed = await failedStart({ folder, env: env({ VERDICT_DATA_DIR: join(mount, 'data') }) });
      expect(failed.code).not.toBe(0);
      expect(sentence(failed.output)).toContain('not writable');
    } finally {
      spawnSync('umount', [mount]);
    }
  });

  it.runIf(canMount)('a full disk', async () => {
    const mount = join(folder, 'mount');
    mkdirSync(mount);
    expect(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', mount]).status).toBe(0);
    try {
      const failed = await failedStart({ folder, env: env({ VERDICT_DATA_DIR: join(mount, 'data') }) });
      expect(failed.code).not.toBe(0);
      expect(sentence(failed.output)).toMatch(/disk is full|could not be written|no space/i);
    } finally {
      spawnSync('umount', [mount]);
    }
  });

  it('a certificate that can not be used', async () => {
    writeFileSync(join(folder, 'cert.pem'), 'nonsense');
    const file = join(folder, 'cert.pem');
    const failed = await failedStart({ folder, env: env({ VERDICT_HTTP_TLS_CERT: file, VERDICT_HTTP_TLS_KEY: file }) });
    expect(failed.code).not.toBe(0);
    expect(sentence(failed.output)).toContain('http.tls');
  });

  it('a journal that can not be opened', async () => {
    mkdirSync(join(folder, 'data', 'journal'), { recursive: true });
    writeFileSync(join(folder, 'data', 'journal', 'w0'), '');
    const failed = await failedStart({ folder, env: env() });
    expect(failed.code).not.toBe(0);
    expect(sentence(failed.output)).toContain('journal');
  });

  it('an unknown key in the configuration file, an invalid value, and a bundle that does not load', async () => {
    writeFileSync(join(folder, 'verdict.yaml'), 'http:\n  prot: 1\n');
    const unknown = await failedStart({ folder, env: env() });
    expect(unknown.code).not.toBe(0);
    expect(sentence(unknown.output)).toContain('prot');
    writeFileSync(join(folder, 'verdict.yaml'), '');
    const invalid = await failedStart({ folder, env: env({ VERDICT_HTTP_PORT: 'eighty' }) });
    expect(invalid.code).not.toBe(0);
    expect(sentence(invalid.output)).toContain('VERDICT_HTTP_PORT');
    writeFileSync(join(folder, 'bundle.tar.gz'), 'nonsense');
    const bundle = await failedStart({ folder, env: env({ VERDICT_POLICY_BUNDLE: join(folder, 'bundle.tar.gz') }) });
    expect(bundle.code).not.toBe(0);
    expect(sentence(bundle.output)).toContain('bundle');
  });
});

describe('a start on a data folder that nobody has succeeds', () => {
  it('where the folder is a copy of one that is in use, and leaves the family of that one alone', { timeout: 60_000 }, async () => {
    const node = await startVerdict({ folder });
    const family = node.processes();
    expect(spawnSync('cp', ['-r', join(folder, 'data'), join(folder, 'copy')]).status).toBe(0);
    const copy = await startVerdict({ folder, env: { VERDICT_DATA_DIR: join(folder, 'copy') } });
    expect(node.processes()).toEqual(family);
    expect(await copy.stop()).toBe(0);
    expect(await node.stop()).toBe(0);
  });

  it('at once after kill -9 of its supervisor, and ends what is left of the old family', { timeout: 60_000 }, async () => {
    const node = await startVerdict({ folder });
    const [supervisor, ...children] = node.processes() as [number, ...number[]];
    for (const pid of children) process.kill(pid, 'SIGSTOP');
    process.kill(supervisor, 'SIGKILL');
    const next = await startVerdict({ folder });
    await until('the old family to have ended', () => (children.some(isRunning) ? undefined : true));
    expect(await next.stop()).toBe(0);
    expect(readdirSync(join(folder, 'data')).filter((name) => name.startsWith('.lock') || name === 'processes.json')).toEqual([]);
  });

  it.runIf(canUnshare)('at once after kill -9 of a whole family in another process namespace', { timeout: 60_000 }, async () => {
    const node = await startVerdict({ folder, under: [...OTHER_NAMESPACE, '--kill-child'] });
    node.child.kill('SIGKILL');
    await new Promise((resolve) => node.child.once('exit', resolve));
    const next = await startVerdict({ folder });
    expect(await next.stop()).toBe(0);
  });
});
