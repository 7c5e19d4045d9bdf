import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import kafkajs from 'kafkajs';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { type EntityChange, type EntityOutcome, resolveOpenIntents, writeEntities } from '../../src/evaluate/directory/index.js';
import { newUlid } from '../../src/event/index.js';
import { openJournal } from '../../src/ingest/index.js';
import { distFolder } from '../peers/dist.js';
import { type Fleet, fleetOn, until } from '../peers/fleet.js';
import { eventsIn } from '../peers/journal.js';
import { describeWithKafka, type KafkaCluster, startKafka } from '../peers/kafka.js';

const put = (id: string, expected?: number): EntityChange => ({
  change: newUlid(),
  op: 'put',
  type: 'token',
  id,
  properties: { id },
  ...(expected !== undefined && { expected }),
});
const remove = (id: string): EntityChange => ({ change: newUlid(), op: 'delete', type: 'token', id });

await describeWithKafka('the directory of a fleet on bad days', () => {
  let kafka: KafkaCluster;
  let fleet: Fleet;
  beforeAll(async () => {
    kafka = await startKafka({ brokers: 1, settings: { 'log.cleaner.backoff.ms': '100', 'log.cleaner.threads': '1' } });
  }, 120_000);
  afterAll(() => kafka.stop());
  beforeEach(async () => {
    fleet = await fleetOn(kafka.brokers, { partitions: 1 });
  }, 60_000);
  afterEach(() => fleet.close(), 60_000);

  const keepTombstonesFor = (ms: number): Promise<unknown> =>
    fleet.asAdmin((admin) =>
      admin.alterConfigs({
        validateOnly: false,
        resources: [
          {
            type: kafkajs.ConfigResourceTypes.TOPIC,
            name: fleet.topic,
            configEntries: Object.entries({
              'cleanup.policy': 'compact',
              'delete.retention.ms': String(ms),
              'min.compaction.lag.ms': '0',
              'min.cleanable.dirty.ratio': '0.001',
              'segment.ms': '200',
            }).map(([name, value]) => ({ name, value })),
          },
        ],
      }),
    );

  test('a node that was away for longer than deletions are kept starts over, and what was deleted stays deleted', { timeout: 120_000 }, async () => {
    await keepTombstonesFor(2_000);
    const a = await fleet.start({ checkMs: 200 });
    const b = await fleet.start({ checkMs: 200 });
    await a.directory.apply([put('revoked'), put('kept')]);
    await until('b has both', () => b.directory.get('token', 'kept') !== undefined);
    await b.stop();
    await a.directory.apply([remove('revoked')]);
    let filler = 0;
    for (let left = true; left; ) {
      await sleep(300);
      await a.directory.apply([put(`filler-${filler++}`)]);
      left = (await fleet.read()).some(({ key }) => key === 'token/revoked');
    }
    const again = await fleet.start({ path: b.path, checkMs: 200 });
    expect(again.notices.join()).toContain("built again from the topic's beginning: it was last complete");
    expect(again.directory.get('token', 'revoked')).toBeUndefined();
    expect(again.directory.get('token', 'kept')?.version).toBe(1);
    expect(again.directory.list('token', { limit: 100 })).toEqual(a.directory.list('token', { limit: 100 }));
  });

  test('after compaction a new node has the same state as those that saw every record, rejected ones included', { timeout: 120_000 }, async () => {
    const [a, b] = [await fleet.start({ repairMs: 500 }), await fleet.start({ repairMs: 500 })];
    const race = async (directory: typeof a.directory): Promise<EntityOutcome[]> => {
      const all: EntityOutcome[] = [];
      for (let n = 0; n < 30; n += 1) all.push(...(await directory.apply(['x', 'y', 'z'].map((id) => put(id, directory.get('token', id)?.version ?? 0)))));
      return all;
    };
    const outcomes = (await Promise.all([race(a.directory), race(b.directory)])).flat();
    expect(outcomes.some(({ outcome }) => outcome === 'version_mismatch')).toBe(true);
    const stands = a.directory.get('token', 'x');
    const lost = { ...stands, properties: { by: 'a node that died' }, change: newUlid() };
    const producer = fleet.client().producer();
    await producer.connect();
    await producer.send({ topic: fleet.topic, messages: [{ key: 'token/x', value: JSON.stringify(lost), headers: { node: newUlid(), attempt: newUlid() } }] });
    await producer.disconnect();
    await sleep(2_500);
    await keepTombstonesFor(3_600_000);
    for (let records = 100; records > 10; records = (await fleet.read()).filter(({ key }) => /\/[xyz]$/.test(key)).length) {
      await sleep(300);
      await a.directory.apply([put('filler')]);
    }
    const late = await fleet.start();
    expect(late.directory.get('token', 'x')).toEqual(stands);
    for (const id of ['x', 'y', 'z']) {
      expect(late.directory.get('token', id)).toEqual(a.directory.get('token', id));
      expect(b.directory.get('token', id)).toEqual(a.directory.get('token', id));
    }
  });

  test('while the brokers are gone writes are refused as unavailable and the copy grows old; when they are back both mend, and every change has its event', {
    timeout: 180_000,
  }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'verdict-outage-'));
    const journal = await openJournal({ path: folder, maxBytes: 1 << 24, durability: 'disk', onFailure: () => undefined });
    const { directory, feed } = await fleet.start({ timeoutMs: 3_000 });
    const draft = () => ({ timestamp: new Date().toISOString(), actor: { type: 'service', id: 'test' }, source: 'test' });
    const write = (changes: readonly EntityChange[]) => writeEntities({ directory, journal }, changes, draft);
    expect((await write([put('before')]))[0]?.outcome).toBe('applied');
    await kafka.kill(0, 'SIGKILL');
    const outage = [put('during-1'), put('during-2'), put('before', 1)];
    for (const { outcome } of await write(outage)) expect(outcome).toBe('unavailable');
    expect(journal.openIntents()).toHaveLength(3);
    expect(directory.get('token', 'before')?.version).toBe(1);
    await until('the copy grows old', () => directory.staleness() > 4_000);
    expect(await resolveOpenIntents({ directory, journal })).toMatchObject({ left: 3 });
    await kafka.restart(0);
    await until('the copy is complete again', () => directory.staleness() < 2_000 && feed.trouble() === undefined, 60_000);
    expect((await write([put('after')]))[0]?.outcome).toBe('applied');
    await sleep(3_000);
    await resolveOpenIntents({ directory, journal, now: () => Date.now() + 200_000 });
    expect(journal.openIntents()).toEqual([]);
    await journal.close();
    const recorded = (await eventsIn(folder))
      .filter(({ action }) => action.startsWith('entity.'))
      .map(({ resource, details }) => `${resource.id}/${details?.['version']}`);
    const stands = directory.list('token', { limit: 100 }).flatMap(({ id, version }) => Array.from({ length: version }, (_, n) => `${id}/${n + 1}`));
    expect(recorded.sort()).toEqual(stands.sort());
    rmSync(folder, { recursive: true, force: true });
  });

  test('every change has its event, once, however often the process that writes is killed', { timeout: 120_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'verdict-killed-'));
    const { directory } = await fleet.start({ path: join(folder, 'directory') });
    const child = resolve(import.meta.dirname, '../peers/directory-child.mjs');
    const env = { ...process.env, TEST_KAFKA: JSON.stringify(fleet.config) };
    const answered: { id: string; version: number }[] = [];
    for (const [step, at] of [
      ['intend', '10'],
      ['apply', '10'],
      ['', ''],
      ['', ''],
    ] as const) {
      const writer = spawn(process.execPath, [child, distFolder(), folder, 'write', '0', step, at], { env, stdio: ['ignore', 'pipe', 'inherit'] });
      let said = '';
      writer.stdout.on('data', (piece: Buffer) => {
        said += piece.toString();
      });
      const ended = new Promise((done) => writer.once('close', done));
      if (step === '') setTimeout(() => writer.kill('SIGKILL'), 1_500 + Math.random() * 500);
      await ended;
      answered.push(
        ...said
          .split('\n')
          .slice(0, -1)
          .map((line) => JSON.parse(line)),
      );
    }
    expect(answered.length).toBeGreaterThan(20);
    const path = join(folder, 'journal', '0');
    const journal = await openJournal({ path, maxBytes: 1 << 26, durability: 'disk', onFailure: () => undefined });
    await resolveOpenIntents({ directory, journal });
    await sleep(3_000);
    expect((await resolveOpenIntents({ directory, journal, now: () => Date.now() + 200_000 })).left).toBe(0);
    await journal.close();
    const events = (await eventsIn(path)).filter(({ action }) => action.startsWith('entity.'));
    const versions = new Map<string, number[]>();
    for (const { resource, details } of events) versions.set(resource.id, [...(versions.get(resource.id) ?? []), details?.['version'] as number]);
    for (const [id, seen] of versions)
      expect(
        seen.sort((x, y) => x - y),
        id,
      ).toEqual(seen.map((_, n) => n + 1));
    for (const { id, version } of directory.list('server', { limit: 100 })) expect(versions.get(id)?.at(-1)).toBe(version);
    for (const { id, version } of answered) expect(versions.get(id)).toContain(version);
    rmSync(folder, { recursive: true, force: true });
  });
});
