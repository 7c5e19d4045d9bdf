import { type Kafka, type Message, Partitioners, type Producer, type RecordMetadata } from 'kafkajs';

/** A message with its key and value as bytes that count. A null value is a tombstone. */
export type Outgoing = Message & { readonly key: string; readonly value: Buffer | null };

/** A message that the brokers refuse for itself, with Kafka's name for the error. */
export type Refused<T> = { readonly message: T; readonly type: string };

/** Sends runs of messages in order, each acknowledged by all in-sync replicas. One call at a time. */
export type OrderedProducer = {
  /**
   * Resolves when every message is acknowledged but those answered, which the brokers refuse for themselves. Rejects
   * where they can't be reached or refuse for now: some of the messages may have arrived then.
   */
  readonly send: <T extends Outgoing>(topic: string, messages: readonly T[]) => Promise<readonly Refused<T>[]>;
  readonly close: () => Promise<void>;
};

/** One request stays under the broker's usual `max.message.bytes` (1 MiB), even if all of it is one partition's. */
const SEND_BYTES = 700 * 1024;
const SEND_MESSAGES = 1000;
/** What headers and framing add to a message, at most and roughly. */
const OVERHEAD_BYTES = 512;
const REPLICAS_MS = 10_000;

/** Errors that lie in a message and not in the moment (Kafka's protocol guide, "Error codes"). */
const REFUSALS = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE', 'INVALID_RECORD', 'CORRUPT_MESSAGE', 'INVALID_TIMESTAMP']);

type Failure = Error & { readonly type?: string; readonly cause?: Failure; readonly originalError?: Failure };

const typeOf = (error: Failure | undefined): string | undefined => error && (error.type ?? typeOf(error.cause) ?? typeOf(error.originalError));

export const orderedProducer = (client: Kafka): OrderedProducer => {
  /** The partitions that the messages of the request in hand belong to. */
  const touched = new Set<number>();
  let current: Producer | undefined;

  const partitioner = () => {
    const pick = Partitioners.DefaultPartitioner();
    return (args: Parameters<typeof pick>[0]) => {
      const partition = pick(args);
      touched.add(partition);
      return partition;
    };
  };

  const connected = async (): Promise<Producer> => {
    if (current) return current;
    const producer = client.producer({ idempotent: true, createPartitioner: partitioner, allowAutoTopicCreation: false });
    try {
      await producer.connect();
    } catch (error) {
      await producer.disconnect().catch(() => undefined);
      throw error;
    }
    current = producer;
    return producer;
  };

  /**
   * A producer whose send failed is never used again: kafkajs turns its sequence numbers back, and the broker would take
   * the next run of the same length for a repetition of one that did arrive.
   */
  const discard = async (): Promise<void> => {
    const producer = current;
    current = undefined;
    await producer?.disconnect().catch(() => undefined);
  };

  /** kafkajs forgets a partition whose leader moves, during a retry, to a broker that has answered already. */
  const checkComplete = (topic: string, results: readonly RecordMetadata[]): void => {
    const acknowledged = new Set(results.map(({ partition }) => partition));
    for (const partition of touched)
      if (!acknowledged.has(partition)) throw new Error(`Partition ${partition} of ${topic} was not acknowledged while its leader moved.`);
  };

  const request = async (topic: string, messages: readonly Outgoing[]): Promise<void> => {
    try {
      const producer = await connected();
      touched.clear();
      checkComplete(topic, await producer.send({ topic, acks: -1, timeout: REPLICAS_MS, messages: [...messages] }));
    } catch (error) {
      await discard();
      throw error;
    }
  };

  /** Halves what is refused until the culprits stand alone. */
  const sendOrSplit = async <T extends Outgoing>(topic: string, messages: readonly T[]): Promise<readonly Refused<T>[]> => {
    try {
      await request(topic, messages);
      return [];
    } catch (error) {
      const type = typeOf(error as Failure);
      if (!type || !REFUSALS.has(type)) throw error;
      const [only] = messages;
      if (messages.length === 1 && only) return [{ message: only, type }];
    }
    const middle = messages.length >> 1;
    const refused = await sendOrSplit(topic, messages.slice(0, middle));
    return [...refused, ...(await sendOrSplit(topic, messages.slice(middle)))];
  };

  return {
    send: async (topic, messages) => {
      const refused = [];
      for (const portion of portions(messages)) refused.push(...(await sendOrSplit(topic, portion)));
      return refused;
    },
    close: discard,
  };
};

/** Cuts a run of messages into requests, in order. */
const portions = <T extends Outgoing>(messages: readonly T[]): readonly (readonly T[])[] => {
  const cut: T[][] = [];
  let bytes = 0;
  for (const message of messages) {
    const size = (message.value?.length ?? 0) + OVERHEAD_BYTES;
    const open = cut.at(-1);
    if (!open || bytes + size > SEND_BYTES || open.length === SEND_MESSAGES) {
      cut.push([message]);
      bytes = size;
    } else {
      open.push(message);
      bytes += size;
    }
  }
  return cut;
};
