import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fileSource } from './file-source.js';
import type { Following } from './source.js';

let folder: string;
let path: string;
let following: Following | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'verdict-file-'));
  path = join(folder, 'bundle.tar.gz');
});
afterEach(() => {
  following?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const watch = (place = path, poll_seconds = 60) => {
  const offered: string[] = [];
  const troubles: string[] = [];
  let seen = 0;
  following = fileSource({ path: place, poll_seconds, max_bytes: 1000 }).follow('', {
    offer: async ({ bytes }) => void offered.push(String(bytes)),
    seen: () => {
      seen += 1;
    },
    trouble: (sentence) => troubles.push(sentence),
  });
  return { offered, troubles, seen: () => seen };
};

const until = async (check: () => boolean): Promise<void> => {
  const end = Date.now() + 10_000;
  while (!check()) {
    if (Date.now() > end) throw new Error('It did not come.');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};

describe('a bundle file', () => {
  test('that is renamed into place, written over, or written in pieces is offered once, whole', async () => {
    writeFileSync(path, 'one');
    const { offered } = watch();
    await until(() => offered.length === 1);
    writeFileSync(`${path}.new`, 'two');
    renameSync(`${path}.new`, path);
    await until(() => offered.length === 2);
    writeFileSync(path, 'three');
    await until(() => offered.length === 3);
    for (const piece of ['fo', 'four, ', 'four, and more']) {
      writeFileSync(path, piece);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    await until(() => offered.length === 4);
    expect(offered).toEqual(['one', 'two', 'three', 'four, and more']);
  });

  test('behind a link that is swung to another folder, as Kubernetes does it, is noticed', async () => {
    for (const name of ['v1', 'v2']) {
      mkdirSync(join(folder, name));
      writeFileSync(join(folder, name, 'bundle.tar.gz'), name);
    }
    symlinkSync('v1', join(folder, '..data'));
    symlinkSync('..data/bundle.tar.gz', path);
    const { offered } = watch();
    await until(() => offered.length === 1);
    symlinkSync('v2', join(folder, '..data_tmp'));
    renameSync(join(folder, '..data_tmp'), join(folder, '..data'));
    await until(() => offered.length === 2);
    expect(offered).toEqual(['v1', 'v2']);
  });

  test('in a folder that comes later is found by polling', async () => {
    const later = join(folder, 'later', 'bundle.tar.gz');
    const { offered, troubles } = watch(later, 0.1);
    await until(() => troubles.length === 1);
    mkdirSync(join(folder, 'later'));
    writeFileSync(later, 'here');
    await until(() => offered.length === 1);
    expect(offered).toEqual(['here']);
    expect(troubles).toEqual([expect.stringContaining("can't be read")]);
  });

  test('that is taken away is told of once, and is not taken for one that is well', async () => {
    writeFileSync(path, 'one');
    const { offered, troubles, seen } = watch(path, 0.05);
    await until(() => offered.length === 1 && seen() > 0);
    rmSync(path);
    await until(() => troubles.length === 1);
    const before = seen();
    await new Promise((resolve) => setTimeout(resolve, 800));
    expect(seen()).toBe(before);
    expect(troubles).toHaveLength(1);
  });

  test('that is larger than allowed is not read', async () => {
    writeFileSync(path, 'x'.repeat(1001));
    await expect(fileSource({ path, poll_seconds: 1, max_bytes: 1000 }).read('')).rejects.toThrow('has more than 1000 bytes (policy.max_bytes)');
  });
});
