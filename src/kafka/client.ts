import { Kafka } from 'kafkajs';
import type { Logger } from 'pino';
import type { KafkaConfig } from '../config.js';
import { logBridge, logLevelFor } from './log.js';
import { installProduceEncoder } from './produce-encoder.js';
import { saslOf, tlsOf } from './security.js';

const CONNECTION_MS = 5_000;
const REQUEST_MS = 15_000;
/** A few quick tries; whoever uses the client starts afresh after that, and says so. */
const RETRY = { initialRetryTime: 200, maxRetryTime: 2_000, retries: 4 };

/**
 * The client for a Kafka cluster, with TLS and SASL as configured. Nothing is connected yet.
 * Throws a {@link KafkaConfigError} where a file can't be read or a setting is missing.
 */
export const kafkaClient = (config: KafkaConfig, log: Logger): Kafka => {
  installProduceEncoder();
  const ssl = tlsOf(config.tls);
  const sasl = saslOf(config.sasl);
  if (sasl && !ssl)
    log.warn('kafka.sasl is set without kafka.tls.enabled: credentials and events cross the network unencrypted. Set kafka.tls.enabled to true.');
  return new Kafka({
    clientId: config.client_id,
    brokers: [...config.brokers],
    ...(ssl && { ssl }),
    ...(sasl && { sasl }),
    connectionTimeout: CONNECTION_MS,
    authenticationTimeout: REQUEST_MS,
    requestTimeout: REQUEST_MS,
    retry: RETRY,
    logLevel: logLevelFor(log),
    logCreator: logBridge(log),
  });
};
