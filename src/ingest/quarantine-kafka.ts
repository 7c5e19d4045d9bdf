import { rmSync } from 'node:fs';
import type { IHeaders, Kafka, KafkaMessage } from 'kafkajs';
import type { Logger } from 'pino';
import type { KafkaConfig } from '../config.js';
import { newUlid } from '../event/index.js';
import { type OrderedProducer, type Outgoing, orderedProducer, topicNames } from '../kafka/index.js';
import { rest } from './kafka-session.js';
import { type Quarantine, quarantineId, type SetAside } from './quarantine.js';
import { lmdbQuarantine } from './quarantine-lmdb.js';

export type KafkaQuarantineDeps = {
  readonly client: Kafka;
  readonly log: Logger;
  /** A folder for this process's copy of the topic; it is made anew at each start. */
  readonly path: string;
};

/** What is larger is cut: the topic takes 2 MiB, and no event is over 48 KiB. */
const MOST_BYTES = 1_500_000;
const RETRY_MS = 1_000;
const FETCH_WAIT_MS = 500;

/**
 * The fleet's list: `<prefix>.quarantine`, compacted, keyed by the item's id; removing writes a tombstone. Every process
 * follows the topic from its beginning into a copy of its own, which `list`, `get` and `count` read: they see another
 * node's changes a moment later, their own at once. `put` and `remove` reject while the brokers are away.
 */
export const kafkaQuarantine = (config: KafkaConfig, { client, log, path }: KafkaQuarantineDeps): Quarantine => {
  rmSync(path, { recursive: true, force: true });
  const copy = lmdbQuarantine(path);
  const topic = topicNames(config.topic_prefix).quarantine;
  const producer = serialised(orderedProducer(client));
  const stop = new AbortController();
  const following = follow({ client, log, topic, copy, signal: stop.signal });

  const send = async (messages: readonly Outgoing[]): Promise<void> => {
    const [refused] = await producer.send(topic, messages);
    if (refused)
      throw new Error(`${topic} refused an item of ${refused.message.value?.length ?? 0} bytes with ${refused.type}; raise its max.message.bytes to 2097152.`);
  };

  return {
    ...copy,
    put: async (items) => {
      const kept = items.map(fitting);
      await send(kept.map((item) => ({ key: quarantineId(item), value: item.line, headers: headersOf(item) })));
      await copy.put(kept);
    },
    remove: async (ids) => {
      const there = [];
      for (const id of ids) if (await copy.get(id)) there.push(id);
      await send(there.map((key) => ({ key, value: null })));
      await copy.remove(there);
      return there.length;
    },
    close: async () => {
      stop.abort();
      await following;
      await producer.close();
      await copy.close();
      rmSync(path, { recursive: true, force: true });
    },
  };
};

const fitting = (item: SetAside): SetAside =>
  item.line.length <= MOST_BYTES
    ? item
    : { ...item, line: item.line.subarray(0, MOST_BYTES), reason: `${item.reason} (Cut to ${MOST_BYTES} of ${item.line.length} bytes.)` };

/** One call after the other, whoever calls. */
const serialised = (producer: OrderedProducer): OrderedProducer => {
  let last: Promise<unknown> = Promise.resolve();
  return {
    ...producer,
    send: (topic, messages) => {
      const mine = last.then(() => producer.send(topic, messages));
      last = mine.catch(() => undefined);
      return mine;
    },
  };
};

const headersOf = ({ reason, at, source }: SetAside): IHeaders => ({
  reason,
  at,
  ...(source && Object.fromEntries(Object.entries(source).map(([name, value]) => [name, String(value)]))),
});

const itemOf = ({ value, headers = {}, timestamp }: KafkaMessage): SetAside | undefined => {
  if (!value) return undefined;
  const text = (name: string): string | undefined => headers[name]?.toString();
  const { log, seq, forwarder, topic, partition, offset } = {
    log: text('log'),
    seq: text('seq'),
    forwarder: text('forwarder'),
    topic: text('topic'),
    partition: text('partition'),
    offset: text('offset'),
  };
  const source =
    log !== undefined
      ? { log, seq: Number(seq), ...(forwarder !== undefined && { forwarder }) }
      : topic !== undefined
        ? { topic, partition: Number(partition), offset: Number(offset) }
        : undefined;
  return { line: value, reason: text('reason') ?? 'unknown', at: text('at') ?? new Date(Number(timestamp)).toISOString(), ...(source && { source }) };
};

type FollowOptions = { readonly client: Kafka; readonly log: Logger; readonly topic: string; readonly copy: Quarantine; readonly signal: AbortSignal };

/** Reads the topic from its beginning until stopped, each time anew after a breakage; what comes twice changes nothing. */
const follow = async (options: FollowOptions): Promise<void> => {
  while (!options.signal.aborted) {
    await followOnce(options).catch((error: Error) =>
      options.log.warn({ part: 'kafka.quarantine' }, `${options.topic} can't be read; trying again. ${error.message}`),
    );
    await rest(RETRY_MS, options.signal);
  }
};

const followOnce = async ({ client, topic, copy, signal }: FollowOptions): Promise<void> => {
  // A group of its own for each life: every process reads everything, and nothing is committed or left behind.
  const consumer = client.consumer({
    groupId: `${topic}-${newUlid()}`,
    maxWaitTimeInMs: FETCH_WAIT_MS,
    allowAutoTopicCreation: false,
    retry: { restartOnFailure: () => Promise.resolve(false) },
  });
  const ended = new Promise<void>((resolve, reject) => {
    consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error));
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  ended.catch(() => undefined);
  try {
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachBatch: async ({ batch }) => {
        await apply(copy, batch.messages);
      },
    });
    await ended;
  } finally {
    await consumer.disconnect().catch(() => undefined);
  }
};

/** In order; neighbours of one sort together, as each call is a commit to disk. */
const apply = async (copy: Quarantine, messages: readonly KafkaMessage[]): Promise<void> => {
  let put: SetAside[] = [];
  let removed: string[] = [];
  const flush = async (): Promise<void> => {
    if (put.length > 0) await copy.put(put);
    if (removed.length > 0) await copy.remove(removed);
    put = [];
    removed = [];
  };
  for (const message of messages) {
    const item = itemOf(message);
    if (item ? removed.length > 0 : put.length > 0) await flush();
    if (item) put.push(item);
    else if (message.key) removed.push(message.key.toString());
  }
  await flush();
};
