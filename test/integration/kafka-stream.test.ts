import { type Admin, ConfigResourceTypes, type Producer } from 'kafkajs';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Batch } from '../../src/ingest/stream.js';
import { ensureTopics, kafkaClient, topicNames } from '../../src/kafka/index.js';
import { describeWithKafka, startKafka } from '../peers/kafka.js';
import { kafkaConfig } from '../peers/kafka-config.js';
import { eventually, firstOf, type KafkaLine, kafkaLine, notesIn, numbered } from '../peers/kafka-line.js';
import { testWriter } from '../peers/kafka-writer.js';

const log = pino({ level: 'silent' });

await describeWithKafka('the stream over Kafka', () => {
  let kafka: Awaited<ReturnType<typeof startKafka>>;
  let line: KafkaLine;
  let topic: string;
  beforeAll(async () => {
    kafka = await startKafka({ brokers: 1 });
  }, 120_000);
  afterAll(() => kafka.stop());
  beforeEach(async () => {
    line = await kafkaLine(kafkaConfig(kafka.brokers));
    topic = topicNames(line.config.topic_prefix).events;
  }, 60_000);
  afterEach(() => line.close(), 60_000);

  const onePartition = async (): Promise<KafkaLine> => {
    await line.close();
    line = await kafkaLine(kafkaConfig(kafka.brokers, { partitions: 1 }));
    topic = topicNames(line.config.topic_prefix).events;
    return line;
  };

  const withProducer = async (use: (producer: Producer) => Promise<unknown>): Promise<void> => {
    const producer = kafkaClient(line.config, log).producer({ createPartitioner: () => () => 0 });
    await producer.connect();
    await use(producer);
    await producer.disconnect();
  };

  test('an event is a message with its bytes unchanged, its account as the key, and the attributes of a CloudEvent', async () => {
    const chunk = testWriter().chunk([{ account: 'Łódź "1"', note: 'a' }]);
    await line.publisher.publish([chunk]);
    const event = JSON.parse(chunk.lines.toString());
    const consumer = kafkaClient(line.config, log).consumer({ groupId: `${topic}-look`, maxWaitTimeInMs: 100 });
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    const seen: { key: string; value: string; headers: Record<string, string> }[] = [];
    await consumer.run({
      eachMessage: async ({ message: { key, value, headers } }) =>
        void seen.push({
          key: String(key),
          value: String(value),
          headers: Object.fromEntries(Object.entries(headers ?? {}).map(([name, text]) => [name, String(text)])),
        }),
    });
    await eventually('the message is there', () => seen.length === 1);
    await consumer.disconnect();
    expect(seen).toEqual([
      {
        key: 'Łódź "1"',
        value: chunk.lines.toString().trimEnd(),
        headers: {
          ce_specversion: '1.0',
          ce_id: event.id,
          ce_source: 'libvirt',
          ce_type: 'instance.create',
          ce_time: event.timestamp,
          ce_log: event.log,
          ce_seq: '1',
          'content-type': 'application/json',
        },
      },
    ]);
  });

  test('neighbouring events of one log are one chunk', async () => {
    await onePartition();
    await line.write(numbered('a', 500));
    const reader = await line.read();
    await eventually('all arrived', () => reader.notes.length === 500);
    expect(reader.batches.flat().reduce((sum, { from, to }) => sum + to - from + 1, 0)).toBe(500);
    expect(reader.batches.flat().length).toBe(reader.batches.length);
  });

  test("another producer's whole event is an event; anything else is handed on as foreign, with the reason", async () => {
    await onePartition();
    const whole = testWriter()
      .chunk([{ account: 'a', note: 'whole' }])
      .lines.toString()
      .trimEnd();
    const lying = testWriter().chunk([{ account: 'a', note: 'lying' }]);
    await withProducer((producer) =>
      producer.send({
        topic,
        messages: [
          { value: 'no JSON' },
          { value: whole },
          { value: '{"id":1}' },
          { value: null },
          { value: JSON.stringify(JSON.parse(whole), undefined, 2) },
          { value: lying.lines.toString().trimEnd(), headers: { ce_log: lying.log, ce_seq: '7' } },
        ],
      }),
    );
    const reader = await line.read();
    await eventually('all arrived', () => reader.batches.flat().length === 6);
    expect(reader.notes).toEqual(['whole', 'lying']);
    const chunks = reader.batches.flat();
    expect(chunks.map(({ log: of, foreign }) => [of === '', foreign?.offset])).toEqual([
      [true, 0],
      [false, undefined],
      [true, 2],
      [true, 3],
      [true, 4],
      [true, 5],
    ]);
    expect(chunks[0]?.lines.toString()).toBe('no JSON');
    expect(chunks[0]?.foreign).toEqual({ topic, partition: 0, offset: 0, reason: 'event.invalid: the message is not JSON.' });
    expect(chunks[2]?.foreign?.reason).toContain('is no event');
    expect(chunks[3]?.foreign?.reason).toContain('is empty');
    expect(chunks[4]?.foreign?.reason).toContain('is not one line');
    expect(chunks[5]?.foreign?.reason).toContain('in its headers');
    await eventually('nothing is left', () => reader.consumer.lag().events === 0);
  });

  test('an event that the brokers refuse goes to quarantine, and the others arrive in order', async () => {
    await onePartition();
    await line.admin.alterConfigs({
      validateOnly: false,
      resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries: [{ name: 'max.message.bytes', value: '20000' }] }],
    });
    const large = { account: 'a', note: 'x'.repeat(30_000) };
    await line.write([...numbered('a', 40), large, ...numbered('a', 40, 40)]);
    const reader = await line.read();
    await eventually('the others arrived', () => reader.notes.length >= 80);
    expect(firstOf(reader.notes, 'a')).toEqual(numbered('a', 80).map(({ note }) => note));
    expect(line.setAside).toHaveLength(1);
    expect(line.setAside[0]?.reason).toContain('kafka.refused: the brokers refused it with MESSAGE_TOO_LARGE');
    expect(JSON.parse(String(line.setAside[0]?.line)).details).toEqual({ note: large.note });
  });

  test('a line that is no event is set aside and stops nothing', async () => {
    const good = testWriter().chunk(numbered('a', 1));
    await line.publisher.publish([{ ...good, lines: Buffer.concat([Buffer.from('no event\n'), good.lines]) }]);
    const reader = await line.read();
    await eventually('the event arrived', () => reader.notes.length === 1);
    expect(line.setAside.map(({ line: bytes }) => bytes.toString())).toEqual(['no event']);
  });

  const deleteUpTo = async (admin: Admin, offset: number): Promise<void> => {
    // kafkajs looks for the leader in what it knows already.
    await admin.fetchTopicOffsets(topic);
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: String(offset) }] });
  };

  test('messages that retention removed before they were read are reported once, and reading goes on after them', async () => {
    await onePartition();
    const first = await line.read();
    await line.write(numbered('a', 50));
    await eventually('the first arrived', () => first.notes.length === 50 && first.consumer.lag().events === 0);
    await first.stop();
    await line.write(numbered('a', 50, 50));
    await deleteUpTo(line.admin, 80);
    const second = await line.read();
    await eventually('the rest arrived', () => second.notes.length === 20);
    expect(second.notes).toEqual(numbered('a', 20, 80).map(({ note }) => note));
    await second.stop();
    const third = await line.read();
    await line.write(numbered('a', 1, 100));
    await eventually('a later event arrived', () => third.notes.length === 1);
    expect(line.gaps).toEqual([{ topic, partition: 0, from: 50, to: 80, reason: 'retention' }]);
  });

  test('messages that are removed while a consumer stands still are reported too', async () => {
    await onePartition();
    let isOpen = false;
    const reader = await line.read({ handle: async () => (isOpen ? undefined : Promise.reject(new Error('Not yet.'))) });
    const filler = 'y'.repeat(10_000);
    for (let round = 0; round < 8; round += 1)
      await line.write(Array.from({ length: 40 }, (_, index) => ({ account: 'a', note: `${round * 40 + index} ${filler}` })));
    await eventually('it is behind', () => reader.consumer.lag().events > 100);
    await line.write(numbered('a', 1_000));
    await deleteUpTo(line.admin, 1_000);
    isOpen = true;
    await eventually('the last event arrived', () => reader.notes.includes('a/999'));
    expect(line.gaps).toHaveLength(1);
    expect(line.gaps[0]).toMatchObject({ to: 1_000, reason: 'retention' });
    const [gap] = line.gaps;
    expect(reader.notes.length).toBe((gap?.from ?? 0) + 1_320 - 1_000);
    await eventually('nothing is left', () => reader.consumer.lag().events === 0);
  });

  test('a group offset that somebody moved ahead is reported', async () => {
    await onePartition();
    const first = await line.read();
    await line.write(numbered('a', 10));
    await eventually('the first arrived', () => first.notes.length === 10);
    await first.stop();
    await line.write(numbered('a', 10, 10));
    await line.admin.setOffsets({ groupId: `${line.config.topic_prefix}-store`, topic, partitions: [{ partition: 0, offset: '15' }] });
    const second = await line.read();
    await eventually('the rest arrived', () => second.notes.length === 5);
    expect(line.gaps).toEqual([{ topic, partition: 0, from: 10, to: 15, reason: 'moved' }]);
  });

  test('a group whose offsets are lost reads everything again, and misses nothing', async () => {
    const first = await line.read();
    await line.write(numbered('a', 10));
    await eventually('the first arrived', () => first.notes.length === 10);
    await first.stop();
    await line.admin.deleteGroups([`${line.config.topic_prefix}-store`]);
    await line.write(numbered('a', 5, 10));
    const second = await line.read();
    await eventually('everything arrived again', () => second.notes.length === 15);
    expect(line.gaps).toEqual([]);
  });

  test('the marks that transactions leave are passed in silence', async () => {
    await onePartition();
    const [one, two] = [testWriter().chunk([{ account: 'a', note: 'one' }]), testWriter().chunk([{ account: 'a', note: 'two' }])];
    const producer = kafkaClient(line.config, log).producer({
      transactionalId: topic,
      idempotent: true,
      maxInFlightRequests: 1,
      createPartitioner: () => () => 0,
    });
    await producer.connect();
    const send = async (value: string, end: 'commit' | 'abort') => {
      const transaction = await producer.transaction();
      await transaction.send({ topic, messages: [{ value: value.trimEnd() }] });
      await transaction[end]();
    };
    const reader = await line.read();
    await send(one.lines.toString(), 'commit');
    await eventually('the first arrived', () => reader.notes.length === 1);
    for (let round = 0; round < 3; round += 1) await send('aborted', 'abort');
    await send(two.lines.toString(), 'commit');
    await producer.disconnect();
    await eventually('the second arrived', () => reader.notes.length === 2);
    await eventually('nothing is left', () => reader.consumer.lag().events <= 1);
    expect(line.gaps).toEqual([]);
    expect(reader.batches.flat().filter(({ foreign }) => foreign)).toEqual([]);
  });

  test('two consumers of a group share the work; one that comes or goes loses nothing and keeps the order', { timeout: 90_000 }, async () => {
    const accounts = Array.from({ length: 12 }, (_, index) => `acc${index}`);
    const total = 60;
    const all: string[] = [];
    const keep = async (batch: Batch): Promise<void> => void all.push(...notesIn(batch));
    const left = await line.read({ node: 'left', handle: keep });
    const writing = (async () => {
      for (let round = 0; round < total; round += 1) {
        await line.write(accounts.flatMap((account) => numbered(account, 1, round)));
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    })();
    await eventually('the first reads', () => left.notes.length > 20);
    const right = await line.read({ node: 'right', handle: keep });
    await eventually('the second reads', () => right.notes.length > 20);
    await left.stop();
    await writing;
    await eventually('everything arrived', () => new Set(all).size === accounts.length * total);
    for (const account of accounts) expect(firstOf(all, account)).toEqual(numbered(account, total).map(({ note }) => note));
    expect(line.gaps).toEqual([]);
  });

  test('topics are made once, and one that does not fit is named', async () => {
    expect(await ensureTopics(line.admin, line.config)).toEqual([]);
    const names = topicNames(line.config.topic_prefix);
    await line.admin.alterConfigs({
      validateOnly: false,
      resources: [{ type: ConfigResourceTypes.TOPIC, name: names.entities, configEntries: [{ name: 'cleanup.policy', value: 'delete' }] }],
    });
    const sentences = await ensureTopics(line.admin, { ...line.config, partitions: 9 });
    expect(sentences).toContainEqual(expect.stringContaining(`${names.events} has 4 partitions, fewer than kafka.partitions (9)`));
    expect(sentences).toContainEqual(expect.stringContaining(`${names.entities} has cleanup.policy=delete where Verdict relies on compact`));
    expect(sentences.some((sentence) => sentence.includes(`${names.quarantine} has`))).toBe(false);
  });
});
