import type { KafkaConfig } from '../config.js';
import { type KafkaStreamDeps, kafkaConsumer } from './kafka-consumer.js';
import type { Consumer, Stream } from './stream.js';

/** The feed of a fleet's events: {@link Stream} on Kafka. Consumers of one name on several nodes share the partitions. */
export const kafkaStream = (config: KafkaConfig, deps: KafkaStreamDeps): Stream => {
  const consumers: Consumer[] = [];
  return {
    consumer: (name, limits, handle) => {
      const consumer = kafkaConsumer(config, deps, name, limits, handle);
      consumers.push(consumer);
      return consumer;
    },
    close: async () => {
      await Promise.all(consumers.map((consumer) => consumer.stop()));
    },
  };
};
