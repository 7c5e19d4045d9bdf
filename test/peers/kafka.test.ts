import { Kafka, logLevel } from 'kafkajs';
import { expect, test } from 'vitest';
import { describeWithKafka, startKafka } from './kafka.js';

await describeWithKafka('the Kafka that tests run against', () => {
  test('a message outlives a kill and a restart of its broker', { timeout: 60_000 }, async () => {
    const kafka = await startKafka({ brokers: 1 });
    try {
      const client = new Kafka({ brokers: [...kafka.brokers], logLevel: logLevel.NOTHING });
      const admin = client.admin();
      await admin.connect();
      await admin.createTopics({ topics: [{ topic: 'kept', numPartitions: 1 }], waitForLeaders: true });
      const producer = client.producer();
      await producer.connect();
      await producer.send({ topic: 'kept', messages: [{ value: 'one' }] });
      await kafka.kill(0, 'SIGKILL');
      await kafka.restart(0);
      expect((await admin.fetchTopicOffsets('kept'))[0]?.high).toBe('1');
      await producer.disconnect();
      await admin.disconnect();
    } finally {
      await kafka.stop();
    }
  });
});
