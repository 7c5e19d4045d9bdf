import { isIP, connect as plainConnect, type Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import type { ISocketFactory, Kafka, SASLOptions } from 'kafkajs';
import type { JsonObject } from '../../event/index.js';
import { type Outgoing as KafkaMessage, orderedProducer, outboundKafka } from '../../kafka/index.js';
import { again, type Failure, failureOf, newTrial, type TlsConfig, tlsOptions, tlsSchema } from '../../outbound/index.js';
import type { Destination, SenderDeps } from '../destination.js';
import { type EventFormat, eventFormat } from '../formats/index.js';
import type { Outgoing, Sender, Sent } from '../sender.js';
import { kafkaFailure } from './kafka-failure.js';
import { conclude } from './trial.js';

/** A topic of a cluster that isn't Verdict's own. */
export type KafkaDestinationConfig = {
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly tls_enabled?: boolean;
  readonly tls?: TlsConfig;
  readonly sasl?: { readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'; readonly username: string; readonly password: string };
};

const LIMITS = { events: 5_000, bytes: 2_000_000 } as const;
const KEEP_ALIVE_MS = 60_000;

export const kafkaSchema = {
  type: 'object',
  required: ['brokers', 'topic'],
  additionalProperties: false,
  properties: {
    brokers: {
      type: 'array',
      minItems: 1,
      maxItems: 20,
      items: { type: 'string', maxLength: 260, pattern: '^[^\\s:/\\[\\]]+:\\d{1,5}$' },
      description: 'Where the cluster is reached: `host:port`. What addresses the brokers name themselves is guarded too.',
    },
    topic: { type: 'string', minLength: 1, maxLength: 249, pattern: '^[A-Za-z0-9._-]+$', description: 'The topic. It must be there.' },
    tls_enabled: { type: 'boolean', default: true, description: 'Whether the brokers are spoken to by TLS.' },
    tls: tlsSchema,
    sasl: {
      type: 'object',
      required: ['mechanism', 'username', 'password'],
      additionalProperties: false,
      description: 'How Verdict says who it is.',
      properties: {
        mechanism: { enum: ['plain', 'scram-sha-256', 'scram-sha-512'], description: 'How Verdict authenticates.' },
        username: { type: 'string', minLength: 1, maxLength: 256, description: 'The user.' },
        password: { type: 'string', minLength: 1, maxLength: 1024, description: "The user's password.", 'x-secret': true },
      },
    },
  },
} as const;

/** What a socket tells of itself. */
type Notes = { readonly onOpen?: (socket: Socket, host: string) => void; readonly onFailure: (failure: Failure) => void };

/** Opens the client's sockets: guarded, and with certificates checked. */
const guardedSockets =
  ({ tls_enabled = true, tls = {} }: KafkaDestinationConfig, { dial }: SenderDeps, notes: Notes): ISocketFactory =>
  ({ host, port, onConnect }) => {
    const place = `${host}:${port}`;
    try {
      dial.check(host);
    } catch (error) {
      notes.onFailure(failureOf(error, place));
      throw error;
    }
    const options = { host, port, lookup: dial.lookup };
    const socket = tls_enabled
      ? tlsConnect({ ...options, ...(isIP(host) === 0 && { servername: host }), ...tlsOptions(tls) }, onConnect)
      : plainConnect(options, onConnect);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.on('error', (error) => notes.onFailure(failureOf(error, place)));
    notes.onOpen?.(socket, host);
    return socket;
  };

const percent = (text: string): string => encodeURIComponent(Buffer.from(text, 'utf8').toString('utf8'));

/** Key = account, so that each account's events stay in order; the attributes of CloudEvents say what it is without reading it. */
const messageOf = (outgoing: Outgoing, format: EventFormat): KafkaMessage => {
  const { id, source, action, timestamp, account } = outgoing.event;
  return {
    key: account,
    value: Buffer.from(format.line(outgoing)),
    headers: {
      ce_specversion: '1.0',
      ce_id: id,
      ce_source: percent(source),
      ce_type: action,
      ce_time: timestamp,
      ce_log: outgoing.log,
      ce_seq: String(outgoing.seq),
      'content-type': format.isJson ? 'application/json' : 'text/plain; charset=utf-8',
    },
  };
};

const unlessAborted = <T>(work: Promise<T>, signal: AbortSignal): Promise<T> => {
  signal.throwIfAborted();
  return new Promise<T>((resolve, reject) => {
    const stop = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
};

/** Writes to a topic: idempotent, acknowledged by all replicas in sync. */
export const kafkaSender = (config: KafkaDestinationConfig, deps: SenderDeps): Sender => {
  const { topic, brokers, tls_enabled = true, sasl } = config;
  const format = eventFormat(deps.format);
  // Said before anything is opened.
  tlsOptions(config.tls ?? {});
  let socketFailure: Failure | undefined;
  const clientBy = (onOpen?: Notes['onOpen']): Kafka =>
    outboundKafka(
      { client_id: 'verdict', brokers, isTls: tls_enabled, ...(sasl && { sasl: sasl as SASLOptions }) },
      guardedSockets(config, deps, {
        ...(onOpen && { onOpen }),
        // A certificate outweighs a broker that is only away.
        onFailure: (failure) => {
          if (socketFailure?.outcome !== 'stopped') socketFailure = failure;
        },
      }),
    );
  const producer = orderedProducer(clientBy());

  const sendBy = async (by: typeof producer, batch: readonly Outgoing[], signal: AbortSignal): Promise<Sent> => {
    socketFailure = undefined;
    const messages = batch.map((outgoing) => messageOf(outgoing, format));
    try {
      const refused = await unlessAborted(by.send(topic, messages), signal);
      if (refused.length === 0) return { outcome: 'accepted' };
      return {
        outcome: 'accepted',
        refused: refused.map(({ message, type }) => ({ index: messages.indexOf(message), reason: `Kafka answered ${type} for the event.` })),
      };
    } catch (error) {
      if (!signal.aborted) return kafkaFailure(error, { topic, socket: socketFailure });
      await by.close();
      return again('It was told to stop.');
    }
  };

  const test: Sender['test'] = async (message, signal) => {
    const trial = newTrial(deps.now);
    let isWatched = false;
    const own = clientBy((socket, host) => {
      if (isWatched) return;
      isWatched = true;
      socket.once('lookup', (error, address) => !error && trial.done('resolve', `${host} is ${address}.`));
      socket.once('connect', () => trial.done('connect', `Connected to ${socket.remoteAddress} port ${socket.remotePort}.`));
      socket.once('secureConnect', () => trial.done('tls', `The certificate of ${host} is good.`));
    });
    const admin = own.admin();
    const by = orderedProducer(own);
    socketFailure = undefined;
    try {
      await unlessAborted(admin.connect(), signal);
      const { topics } = await unlessAborted(admin.fetchTopicMetadata({ topics: [topic] }), signal);
      trial.done('handshake', `The brokers answer; ${topic} has ${topics[0]?.partitions.length ?? 0} partitions.`);
    } catch (error) {
      const failure = kafkaFailure(error, { topic, socket: socketFailure });
      trial.failed(trial.steps.some(({ step }) => step === 'connect') ? (failure === socketFailure ? 'tls' : 'handshake') : 'connect', failure);
      await Promise.all([admin.disconnect().catch(() => undefined), by.close()]);
      return trial.steps;
    }
    const sent = await sendBy(by, [message], signal);
    await Promise.all([admin.disconnect().catch(() => undefined), by.close()]);
    return conclude(trial, sent, `All replicas in sync have it in ${topic}.`);
  };

  return { name: 'kafka', limits: LIMITS, send: (batch, signal) => sendBy(producer, batch, signal), test, close: () => producer.close() };
};

export const kafka: Destination = {
  type: 'kafka',
  schema: kafkaSchema as unknown as Destination['schema'],
  formats: ['json', 'ocsf', 'cloudevents', 'ecs', 'cef', 'leef'],
  make: (config: JsonObject, deps) => kafkaSender(config as unknown as KafkaDestinationConfig, deps),
};
