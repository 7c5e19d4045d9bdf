import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { adminToken } from './admin-token.js';

let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'verdict-admin-'));
});
afterEach(() => rm(dataDir, { recursive: true, force: true }));

describe('The admin token', () => {
  it('is made once, for its owner alone, and kept', async () => {
    const first = await adminToken({ dataDir, configured: '' });
    const path = join(dataDir, 'admin-token');
    expect(first).toEqual({ token: expect.stringMatching(/^va_[0-9A-Za-z]{49}$/), created: true, path });
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await readFile(path, 'utf8')).trim()).toBe(first.token);
    expect(await adminToken({ dataDir, configured: '' })).toEqual({ token: first.token, created: false, path });
    expect(await readdir(dataDir)).toEqual(['admin-token']);
  });

  it('is the configured one where there is one, and no file is made', async () => {
    expect(await adminToken({ dataDir, configured: 'a-token-from-the-environment' })).toEqual({ token: 'a-token-from-the-environment', created: false });
    expect(await readdir(dataDir)).toEqual([]);
  });

  it('is refused where it could be guessed or never be sent', async () => {
    for (const configured of ['short', 'with a space in its midst', 'with\u0000nul-in-its-midst'])
      await expect(adminToken({ dataDir, configured })).rejects.toThrow('admin_token');
  });

  it('is refused from a file that others can read, naming the cure', async () => {
    const { path } = await adminToken({ dataDir, configured: '' });
    for (const mode of [0o640, 0o604, 0o620]) {
      await chmod(path as string, mode);
      await expect(adminToken({ dataDir, configured: '' })).rejects.toThrow(/chmod 600/);
    }
  });

  it('is refused from an empty file instead of being replaced', async () => {
    await writeFile(join(dataDir, 'admin-token'), '\n', { mode: 0o600 });
    await expect(adminToken({ dataDir, configured: '' })).rejects.toThrow('holds no usable admin token');
  });

  it('stops the start in one sentence where it can’t be written', async () => {
    await expect(adminToken({ dataDir: join(dataDir, 'missing'), configured: '' })).rejects.toThrow(/^The admin token can't be written to .*\.$/);
  });
});
