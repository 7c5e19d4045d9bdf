import { gunzipSync } from 'node:zlib';
import { CreateBucketCommand, GetObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { RECEIVER_ENV } from '../peers/receiver.js';
import { clientOf, type RunningVerdict, removeFolder, startVerdict, until } from '../peers/verdict.js';
import { describeWithS3, type S3Server, startS3 } from '../peers/versitygw.js';

const Bucket = 'gathered';

await describeWithS3('a forwarder to a bucket', () => {
  let server: S3Server;
  let node: RunningVerdict;
  let client: ReturnType<typeof clientOf>;

  beforeAll(async () => {
    server = await startS3();
    node = await startVerdict({ env: RECEIVER_ENV });
    client = clientOf(node);
  }, 120_000);
  afterAll(async () => {
    client.close();
    await node.stop();
    removeFolder(node.folder);
    await server.stop();
  });

  const bodyOf = async (Key: string): Promise<string> => {
    const { Body } = await server.client.send(new GetObjectCommand({ Bucket, Key }));
    return gunzipSync(Buffer.from((await Body?.transformToByteArray()) ?? [])).toString('utf8');
  };

  it('gathers what comes within linger_seconds into one object for each account and hour', { timeout: 90_000 }, async () => {
    await server.client.send(new CreateBucketCommand({ Bucket }));
    const { endpoint, access_key_id, secret_access_key } = server;
    const destination = { type: 's3', bucket: Bucket, endpoint, access_key_id, secret_access_key, plain_http: true, linger_seconds: 6 };
    type One = { data: { forwarder: { id: string; state: string; destination: object } } };
    const { data } = await client.json<One>('POST', '/v1/forwarders', { name: 'bucket', filter: { actions: ['bucket.*'] }, destination });
    expect(JSON.stringify(data)).not.toContain(secret_access_key);
    const { id } = data.forwarder;
    await until('it runs', async () => ((await client.json<One>('GET', `/v1/forwarders/${id}`)).data.forwarder.state === 'running' ? true : undefined));
    // Past what may have begun a batch before: Verdict's own events count as well.
    await new Promise((done) => setTimeout(done, 7_000));
    const ids: string[] = [];
    for (let round = 0; round < 10; round += 1) {
      const event = { account: 'acc-1', actor: { type: 'user', id: 'usr-1' }, action: 'bucket.put', resource: { type: 'bucket', id: 'b' }, result: 'success' };
      const answer = await client.json<{ data: { events: { id: string }[] } }>('POST', '/v1/events', [event]);
      ids.push(...answer.data.events.map((one) => one.id));
      await new Promise((done) => setTimeout(done, 100));
    }
    const objects = await until('the events in the bucket', async () => {
      const { Contents = [] } = await server.client.send(new ListObjectsV2Command({ Bucket, Prefix: 'account=' }));
      const keys = Contents.map(({ Key }) => Key as string);
      const bodies = await Promise.all(keys.map(bodyOf));
      return ids.every((one) => bodies.some((body) => body.includes(one))) ? bodies : undefined;
    });
    // Two, where the span ended in their midst.
    expect(objects.length).toBeLessThanOrEqual(2);
    const found = objects.flatMap((body) => body.trimEnd().split('\n')).map((line) => (JSON.parse(line) as { id: string }).id);
    expect(found.sort()).toEqual([...ids].sort());
  });
});
