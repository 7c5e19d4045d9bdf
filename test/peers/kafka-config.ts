import type { KafkaConfig } from '../../src/config.js';
import { newUlid } from '../../src/event/index.js';

/** Verdict's settings for brokers that a test started, under topics that no other test uses. */
export const kafkaConfig = (brokers: readonly string[], changes: Partial<KafkaConfig> = {}): KafkaConfig => ({
  brokers,
  client_id: 'verdict-test',
  topic_prefix: `t${newUlid()}`,
  partitions: 4,
  replication_factor: 3,
  tls: { enabled: false, ca: '', cert: '', key: '' },
  sasl: { mechanism: '', username: '', password: '', token_url: '', client_id: '', client_secret: '', scope: '' },
  ...changes,
});
