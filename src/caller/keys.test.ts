import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { localDirectory } from '../evaluate/directory/local.js';
import type { Directory, Entity } from '../evaluate/directory/types.js';
import { newUlid } from '../event/index.js';
import { ADMIN } from './authenticator.js';
import { KEY_TYPE, type KeyRecord, putKey, readKey } from './key-entity.js';
import { type ApiKeyOutcome, type ApiKeys, apiKeys } from './keys.js';
import { hashOf, newSecret, readKeyText, secretPart } from './secret.js';
import type { Caller } from './types.js';

const NOW = Date.parse('2026-11-22T12:00:00.000Z');
const DAY = 86_400_000;
const WISH = { name: 'libvirt', accounts: ['acc-1'], permissions: ['event.record'] } as const;
const local: Caller = { id: 'key:local', name: 'local', accounts: ['acc-1', 'acc-2'], permissions: new Set(['key.manage', 'event.record']) };

let folder: string;
let directory: Directory;
let time: number;
let keys: ApiKeys<undefined>;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'verdict-keys-'));
  directory = localDirectory({ path: folder });
  time = NOW;
  keys = apiKeys<undefined>({ directory, write: (_caller, changes) => directory.apply(changes), now: () => time });
});
afterEach(async () => {
  await directory.close();
  await rm(folder, { recursive: true, force: true });
});

const made = (outcome: ApiKeyOutcome) => {
  if (outcome.outcome !== 'made') throw new Error(JSON.stringify(outcome));
  return outcome;
};
const create = async (wish: Parameters<typeof keys.create>[1] = WISH, caller = ADMIN) => made(await keys.create(caller, wish, undefined));
const stored = (id: string) => directory.get(KEY_TYPE, id);

describe('The text of a key', () => {
  it('tells a whole key from one that is cut or mistyped, without a look-up', () => {
    const key = newSecret('vk_01JD00000000000000000000AA_');
    expect(readKeyText(key)).toEqual({ kind: 'key', id: '01JD00000000000000000000AA', hash: hashOf(secretPart(key)) });
    expect(readKeyText(key.slice(0, -1)).kind).toBe('damaged');
    for (let place = 30; place < key.length; place++) {
      const other = key[place] === 'a' ? 'b' : 'a';
      expect(readKeyText(key.slice(0, place) + other + key.slice(place + 1)).kind).toBe('damaged');
    }
    expect(readKeyText('something else').kind).toBe('other');
  });

  it('never repeats', () => {
    expect(new Set(Array.from({ length: 1000 }, () => newSecret(''))).size).toBe(1000);
  });
});

describe('A new key', () => {
  it('is stored as a hash in the account that it is for, and shown without it', async () => {
    const { key, secret } = await create({ ...WISH, expires: '90d' });
    const entity = stored(key.id);
    expect(entity).toMatchObject({ account: 'acc-1', properties: { hash: hashOf(secretPart(secret)), created_by: 'admin' } });
    expect(JSON.stringify(entity)).not.toContain(secretPart(secret));
    expect(key).toEqual({ id: key.id, ...WISH, created: '2026-11-22T12:00:00.000Z', created_by: 'admin', expires: new Date(NOW + 90 * DAY).toISOString() });
    expect(JSON.stringify(keys.list(ADMIN))).not.toMatch(/[0-9a-f]{64}/);
  });

  it('belongs to no account where it is for several, or for all', async () => {
    const several = await create({ ...WISH, accounts: ['acc-1', 'acc-2'] });
    const all = await create({ ...WISH, accounts: 'all' });
    for (const { key } of [several, all]) expect(stored(key.id)).not.toHaveProperty('account');
  });

  it('never holds more than who makes it', async () => {
    const codeOf = async (wish: object) => {
      const outcome = await keys.create(local, { ...WISH, ...wish }, undefined);
      return outcome.outcome === 'refused' ? outcome.code : outcome.outcome;
    };
    expect(await codeOf({})).toBe('made');
    expect(await codeOf({ accounts: ['acc-1', 'acc-3'] })).toBe('caller.account');
    expect(await codeOf({ accounts: 'all' })).toBe('caller.account');
    expect(await codeOf({ permissions: ['event.record', 'audit.read'] })).toBe('caller.permission');
    expect(directory.list(KEY_TYPE, { limit: 10 })).toHaveLength(1);
  });

  it('is refused for a wish that makes no sense, naming what', async () => {
    const cases: readonly (readonly [object, string])[] = [
      [{ name: 'pdp' }, 'key.name'],
      [{ name: 'admin' }, 'key.name'],
      [{ name: 'a\u0000b' }, 'key.name'],
      [{ name: '' }, 'key.name'],
      [{ accounts: [] }, 'key.accounts'],
      [{ permissions: [] }, 'key.permissions'],
      [{ permissions: ['root'] }, 'key.permissions'],
      [{ expires: 'soon' }, 'key.expires'],
      [{ expires: '2027-02-31' }, 'key.expires'],
      [{ expires: '2020-01-01' }, 'key.expires'],
      [{ accounts: Array.from({ length: 1000 }, (_, index) => `${index}`.padStart(128, 'a')) }, 'key.too_large'],
    ];
    for (const [wish, code] of cases) expect(await keys.create(ADMIN, { ...WISH, ...wish }, undefined)).toMatchObject({ outcome: 'refused', code });
    expect(directory.list(KEY_TYPE, { limit: 1 })).toEqual([]);
  });

  it('is not promised when the directory can not be written', async () => {
    const broken = apiKeys<undefined>({ directory, write: async (_caller, changes) => changes.map(() => ({ outcome: 'unavailable', reason: 'No disk.' })) });
    expect(await broken.create(ADMIN, WISH, undefined)).toEqual({ outcome: 'unavailable', message: 'No disk.' });
  });

  it('ends at a span, a date or an instant', async () => {
    const ends = async (expires: string) => (await create({ ...WISH, expires })).key['expires'];
    expect(await ends('12h')).toBe('2026-11-23T00:00:00.000Z');
    expect(await ends('2w')).toBe('2026-12-06T12:00:00.000Z');
    expect(await ends('2027-01-31')).toBe('2027-01-31T00:00:00.000Z');
    expect(await ends('2027-01-31T10:00:00+02:00')).toBe('2027-01-31T08:00:00.000Z');
  });
});

describe('The list of keys', () => {
  it('shows a caller only keys whose accounts are all among its own', async () => {
    const one = await create();
    await create({ ...WISH, accounts: ['acc-1', 'acc-3'] });
    await create({ ...WISH, accounts: 'all' });
    expect(keys.list(local).map(({ id }) => id)).toEqual([one.key.id]);
    expect(keys.list(ADMIN)).toHaveLength(3);
  });

  it('goes on past a page and shows the last use', async () => {
    const { key } = await create();
    const record = readKey(stored(key.id) as Entity) as KeyRecord;
    await directory.apply(Array.from({ length: 1000 }, () => putKey(newUlid(), record, 0)));
    const used = apiKeys<undefined>({
      directory,
      write: (_c, all) => directory.apply(all),
      lastUse: { get: (id) => (id === `key:${key.id}` ? NOW : undefined) },
    });
    const shown = used.list(ADMIN);
    expect(new Set(shown.map(({ id }) => id)).size).toBe(1001);
    expect(shown.filter((one) => 'last_used' in one)).toEqual([expect.objectContaining({ id: key.id, last_used: '2026-11-22T12:00:00.000Z' })]);
  });
});

describe('Rotation', () => {
  it('makes a successor with the same rights and length of life, and leaves the old key as it was', async () => {
    const old = await create({ ...WISH, expires: '90d' });
    time += 80 * DAY;
    const next = made(await keys.rotate(ADMIN, old.key.id, undefined));
    expect(next.key).toMatchObject({ ...WISH, rotated_from: old.key.id, expires: new Date(time + 90 * DAY).toISOString() });
    expect(next.secret).not.toBe(old.secret);
    expect(stored(old.key.id)?.properties).toMatchObject({ replaced_by: next.key.id, hash: hashOf(secretPart(old.secret)) });
    expect(stored(old.key.id)?.properties).not.toHaveProperty('revoked');
  });

  it('by many at once is made one after the other: each gets a successor, and the old key names the latest', async () => {
    const old = await create();
    const latest: string[] = [];
    const slow = apiKeys<undefined>({
      directory,
      write: async (_caller, changes) => {
        await sleep(1);
        latest.push(...changes.flatMap(({ id }) => (id === old.key.id ? [] : [id])));
        return directory.apply(changes);
      },
      now: () => time,
    });
    const outcomes = await Promise.all(Array.from({ length: 12 }, () => slow.rotate(ADMIN, old.key.id, undefined)));
    expect(new Set(outcomes.map((outcome) => made(outcome).key.id)).size).toBe(12);
    expect(stored(old.key.id)).toMatchObject({ version: 13, properties: { replaced_by: latest.at(-1) } });
    expect(slow.list(ADMIN).filter((key) => key['rotated_from'] === old.key.id)).toHaveLength(12);
  });

  it('gives nobody a key with more than they hold', async () => {
    const strong = await create({ ...WISH, permissions: ['event.record', 'audit.read'] });
    expect(await keys.rotate(local, strong.key.id, undefined)).toMatchObject({ outcome: 'refused', code: 'caller.permission' });
    expect(stored(strong.key.id)?.version).toBe(1);
  });

  it('is refused for a key that is over', async () => {
    const revoked = await create();
    await keys.revoke(ADMIN, revoked.key.id, undefined);
    expect(await keys.rotate(ADMIN, revoked.key.id, undefined)).toMatchObject({ outcome: 'refused', code: 'key.revoked' });
    const expired = await create({ ...WISH, expires: '1d' });
    time += DAY;
    expect(await keys.rotate(ADMIN, expired.key.id, undefined)).toMatchObject({ outcome: 'refused', code: 'key.expired' });
  });
});

describe('Revocation', () => {
  it('is kept with its time, and once more changes nothing', async () => {
    const { key } = await create();
    expect(await keys.revoke(ADMIN, key.id, undefined)).toMatchObject({ outcome: 'revoked', key: { revoked: '2026-11-22T12:00:00.000Z' } });
    time += DAY;
    expect(await keys.revoke(ADMIN, key.id, undefined)).toMatchObject({ outcome: 'revoked', key: { revoked: '2026-11-22T12:00:00.000Z' } });
    expect(stored(key.id)?.version).toBe(2);
  });

  it('tells nothing of keys beyond the caller’s accounts', async () => {
    const { key } = await create({ ...WISH, accounts: ['acc-3'] });
    for (const id of [key.id, '01JD00000000000000000000AA'])
      for (const act of [keys.revoke, keys.rotate]) expect(await act(local, id, undefined)).toEqual({ outcome: 'not_found' });
    expect(stored(key.id)?.version).toBe(1);
  });

  it('stands when others change the key at the same moment', async () => {
    const { key } = await create();
    const outcomes = await Promise.all([keys.revoke(ADMIN, key.id, undefined), keys.rotate(ADMIN, key.id, undefined), keys.revoke(ADMIN, key.id, undefined)]);
    expect(outcomes[0].outcome).toBe('revoked');
    expect(outcomes[2].outcome).toBe('revoked');
    expect(stored(key.id)?.properties).toHaveProperty('revoked');
  });
});
