import { createHash } from 'node:crypto';
import { type Admin, Partitioners } from 'kafkajs';
import type { Missed } from './stream.js';

/** A node that was cut off brings events to the topic so much later than it recorded them, at most, as far as they are looked for. */
const LATE_MS = 3_600_000;

/** What a follower has not had of one partition: it was read up to `from` (the last message's time, where that is known), and goes on at `to`. */
export type MissedOffsets = { readonly partition: number; readonly from: number; readonly to: number; readonly time: number | undefined };

/** Which partition an account's events are in: the same rule by which they are sent. */
const partitionsOf = (topic: string, count: number): ((account: string) => number) => {
  const pick = Partitioners.DefaultPartitioner();
  const partitionMetadata = Array.from({ length: count }, (_, partitionId) => ({ partitionErrorCode: 0, partitionId, leader: 0, replicas: [], isr: [] }));
  return (account) => pick({ topic, partitionMetadata, message: { key: account, value: null } });
};

/** When the message at an offset was sent, in milliseconds since 1970: brokers tell the offset of a time, not the time of an offset. */
export const timeAt = async (admin: Admin, topic: string, partition: number, offset: number, now: number): Promise<number> => {
  let low = 0;
  let high = now + 1;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    const found = (await admin.fetchTopicOffsetsByTimestamp(topic, middle)).find((one) => one.partition === partition);
    if (Number(found?.offset ?? 0) > offset) high = middle;
    else low = middle;
  }
  return low;
};

/** The first offset of each partition that was sent at this time or later. */
export const offsetsAt = async (admin: Admin, topic: string, time: number): Promise<ReadonlyMap<number, number>> =>
  new Map((await admin.fetchTopicOffsetsByTimestamp(topic, time)).map(({ partition, offset }) => [partition, Number(offset)]));

/** What the store must be asked for in the place of offsets that the brokers no longer hold. `since`: where the follower begins at all. */
export const missedOf = async (admin: Admin, topic: string, { partition, from, to, time }: MissedOffsets, since: number): Promise<Missed> => {
  const now = Date.now();
  const marks = await admin.fetchTopicOffsets(topic);
  const mark = marks.find((one) => one.partition === partition);
  const isAtEnd = mark !== undefined && to >= Number(mark.high);
  const pick = partitionsOf(topic, marks.length);
  return {
    from: Math.max(since, (time ?? since) - LATE_MS),
    to: isAtEnd ? now : await timeAt(admin, topic, partition, to, now),
    has: ({ account }) => pick(account) === partition,
    key: createHash('sha256').update(`${topic}/${partition}/${from}/${to}`).digest('hex').slice(0, 32),
  };
};
