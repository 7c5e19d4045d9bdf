import { setTimeout as sleep } from 'node:timers/promises';
import kafkajs, { type Admin, Partitioners } from 'kafkajs';
import { ageOf, type Copy } from './copy.js';
import { type Reader, startReader } from './feed-reader.js';
import { alarm, type SessionConfig, type SessionDeps, trustedFrom, watch } from './feed-watch.js';

const DISCONNECT_MS = 5_000;

const retentionOf = async (admin: Admin, topic: string): Promise<number> => {
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configNames: ['delete.retention.ms'] }],
  });
  const value = Number(resources[0]?.configEntries.find(({ configName }) => configName === 'delete.retention.ms')?.configValue);
  if (Number.isFinite(value)) return value;
  throw new Error(`delete.retention.ms of ${topic} can't be read; Kafka's user needs DescribeConfigs on that topic.`);
};

const within = (work: Promise<unknown>): Promise<unknown> => Promise.race([work.catch(() => undefined), sleep(DISCONNECT_MS, undefined, { ref: false })]);

/** Why the copy can't be gone on with, as a sentence; undefined where it can. */
const distrust = (copy: Copy, origin: string, markMs: number, now: number): string | undefined => {
  const known = copy.noted('origin');
  if (!known) return undefined;
  if (known !== origin) return `it was made from ${known}, and this is ${origin}`;
  const age = ageOf(trustedFrom(copy), now);
  return age > markMs ? `it was last complete ${Math.round(age / 1000)} s ago, and deletions are only sure to be found for ${markMs / 1000} s` : undefined;
};

/** Entities that came from no topic are the only ones of their kind: they are never thrown away. */
const refuseForeign = (copy: Copy, topic: string): void => {
  if (copy.noted('origin') || copy.isBlank()) return;
  throw new Error(
    `this node's directory was made without Kafka, and its entities are not on ${topic}. List them with kafka.brokers empty, move the directory's folder away, and write them again.`,
  );
};

/** Empties the copy; staleness is infinite until the topic is read again from its beginning. */
const restart = async ({ copy, now, onNotice }: SessionDeps, why: string): Promise<void> => {
  await copy.transaction((writer) => {
    writer.clear();
    writer.note('since', String(now()));
  });
  onNotice(`This node's copy of the directory is built again from the topic's beginning: ${why}.`);
};

/**
 * Notes what the copy is made from. More partitions than before put an entity's later records into another one than its
 * earlier: once the tombstone of a deletion is gone there, nothing hides the earlier ones from a node that starts anew.
 */
const settleIn = async (admin: Admin, topic: string, origin: string, { copy, now, onNotice }: SessionDeps): Promise<void> => {
  const partitions = String((await admin.fetchTopicOffsets(topic)).length);
  const before = copy.noted('partitions') ?? partitions;
  if (before !== partitions)
    onNotice(
      `${topic} has ${partitions} partitions, and had ${before}: deleted entities may come back on new nodes. Never add partitions to it; copy it to a new topic instead.`,
    );
  await copy.transaction((writer) => {
    writer.note('origin', origin);
    writer.note('partitions', partitions);
    if (copy.noted('since') === undefined) writer.note('since', String(now()));
  });
};

/**
 * One connection's life: reads the topic into the copy until the signal, a failure (it rejects), or the end of trust in
 * the copy (it empties it and resolves; the next session begins at zero). Whenever everything is read, the time at
 * which that was asked becomes the copy's heartbeat.
 */
export const runSession = async (config: SessionConfig, deps: SessionDeps): Promise<void> => {
  const { topic, repairMs, signal } = config;
  const { copy, kafka, now, onNotice } = deps;
  const admin = kafka.admin();
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner, allowAutoTopicCreation: false });
  const bell = alarm(signal);
  let reader: Reader | undefined;
  try {
    await admin.connect();
    await producer.connect();
    const markMs = (await retentionOf(admin, topic)) / 2;
    const origin = `${(await admin.describeCluster()).clusterId}/${topic}`;
    refuseForeign(copy, topic);
    const why = distrust(copy, origin, markMs, now());
    if (why) await restart(deps, why);
    await settleIn(admin, topic, origin, deps);
    reader = await startReader({ topic, markMs, repairMs }, { copy, kafka, now, onNotice, onLost: bell.ring, onCrash: bell.fail });
    const lost = await watch({ admin, producer, reader, bell }, { ...config, markMs }, deps);
    if (lost === undefined) return;
    await reader.stop();
    await restart(deps, lost);
  } finally {
    bell.silence();
    await Promise.all([reader && within(reader.stop()), within(producer.disconnect()), within(admin.disconnect())]);
  }
};
