import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import kafkajs, { type Admin } from 'kafkajs';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Directory, type EntityChange, type EntityOutcome, kafkaDirectory, localDirectory } from '../../src/evaluate/directory/index.js';
import { type JsonObject, newUlid } from '../../src/event/index.js';
import { ensureTopics } from '../../src/kafka/index.js';
import { type Fleet, fleetOn, until } from '../peers/fleet.js';
import { describeWithKafka, startKafka } from '../peers/kafka.js';

const put = (id: string, more: { account?: string; expected?: number; properties?: JsonObject } = {}): EntityChange => ({
  change: newUlid(),
  op: 'put',
  type: 'token',
  id,
  properties: {},
  ...more,
});
const remove = (id: string, expected?: number): EntityChange => ({
  change: newUlid(),
  op: 'delete',
  type: 'token',
  id,
  ...(expected !== undefined && { expected }),
});

const part = (values: readonly number[], share: number): string => ([...values].sort((x, y) => x - y)[Math.floor(values.length * share)] as number).toFixed(1);

await describeWithKafka('the directory of a fleet', () => {
  let kafka: Awaited<ReturnType<typeof startKafka>>;
  let fleet: Fleet;
  beforeAll(async () => {
    kafka = await startKafka({ brokers: 1 });
  }, 120_000);
  afterAll(() => kafka.stop());
  beforeEach(async () => {
    fleet = await fleetOn(kafka.brokers);
  }, 60_000);
  afterEach(() => fleet.close(), 60_000);

  const one = async (directory: Directory, change: EntityChange): Promise<EntityOutcome> => (await directory.apply([change]))[0] as EntityOutcome;

  const withPolicy = (policy: string, work: (admin: Admin) => Promise<unknown>): Promise<unknown> =>
    fleet.asAdmin(async (admin) => {
      const set = (value: string) =>
        admin.alterConfigs({
          validateOnly: false,
          resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: fleet.topic, configEntries: [{ name: 'cleanup.policy', value }] }],
        });
      await set(policy);
      await work(admin);
      await set('compact');
    });

  const removeRecords = async (admin: Admin): Promise<void> => {
    const partitions = (await admin.fetchTopicOffsets(fleet.topic)).map(({ partition, high }) => ({ partition, offset: high }));
    await admin.deleteTopicRecords({ topic: fleet.topic, partitions });
  };

  test('what one node writes, every node reads, and the writer as soon as it is answered', { timeout: 60_000 }, async () => {
    const [a, b] = await Promise.all([fleet.start(), fleet.start()]);
    expect(await one(a.directory, put('t1', { properties: { scope: 'write' }, account: 'acc' }))).toMatchObject({
      outcome: 'applied',
      created: true,
      entity: { version: 1 },
    });
    expect(a.directory.get('token', 't1')).toMatchObject({ version: 1, account: 'acc', properties: { scope: 'write' } });
    await until('b has it', () => b.directory.get('token', 't1') !== undefined);
    expect(await one(b.directory, put('t1', { expected: 1, properties: { scope: 'read' } }))).toMatchObject({
      outcome: 'applied',
      created: false,
      entity: { version: 2, account: 'acc' },
    });
    await until('a has it', () => a.directory.get('token', 't1')?.version === 2);
    expect(await one(a.directory, remove('t1'))).toMatchObject({ outcome: 'deleted', entity: { version: 3, account: 'acc' } });
    await until('it is gone at b', () => b.directory.get('token', 't1') === undefined);
    expect(await one(b.directory, put('t1', { expected: 0 }))).toMatchObject({ outcome: 'applied', created: true, entity: { version: 4 } });
    expect(a.notices).toEqual([]);
    expect(a.feed.trouble()).toBeUndefined();
  });

  test('answers as the directory of one node does', { timeout: 60_000 }, async () => {
    const { directory } = await fleet.start();
    await one(directory, put('t1', { account: 'a' }));
    expect(await one(directory, put('t1', { expected: 0 }))).toMatchObject({ outcome: 'version_mismatch', current: { version: 1 } });
    expect(await one(directory, put('t1', { account: 'b' }))).toMatchObject({ outcome: 'account_mismatch', current: { account: 'a' } });
    expect(await one(directory, remove('t2'))).toEqual({ outcome: 'not_found' });
    expect(await directory.apply([put('t1', { expected: 1 }), put('t1', { expected: 1 }), remove('t1', 2)])).toMatchObject([
      { outcome: 'applied' },
      { outcome: 'version_mismatch', current: { version: 2 } },
      { outcome: 'deleted', entity: { version: 3 } },
    ]);
    const change = put('t3');
    const [first, second] = await directory.apply([change, change]);
    expect(second).toEqual(first);
    expect(await one(directory, change)).toEqual(first);
    expect(directory.outcomeOf(change.change)).toEqual(first);
    await expect(directory.apply([put('t4', { properties: { text: 'x'.repeat(33_000) } })])).rejects.toMatchObject({ code: 'entity.too_large' });
  });

  test('a change that rests on a version this node has not heard of yet waits for it', { timeout: 60_000 }, async () => {
    const [a, b] = await Promise.all([fleet.start(), fleet.start()]);
    for (let version = 1; version <= 30; version += 1) {
      const writer = version % 2 ? a : b;
      expect((await one(writer.directory, put('t1', { expected: version - 1 }))).outcome).toBe('applied');
    }
    expect(await one(a.directory, put('t1', { expected: 99 }))).toMatchObject({ outcome: 'version_mismatch', current: { version: 30 } });
  });

  test('of two nodes that write the same entity at once each change is made once or refused, and both end with the same', {
    timeout: 120_000,
  }, async () => {
    const [a, b] = await Promise.all([fleet.start(), fleet.start()]);
    const outcomes: EntityOutcome[] = [];
    const race = async (directory: Directory, times: number): Promise<void> => {
      for (let n = 0; n < times; n += 1) {
        const seen = directory.get('token', 't1');
        outcomes.push(await one(directory, seen && n % 5 === 4 ? remove('t1', seen.version) : put('t1', n % 3 ? { expected: seen?.version ?? 0 } : {})));
      }
    };
    await Promise.all([race(a.directory, 60), race(a.directory, 60), race(b.directory, 60), race(b.directory, 60)]);
    const made = outcomes.flatMap((outcome) => (outcome.outcome === 'applied' || outcome.outcome === 'deleted' ? [outcome.entity.version] : []));
    expect(made.sort((x, y) => x - y)).toEqual(made.map((_, n) => n + 1));
    expect(outcomes.filter(({ outcome }) => outcome === 'unavailable')).toEqual([]);
    expect(outcomes.length - made.length).toBeGreaterThan(0);
    const last = made.length;
    for (const { directory } of [a, b]) await until('both have the last version', () => (directory.get('token', 't1')?.version ?? last) === last);
    expect(b.directory.get('token', 't1')).toEqual(a.directory.get('token', 't1'));
  });

  const lastOf = async (id: string) => (await fleet.read()).filter(({ key }) => key === `token/${id}`).at(-1);

  test('a record that lost is not what the topic ends with: its writer’s node publishes at once what stands', { timeout: 60_000 }, async () => {
    const a = await fleet.start();
    const worker = kafkaDirectory({ path: a.path, topicPrefix: fleet.config.topic_prefix }, { kafka: fleet.client() });
    await a.directory.apply([put('other', { expected: 0 }), put('t1', { expected: 0 })]);
    await one(worker, put('other', { expected: 1 }));
    for (const change of [put('t1', { expected: 1 }), remove('t1', 1)]) {
      const expected = a.directory.get('token', 't1')?.version ?? 0;
      const outcomes = await Promise.all([one(a.directory, { ...change, expected }), one(worker, put('t1', { expected }))]);
      expect(outcomes.map(({ outcome }) => outcome === 'version_mismatch').sort()).toEqual([false, true]);
      const stands = a.directory.get('token', 't1');
      let last = await lastOf('t1');
      for (let tries = 0; tries < 10 && last?.headers['repair'] !== '1'; tries += 1) {
        await sleep(100);
        last = await lastOf('t1');
      }
      expect(last?.headers['repair']).toBe('1');
      if (stands) expect(JSON.parse(last?.value as string)).toMatchObject(stands);
      else expect(last).toMatchObject({ value: null, headers: { version: String(expected + 1) } });
      if (!stands) break;
    }
    await worker.close();
  });

  test('a record that lost, of a node that died, is followed by what stands as soon as another has waited long enough', { timeout: 60_000 }, async () => {
    const a = await fleet.start({ repairMs: 500 });
    await one(a.directory, put('t1', { properties: { by: 'a' } }));
    const lost = { type: 'token', id: 't1', properties: { by: 'nobody' }, version: 1, updated: '2026-11-22T04:00:00.000Z', change: newUlid() };
    const producer = fleet.client().producer();
    await producer.connect();
    await producer.send({ topic: fleet.topic, messages: [{ key: 'token/t1', value: JSON.stringify(lost), headers: { node: newUlid(), attempt: newUlid() } }] });
    await producer.disconnect();
    expect(JSON.parse((await lastOf('t1'))?.value as string).properties).toEqual({ by: 'nobody' });
    await sleep(2_500);
    expect(JSON.parse((await lastOf('t1'))?.value as string)).toMatchObject({ properties: { by: 'a' }, version: 1, op: 'repair' });
    expect(a.directory.get('token', 't1')).toMatchObject({ properties: { by: 'a' }, version: 1 });
  });

  test('a revocation on one node counts on another within a second', { timeout: 120_000 }, async () => {
    const [a, b] = await Promise.all([fleet.start(), fleet.start()]);
    const delays: number[] = [];
    const answers: number[] = [];
    await a.directory.apply(Array.from({ length: 200 }, (_, n) => put(`t${n}`)));
    await until('b has all', () => b.directory.get('token', 't199') !== undefined);
    for (let n = 0; n < 200; n += 1) {
      const started = performance.now();
      const writing = one(a.directory, remove(`t${n}`)).then((outcome) => {
        answers.push(performance.now() - started);
        return outcome;
      });
      await until('gone at b', () => b.directory.get('token', `t${n}`) === undefined);
      delays.push(performance.now() - started);
      expect((await writing).outcome).toBe('deleted');
    }
    console.log(
      `directory: a write is read on another node after p50 ${part(delays, 0.5)} ms, p99 ${part(delays, 0.99)} ms; it is answered after p50 ${part(answers, 0.5)} ms, p99 ${part(answers, 0.99)} ms`,
    );
  });

  test('thousands of entities are one call', { timeout: 60_000 }, async () => {
    const { directory } = await fleet.start();
    const noise = (n: number): string => createHash('sha256').update(String(n)).digest('hex');
    const started = performance.now();
    const outcomes = await directory.apply(
      Array.from({ length: 5_000 }, (_, n) => put(`s${n}`, { account: `acc-${n % 3}`, properties: { n, name: noise(n) } })),
    );
    console.log(`directory: 5,000 entities written and read back through Kafka in ${(performance.now() - started).toFixed(0)} ms`);
    expect(outcomes.filter(({ outcome }) => outcome === 'applied')).toHaveLength(5_000);
    expect(directory.list('token', { account: 'acc-1', limit: 10_000 })).toHaveLength(1_667);
    expect(
      (await directory.apply(Array.from({ length: 40 }, (_, n) => put(`b${n}`, { properties: { text: 'x'.repeat(32_000) } })))).every(
        ({ outcome }) => outcome === 'applied',
      ),
    ).toBe(true);
  });

  test('a node goes on where it stopped, and starts over where that can not be: another topic, messages that are gone', { timeout: 60_000 }, async () => {
    const a = await fleet.start();
    const b = await fleet.start();
    await a.directory.apply([put('t1'), put('t2')]);
    await until('b has both', () => b.directory.get('token', 't1') !== undefined && b.directory.get('token', 't2') !== undefined);
    await b.stop();
    await one(a.directory, remove('t1'));
    const again = await fleet.start({ path: b.path });
    expect(again.notices).toEqual([]);
    expect(again.directory.get('token', 't1')).toBeUndefined();
    expect(again.directory.get('token', 't2')?.version).toBe(1);
    await again.stop();

    await a.directory.apply([put('t1'), put('t2'), put('t3')]);
    await withPolicy('delete', (admin) => removeRecords(admin));
    const without = await fleet.start({ path: b.path });
    expect(without.notices).toEqual([expect.stringContaining("built again from the topic's beginning: messages")]);
    expect(without.directory.get('token', 't2')).toBeUndefined();
    await one(a.directory, put('t4'));
    await until('b has it', () => without.directory.get('token', 't4') !== undefined);
    await without.stop();
    await a.stop();

    await fleet.asAdmin((admin) => admin.deleteTopics({ topics: [fleet.topic] }));
    await sleep(500);
    await fleet.asAdmin((admin) => ensureTopics(admin, fleet.config));
    const shorter = await fleet.start({ path: b.path, checkMs: 200, incomplete: true });
    await until('it starts over', () => shorter.notices.some((notice) => notice.includes('the topic is shorter than what this node has read of it')));
    await until('the copy is complete', () => shorter.feed.trouble() === undefined && shorter.directory.isEmpty());
    await shorter.stop();

    const other = await fleetOn(kafka.brokers);
    const moved = await other.start({ path: b.path });
    expect(moved.notices).toEqual([expect.stringMatching(/built again.* made from .*\.entities, and this is /)]);
    await other.close();
  });

  test('a partition that ends with something other than an entity does not keep a copy from being complete', { timeout: 60_000 }, async () => {
    const producer = fleet.client().producer({ idempotent: true, maxInFlightRequests: 1, transactionalId: fleet.topic });
    await producer.connect();
    const transaction = await producer.transaction();
    const entity = { type: 'token', id: 't1', properties: {}, version: 1, updated: '2026-11-22T04:00:00.000Z', change: newUlid() };
    await transaction.send({ topic: fleet.topic, messages: [{ key: 'token/t1', value: JSON.stringify(entity) }] });
    await transaction.commit();
    await producer.disconnect();
    const { directory } = await fleet.start();
    expect(directory.get('token', 't1')?.version).toBe(1);
  });

  test('a directory that was made without Kafka is not taken for a copy, and not thrown away', { timeout: 60_000 }, async () => {
    const a = await fleet.start();
    await a.stop();
    const local = localDirectory({ path: a.path });
    await one(local, put('mine'));
    await local.close();
    const node = await fleet.start({ path: a.path, incomplete: true });
    await until('it says so', () => node.feed.trouble()?.includes('was made without Kafka') === true);
    expect(node.directory.get('token', 'mine')?.version).toBe(1);
  });
});
