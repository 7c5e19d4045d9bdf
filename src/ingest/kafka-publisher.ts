import type { Kafka } from 'kafkajs';
import type { Logger } from 'pino';
import type { KafkaConfig } from '../config.js';
import { orderedProducer, topicNames } from '../kafka/index.js';
import { toMessages, type Unsendable } from './kafka-messages.js';
import type { Quarantine } from './quarantine.js';
import type { Handler } from './stream.js';

export type PublisherDeps = {
  readonly client: Kafka;
  readonly log: Logger;
  /** Takes what the brokers refuse for itself. This node's own list: it must not need the brokers. */
  readonly quarantine: Pick<Quarantine, 'put'>;
  readonly now?: () => number;
};

/** Carries a journal's batches to `<prefix>.events`. */
export type KafkaPublisher = {
  /**
   * Resolves when the brokers have acknowledged every event (all in-sync replicas), or it is in quarantine. Rejects with
   * a sentence where they can't be reached or refuse for now: hand the same batch again; what was sent twice has the
   * same (log, seq). One batch at a time.
   */
  readonly publish: Handler;
  readonly close: () => Promise<void>;
};

export const kafkaPublisher = (config: KafkaConfig, { client, log, quarantine, now = Date.now }: PublisherDeps): KafkaPublisher => {
  const topic = topicNames(config.topic_prefix).events;
  const producer = orderedProducer(client);

  const setAside = async (items: readonly Unsendable[]): Promise<void> => {
    if (items.length === 0) return;
    const at = new Date(now()).toISOString();
    for (const { reason } of items) log.error({ part: 'kafka.publisher' }, `An event was put into quarantine instead of ${topic}: ${reason}`);
    await quarantine.put(items.map((item) => ({ ...item, at })));
  };

  return {
    publish: async (batch) => {
      const { messages, unsendable } = toMessages(batch);
      await setAside(unsendable);
      const refused = await producer.send(topic, messages).catch((error: Error) => {
        throw new Error(`Kafka (${config.brokers.join(', ')}) takes no events at the moment; they wait in the journal. ${error.message}`, { cause: error });
      });
      await setAside(
        refused.map(({ message: { value }, type }) => ({ line: value, reason: `kafka.refused: the brokers refused it with ${type} (${value.length} bytes).` })),
      );
    },
    close: producer.close,
  };
};
