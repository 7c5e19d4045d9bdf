import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { KafkaConfig } from '../../src/config.js';
import { type Directory, type DirectoryFeed, directoryFeed, type EntityChange, kafkaDirectory } from '../../src/evaluate/directory/index.js';
import { type JsonObject, newUlid } from '../../src/event/index.js';
import { ensureTopics, kafkaClient } from '../../src/kafka/index.js';
import { describeWithKafka, sharedKafka } from '../peers/kafka.js';
import { kafkaConfig } from '../peers/kafka-config.js';

const log = pino({ level: 'silent' });

type FleetNode = {
  readonly path: string;
  readonly feed: DirectoryFeed;
  readonly directory: Directory;
  readonly notices: string[];
  readonly stop: () => Promise<void>;
};

const put = (id: string, more: { type?: string; account?: string; expected?: number; properties?: JsonObject } = {}): EntityChange => ({
  change: newUlid(),
  op: 'put',
  type: 'token',
  id,
  properties: {},
  ...more,
});
const remove = (id: string): EntityChange => ({ change: newUlid(), op: 'delete', type: 'token', id });

const until = async (what: string, holds: () => boolean, ms = 20_000): Promise<void> => {
  const end = Date.now() + ms;
  while (!holds()) {
    if (Date.now() > end) throw new Error(`Not within ${ms} ms: ${what}.`);
    await sleep(2);
  }
};

await describeWithKafka('the directory of a fleet', () => {
  let kafka: Awaited<ReturnType<typeof sharedKafka>>;
  const nodes = new Set<FleetNode>();
  const folders: string[] = [];
  beforeAll(async () => {
    kafka = await sharedKafka();
  }, 120_000);
  afterAll(() => kafka.stop());
  afterEach(async () => {
    for (const node of nodes) await node.stop();
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
  }, 60_000);

  const topics = async (): Promise<KafkaConfig> => {
    const config = kafkaConfig(kafka.brokers);
    const admin = kafkaClient(config, log).admin();
    await admin.connect();
    await ensureTopics(admin, config);
    await admin.disconnect();
    return config;
  };

  const node = async (config: KafkaConfig, folder?: string): Promise<FleetNode> => {
    const path = folder ?? mkdtempSync(join(tmpdir(), 'verdict-fleet-'));
    folders.push(path);
    const notices: string[] = [];
    const client = kafkaClient(config, log);
    const feed = directoryFeed({ path, topicPrefix: config.topic_prefix }, { kafka: client, onTrouble: (sentence) => notices.push(sentence) });
    await feed.start();
    const directory = kafkaDirectory({ path, topicPrefix: config.topic_prefix }, { kafka: client });
    const self: FleetNode = {
      path,
      feed,
      directory,
      notices,
      stop: async () => {
        nodes.delete(self);
        await feed.stop();
        await directory.close();
      },
    };
    nodes.add(self);
    await until('the copy is complete', () => directory.staleness() < 5_000);
    return self;
  };

  test('what one node writes, every node reads, and the writer as soon as it is answered', { timeout: 60_000 }, async () => {
    const config = await topics();
    const [a, b] = await Promise.all([node(config), node(config)]);
    expect(await a.directory.apply([put('t1', { properties: { scope: 'write' }, account: 'acc' })])).toMatchObject([
      { outcome: 'applied', created: true, entity: { version: 1 } },
    ]);
    expect(a.directory.get('token', 't1')).toMatchObject({ version: 1, account: 'acc', properties: { scope: 'write' } });
    await until('b has it', () => b.directory.get('token', 't1') !== undefined);
    expect(await b.directory.apply([put('t1', { expected: 1, properties: { scope: 'read' } })])).toMatchObject([
      { outcome: 'applied', created: false, entity: { version: 2, account: 'acc' } },
    ]);
    await until('a has it', () => a.directory.get('token', 't1')?.version === 2);
    expect(await a.directory.apply([remove('t1')])).toMatchObject([{ outcome: 'deleted', entity: { version: 3 } }]);
    await until('it is gone at b', () => b.directory.get('token', 't1') === undefined);
    expect(await b.directory.apply([put('t1', { expected: 0 })])).toMatchObject([{ outcome: 'applied', created: true, entity: { version: 4 } }]);
    expect(a.notices).toEqual([]);
  });

  test('a revocation on one node counts on another within a second', { timeout: 120_000 }, async () => {
    const config = await topics();
    const [a, b] = await Promise.all([node(config), node(config)]);
    const delays: number[] = [];
    const answers: number[] = [];
    await a.directory.apply(Array.from({ length: 300 }, (_, n) => put(`t${n}`)));
    await until('b has all', () => b.directory.get('token', 't299') !== undefined);
    for (let n = 0; n < 300; n += 1) {
      const started = performance.now();
      let answered = 0;
      const writing = a.directory.apply([remove(`t${n}`)]).then(([outcome]) => {
        answered = performance.now();
        return outcome;
      });
      await until('gone at b', () => b.directory.get('token', `t${n}`) === undefined);
      delays.push(performance.now() - started);
      expect((await writing)?.outcome).toBe('deleted');
      answers.push(answered - started);
    }
    const at = (values: number[], part: number): string => (values.sort((x, y) => x - y)[Math.floor(values.length * part)] as number).toFixed(1);
    console.log(
      `directory: a write is read on another node after p50 ${at(delays, 0.5)} ms, p99 ${at(delays, 0.99)} ms; answered after p50 ${at(answers, 0.5)} ms, p99 ${at(answers, 0.99)} ms`,
    );
  });

  test('thousands of entities are one call', { timeout: 60_000 }, async () => {
    const a = await node(await topics());
    const started = performance.now();
    const outcomes = await a.directory.apply(Array.from({ length: 5_000 }, (_, n) => put(`s${n}`, { account: `acc-${n % 3}`, properties: { n } })));
    console.log(`directory: 5,000 entities written and read back through Kafka in ${(performance.now() - started).toFixed(0)} ms`);
    expect(outcomes.filter(({ outcome }) => outcome === 'applied')).toHaveLength(5_000);
    expect(a.directory.list('token', { account: 'acc-1', limit: 10_000 })).toHaveLength(1_667);
  });
});
