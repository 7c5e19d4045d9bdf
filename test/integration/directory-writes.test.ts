import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  type Directory,
  type EntityChange,
  type EntityDraft,
  localDirectory,
  MAX_ENTITY_BYTES,
  resolveOpenIntents,
  type WriteDeps,
  writeEntities,
} from '../../src/evaluate/directory/index.js';
import { type JsonObject, newUlid } from '../../src/event/index.js';
import { type Journal, JournalUnavailable, openJournal } from '../../src/ingest/index.js';
import { eventsIn } from '../peers/journal.js';

const makeDraft = (): EntityDraft => ({
  timestamp: '2026-11-22T04:00:00.000Z',
  actor: { type: 'service', id: 'key:1' },
  source: 'admin',
  request: { id: 'req-1' },
});

const put = (type: string, id: string, properties: JsonObject = {}, more: { account?: string; expected?: number } = {}): EntityChange => ({
  change: newUlid(),
  op: 'put',
  type,
  id,
  properties,
  ...more,
});

describe('a write to the directory', () => {
  let path: string;
  let directory: Directory;
  let journal: Journal;
  let deps: WriteDeps;
  beforeEach(async () => {
    path = mkdtempSync(join(tmpdir(), 'verdict-writes-'));
    directory = localDirectory({ path: join(path, 'directory') });
    journal = await openJournal({ path: join(path, 'journal'), maxBytes: 1 << 24, durability: 'disk', onFailure: () => undefined });
    deps = { directory, journal };
  });
  const recorded = async () => (await eventsIn(join(path, 'journal'))).filter(({ action }) => action.startsWith('entity.'));
  afterEach(async () => {
    await directory.close();
    await journal.close();
    rmSync(path, { recursive: true, force: true });
  });

  test('is an event that carries the new version and the whole new state', async () => {
    const change = put('server', 's1', { name: 'web-1', plan: 'm' }, { account: 'acc-1' });
    expect(await writeEntities(deps, [change], makeDraft)).toMatchObject([{ outcome: 'applied', created: true }]);
    expect(await recorded()).toMatchObject([
      {
        id: `evt-${change.change}`,
        timestamp: '2026-11-22T04:00:00.000Z',
        account: 'acc-1',
        kind: 'activity',
        actor: { type: 'service', id: 'key:1' },
        action: 'entity.create',
        resource: { type: 'server', id: 's1', name: 'web-1' },
        result: 'success',
        details: { change: change.change, version: 1, properties: { name: 'web-1', plan: 'm' } },
        request: { id: 'req-1' },
        source: 'admin',
      },
    ]);
    await writeEntities(deps, [put('server', 's1', { plan: 'l' }), { change: newUlid(), op: 'delete', type: 'server', id: 's1' }], makeDraft);
    expect((await recorded()).slice(1).map(({ action, account, details }) => [action, account, details?.['version'], details?.['properties']])).toEqual([
      ['entity.update', 'acc-1', 2, { plan: 'l' }],
      ['entity.delete', 'acc-1', 3, undefined],
    ]);
  });

  test('is intended before it is made, and struck out with its event or without', async () => {
    const open: string[][] = [];
    const changes = [put('server', 's1'), put('server', 's1', {}, { expected: 7 })];
    const apply: Directory['apply'] = (all) => {
      open.push(journal.openIntents().map(({ change }) => change));
      return directory.apply(all);
    };
    await writeEntities({ ...deps, directory: { ...directory, apply } }, changes, makeDraft);
    expect(open).toEqual([changes.map(({ change }) => change)]);
    expect(journal.openIntents()).toEqual([]);
    expect(await recorded()).toHaveLength(1);
  });

  test('keeps what is said of people where it can be erased', async () => {
    await writeEntities(
      deps,
      [put('user', 'u1', { email: 'a@b.c', name: 'Ada' }), put('membership', 'acc:u1', { role: 'owner' }, { account: 'acc' })],
      makeDraft,
    );
    expect((await recorded()).map(({ account, resource, details }) => ({ account, resource, details }))).toEqual([
      {
        account: 'verdict',
        resource: { type: 'user', id: 'u1' },
        details: expect.objectContaining({ personal: { properties: { email: 'a@b.c', name: 'Ada' } } }),
      },
      { account: 'acc', resource: { type: 'membership', id: 'acc:u1' }, details: expect.objectContaining({ personal: { properties: { role: 'owner' } } }) },
    ]);
    expect((await recorded())[0]?.details).not.toHaveProperty('properties');
  });

  test("shows of Verdict's own entities only what is redacted, and nothing where nobody redacts", async () => {
    await writeEntities(deps, [put('verdict.key', 'k1', { hash: 'secret', name: 'ci' })], makeDraft);
    const redact = ({ properties }: { properties: JsonObject }): JsonObject => ({ name: properties['name'] ?? null });
    await writeEntities({ ...deps, redact }, [put('verdict.key', 'k1', { hash: 'secret', name: 'ci' })], makeDraft);
    expect(JSON.stringify(await recorded())).not.toContain('secret');
    expect((await recorded()).map(({ details }) => details?.['properties'])).toEqual([undefined, { name: 'ci' }]);
  });

  test('that is asked for twice is made once and recorded once, also within one call', async () => {
    const change = put('server', 's1');
    const first = await writeEntities(deps, [change, change], makeDraft);
    expect(first[0]).toEqual(first[1]);
    expect(await writeEntities(deps, [change], makeDraft)).toEqual([first[0]]);
    expect(await recorded()).toHaveLength(1);
    expect(directory.get('server', 's1')?.version).toBe(1);
  });

  test('that could not be recorded is not made', async () => {
    const large = { ...makeDraft(), request: { path: 'x'.repeat(20_000) } };
    const change = put('server', 's1', { text: 'x'.repeat(MAX_ENTITY_BYTES - 200) });
    await expect(writeEntities(deps, [change], () => large)).rejects.toMatchObject({ code: 'entity.too_large', index: 0 });
    await journal.close();
    await expect(writeEntities(deps, [change], makeDraft)).rejects.toBeInstanceOf(JournalUnavailable);
    expect(directory.isEmpty()).toBe(true);
  });

  test('whose event the journal did not take gets it later, once', async () => {
    const apply: Directory['apply'] = async (changes) => {
      await journal.close();
      return directory.apply(changes);
    };
    const changes = [put('user', 'u1'), put('user', 'u2', {}, { expected: 4 })];
    await expect(writeEntities({ ...deps, directory: { ...directory, apply } }, changes, makeDraft)).rejects.toBeInstanceOf(JournalUnavailable);
    journal = await openJournal({ path: join(path, 'journal'), maxBytes: 1 << 24, durability: 'disk', onFailure: () => undefined });
    deps = { directory, journal };
    expect(await resolveOpenIntents(deps)).toEqual({ recorded: 1, dropped: 1, left: 0 });
    expect(await resolveOpenIntents(deps)).toEqual({ recorded: 0, dropped: 0, left: 0 });
    expect((await recorded()).map(({ action, details }) => [action, details?.['version']])).toEqual([['entity.create', 1]]);
  });

  test('that was only intended is forgotten', async () => {
    const draft = { id: 'evt-1', account: 'a', kind: 'activity', action: 'entity.update', resource: { type: 'user', id: 'u1' }, result: 'success' } as const;
    await journal.intend([{ change: newUlid(), draft: { ...makeDraft(), ...draft } }]);
    expect(await resolveOpenIntents(deps)).toEqual({ recorded: 0, dropped: 1, left: 0 });
    expect(await recorded()).toEqual([]);
  });

  test('is not taken for left over while it is being made', async () => {
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const slow: WriteDeps = { ...deps, directory: { ...directory, apply: (changes) => held.then(() => directory.apply(changes)) } };
    const writing = writeEntities(slow, [put('user', 'u1')], makeDraft);
    expect(await resolveOpenIntents(slow)).toEqual({ recorded: 0, dropped: 0, left: 0 });
    release();
    await writing;
    expect(await recorded()).toHaveLength(1);
  });

  test('of a fleet that was not heard of again stays open until the copy must have seen it', async () => {
    let time = 1_000_000;
    let age = 500;
    const change = put('user', 'u1');
    const fleet: WriteDeps = {
      journal,
      now: () => time,
      directory: { ...directory, staleness: () => age, apply: async (all) => all.map(() => ({ outcome: 'unavailable', reason: 'late' })) },
    };
    expect(await writeEntities(fleet, [change, put('user', 'u2')], makeDraft)).toMatchObject([{ outcome: 'unavailable' }, { outcome: 'unavailable' }]);
    expect(await resolveOpenIntents(fleet)).toEqual({ recorded: 0, dropped: 0, left: 2 });
    await directory.apply([change]);
    expect(await resolveOpenIntents(fleet)).toEqual({ recorded: 1, dropped: 0, left: 1 });
    time += 121_000;
    age = Number.POSITIVE_INFINITY;
    expect(await resolveOpenIntents(fleet)).toEqual({ recorded: 0, dropped: 0, left: 1 });
    age = 500;
    expect(await resolveOpenIntents(fleet)).toEqual({ recorded: 0, dropped: 1, left: 0 });
    expect((await recorded()).map(({ resource }) => resource.id)).toEqual(['u1']);
  });
});
