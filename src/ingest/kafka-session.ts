import { setTimeout as delay } from 'node:timers/promises';
import type { EachBatchPayload, Batch as FetchedBatch, Kafka } from 'kafkajs';
import type { Logger } from 'pino';
import { entryBuffer, type Taken } from './kafka-buffer.js';
import type { Cursors } from './kafka-cursors.js';
import { entryOf, toBatch } from './kafka-entries.js';
import { missedOf, offsetsAt } from './kafka-missed.js';
import { commitMark, type Known, knownOf, type Start, type StreamGap, startOf } from './kafka-positions.js';
import type { BatchLimits, Following, Handler, Lag } from './stream.js';

export type SessionOptions = {
  readonly client: Kafka;
  readonly topic: string;
  readonly groupId: string;
  readonly limits: BatchLimits;
  readonly session_ms: number;
  readonly cursors: Cursors;
  readonly log: Logger;
  readonly handle: Handler;
  /** Told of offsets that will never be read; the group's offset passes them when it resolves. */
  readonly onGap: (gap: StreamGap) => Promise<void> | void;
  /** Told why the handler rejected, and undefined when it no longer does. */
  readonly onRefusal: (why: string | undefined) => void;
  /** A follower is told what to have elsewhere instead of `onGap`. */
  readonly following?: Following;
};

/** One membership in a consumer group, from connecting until it breaks or is closed. */
export type Session = {
  /** Rejects when it broke: nothing more is handed on. Pending until then. */
  readonly broken: Promise<never>;
  /** Resolves when the batch in hand is handled (or its present attempt failed), its offsets are committed and the group is left. */
  readonly close: () => Promise<void>;
  /** Undefined until the group has given it partitions. */
  readonly lag: () => Lag | undefined;
  /** Milliseconds since the brokers last answered. */
  readonly silence: () => number;
};

const FETCH_WAIT_MS = 500;
const FETCH_BYTES = { least: 1 << 20, most: 8 << 20 };
const RETRY_MS = { first: 250, most: 5_000 };
const MARKS_MS = 5_000;
const LEAVING_MS = 50;
const LEAVE_MS = 10_000;
const START_TRIES = 20;

/** One partition while this session has it. Offsets are those of the next message. */
type Partition = {
  fetched: number;
  handled: number;
  high: number;
  /** What was asked for instead of `fetched`, the last time. */
  strayed: number;
  /** When the last message that was handled had been sent, where that is known. */
  time: number | undefined;
};

/** Resolves after `ms`, or at once when the signal is aborted. */
export const rest = (ms: number, signal: AbortSignal): Promise<void> => delay(ms, undefined, { signal }).catch(() => undefined);

const within = (ms: number, work: Promise<unknown>): Promise<unknown> => Promise.race([work, delay(ms, undefined, { ref: false })]);

/** A follower that is new begins at `since`; what retention has taken since then is missing. What this node knows by itself doesn't count: another may have gone on. */
const followerStart = (at: Known, since: number): Start => {
  if (at.committed >= 0) return startOf({ ...at, own: undefined });
  const offset = Math.max(at.low, since);
  return at.low > 0 && since <= at.low ? { offset, gap: { from: 0, to: at.low, reason: 'retention' } } : { offset };
};

export const openSession = (options: SessionOptions): Session => {
  const { client, topic, groupId, limits, cursors, log } = options;
  const fetchBytes = Math.min(FETCH_BYTES.most, Math.max(FETCH_BYTES.least, limits.bytes));
  const heartbeatInterval = Math.ceil(options.session_ms / 10);
  const consumer = client.consumer({
    groupId,
    sessionTimeout: options.session_ms,
    heartbeatInterval,
    maxWaitTimeInMs: FETCH_WAIT_MS,
    maxBytesPerPartition: fetchBytes,
    maxBytes: fetchBytes,
    allowAutoTopicCreation: false,
    retry: { retries: 4, restartOnFailure: () => Promise.resolve(false) },
  });
  const admin = client.admin();
  const buffer = entryBuffer(limits);
  const partitions = new Map<number, Partition>();
  const closing = new AbortController();
  let inHand: Taken | undefined;
  let isLeaving = false;
  let hasJoined = false;
  let contact = Date.now();
  let fail: (error: unknown) => void = () => undefined;
  const broken = new Promise<never>((_, reject) => {
    fail = reject;
  });
  broken.catch(() => undefined);

  const touch = (): void => {
    contact = Date.now();
  };

  const report = async (gap: Omit<StreamGap, 'topic'>): Promise<void> => {
    if (options.following) return makeGood(options.following, gap);
    log.error({ topic, ...gap }, `Messages ${gap.from} to ${gap.to} of ${topic}/${gap.partition} will never be read (${gap.reason}).`);
    await options.onGap({ topic, ...gap });
  };

  /** What the brokers hold no more, the follower has elsewhere; until it has, nothing behind it is read. */
  const makeGood = async ({ onMissed, since }: Following, { partition, from, to }: Omit<StreamGap, 'topic'>): Promise<void> => {
    const state = partitions.get(partition);
    const missed = await missedOf(admin, topic, { partition, from, to, time: state?.time }, since);
    await onMissed(missed);
    if (state) state.time = missed.to;
  };

  const commit = async (next: ReadonlyMap<number, number>): Promise<void> => {
    await cursors.save(next);
    try {
      const marked = (partition: number): string => commitMark(options.following && partitions.get(partition)?.time);
      await consumer.commitOffsets([...next].map(([partition, offset]) => ({ topic, partition, offset: String(offset), metadata: marked(partition) })));
      touch();
    } catch (error) {
      // The next commit says the same and more; until then a restart repeats what was handled.
      log.debug({ why: (error as Error).message }, 'Offsets could not be committed.');
    }
  };

  /** Moves reading to where it must go on, after what lies before that has been reported. */
  const moveTo = async (partition: number, offset: number, gap: Omit<StreamGap, 'topic' | 'partition'> | undefined, epoch: number): Promise<void> => {
    if (gap) await report({ partition, ...gap });
    const state = partitions.get(partition);
    if (epoch !== buffer.epoch() || !state) return;
    state.fetched = offset;
    consumer.seek({ topic, partition, offset: String(offset) });
    const isWaiting = buffer.holds(partition) || inHand?.entries.some((entry) => entry.partition === partition);
    if (gap && !isWaiting) await commit(new Map([[partition, offset]]));
  };

  const begin = async (assigned: readonly number[], epoch: number): Promise<void> => {
    const known = await persist(() => knownOf(admin, topic, groupId, assigned, cursors.get), epoch);
    if (!known) return;
    const { following } = options;
    const since = following && (await persist(() => offsetsAt(admin, topic, following.since), epoch));
    for (const [partition, at] of known) {
      const { offset, gap } = since ? followerStart(at, since.get(partition) ?? at.low) : startOf(at);
      partitions.set(partition, { fetched: offset, handled: offset, high: at.high, strayed: -1, time: at.time });
      await moveTo(partition, offset, gap, epoch);
      if (epoch !== buffer.epoch()) return;
    }
    hasJoined = true;
    consumer.resume([{ topic, partitions: [...assigned] }]);
  };

  /** Asks until there is an answer; undefined if the question is no longer this session's. */
  const persist = async <T>(ask: () => Promise<T>, epoch: number): Promise<T | undefined> => {
    for (let tries = 1; ; tries += 1) {
      try {
        const answer = await ask();
        return epoch === buffer.epoch() ? answer : undefined;
      } catch (error) {
        if (closing.signal.aborted || epoch !== buffer.epoch()) return undefined;
        if (tries === START_TRIES) throw error;
        await rest(RETRY_MS.first, closing.signal);
      }
    }
  };

  const joined = (assigned: readonly number[]): void => {
    touch();
    buffer.clear();
    partitions.clear();
    hasJoined = assigned.length === 0;
    if (assigned.length === 0 || closing.signal.aborted) return;
    consumer.pause([{ topic, partitions: [...assigned] }]);
    begin(assigned, buffer.epoch()).catch(fail);
  };

  /**
   * The batch was not asked for at the offset where the last one ended: it is left over from before a rebalance, or
   * kafkajs has reset an offset that was out of range. Nothing of it is taken.
   */
  const realign = async (number: number, partition: Partition, asked: number): Promise<void> => {
    const epoch = buffer.epoch();
    const marks = await persist(() => admin.fetchTopicOffsets(topic), epoch);
    const found = marks?.find((mark) => mark.partition === number);
    if (!found) return;
    const { offset, gap } = startOf({ committed: partition.fetched, isOurs: true, own: undefined, low: Number(found.low), high: Number(found.high) });
    // Asked for twice from the same place: the brokers hold nothing for us in between, such as the marks of transactions.
    const next = !gap && partition.strayed === asked && asked > offset ? asked : offset;
    partition.strayed = asked;
    await moveTo(number, next, gap, epoch);
  };

  const receive = async (batch: FetchedBatch, resolveOffset: (offset: string) => void): Promise<void> => {
    const partition = partitions.get(batch.partition);
    if (!partition) return;
    const first = batch.firstOffset();
    const last = batch.lastOffset();
    const asked = Number((batch as FetchedBatch & { readonly fetchedOffset?: string }).fetchedOffset ?? partition.fetched);
    if (asked !== partition.fetched) return realign(batch.partition, partition, asked);
    if (first !== null && Number(first) > partition.fetched) {
      const epoch = buffer.epoch();
      await report({ partition: batch.partition, from: partition.fetched, to: Number(first), reason: 'hole' });
      if (epoch !== buffer.epoch()) return;
    }
    partition.fetched = Number(last) + 1;
    partition.high = Math.max(partition.high, Number(batch.highWatermark));
    buffer.push(batch.messages.map((message) => entryOf(batch.partition, message)));
    resolveOffset(last);
  };

  const eachBatch = async ({ batch, heartbeat, resolveOffset }: EachBatchPayload): Promise<void> => {
    touch();
    const epoch = buffer.epoch();
    while (!isLeaving && (buffer.isFull() || closing.signal.aborted)) {
      // A closed buffer always has room: what is left over waits for the goodbye, and the group is kept until then.
      await (closing.signal.aborted ? delay(LEAVING_MS) : buffer.room(heartbeatInterval));
      await heartbeat();
    }
    if (!isLeaving && epoch === buffer.epoch()) await receive(batch, resolveOffset);
  };

  const handleUntilDone = async ({ entries, epoch }: Taken): Promise<boolean> => {
    const batch = toBatch(topic, entries);
    let pause = RETRY_MS.first;
    for (;;) {
      try {
        await options.handle(batch);
        options.onRefusal(undefined);
        return true;
      } catch (error) {
        options.onRefusal((error as Error).message);
      }
      await rest(pause, closing.signal);
      if (closing.signal.aborted || epoch !== buffer.epoch()) return false;
      pause = Math.min(pause * 2, RETRY_MS.most);
    }
  };

  const settle = async ({ entries, epoch }: Taken): Promise<void> => {
    if (epoch !== buffer.epoch()) return;
    const next = new Map<number, number>();
    for (const { partition, offset, time } of entries) {
      next.set(partition, offset + 1);
      const state = partitions.get(partition);
      if (state) state.time = time;
    }
    for (const number of next.keys()) {
      const partition = partitions.get(number);
      if (!partition) continue;
      if (!buffer.holds(number)) next.set(number, partition.fetched);
      partition.handled = next.get(number) ?? partition.handled;
    }
    await commit(next);
  };

  const pump = async (): Promise<void> => {
    for (;;) {
      inHand = await buffer.take();
      if (!inHand) return;
      if (await handleUntilDone(inHand)) await settle(inHand);
    }
  };

  const refreshMarks = async (): Promise<void> => {
    for (;;) {
      await rest(MARKS_MS, closing.signal);
      if (closing.signal.aborted) return;
      const marks = await admin.fetchTopicOffsets(topic).catch(() => []);
      for (const { partition: number, high } of marks) {
        const partition = partitions.get(number);
        if (partition) partition.high = Math.max(partition.high, Number(high));
      }
    }
  };

  const open = async (): Promise<void> => {
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => joined(payload.memberAssignment[topic] ?? []));
    consumer.on(consumer.events.HEARTBEAT, touch);
    consumer.on(consumer.events.CRASH, ({ payload }) => fail(payload.error));
    await admin.connect();
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    if (!closing.signal.aborted) await consumer.run({ autoCommit: false, eachBatchAutoResolve: false, eachBatch });
  };

  const pumping = pump();
  pumping.catch(fail);
  const refreshing = refreshMarks();
  const opening = open();
  opening.catch(fail);

  const close = async (): Promise<void> => {
    closing.abort();
    buffer.close();
    await pumping.catch(() => undefined);
    isLeaving = true;
    await within(
      LEAVE_MS,
      opening.catch(() => undefined),
    );
    await within(LEAVE_MS, Promise.allSettled([consumer.disconnect(), refreshing]));
    await within(
      LEAVE_MS,
      admin.disconnect().catch(() => undefined),
    );
  };

  const oldest = (): number => Math.min(inHand?.entries[0]?.time ?? Number.POSITIVE_INFINITY, buffer.oldest() ?? Number.POSITIVE_INFINITY);

  return {
    broken,
    close,
    lag: () => {
      if (!hasJoined) return undefined;
      const events = [...partitions.values()].reduce((sum, { high, handled }) => sum + Math.max(0, high - handled), 0);
      return { events, seconds: events > 0 && Number.isFinite(oldest()) ? Math.max(0, (Date.now() - oldest()) / 1000) : 0 };
    },
    silence: () => Date.now() - contact,
  };
};
