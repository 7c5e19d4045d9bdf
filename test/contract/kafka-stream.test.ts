import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import { pino } from 'pino';
import { afterAll, beforeAll } from 'vitest';
import { kafkaPublisher } from '../../src/ingest/kafka-publisher.js';
import { kafkaStream } from '../../src/ingest/kafka-stream.js';
import type { Stream } from '../../src/ingest/stream.js';
import { ensureTopics, kafkaClient, topicNames } from '../../src/kafka/index.js';
import { describeWithKafka, startKafka } from '../peers/kafka.js';
import { kafkaConfig } from '../peers/kafka-config.js';
import { testWriter } from '../peers/kafka-writer.js';
import { type StreamHarness, streamContract } from './stream.js';

const log = pino({ level: 'silent' });

/** A client whose network can be cut for good. */
const cuttableClient = (brokers: readonly string[]) => {
  const sockets = new Set<Socket>();
  let isCut = false;
  const client = new Kafka({
    brokers: [...brokers],
    logLevel: logLevel.NOTHING,
    retry: { retries: 2, initialRetryTime: 50 },
    socketFactory: ({ host, port, onConnect }) => {
      const socket = connect({ host, port }, onConnect);
      sockets.add(socket);
      if (isCut) socket.destroy();
      return socket;
    },
  });
  const cut = (): void => {
    isCut = true;
    for (const socket of sockets) socket.destroy();
  };
  return { client, cut };
};

await describeWithKafka('over a broker', () => {
  let kafka: Awaited<ReturnType<typeof startKafka>>;
  beforeAll(async () => {
    kafka = await startKafka({ brokers: 1 });
  }, 120_000);
  afterAll(() => kafka.stop());

  const makeHarness = async (): Promise<StreamHarness> => {
    const config = kafkaConfig(kafka.brokers);
    const client = kafkaClient(config, log);
    const admin = client.admin();
    await admin.connect();
    await ensureTopics(admin, config);
    const folder = mkdtempSync(join(tmpdir(), 'verdict-stream-'));
    const writer = testWriter();
    const publisher = kafkaPublisher(config, { client, log, quarantine: { put: () => Promise.reject(new Error('Nothing should be set aside.')) } });
    let current: Stream | undefined;
    let life = 0;
    let cut = (): void => undefined;
    return {
      open: async () => {
        await current?.close();
        const next = cuttableClient(kafka.brokers);
        cut = next.cut;
        const stream = kafkaStream(config, { client: next.client, log, cursors: join(folder, String(life)), onGap: () => undefined, session_ms: 2_000 });
        current = stream;
        return stream;
      },
      crash: async () => {
        current = undefined;
        cut();
        cpSync(join(folder, String(life)), join(folder, String(life + 1)), { recursive: true });
        life += 1;
      },
      write: (events) => publisher.publish([writer.chunk(events)]),
      letGo: async () => {
        const topic = topicNames(config.topic_prefix).events;
        const marks = await admin.fetchTopicOffsets(topic);
        await admin.deleteTopicRecords({ topic, partitions: marks.map(({ partition, high }) => ({ partition, offset: high })) });
      },
      close: async () => {
        await current?.close();
        await publisher.close();
        await admin.disconnect();
        rmSync(folder, { recursive: true, force: true });
      },
    };
  };

  streamContract('Kafka', makeHarness);
});
