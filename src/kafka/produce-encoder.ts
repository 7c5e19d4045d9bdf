import { createRequire } from 'node:module';
import { type WritableMessage, Writer, writeBatch } from './record-writer.js';

/** What kafkajs 2.2.4 gives its encoders of produce requests, versions 3 to 7. */
export type ProduceRequest = {
  readonly transactionalId?: string | null;
  readonly acks: number;
  readonly timeout: number;
  readonly compression?: number;
  readonly producerId?: unknown;
  readonly producerEpoch?: number;
  readonly topicData: readonly {
    readonly topic: string;
    readonly partitions: readonly {
      readonly partition: number;
      readonly firstSequence?: number;
      readonly messages: readonly (WritableMessage & { readonly timestamp?: string | number })[];
    }[];
  }[];
};

type Encoded = { buf: Buffer; offset: number };
type Made = { readonly request: { readonly encode: () => Promise<Encoded> }; readonly response: unknown };
type Protocol = (options: { readonly version: number | string }) => (request: ProduceRequest) => Made;

const require = createRequire(import.meta.url);
const FIRST_WITH_BATCHES = 3;
let isInstalled = false;

/** The body of a produce request, versions 3 to 7 (Kafka's protocol guide): what kafkajs writes, in one pass and one piece of memory. */
export const encodeProduce = ({ acks, timeout, producerId, producerEpoch, topicData }: ProduceRequest, now: number): Buffer => {
  const into = new Writer();
  into.int16(-1);
  into.int16(acks);
  into.int32(timeout);
  into.int32(topicData.length);
  for (const { topic, partitions } of topicData) {
    const name = Buffer.from(topic);
    into.reserve(name.length + 6);
    into.int16(name.length);
    into.bytes(name);
    into.int32(partitions.length);
    for (const { partition, messages, firstSequence = 0 } of partitions) {
      into.reserve(8);
      into.int32(partition);
      const sizeAt = into.at;
      into.int32(0);
      writeBatch(into, messages, { producerId: BigInt(String(producerId ?? -1)), producerEpoch: producerEpoch ?? 0, firstSequence }, now);
      into.buffer.writeInt32BE(into.at - sizeAt - 4, sizeAt);
    }
  }
  return into.buffer.subarray(0, into.at);
};

const isPlain = ({ compression, transactionalId, topicData }: ProduceRequest): boolean =>
  !compression &&
  !transactionalId &&
  topicData.every(({ partitions }) => partitions.every(({ messages }) => messages.every(({ timestamp }) => timestamp == null)));

/**
 * Lets kafkajs write produce requests with {@link encodeProduce}. Its own encoder makes some thirty small buffers for
 * each message with our headers, most of what publishing costs (docs/decisions). Requests with a transaction,
 * compression or timestamps stay with kafkajs. A test holds the two against each other, byte for byte.
 */
export const installProduceEncoder = (): void => {
  if (isInstalled) return;
  isInstalled = true;
  const produce = require('kafkajs/src/protocol/requests/produce') as { protocol: Protocol };
  const Encoder = require('kafkajs/src/protocol/encoder') as new (size: number) => Encoded;
  const original = produce.protocol;
  produce.protocol = (options) => {
    const make = original(options);
    if (Number(options.version) < FIRST_WITH_BATCHES) return make;
    return (request) => {
      const made = make(request);
      if (!isPlain(request)) return made;
      const encode = async (): Promise<Encoded> => {
        const body = encodeProduce(request, Date.now());
        return Object.assign(new Encoder(1), { buf: body, offset: body.length });
      };
      return { ...made, request: { ...made.request, encode } };
    };
  };
};
