import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWithKafka, type KafkaCluster, startKafka } from '../peers/kafka.js';
import { destinationTo, disorderIn, RECEIVER_ENV, type Receiver, startReceiver } from '../peers/receiver.js';
import { startStore, temporaryFolder as storeFolder } from '../peers/store.js';
import { clientOf, type RunningVerdict, removeFolder, startVerdict, temporaryFolder, until } from '../peers/verdict.js';

type Shown = { readonly id: string; readonly state: string; readonly sent: number };
type One = { readonly data: { readonly forwarder: Shown } };

const PREFIX = `forward-${process.pid}`;
const ADMIN = randomBytes(24).toString('hex');
const ACCOUNTS = ['acc-1', 'acc-2', 'acc-3', 'acc-4', 'acc-5', 'acc-6'];

await describeWithKafka('a fleet that forwards', () => {
  const folders = [temporaryFolder(), temporaryFolder()];
  const storage = storeFolder();
  let kafka: KafkaCluster;
  let store: Awaited<ReturnType<typeof startStore>>;
  let nodes: RunningVerdict[] = [];
  let clients: ReturnType<typeof clientOf>[] = [];
  let receiver: Receiver;
  let id = '';

  const pipelineOf = (node: RunningVerdict): number | undefined =>
    node.processes().find((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').endsWith('\0pipeline\0');
      } catch {
        return false;
      }
    });

  const post = async (index: number, count: number): Promise<readonly string[]> => {
    const events = Array.from({ length: count }, (_, number) => ({
      account: ACCOUNTS[number % ACCOUNTS.length],
      actor: { type: 'user', id: 'usr-1' },
      action: 'instance.create',
      resource: { type: 'instance', id: `inst-${number}` },
      result: 'success',
    }));
    const client = clients[index] as (typeof clients)[number];
    return (await client.json<{ data: { events: { id: string }[] } }>('POST', '/v1/events', events)).data.events.map((one) => one.id);
  };

  const arrived = (ids: readonly string[]): Promise<true> =>
    until(`${ids.length} events at the receiver`, () => (ids.every((one) => receiver.ids().has(one)) ? true : undefined), 90_000);

  const shown = async (index: number): Promise<Shown> =>
    (await (clients[index] as (typeof clients)[number]).json<One>('GET', `/v1/forwarders/${id}`)).data.forwarder;

  beforeAll(async () => {
    kafka = await startKafka({ brokers: 1 });
    store = await startStore(storage.path);
    receiver = await startReceiver();
    const env = {
      ...RECEIVER_ENV,
      VERDICT_KAFKA_BROKERS: kafka.brokers.join(','),
      VERDICT_KAFKA_TOPIC_PREFIX: PREFIX,
      VERDICT_KAFKA_PARTITIONS: '4',
      VERDICT_CLICKHOUSE_URL: store.url,
      VERDICT_CLICKHOUSE_USERNAME: store.username,
      VERDICT_CLICKHOUSE_PASSWORD: store.password,
    };
    nodes = await Promise.all(folders.map((folder) => startVerdict({ folder, env: { ...env, VERDICT_ADMIN_TOKEN: ADMIN } })));
    clients = nodes.map(clientOf);
    for (const client of clients) await until('readiness', async () => ((await client.call('GET', '/readyz')).status === 200 ? true : undefined), 90_000);
    const wish = { name: 'siem', filter: { actions: ['instance.*'] }, destination: destinationTo(receiver) };
    id = (await (clients[0] as (typeof clients)[number]).json<One>('POST', '/v1/forwarders', wish)).data.forwarder.id;
  }, 240_000);

  afterAll(async () => {
    for (const client of clients) client.close();
    await Promise.all(nodes.map((node) => node.stop()));
    await receiver.down();
    await store.stop();
    await kafka.stop();
    for (const folder of folders) removeFolder(folder);
    storage.remove();
  }, 120_000);

  it('sends each event once, whichever node recorded it and whichever sends it', { timeout: 120_000 }, async () => {
    await arrived([...(await post(0, 60)), ...(await post(1, 60))]);
    await until('both nodes know it', async () => ((await shown(1)).state === 'running' ? true : undefined));
    await sleep(5_000);
    const before = receiver.events.length;
    const ids = [...(await post(0, 300)), ...(await post(1, 300))];
    await arrived(ids);
    await sleep(1_000);
    expect(receiver.events.length - before).toBe(ids.length);
    for (const index of [0, 1]) await until('the counts of the fleet', async () => ((await shown(index)).sent >= 720 ? true : undefined), 30_000);
  });

  it('loses nothing when the pipeline of one node is killed again and again, and keeps the order within an account', { timeout: 240_000 }, async () => {
    const ids: string[] = [];
    let isLoading = true;
    const loads = [0, 1].map(async (index) => {
      while (isLoading) {
        ids.push(...(await post(index, 30)));
        await sleep(20);
      }
    });
    for (let round = 0; round < 3; round += 1) {
      await sleep(1_500);
      process.kill(await until('a pipeline', () => pipelineOf(nodes[0] as RunningVerdict)), 'SIGKILL');
    }
    isLoading = false;
    await Promise.all(loads);
    await arrived(ids);
    expect(disorderIn(receiver.events)).toEqual([]);
  });

  it('sends from the store what Kafka no longer keeps', { timeout: 240_000 }, async () => {
    const client = clients[0] as (typeof clients)[number];
    await client.json('POST', `/v1/forwarders/${id}/pause`);
    for (const index of [0, 1]) await until('it is paused', async () => ((await shown(index)).state === 'paused' ? true : undefined));
    await sleep(3_000);
    const lost = [...(await post(0, 300)), ...(await post(1, 300))];
    await until('the store has them', async () => ((await client.call('GET', `/v1/audit-logs/${lost.at(-1)}`)).status === 200 ? true : undefined));
    await until('the store has them', async () => ((await client.call('GET', `/v1/audit-logs/${lost[299]}`)).status === 200 ? true : undefined));
    await sleep(2_000);
    const admin = new Kafka({ brokers: [...kafka.brokers], logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    const topic = `${PREFIX}.events`;
    const marks = await admin.fetchTopicOffsets(topic);
    await admin.deleteTopicRecords({ topic, partitions: marks.map(({ partition, high }) => ({ partition, offset: high })) });
    await admin.disconnect();
    expect(lost.some((one) => receiver.ids().has(one))).toBe(false);
    const later = await post(1, 60);
    await client.json('POST', `/v1/forwarders/${id}/resume`);
    await arrived([...lost, ...later]);
    expect(disorderIn(receiver.events)).toEqual([]);
  });
});
