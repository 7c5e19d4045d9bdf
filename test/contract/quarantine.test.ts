import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { KafkaConfig } from '../../src/config.js';
import { type Quarantine, replay, type SetAside } from '../../src/ingest/quarantine.js';
import { kafkaQuarantine } from '../../src/ingest/quarantine-kafka.js';
import { lmdbQuarantine } from '../../src/ingest/quarantine-lmdb.js';
import { ensureTopics, kafkaClient } from '../../src/kafka/index.js';
import { describeWithKafka, startKafka } from '../peers/kafka.js';
import { kafkaConfig } from '../peers/kafka-config.js';

const log = pino({ level: 'silent' });

const item = (number: number, changes: Partial<SetAside> = {}): SetAside => ({
  line: Buffer.from(`{"bad":${number}}\n`),
  reason: `store.refused: Code: ${number}`,
  at: new Date(1_700_000_000_000 + number * 1000).toISOString(),
  source: { log: '01JD0000000000000000000000', seq: number + 1 },
  ...changes,
});

const eventually = async (isSo: () => boolean | Promise<boolean>): Promise<void> => {
  for (let tries = 0; !(await isSo()); tries += 1) {
    if (tries > 400) throw new Error('It did not come about within 20 s.');
    await delay(50);
  }
};

const quarantineContract = (open: (folder: string) => Promise<Quarantine>): void => {
  let folder: string;
  let quarantine: Quarantine;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'verdict-quarantine-'));
    quarantine = await open(join(folder, 'node'));
  }, 60_000);
  afterEach(async () => {
    await quarantine.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test('keeps the bytes, the reason, the time and the source', async () => {
    const foreign = item(2, { line: Buffer.from([0xff, 0x00, 0x0a, 0x80]), source: { topic: 't', partition: 3, offset: 9 } });
    await quarantine.put([item(1), foreign]);
    const [first, second] = await quarantine.list({ limit: 10 });
    expect(first).toEqual({ id: expect.stringMatching(/^q-[0-9a-f]{32}$/), ...item(1) });
    expect(second).toMatchObject({ reason: foreign.reason, at: foreign.at, source: { topic: 't', partition: 3, offset: 9 } });
    expect(second?.line.equals(foreign.line)).toBe(true);
  });

  test('keeps what comes twice once, with its first reason', async () => {
    await quarantine.put([item(1)]);
    await quarantine.put([item(1, { reason: 'store.refused: again', at: item(5).at })]);
    expect(await quarantine.list({ limit: 10 })).toMatchObject([{ reason: item(1).reason, at: item(1).at }]);
    expect(quarantine.count()).toBe(1);
  });

  test('lists in order of time, page by page', async () => {
    await quarantine.put([3, 1, 4, 0, 2].map((number) => item(number)));
    const first = await quarantine.list({ limit: 2 });
    const second = await quarantine.list({ limit: 2, after: first[1]?.id ?? '' });
    const third = await quarantine.list({ limit: 2, after: second[1]?.id ?? '' });
    expect([...first, ...second, ...third].map(({ at }) => at)).toEqual([0, 1, 2, 3, 4].map((number) => item(number).at));
    expect(await quarantine.list({ limit: 2, after: 'q-unknown' })).toEqual([]);
  });

  test('forgets what is removed, and nothing else', async () => {
    await quarantine.put([item(1), item(2)]);
    const [first] = await quarantine.list({ limit: 1 });
    expect(await quarantine.remove([first?.id ?? '', 'q-unknown'])).toBe(1);
    expect(await quarantine.get(first?.id ?? '')).toBeUndefined();
    expect(await quarantine.list({ limit: 10 })).toMatchObject([{ reason: item(2).reason }]);
  });

  test('a replay removes what is accepted and keeps what is refused', async () => {
    await quarantine.put([item(1), item(2)]);
    const [first, second] = (await quarantine.list({ limit: 2 })).map(({ id }) => id) as [string, string];
    const outcomes = await replay(quarantine, [second, 'q-unknown', first], async ({ id }) => (id === first ? {} : { refused: 'still bad' }));
    expect(outcomes).toEqual([
      { id: second, outcome: 'refused', reason: 'still bad' },
      { id: 'q-unknown', outcome: 'not_found' },
      { id: first, outcome: 'accepted' },
    ]);
    expect((await quarantine.list({ limit: 10 })).map(({ id }) => id)).toEqual([second]);
  });

  test('a replay that breaks off keeps the item', async () => {
    await quarantine.put([item(1)]);
    const [only] = await quarantine.list({ limit: 1 });
    await expect(replay(quarantine, [only?.id ?? ''], () => Promise.reject(new Error('The store is away.')))).rejects.toThrow('The store is away.');
    expect(quarantine.count()).toBe(1);
  });
};

describe('the quarantine of one node', () => {
  quarantineContract(async (path) => lmdbQuarantine(path));

  test('outlives a restart', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'verdict-quarantine-'));
    const before = lmdbQuarantine(folder);
    await before.put([item(1)]);
    await before.close();
    const after = lmdbQuarantine(folder);
    expect(await after.list({ limit: 10 })).toMatchObject([item(1)]);
    await after.close();
    rmSync(folder, { recursive: true, force: true });
  });
});

await describeWithKafka('the quarantine of a fleet', () => {
  let kafka: Awaited<ReturnType<typeof startKafka>>;
  let config: KafkaConfig;
  beforeAll(async () => {
    kafka = await startKafka({ brokers: 1 });
  }, 120_000);
  afterAll(() => kafka.stop());
  beforeEach(async () => {
    config = kafkaConfig(kafka.brokers);
    const admin = kafkaClient(config, log).admin();
    await admin.connect();
    await ensureTopics(admin, config);
    await admin.disconnect();
  }, 60_000);

  const open = async (path: string): Promise<Quarantine> => kafkaQuarantine(config, { client: kafkaClient(config, log), log, path });

  quarantineContract(open);

  test('is one list for all nodes, and is there after all have stopped', { timeout: 60_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'verdict-quarantine-'));
    const [left, right] = [await open(join(folder, 'left')), await open(join(folder, 'right'))];
    await left.put([item(1), item(2)]);
    await eventually(() => right.count() === 2);
    await right.remove([((await right.list({ limit: 1 }))[0] as { id: string }).id]);
    await eventually(() => left.count() === 1);
    await left.close();
    await right.close();
    const later = await open(join(folder, 'left'));
    await eventually(async () => (await later.list({ limit: 10 })).map(({ at }) => at).join() === item(2).at);
    await later.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test('takes an item that is larger than the topic allows, cut', { timeout: 60_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'verdict-quarantine-'));
    const quarantine = await open(folder);
    await quarantine.put([item(1, { line: Buffer.alloc(3_000_000, 'x') })]);
    const [found] = await quarantine.list({ limit: 1 });
    expect(found?.line).toHaveLength(1_500_000);
    expect(found?.reason).toContain('Cut to 1500000 of 3000000 bytes');
    await quarantine.close();
    rmSync(folder, { recursive: true, force: true });
  });
});
