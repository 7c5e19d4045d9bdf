import { type ISocketFactory, Kafka, logLevel, type SASLOptions } from 'kafkajs';
import { installProduceEncoder } from './produce-encoder.js';

const CONNECTION_MS = 5_000;
const REQUEST_MS = 15_000;
/** Few and quick: whoever uses the client says what is wrong, and tries again by its own rule. */
const RETRY = { initialRetryTime: 200, maxRetryTime: 1_000, retries: 2 };

export type OutboundKafkaConfig = {
  readonly client_id: string;
  readonly brokers: readonly string[];
  /** Whether the sockets speak TLS: the factory knows how. */
  readonly isTls: boolean;
  readonly sasl?: SASLOptions;
};

/** A client for somebody else's cluster: every socket is opened by `sockets`, and nothing is logged. Nothing is connected yet. */
export const outboundKafka = ({ client_id, brokers, isTls, sasl }: OutboundKafkaConfig, sockets: ISocketFactory): Kafka => {
  installProduceEncoder();
  return new Kafka({
    clientId: client_id,
    brokers: [...brokers],
    ssl: isTls,
    // A copy: kafkajs writes into it how it authenticates, password and all.
    ...(sasl && { sasl: { ...sasl } }),
    socketFactory: sockets,
    connectionTimeout: CONNECTION_MS,
    authenticationTimeout: REQUEST_MS,
    requestTimeout: REQUEST_MS,
    retry: RETRY,
    logLevel: logLevel.NOTHING,
  });
};
