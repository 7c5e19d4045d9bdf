export { kafkaClient } from './client.js';
export { KafkaConfigError } from './security.js';
export { ensureTopics, prepareTopics, topicNames } from './topics.js';
