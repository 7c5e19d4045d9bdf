import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { topicNames } from '../../src/kafka/index.js';
import { describeWithKafka, type KafkaCluster, startKafka } from '../peers/kafka.js';
import { kafkaConfig } from '../peers/kafka-config.js';
import { eventually, firstOf, type KafkaLine, kafkaLine, numbered, type Reader } from '../peers/kafka-line.js';

const ACCOUNTS = Array.from({ length: 8 }, (_, index) => `acc${index}`);

/** Writes one event for each account, round after round, until stopped; answers how many rounds there were. */
const load = (line: KafkaLine) => {
  let isStopped = false;
  const done = (async () => {
    let round = 0;
    for (; !isStopped; round += 1) {
      await line.write(ACCOUNTS.flatMap((account) => numbered(account, 5, round * 5)));
      await delay(20);
    }
    return round;
  })();
  return {
    stop: () => {
      isStopped = true;
      return done;
    },
  };
};

const expectAll = async (reader: Reader, rounds: number): Promise<void> => {
  await eventually('everything arrived', () => new Set(reader.notes).size === ACCOUNTS.length * rounds * 5, 60_000);
  for (const account of ACCOUNTS) expect(firstOf(reader.notes, account)).toEqual(numbered(account, rounds * 5).map(({ note }) => note));
};

await describeWithKafka('the stream, when brokers fail', () => {
  let kafka: KafkaCluster | undefined;
  let line: KafkaLine | undefined;
  afterEach(async () => {
    await line?.close();
    await kafka?.stop();
  }, 60_000);

  const begin = async (brokers: 1 | 3): Promise<{ kafka: KafkaCluster; line: KafkaLine; reader: Reader }> => {
    kafka = await startKafka({ brokers });
    line = await kafkaLine(kafkaConfig(kafka.brokers));
    return { kafka, line, reader: await line.read() };
  };

  test('a broker that dies under load and is gone for a while costs nothing but time', { timeout: 150_000 }, async () => {
    const { kafka, line, reader } = await begin(1);
    const writing = load(line);
    await eventually('events arrive', () => reader.notes.length > 100);
    await kafka.kill(0, 'SIGKILL');
    await eventually('the consumer says what is wrong', () => reader.consumer.trouble() !== undefined);
    expect(reader.consumer.trouble()).toContain(`Kafka (${kafka.brokers.join(', ')}) can't be read`);
    await delay(15_000);
    await kafka.restart(0);
    const before = reader.notes.length;
    await eventually('events arrive again', () => reader.notes.length > before + 100, 60_000);
    await expectAll(reader, await writing.stop());
    await eventually('all is well', () => reader.consumer.trouble() === undefined && reader.consumer.lag().events === 0);
    expect(line.gaps).toEqual([]);
  });

  test('a broker that freezes and wakes up costs nothing but time', { timeout: 150_000 }, async () => {
    const { kafka, line, reader } = await begin(1);
    const writing = load(line);
    await eventually('events arrive', () => reader.notes.length > 100);
    kafka.pause(0);
    await delay(20_000);
    expect(reader.consumer.trouble()).toBeDefined();
    kafka.resume(0);
    const before = reader.notes.length;
    await eventually('events arrive again', () => reader.notes.length > before + 100, 60_000);
    await expectAll(reader, await writing.stop());
    expect(line.gaps).toEqual([]);
  });

  test('in a cluster of three, leaders move under load and nothing is lost', { timeout: 200_000 }, async () => {
    const { kafka, line, reader } = await begin(3);
    const { events } = topicNames(line.config.topic_prefix);
    const leaders = async (): Promise<readonly number[]> =>
      (await line.admin.fetchTopicMetadata({ topics: [events] })).topics[0]?.partitions.map(({ leader }) => leader) ?? [];
    const writing = load(line);
    await eventually('events arrive', () => reader.notes.length > 100);
    for (const [broker, signal] of [
      [0, 'SIGKILL'],
      [1, 'SIGTERM'],
      [2, 'SIGKILL'],
    ] as const) {
      expect(await leaders()).toContain(broker + 1);
      await kafka.kill(broker, signal);
      await eventually('its partitions have other leaders', async () => !(await leaders().catch(() => [broker + 1])).includes(broker + 1), 60_000);
      const before = reader.notes.length;
      await eventually('events arrive from the others', () => reader.notes.length > before + 100, 60_000);
      await kafka.restart(broker);
      await eventually('all replicas are in sync', () => inSync(line, events), 60_000);
    }
    await expectAll(reader, await writing.stop());
    expect(line.gaps).toEqual([]);
  });
});

const inSync = async (line: KafkaLine, topic: string): Promise<boolean> => {
  const { topics } = await line.admin.fetchTopicMetadata({ topics: [topic] });
  return topics.every(({ partitions }) => partitions.every(({ isr, replicas }) => isr.length === replicas.length));
};
