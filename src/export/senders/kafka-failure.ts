import { again, type Failure, stopped } from '../../outbound/index.js';

/** What kafkajs 2.2.4's errors carry: a name, the protocol's own name of the error (`type`), and what lies beneath. */
type KafkaFailure = Error & { readonly type?: string; readonly cause?: KafkaFailure; readonly originalError?: KafkaFailure };

const chain = (error: KafkaFailure | undefined): readonly KafkaFailure[] => (error ? [error, ...chain(error.cause ?? error.originalError)] : []);

/** Errors of Kafka's protocol guide that a person must see to; all others pass. */
const STOPS: { readonly [type: string]: string } = {
  SASL_AUTHENTICATION_FAILED: 'Check username and password.',
  UNSUPPORTED_SASL_MECHANISM: 'The brokers do not offer this mechanism: choose another in sasl.mechanism.',
  ILLEGAL_SASL_STATE: 'The brokers do not expect SASL on this port.',
  TOPIC_AUTHORIZATION_FAILED: 'The user may not write to the topic: it needs Write and Describe.',
  CLUSTER_AUTHORIZATION_FAILED: 'The user may not write idempotently: it needs IdempotentWrite, or Write on the topic.',
  INVALID_TOPIC_EXCEPTION: 'That is no name for a topic.',
};

/** What a failed request means. Where a socket told of something worse, that counts. */
export const kafkaFailure = (error: unknown, { topic, socket }: { readonly topic: string; readonly socket: Failure | undefined }): Failure => {
  if (socket?.outcome === 'stopped') return socket;
  const all = chain(error as KafkaFailure);
  const type = all.map((one) => one.type).find((one) => one !== undefined);
  const advice = type === undefined ? undefined : STOPS[type];
  if (advice !== undefined) return stopped(`Kafka answered ${type} for the topic ${topic}. ${advice}`);
  if (all.some(({ name }) => name === 'KafkaJSSASLAuthenticationError'))
    return stopped(`The brokers refused the credentials. ${STOPS['SASL_AUTHENTICATION_FAILED']}`);
  if (type === 'UNKNOWN_TOPIC_OR_PARTITION') return again(`The topic ${topic} is not there, or not yet: it is not created from here.`);
  if (socket) return socket;
  return again(type === undefined ? `The brokers can't be reached: ${(error as Error).message}.` : `Kafka answered ${type} for the topic ${topic}.`);
};
