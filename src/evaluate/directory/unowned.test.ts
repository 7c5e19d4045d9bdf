import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { newUlid } from '../../event/index.js';
import { NO_ACCOUNT, openDatabases } from './copy-env.js';
import { localDirectory } from './local.js';
import type { Directory } from './types.js';

describe('entities of no account', () => {
  let path: string;
  let directory: Directory;
  beforeEach(() => {
    path = mkdtempSync(join(tmpdir(), 'verdict-unowned-'));
    directory = localDirectory({ path });
  });
  afterEach(async () => {
    await directory.close();
    rmSync(path, { recursive: true, force: true });
  });
  const put = (type: string, id: string, account?: string) =>
    directory.apply([{ change: newUlid(), op: 'put', type, id, properties: {}, ...(account !== undefined && { account }) }]);
  const listed = (account?: string): readonly string[] => directory.list('user', { limit: 10, ...(account !== undefined && { account }) }).map(({ id }) => id);

  test('are listed by themselves', async () => {
    await put('user', 'b');
    await put('user', 'a', 'acc-1');
    await put('user', 'c');
    await put('service', 'd');
    expect(listed('')).toEqual(['b', 'c']);
    expect(directory.list('user', { account: '', after: 'b', limit: 10 }).map(({ id }) => id)).toEqual(['c']);
    expect(listed('acc-1')).toEqual(['a']);
    expect(listed()).toEqual(['a', 'b', 'c']);
  });

  test('are listed no more when they are deleted, and again when they are made anew, whoever’s they are then', async () => {
    await put('user', 'a');
    await directory.apply([{ change: newUlid(), op: 'delete', type: 'user', id: 'a' }]);
    expect(listed('')).toEqual([]);
    await put('user', 'a', 'acc-1');
    expect([listed(''), listed('acc-1')]).toEqual([[], ['a']]);
  });

  test('of an environment from before there was such a list are listed at its next opening', async () => {
    await put('user', 'a');
    await put('user', 'b', 'acc-1');
    await directory.close();
    const db = openDatabases(path);
    db.accounts.removeSync([NO_ACCOUNT, 'user', 'a']);
    db.notes.removeSync('unowned');
    await db.root.close();
    directory = localDirectory({ path });
    expect([listed(''), listed('acc-1')]).toEqual([['a'], ['b']]);
  });
});
