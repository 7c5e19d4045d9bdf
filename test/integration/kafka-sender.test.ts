import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type JsonObject, newAjv } from '../../src/event/index.js';
import type { Sender } from '../../src/export/index.js';
import { makeAuthority, makeCertificate } from '../peers/certificates.js';
import { closedDial, openDial } from '../peers/collector.js';
import { destinationOf, events, never } from '../peers/http-destinations.js';
import { describeWithKafka, type KafkaCluster, startKafka } from '../peers/kafka.js';

const kafka = destinationOf('kafka');
const PASSWORD = 'the-secret-of-this-test';

type Read = { readonly key: string; readonly value: string; readonly partition: number; readonly headers: Readonly<Record<string, string>> };

/** Everything in a topic, as a consumer that joins late reads it. */
const readAll = async (brokers: readonly string[], topic: string, count: number): Promise<readonly Read[]> => {
  const client = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING });
  const consumer = client.consumer({ groupId: `reader-${Math.random()}` });
  const read: Read[] = [];
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await new Promise<void>((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`Only ${read.length} of ${count} messages came.`)), 25_000);
    void consumer.run({
      eachMessage: async ({ message, partition }) => {
        const headers = Object.fromEntries(Object.entries(message.headers ?? {}).map(([name, value]) => [name, String(value)]));
        read.push({ key: String(message.key), value: String(message.value), partition, headers });
        if (read.length < count) return;
        clearTimeout(late);
        resolve();
      },
    });
  });
  await consumer.disconnect();
  return read;
};

const makeTopic = async (brokers: readonly string[], topic: string, settings: readonly { name: string; value: string }[] = []): Promise<void> => {
  const admin = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  await admin.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions: 3, replicationFactor: 1, configEntries: [...settings] }] });
  await admin.disconnect();
};

const senders: Sender[] = [];
const senderTo = (brokers: readonly string[], topic: string, more: JsonObject = {}, deps = {}): Sender => {
  const sender = kafka.make({ brokers: [...brokers], topic, tls_enabled: false, ...more }, { dial: openDial, format: 'json', ...deps });
  senders.push(sender);
  return sender;
};

await describeWithKafka('a topic of another cluster', () => {
  let cluster: KafkaCluster;
  beforeAll(async () => {
    cluster = await startKafka({ brokers: 1 });
  });
  afterAll(async () => {
    for (const sender of senders.splice(0)) await sender.close();
    await cluster.stop();
  });

  test('gets every event once, in order within an account, under CloudEvents headers', async () => {
    await makeTopic(cluster.brokers, 'audit');
    const sender = senderTo(cluster.brokers, 'audit');
    const batch = [...events(300, { account: 'acc-1' }), ...events(300, { account: 'acc-2', action: 'instance.löschen' })];
    expect(await sender.send(batch.slice(0, 400), never)).toEqual({ outcome: 'accepted' });
    expect(await sender.send(batch.slice(400), never)).toEqual({ outcome: 'accepted' });
    const read = await readAll(cluster.brokers, 'audit', batch.length);
    for (const account of ['acc-1', 'acc-2']) {
      const own = read.filter(({ key }) => key === account);
      expect(own.map(({ value }) => value)).toEqual(batch.filter(({ event }) => event.account === account).map(({ raw }) => raw));
      expect(new Set(own.map(({ partition }) => partition)).size).toBe(1);
    }
    expect(read.find(({ key }) => key === 'acc-2')?.headers).toEqual({
      ce_specversion: '1.0',
      ce_id: 'e-1',
      ce_source: 'libvirt',
      ce_type: 'instance.löschen',
      ce_time: '2026-11-20T10:00:00.000Z',
      ce_log: batch[0]?.log,
      ce_seq: '1',
      'content-type': 'application/json',
    });
  });

  test('that takes no message so large refuses that one, and has the others', async () => {
    await makeTopic(cluster.brokers, 'small', [{ name: 'max.message.bytes', value: '20000' }]);
    const batch = [...events(2), ...events(1, { id: 'long', details: { text: 'x'.repeat(30_000) } }), ...events(2)];
    expect(await senderTo(cluster.brokers, 'small').send(batch, never)).toEqual({
      outcome: 'accepted',
      refused: [{ index: 2, reason: expect.stringContaining('MESSAGE_TOO_LARGE') }],
    });
    expect(await readAll(cluster.brokers, 'small', 4)).toHaveLength(4);
  });

  test('that is not there is waited for, and never made', async () => {
    const sender = senderTo(cluster.brokers, 'missing');
    expect(await sender.send(events(1), never)).toMatchObject({ outcome: 'again', reason: expect.stringContaining('The topic missing is not there') });
    const steps = await sender.test(events(1)[0]!, never);
    expect(steps.at(-1)).toMatchObject({ ok: false, detail: expect.stringContaining('The topic missing is not there') });
  });

  test('is tried step by step', async () => {
    await makeTopic(cluster.brokers, 'trial');
    const steps = await senderTo(cluster.brokers, 'trial').test(events(1)[0]!, never);
    expect(steps.map(({ step, ok }) => [step, ok])).toEqual([
      ['connect', true],
      ['handshake', true],
      ['accepted', true],
    ]);
    expect(steps[1]?.detail).toContain('trial has 3 partitions');
  });

  test('behind a guarded address is never reached, whether named or numbered', async () => {
    for (const broker of [...cluster.brokers, ...cluster.brokers.map((one) => one.replace('127.0.0.1', 'localhost'))]) {
      const sender = senderTo([broker], 'audit', {}, { dial: closedDial });
      expect(await sender.send(events(1), never)).toMatchObject({ outcome: 'stopped', reason: expect.stringContaining('guarded') });
      expect((await sender.test(events(1)[0]!, never)).at(-1)).toMatchObject({ ok: false, detail: expect.stringContaining('guarded') });
    }
  });

  test('whose brokers are guarded, though the first address is not, is never reached', async () => {
    // What is configured may be connected to; what the cluster calls itself may not.
    const dial = { lookup: openDial.lookup, check: (host: string) => (host === '127.0.0.1' ? closedDial.check(host) : undefined) };
    const sender = senderTo(
      cluster.brokers.map((one) => one.replace('127.0.0.1', 'localhost')),
      'audit',
      {},
      { dial },
    );
    expect(await sender.send(events(1), never)).toMatchObject({ outcome: 'stopped', reason: expect.stringContaining('guarded') });
  });

  test('told to stop while the broker stands still, the sender does so, and goes on afterwards', async () => {
    await makeTopic(cluster.brokers, 'still');
    const sender = senderTo(cluster.brokers, 'still');
    expect(await sender.send(events(1), never)).toEqual({ outcome: 'accepted' });
    cluster.pause(0);
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 200);
    expect(await sender.send(events(1), stop.signal)).toMatchObject({ outcome: 'again', reason: expect.stringContaining('told to stop') });
    cluster.resume(0);
    expect(await sender.send(events(1), never)).toEqual({ outcome: 'accepted' });
  });

  test('that was away is written to again when it is back', async () => {
    await makeTopic(cluster.brokers, 'away');
    const sender = senderTo(cluster.brokers, 'away');
    expect(await sender.send(events(1, { id: 'before' }), never)).toEqual({ outcome: 'accepted' });
    await cluster.kill(0, 'SIGKILL');
    expect(await sender.send(events(1, { id: 'after' }), never)).toMatchObject({
      outcome: 'again',
      reason: expect.stringMatching(/Nothing listens|broke the connection/),
    });
    await cluster.restart(0);
    let sent = await sender.send(events(1, { id: 'after' }), never);
    for (let tries = 0; sent.outcome === 'again' && tries < 20; tries += 1) sent = await sender.send(events(1, { id: 'after' }), never);
    expect(sent).toEqual({ outcome: 'accepted' });
    expect((await readAll(cluster.brokers, 'away', 2)).map(({ headers }) => headers['ce_id'])).toEqual(['before', 'after']);
  }, 120_000);
});

await describeWithKafka('a cluster that asks for TLS and a password', () => {
  const folder = mkdtempSync(join(tmpdir(), 'verdict-kafka-sender-'));
  let cluster: KafkaCluster;
  let ca = '';
  let stranger = '';

  beforeAll(async () => {
    ca = readFileSync(makeAuthority(folder, 'authority'), 'utf8');
    stranger = readFileSync(makeAuthority(folder, 'stranger'), 'utf8');
    const { both } = makeCertificate(folder, join(folder, 'authority'), 'broker');
    cluster = await startKafka({
      brokers: 1,
      client: 'SASL_SSL',
      scram: [`SCRAM-SHA-256=[name=verdict,password=${PASSWORD}]`],
      settings: {
        'ssl.keystore.type': 'PEM',
        'ssl.keystore.location': both,
        'sasl.enabled.mechanisms': 'SCRAM-SHA-256',
        'listener.name.client.scram-sha-256.sasl.jaas.config': 'org.apache.kafka.common.security.scram.ScramLoginModule required;',
      },
    });
    await makeTopic(cluster.internal, 'audit');
  });
  afterAll(async () => {
    for (const sender of senders.splice(0)) await sender.close();
    await cluster.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const sasl = { mechanism: 'scram-sha-256', username: 'verdict', password: PASSWORD };

  test('takes both', async () => {
    const sender = senderTo(cluster.brokers, 'audit', { tls_enabled: true, tls: { ca }, sasl });
    expect(await sender.send(events(2), never)).toEqual({ outcome: 'accepted' });
    expect((await sender.test(events(1)[0]!, never)).map(({ step, ok }) => [step, ok])).toEqual([
      ['connect', true],
      ['tls', true],
      ['handshake', true],
      ['accepted', true],
    ]);
  });

  test('refuses a wrong password, and the feed stops without repeating it', async () => {
    const wrong = `${PASSWORD}-wrong`;
    const sender = senderTo(cluster.brokers, 'audit', { tls_enabled: true, tls: { ca }, sasl: { ...sasl, password: wrong } });
    const sent = await sender.send(events(1), never);
    expect(sent).toMatchObject({ outcome: 'stopped', reason: expect.stringContaining('Check username and password') });
    expect(JSON.stringify(sent)).not.toContain(wrong);
    expect((await sender.test(events(1)[0]!, never)).at(-1)).toMatchObject({ step: 'handshake', ok: false });
  });

  test('with a certificate that nobody here trusts, or of another name, is refused with a sentence that says which', async () => {
    const sender = senderTo(cluster.brokers, 'audit', { tls_enabled: true, tls: { ca: stranger }, sasl });
    expect(await sender.send(events(1), never)).toMatchObject({ outcome: 'stopped', reason: expect.stringContaining('not trusted') });
    expect((await sender.test(events(1)[0]!, never)).at(-1)).toMatchObject({ step: 'tls', ok: false, detail: expect.stringContaining('not trusted') });
    const named = senderTo(cluster.brokers, 'audit', { tls_enabled: true, tls: { ca, server_name: 'kafka.example' }, sasl });
    expect(await named.send(events(1), never)).toMatchObject({ outcome: 'stopped', reason: expect.stringContaining('for another host') });
  });
});

describe('the configuration of a topic', () => {
  const isValid = newAjv({ keywords: ['x-secret'] }).compile(kafka.schema);
  test.each([
    [{ brokers: ['kafka-1:9093', '198.51.100.7:9093'], topic: 'audit' }, true],
    // kafkajs cuts an address at its first colon.
    [{ brokers: ['[2001:db8::1]:9093'], topic: 'audit' }, false],
    [{ brokers: [], topic: 'audit' }, false],
    [{ brokers: ['kafka-1'], topic: 'audit' }, false],
    [{ brokers: ['kafka-1:9093'], topic: 'a topic' }, false],
    [{ brokers: ['kafka-1:9093'], topic: 'audit', sasl: { mechanism: 'plain', username: 'u' } }, false],
  ])('%j is %s', (config, expected) => {
    expect(isValid(config)).toBe(expected);
  });
});
