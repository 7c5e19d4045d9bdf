import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type JsonObject, newUlid } from '../../event/index.js';
import { openCopy } from './copy.js';
import { openDatabases } from './copy-env.js';
import { applyMessages } from './feed-batch.js';
import { localDirectory } from './local.js';
import { toMessage } from './record.js';
import type { EntityState } from './state.js';
import type { Directory, Entity, EntityChange } from './types.js';

const put = (id: string, account: string | undefined, properties: JsonObject, type = 'acl'): EntityChange => ({
  change: newUlid(),
  op: 'put',
  type,
  id,
  properties,
  ...(account !== undefined && { account }),
});
const remove = (id: string): EntityChange => ({ change: newUlid(), op: 'delete', type: 'acl', id });

describe('ACL entries by whom they are granted to', () => {
  let path: string;
  let directory: Directory;
  beforeEach(() => {
    path = mkdtempSync(join(tmpdir(), 'verdict-granted-'));
    directory = localDirectory({ path });
  });
  afterEach(async () => {
    await directory.close();
    rmSync(path, { recursive: true, force: true });
  });
  const reopen = async (): Promise<void> => {
    await directory.close();
    directory = localDirectory({ path });
  };
  const ids = (account: string, grantee: string): readonly string[] => directory.grantedTo(account, grantee).map(({ id }) => id);

  test('are those of the account, in order of id', async () => {
    await directory.apply([
      put('a:2', 'a', { grantee: 'user/u' }),
      put('a:1', 'a', { grantee: 'user/u' }),
      put('a:3', 'a', { grantee: 'group/ops' }),
      put('b:1', 'b', { grantee: 'user/u' }),
      put('none', undefined, { grantee: 'user/u' }),
      put('a:4', 'a', { grantee: ['user/u'] }),
      put('a:5', 'a', { grantee: 'user/u' }, 'note'),
    ]);
    expect(ids('a', 'user/u')).toEqual(['a:1', 'a:2']);
    expect(ids('a', 'group/ops')).toEqual(['a:3']);
    expect(ids('b', 'user/u')).toEqual(['b:1']);
    for (const [account, grantee] of [
      ['a', 'user/'],
      ['a', 'user/v'],
      ['', 'user/u'],
      ['a user', '/u'],
    ] as const)
      expect(ids(account, grantee)).toEqual([]);
  });

  test('follow a change of grantee, a deletion, another account after it, and a restart', async () => {
    await directory.apply([put('x', 'a', { grantee: 'user/u' })]);
    expect(ids('a', 'user/u')).toEqual(['x']);
    await directory.apply([put('x', 'a', { grantee: 'user/v' })]);
    expect([ids('a', 'user/u'), ids('a', 'user/v')]).toEqual([[], ['x']]);
    await directory.apply([put('x', 'a', {})]);
    expect(ids('a', 'user/v')).toEqual([]);
    await directory.apply([put('x', 'a', { grantee: 'user/v' }), remove('x')]);
    expect(ids('a', 'user/v')).toEqual([]);
    await directory.apply([put('x', 'b', { grantee: 'user/v' })]);
    await reopen();
    expect([ids('a', 'user/v'), ids('b', 'user/v')]).toEqual([[], ['x']]);
  });

  test('are seen by the other processes of the node', async () => {
    const other = localDirectory({ path });
    expect(other.grantedTo('a', 'user/u')).toEqual([]);
    await directory.apply([put('x', 'a', { grantee: 'user/u' })]);
    await new Promise((resolve) => setTimeout(resolve, 1));
    expect(other.grantedTo('a', 'user/u')).toMatchObject([{ id: 'x', version: 1 }]);
    await other.close();
  });

  test('of a folder from before there was this index are found after its opening', async () => {
    await directory.apply([put('x', 'a', { grantee: 'user/u' }), put('y', 'a', {}, 'acm'), put('y', 'a', {}, 'ack')]);
    await directory.close();
    const old = openDatabases(path);
    old.grantees.clearSync();
    old.notes.removeSync('grantees');
    await old.root.close();
    directory = localDirectory({ path });
    expect(ids('a', 'user/u')).toEqual(['x']);
  });

  test('share their place with tokens by their hash, which are found from before there was such an index, too', async () => {
    const hash = 'a'.repeat(64);
    await directory.apply([put('tok-1', 'a', { hash }, 'token'), put('tok-0', 'a', { hash: 'b'.repeat(64) }, 'token'), put('x', 'a', { hash }, 'note')]);
    await directory.close();
    const old = openDatabases(path);
    old.grantees.clearSync();
    old.notes.putSync('grantees', '1');
    await old.root.close();
    directory = localDirectory({ path });
    expect([directory.tokenOf(hash)?.id, directory.tokenOf('b'.repeat(64))?.id, directory.tokenOf('c'.repeat(64)), directory.tokenOf('')]).toEqual([
      'tok-1',
      'tok-0',
      undefined,
      undefined,
    ]);
    await directory.apply([put('tok-1', 'a', { hash: 'c'.repeat(64) }, 'token')]);
    expect([directory.tokenOf(hash), directory.tokenOf('c'.repeat(64))?.id]).toEqual([undefined, 'tok-1']);
    expect(ids('a', 'user/u')).toEqual([]);
  });

  test('of any length and spelling have their place', async () => {
    const long = `group/${'ü'.repeat(400)}`;
    const account = 'ä'.repeat(256);
    await directory.apply([put('ö'.repeat(256), account, { grantee: long }), put('y', 'a', { grantee: 'user/u\nx' })]);
    expect(ids(account, long)).toHaveLength(1);
    expect(ids('a', 'user/u\nx')).toEqual(['y']);
  });
});

const live = (id: string, account: string, grantee: string, version: number): EntityState => ({
  kind: 'live',
  change: newUlid(),
  entity: { type: 'acl', id, account, properties: { grantee }, version, updated: '2026-11-22T04:03:48.496Z' },
});
const mark = (version: number): EntityState => ({ kind: 'mark', version, change: newUlid(), deleted: '2026-11-22T04:03:48.496Z' });

type Step = { readonly id: string; readonly account: string; readonly grantee: string; readonly does: 'put' | 'delete' | 'rebuild' };
const step: fc.Arbitrary<Step> = fc.record({
  id: fc.constantFrom('x', 'y', 'z'),
  account: fc.constantFrom('a', 'b'),
  grantee: fc.constantFrom('user/u', 'group/g'),
  does: fc.constantFrom('put', 'put', 'put', 'delete', 'rebuild'),
});

test('a copy that a feed keeps finds just the entries that a look through all of them finds, whatever happened', async () => {
  const path = mkdtempSync(join(tmpdir(), 'verdict-granted-'));
  const copy = openCopy(path, () => Date.parse('2026-11-22T04:00:00Z'));
  const rules = { node: 'n', now: Date.now(), markMs: 1, repairMs: 0, onMalformed: () => undefined, onLost: () => undefined };
  let offset = 0;
  const play = async ({ id, account, grantee, does }: Step): Promise<void> => {
    if (does === 'rebuild') {
      await copy.transaction((writer) => writer.clear());
      offset = 0;
      return;
    }
    const before = copy.state('acl', id);
    const version = (before?.kind === 'live' ? before.entity.version : (before?.version ?? 0)) + 1;
    const owner = before?.kind === 'live' ? (before.entity.account as string) : account;
    const state = does === 'put' ? live(id, owner, grantee, version) : mark(version);
    const { key, value, headers } = toMessage({ type: 'acl', id, state, attempt: '', node: 'm', isRepair: false }, { op: 'update' });
    const message = {
      key: Buffer.from(key as string),
      value: value === null ? null : Buffer.from(value as string),
      headers: headers ?? {},
      timestamp: '1',
      offset: `${offset}`,
    };
    await copy.transaction((writer) => applyMessages(writer, 0, offset, [message], rules));
    offset += 1;
  };
  let found = 0;
  const check = (account: string, grantee: string): void => {
    const all: readonly Entity[] = copy.list('acl', { account, limit: 100 });
    found += copy.grantedTo(account, grantee).length;
    expect(copy.grantedTo(account, grantee)).toEqual(all.filter(({ properties }) => properties['grantee'] === grantee));
  };
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      for (const one of steps) {
        await play(one);
        for (const account of ['a', 'b']) for (const grantee of ['user/u', 'group/g']) check(account, grantee);
      }
    }),
    { numRuns: 40 },
  );
  expect(found).toBeGreaterThan(100);
  await copy.close();
  rmSync(path, { recursive: true, force: true });
});
