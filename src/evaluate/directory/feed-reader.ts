import type { Consumer, EachBatchPayload, Kafka } from 'kafkajs';
import { newUlid } from '../../event/index.js';
import type { Copy } from './copy.js';
import { applyMessages } from './feed-batch.js';

export type ReaderConfig = {
  readonly topic: string;
  /** Deleted entities' marks that are older count no more, in milliseconds. */
  readonly markMs: number;
  readonly repairMs: number;
};

export type ReaderDeps = {
  readonly copy: Copy;
  readonly kafka: Kafka;
  readonly now: () => number;
  /** Told of a message that isn't Verdict's. */
  readonly onNotice: (sentence: string) => void;
  /** Told when a write of this node has lost: the accepted state must be published again. */
  readonly onLost: () => void;
  /** Told once, when reading has ended for good: nothing more comes. */
  readonly onCrash: (error: Error) => void;
};

export type Reader = {
  /** The next offset to read; undefined where nothing was read yet. */
  readonly position: (partition: number) => number | undefined;
  /** Resolves when the batch in hand is in the copy. */
  readonly stop: () => Promise<void>;
};

/** A fetch waits so long for news; also the longest that a stop takes. */
const FETCH_WAIT_MS = 250;

/**
 * Reads the topic into the copy, each partition from the copy's own cursor. kafkajs knows positions by group only, so the
 * group is new each time (nobody to wait for, nothing committed) and is sent to the cursors whenever it is joined; what
 * comes from before a cursor all the same is skipped.
 */
export const startReader = async (config: ReaderConfig, deps: ReaderDeps): Promise<Reader> => {
  const { topic } = config;
  const { copy, now } = deps;
  const cursors = new Map(copy.cursors());
  let isStopping = false;
  const consumer: Consumer = deps.kafka.consumer({
    groupId: `${topic}.${copy.node}.${newUlid()}`,
    maxWaitTimeInMs: FETCH_WAIT_MS,
    allowAutoTopicCreation: false,
    retry: { restartOnFailure: () => Promise.resolve(false) },
  });

  consumer.on('consumer.group_join', () => {
    for (const [partition, cursor] of cursors) consumer.seek({ topic, partition, offset: String(cursor) });
  });
  consumer.on('consumer.crash', ({ payload }) => {
    if (!isStopping) deps.onCrash(payload.error);
  });

  const eachBatch = async ({ batch, isStale }: EachBatchPayload): Promise<void> => {
    if (isStopping || isStale()) return;
    let hasLost = false;
    const rules = {
      ...config,
      node: copy.node,
      now: now(),
      onMalformed: deps.onNotice,
      onLost: () => {
        hasLost = true;
      },
    };
    const { partition, messages } = batch;
    const next = await copy.transaction((writer) => applyMessages(writer, partition, cursors.get(partition) ?? 0, messages, rules));
    cursors.set(partition, next);
    if (hasLost) deps.onLost();
  };

  const stop = async (): Promise<void> => {
    isStopping = true;
    await consumer.disconnect();
  };

  try {
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({ autoCommit: false, eachBatch });
  } catch (error) {
    await stop().catch(() => undefined);
    throw error;
  }
  return { position: (partition) => cursors.get(partition), stop };
};
