import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { CreateBucketCommand, GetObjectCommand, GetObjectRetentionCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3';
import { parquetReadObjects } from 'hyparquet';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Outgoing, SENDERS, type Sender } from '../../src/export/index.js';
import type { S3Config } from '../../src/export/senders/s3.js';
import { outgoing } from '../peers/any-event.js';
import { closedDial, openDial } from '../peers/collector.js';
import { anEvent, testLog } from '../peers/events.js';
import { describeWithS3, type S3Server, startS3 } from '../peers/versitygw.js';

const never = new AbortController().signal;
const destination = SENDERS.find(({ type }) => type === 's3');

await describeWithS3('a bucket', () => {
  let server: S3Server;
  let buckets = 0;

  beforeAll(async () => {
    server = await startS3();
  });
  afterAll(() => server.stop());

  const newBucket = async (locked = false): Promise<string> => {
    const Bucket = `audit-${++buckets}`;
    await server.client.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: locked }));
    return Bucket;
  };
  const senderFor = (bucket: string, more: Partial<S3Config> = {}, format = 'json'): Sender => {
    const { endpoint, access_key_id, secret_access_key } = server;
    const config = { bucket, endpoint, access_key_id, secret_access_key, plain_http: true, ...more };
    return (destination as NonNullable<typeof destination>).make(config, { dial: openDial, format });
  };
  const keysIn = async (Bucket: string): Promise<string[]> => {
    const { Contents = [] } = await server.client.send(new ListObjectsV2Command({ Bucket }));
    return Contents.map(({ Key }) => Key as string);
  };
  const bytesOf = async (Bucket: string, Key: string): Promise<Buffer> => {
    const { Body } = await server.client.send(new GetObjectCommand({ Bucket, Key }));
    return Buffer.from((await Body?.transformToByteArray()) ?? []);
  };
  const eventsOf = (count: number, more: object = {}): Outgoing[] =>
    Array.from({ length: count }, (_, n) => outgoing(anEvent({ seq: n + 1, recorded: '2026-11-23T05:59:59.000Z', ...more })));
  const batch = [
    ...eventsOf(3),
    ...eventsOf(2, { account: 'a/b=ä', log: testLog(2) }),
    outgoing(anEvent({ seq: 9, recorded: '2026-11-23T06:00:00.000Z', action: 'instance.delete' })),
  ];

  test('gets an object for each account and hour, and beside it a manifest of what is in it', async () => {
    const bucket = await newBucket();
    const sender = senderFor(bucket, { prefix: 'audit/' });
    expect(await sender.send(batch, never)).toEqual({ outcome: 'accepted' });
    await sender.close();
    const keys = await keysIn(bucket);
    const folders = ['account=a%2Fb%3D%C3%A4/date=2026-11-23/hour=05/', 'account=acc-1/date=2026-11-23/hour=05/', 'account=acc-1/date=2026-11-23/hour=06/'];
    expect(keys.map((key) => key.slice(0, key.lastIndexOf('/') + 1))).toEqual([
      ...folders.map((one) => `audit/${one}`),
      ...folders.map((one) => `audit/manifests/${one}`),
    ]);

    const key = keys[1] as string;
    const bytes = await bytesOf(bucket, key);
    expect(gunzipSync(bytes).toString()).toBe(
      batch
        .slice(0, 3)
        .map(({ raw }) => `${raw}\n`)
        .join(''),
    );
    const manifest: unknown = JSON.parse((await bytesOf(bucket, keys[4] as string)).toString());
    expect(manifest).toEqual({
      object: key,
      account: 'acc-1',
      hour: '2026-11-23T05:00:00.000Z',
      format: { name: 'Native JSON', version: '1' },
      events: 3,
      first: { log: testLog(1), seq: 1 },
      last: { log: testLog(1), seq: 3 },
      by_action: { 'instance.create': 3 },
      by_result: { success: 3 },
      bytes: bytes.length,
      sha256: createHash('sha256').update(bytes).digest('hex'),
      content_bytes: gunzipSync(bytes).length,
      content_sha256: createHash('sha256').update(gunzipSync(bytes)).digest('hex'),
    });
  });

  test('has the same objects, byte for byte, however often a batch comes', async () => {
    const bucket = await newBucket();
    for (let time = 0; time < 3; time += 1) {
      const sender = senderFor(bucket);
      expect(await sender.send(batch, never)).toEqual({ outcome: 'accepted' });
      await sender.close();
    }
    expect(await keysIn(bucket)).toHaveLength(6);
  });

  test('that was gone in the midst gets what it lacks, and nothing twice', async () => {
    const bucket = await newBucket();
    const many = Array.from({ length: 40 }, (_, n) => eventsOf(2, { account: `acc-${n}` })).flat();
    const sender = senderFor(bucket, { timeout_ms: 5_000 });
    const sending = sender.send(many, never);
    while ((await keysIn(bucket)).length < 5) await new Promise((done) => setTimeout(done, 2));
    await server.kill();
    expect(await sending).toMatchObject({ outcome: 'again', reason: expect.stringMatching(/Nothing listens at|broke the connection/) });
    expect(await sender.send(many, never)).toMatchObject({ outcome: 'again', reason: expect.stringContaining('Nothing listens') });
    await server.start();
    expect((await keysIn(bucket)).length).toBeLessThan(80);
    expect(await sender.send(many, never)).toEqual({ outcome: 'accepted' });
    await sender.close();
    const keys = (await keysIn(bucket)).filter((key) => key.endsWith('.gz'));
    expect(keys).toHaveLength(40);
    const lines = (await Promise.all(keys.map(async (key) => gunzipSync(await bytesOf(bucket, key)).toString()))).join('').trim().split('\n');
    expect(new Set(lines)).toEqual(new Set(many.map(({ raw }) => raw)));
    expect(lines).toHaveLength(many.length);
  });

  test('keeps what stands there: another object of the same name is not written over', async () => {
    const bucket = await newBucket();
    const sender = senderFor(bucket);
    const other = await newBucket();
    await senderFor(other).send(batch.slice(0, 1), never);
    const Key = (await keysIn(other))[0] as string;
    await server.client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: 'forged' }));
    expect(await sender.send(batch.slice(0, 1), never)).toMatchObject({ outcome: 'stopped', reason: expect.stringContaining(Key) });
    expect((await bytesOf(bucket, Key)).toString()).toBe('forged');
    await sender.close();
  });

  test('with object lock has each object locked, as long as it was told', async () => {
    const bucket = await newBucket(true);
    const sender = senderFor(bucket, { object_lock: { mode: 'compliance', days: 30 } });
    expect(await sender.send(batch, never)).toEqual({ outcome: 'accepted' });
    for (const Key of await keysIn(bucket)) {
      const { Retention } = await server.client.send(new GetObjectRetentionCommand({ Bucket: bucket, Key }));
      expect(Retention?.Mode).toBe('COMPLIANCE');
      expect(Math.round(((Retention?.RetainUntilDate?.getTime() ?? 0) - Date.now()) / 86_400_000)).toBe(30);
    }
    await sender.close();
  });

  test('without object lock stops a sender that wants it', async () => {
    const sender = senderFor(await newBucket(), { object_lock: { mode: 'governance', days: 1 } });
    expect(await sender.send(batch, never)).toMatchObject({ outcome: 'stopped', reason: expect.stringContaining('object_lock') });
    await sender.close();
  });

  test.each([
    ['is not there', { bucket: 'no-such-bucket' }, /NoSuchBucket.*make it/],
    ['does not know the access key', { access_key_id: 'somebody-else' }, /access key/],
    ['has another secret', { secret_access_key: 'another-secret-altogether' }, /SignatureDoesNotMatch.*secret access key is wrong/],
  ] as const)('that %s stops the sender with a sentence', async (_, more, sentence) => {
    const sender = senderFor(await newBucket(), more);
    expect(await sender.send(batch, never)).toMatchObject({ outcome: 'stopped', reason: expect.stringMatching(sentence) });
    expect((await sender.test(batch[0] as Outgoing, never)).at(-1)).toMatchObject({ step: 'accepted', ok: false, detail: expect.stringMatching(sentence) });
    await sender.close();
  });

  test('is tried step by step', async () => {
    const bucket = await newBucket();
    const sender = senderFor(bucket);
    const steps = await sender.test(batch[0] as Outgoing, never);
    expect(steps.map(({ step, ok }) => [step, ok])).toEqual([
      ['connect', true],
      ['send', true],
      ['accepted', true],
    ]);
    expect(await keysIn(bucket)).toEqual([expect.stringMatching(/^verdict-test\/\d+-.*\.json$/)]);
    await sender.close();
  });

  test('behind a guarded address is never reached', async () => {
    const { endpoint, access_key_id, secret_access_key } = server;
    const config = { bucket: await newBucket(), endpoint, access_key_id, secret_access_key, plain_http: true };
    for (const where of [endpoint, endpoint.replace('127.0.0.1', 'localhost')]) {
      const sender = destination?.make({ ...config, endpoint: where }, { dial: closedDial, format: 'json' });
      expect(await sender?.send(batch, never)).toMatchObject({ outcome: 'stopped', reason: expect.stringContaining('guarded') });
      await sender?.close();
    }
  });

  test('gets Parquet with real timestamps, byte for byte the same however often a batch comes', async () => {
    const bucket = await newBucket();
    for (let time = 0; time < 2; time += 1) {
      const sender = senderFor(bucket, {}, 'parquet');
      expect(await sender.send(batch, never)).toEqual({ outcome: 'accepted' });
      await sender.close();
    }
    const keys = (await keysIn(bucket)).filter((key) => key.endsWith('.parquet'));
    expect(keys).toHaveLength(3);
    const bytes = await bytesOf(bucket, keys[1] as string);
    const rows = await parquetReadObjects({ file: new Uint8Array(bytes).buffer });
    expect(rows).toHaveLength(3);
    expect(rows).toMatchObject(
      batch.slice(0, 3).map(({ event }) => ({ id: event.id, action: event.action, timestamp: new Date(event.timestamp), recorded: new Date(event.recorded) })),
    );
    const manifest = JSON.parse((await bytesOf(bucket, `manifests/${(keys[1] as string).replace('.parquet', '.json')}`)).toString()) as object;
    expect(manifest).toMatchObject({
      format: { name: 'Apache Parquet' },
      events: 3,
      bytes: bytes.length,
      sha256: createHash('sha256').update(bytes).digest('hex'),
    });
  });

  test('takes other formats of JSON, and long names of accounts', async () => {
    const bucket = await newBucket();
    const sender = senderFor(bucket, {}, 'ocsf');
    const account = '東'.repeat(128);
    expect(await sender.send(eventsOf(1, { account }), never)).toEqual({ outcome: 'accepted' });
    const [key, manifest] = await keysIn(bucket);
    expect(key).toMatch(/^account=sha256~[0-9a-f]{64}\//);
    expect(JSON.parse(gunzipSync(await bytesOf(bucket, key as string)).toString())).toMatchObject({ class_uid: 6003, metadata: { tenant_uid: account } });
    expect(JSON.parse((await bytesOf(bucket, manifest as string)).toString())).toMatchObject({ account, format: { name: 'OCSF', version: '1.6.0' } });
    await sender.close();
  });
});
