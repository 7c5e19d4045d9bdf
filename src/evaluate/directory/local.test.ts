import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type JsonObject, newUlid } from '../../event/index.js';
import { EntityRefused, MAX_ENTITY_BYTES } from './limits.js';
import { localDirectory } from './local.js';
import type { Directory, EntityChange } from './types.js';

const put = (type: string, id: string, more: { account?: string; expected?: number; properties?: JsonObject; change?: string } = {}): EntityChange => ({
  change: newUlid(),
  op: 'put',
  type,
  id,
  properties: {},
  ...more,
});
const remove = (type: string, id: string, expected?: number): EntityChange => ({
  change: newUlid(),
  op: 'delete',
  type,
  id,
  ...(expected !== undefined && { expected }),
});

describe('the directory of one node', () => {
  let path: string;
  let directory: Directory;
  let time = Date.parse('2026-11-22T04:00:00.000Z');
  const now = (): number => time;
  beforeEach(() => {
    path = mkdtempSync(join(tmpdir(), 'verdict-directory-'));
    directory = localDirectory({ path }, { now });
  });
  afterEach(async () => {
    await directory.close();
    rmSync(path, { recursive: true, force: true });
  });
  const apply = async (change: EntityChange) => (await directory.apply([change]))[0];

  test('versions rise by one with each change and what was written is read back', async () => {
    expect(await apply(put('user', 'u1', { properties: { role: 'owner' } }))).toMatchObject({ outcome: 'applied', created: true, entity: { version: 1 } });
    expect(await apply(put('user', 'u1', { properties: { role: 'viewer' } }))).toMatchObject({ outcome: 'applied', created: false, entity: { version: 2 } });
    expect(directory.get('user', 'u1')).toEqual({ type: 'user', id: 'u1', properties: { role: 'viewer' }, version: 2, updated: '2026-11-22T04:00:00.000Z' });
    expect(directory.staleness()).toBe(0);
  });

  test('a change rests on the version it names', async () => {
    expect(await apply(put('user', 'u1', { expected: 3 }))).toEqual({ outcome: 'version_mismatch' });
    await apply(put('user', 'u1', { expected: 0 }));
    expect(await apply(put('user', 'u1', { expected: 0 }))).toMatchObject({ outcome: 'version_mismatch', current: { version: 1 } });
    expect(await apply(put('user', 'u1', { expected: 1 }))).toMatchObject({ outcome: 'applied', entity: { version: 2 } });
    expect(await apply(remove('user', 'u1', 1))).toMatchObject({ outcome: 'version_mismatch', current: { version: 2 } });
    expect(await apply(remove('user', 'u1', 2))).toMatchObject({ outcome: 'deleted', entity: { version: 3 } });
    expect(await apply(remove('user', 'u1'))).toEqual({ outcome: 'not_found' });
  });

  test('only one of the changes that rest on the same version is made, also in one call', async () => {
    await apply(put('user', 'u1'));
    const outcomes = await Promise.all([apply(put('user', 'u1', { expected: 1 })), apply(put('user', 'u1', { expected: 1 }))]);
    expect(outcomes.map((one) => one?.outcome).sort()).toEqual(['applied', 'version_mismatch']);
    const together = await directory.apply([put('user', 'u1', { expected: 2 }), put('user', 'u1', { expected: 2 }), put('user', 'u1', { expected: 3 })]);
    expect(together.map(({ outcome }) => outcome)).toEqual(['applied', 'version_mismatch', 'applied']);
  });

  test('an entity made again after its deletion goes on counting, in whatever account', async () => {
    await apply(put('server', 's1', { account: 'a' }));
    await apply(remove('server', 's1'));
    expect(directory.get('server', 's1')).toBeUndefined();
    expect(await apply(put('server', 's1', { account: 'b', expected: 0 }))).toMatchObject({
      outcome: 'applied',
      created: true,
      entity: { version: 3, account: 'b' },
    });
    expect(directory.list('server', { account: 'a', limit: 10 })).toEqual([]);
    expect(directory.list('server', { account: 'b', limit: 10 })).toHaveLength(1);
  });

  test('an entity never moves to another account', async () => {
    await apply(put('server', 's1', { account: 'a', properties: { n: 1 } }));
    expect(await apply(put('server', 's1', { account: 'b', expected: 1 }))).toMatchObject({
      outcome: 'account_mismatch',
      current: { account: 'a', version: 1 },
    });
    expect(await apply(put('server', 's1', { properties: { n: 2 } }))).toMatchObject({ outcome: 'applied', entity: { account: 'a', version: 2 } });
    await apply(put('user', 'u1'));
    expect(await apply(put('user', 'u1', { account: 'a' }))).toMatchObject({ outcome: 'account_mismatch' });
  });

  test('a change that is asked for twice is made once, and both askers hear the same', async () => {
    const change = put('user', 'u1', { properties: { n: 1 } });
    const first = await apply(change);
    await apply(put('user', 'u1', { properties: { n: 2 } }));
    expect(await apply(change)).toEqual(first);
    expect(await directory.apply([change, change])).toEqual([first, first]);
    expect(directory.get('user', 'u1')?.version).toBe(2);
    expect(directory.outcomeOf(change.change)).toEqual(first);
    const refused = put('user', 'u1', { expected: 9 });
    const mismatch = await apply(refused);
    await apply(put('user', 'u1'));
    expect(await apply(refused)).toEqual(mismatch);
  });

  test('outcomes are forgotten after two days, but not right after a start', async () => {
    const old = put('user', 'u1');
    await apply(old);
    time += 49 * 3_600_000;
    await directory.close();
    directory = localDirectory({ path }, { now });
    await apply(put('user', 'u2'));
    expect(directory.outcomeOf(old.change)).toBeDefined();
    time += 3_600_000;
    await apply(put('user', 'u2'));
    expect(directory.outcomeOf(old.change)).toBeUndefined();
  });

  test('a list is in order of id, by account or of all, and goes on after an id', async () => {
    await directory.apply([
      ...['s3', 's1', 's2'].map((id) => put('server', id, { account: 'a' })),
      put('server', 's0', { account: 'b' }),
      put('serverless', 'x', { account: 'a' }),
      put('user', 'u1'),
    ]);
    const ids = (options: { account?: string; after?: string; limit: number }) => directory.list('server', options).map(({ id }) => id);
    expect(ids({ limit: 10 })).toEqual(['s0', 's1', 's2', 's3']);
    expect(ids({ account: 'a', limit: 10 })).toEqual(['s1', 's2', 's3']);
    expect(ids({ account: 'a', after: 's1', limit: 1 })).toEqual(['s2']);
    expect(ids({ after: 's1', limit: 10 })).toEqual(['s2', 's3']);
    expect(ids({ after: 's15', limit: 1 })).toEqual(['s2']);
    expect(ids({ account: 'a', limit: 0 })).toEqual([]);
    expect(ids({ account: 'nobody', limit: 10 })).toEqual([]);
    await apply(remove('server', 's2'));
    expect(ids({ account: 'a', limit: 10 })).toEqual(['s1', 's3']);
  });

  test('the generation rises with each change and stands still otherwise', async () => {
    const before = directory.generation();
    await apply(put('user', 'u1'));
    const after = directory.generation();
    expect(after).toBeGreaterThan(before);
    await apply(put('user', 'u1', { expected: 7 }));
    expect(directory.generation()).toBe(after);
    await apply(remove('user', 'u1'));
    expect(directory.generation()).toBeGreaterThan(after);
  });

  test("it is empty while it holds nothing but Verdict's own entities", async () => {
    expect(directory.isEmpty()).toBe(true);
    await apply(put('verdict.key', 'k1'));
    expect(directory.isEmpty()).toBe(true);
    await apply(put('zone', 'z1'));
    expect(directory.isEmpty()).toBe(false);
    await apply(remove('zone', 'z1'));
    expect(directory.isEmpty()).toBe(true);
    await apply(put('account', 'a'));
    expect(directory.isEmpty()).toBe(false);
  });

  test('what no directory can hold is refused before anything is written', async () => {
    const fits = { text: 'x'.repeat(MAX_ENTITY_BYTES - 200) };
    const attempt = (change: EntityChange) => directory.apply([put('user', 'ok', { properties: fits }), change]);
    await expect(attempt(put('user', 'big', { properties: { text: 'ü'.repeat(MAX_ENTITY_BYTES / 2) } }))).rejects.toMatchObject({
      code: 'entity.too_large',
      index: 1,
      message: expect.stringContaining('user/big'),
    });
    for (const bad of [
      put('', 'x'),
      put('a/b', 'x'),
      put('user', ''),
      put('user', 'a\u0000b'),
      put('user', 'a\ud800'),
      put('user', 'x'.repeat(257)),
      put('user', 'x', { account: '' }),
    ])
      await expect(attempt(bad)).rejects.toBeInstanceOf(EntityRefused);
    for (const levels of [300, 20_000]) {
      let deep: JsonObject = {};
      for (let depth = 0; depth < levels; depth += 1) deep = { deep };
      await expect(attempt(put('user', 'deep', { properties: deep }))).rejects.toMatchObject({ code: 'entity.invalid' });
    }
    expect(directory.get('user', 'ok')).toBeUndefined();
    expect(await apply(put('user', 'ok', { properties: fits }))).toMatchObject({ outcome: 'applied' });
  });

  test('names that nobody may write find nothing, whatever they look like', async () => {
    await directory.apply([put('user', 'a\ufffd'), put('user', '__proto__', { properties: JSON.parse('{"__proto__":{"role":"owner"}}') })]);
    for (const id of ['a\ud800', 'x'.repeat(300_000), '', 'a\u0000', 'constructor']) expect(directory.get('user', id)).toBeUndefined();
    expect(directory.get('constructor', 'user')).toBeUndefined();
    expect(directory.get('user', 'a\ufffd')?.version).toBe(1);
    expect(JSON.stringify(directory.get('user', '__proto__')?.properties)).toBe('{"__proto__":{"role":"owner"}}');
  });

  test('what one reader is given no other can change', async () => {
    await apply(put('user', 'u1', { properties: { roles: ['viewer'] } }));
    const roles = directory.get('user', 'u1')?.properties['roles'] as string[];
    expect(() => roles.push('owner')).toThrow(TypeError);
  });

  test('a bulk of thousands is one transaction, and all of it survives a reopening', async () => {
    const changes = Array.from({ length: 5_000 }, (_, n) => put('server', `s${n}`, { account: `a${n % 3}`, properties: { n } }));
    const outcomes = await directory.apply(changes);
    expect(outcomes.every(({ outcome }) => outcome === 'applied')).toBe(true);
    await directory.close();
    directory = localDirectory({ path }, { now });
    expect(directory.get('server', 's4999')?.properties).toEqual({ n: 4999 });
    expect(directory.list('server', { account: 'a1', limit: 10_000 })).toHaveLength(1_667);
  });
});
