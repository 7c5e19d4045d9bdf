import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FolderLock, lockFolder } from './folder-lock.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'verdict-lock-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const held = async (path: string): Promise<FolderLock> => {
  const taken = await lockFolder(path);
  if (taken.outcome !== 'held') throw new Error(`The folder is ${taken.outcome}.`);
  return taken.lock;
};

describe('The lock of a folder', () => {
  it('is held by one at a time, whose process id the others learn', async () => {
    const lock = await held(folder);
    expect(await lockFolder(folder)).toEqual({ outcome: 'in use', holder: String(process.pid) });
    lock.release();
    (await held(folder)).release();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('goes to exactly one of many that ask at once', async () => {
    const taken = await Promise.all(Array.from({ length: 12 }, () => lockFolder(folder)));
    expect(taken.filter(({ outcome }) => outcome === 'held')).toHaveLength(1);
    expect(taken.filter(({ outcome }) => outcome === 'in use')).toHaveLength(11);
    for (const one of taken) if (one.outcome === 'held') one.lock.release();
  });

  it('holds where the path is longer than a socket may have', async () => {
    const deep = join(folder, 'a'.repeat(100), 'b'.repeat(100));
    mkdirSync(deep, { recursive: true });
    const lock = await held(deep);
    expect((await lockFolder(deep)).outcome).toBe('in use');
    lock.release();
  });

  it('is not copied with the folder', async () => {
    const lock = await held(folder);
    const copy = `${folder}-copy`;
    expect(spawnSync('cp', ['-r', folder, copy]).status).toBe(0);
    (await held(copy)).release();
    expect((await lockFolder(folder)).outcome).toBe('in use');
    lock.release();
    expect(readdirSync(copy)).toEqual([]);
    rmSync(copy, { recursive: true });
  });

  it("stays with the folder when another takes its place: what is released is one's own", async () => {
    const lock = await held(folder);
    const moved = `${folder}-moved`;
    expect(spawnSync('mv', [folder, moved]).status).toBe(0);
    mkdirSync(folder);
    const other = await held(folder);
    lock.release();
    expect((await lockFolder(folder)).outcome).toBe('in use');
    expect(readdirSync(moved)).toEqual([]);
    other.release();
    rmSync(moved, { recursive: true });
  });
});
