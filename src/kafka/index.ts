export { kafkaClient } from './client.js';
export { type OrderedProducer, type Outgoing, orderedProducer, type Refused } from './ordered-producer.js';
export { outboundKafka } from './outbound.js';
export { KafkaConfigError } from './security.js';
export { ensureTopics, prepareTopics, topicNames } from './topics.js';
