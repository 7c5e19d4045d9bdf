import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { KafkaConfig } from '../config.js';
import { groupOf, type KafkaStreamDeps, kafkaConsumer } from './kafka-consumer.js';
import type { Consumer, Stream } from './stream.js';

/** The feed of a fleet's events: {@link Stream} on Kafka. Consumers of one name on several nodes share the partitions. */
export const kafkaStream = (config: KafkaConfig, deps: KafkaStreamDeps): Stream => {
  const consumers: Consumer[] = [];
  return {
    consumer: (name, limits, handle, following) => {
      const consumer = kafkaConsumer(config, deps, { name, limits, handle, ...(following && { following }) });
      consumers.push(consumer);
      return consumer;
    },
    forget: async (name) => {
      rmSync(join(deps.cursors, name), { recursive: true, force: true });
      const admin = deps.client.admin();
      try {
        await admin.connect();
        await admin.deleteGroups([groupOf(config, name)]);
      } catch (error) {
        // Another node's consumer is still in it, and deletes it when it leaves; an empty group also expires by itself.
        deps.log.debug({ group: groupOf(config, name), why: (error as Error).message }, 'A consumer group could not be deleted.');
      } finally {
        await admin.disconnect().catch(() => undefined);
      }
    },
    close: async () => {
      await Promise.all(consumers.map((consumer) => consumer.stop()));
    },
  };
};
