import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Admin } from 'kafkajs';
import { pino } from 'pino';
import type { KafkaConfig } from '../../src/config.js';
import { type Directory, type DirectoryFeed, directoryFeed, kafkaDirectory } from '../../src/evaluate/directory/index.js';
import { ensureTopics, kafkaClient, topicNames } from '../../src/kafka/index.js';
import { kafkaConfig } from './kafka-config.js';

const log = pino({ level: 'silent' });

/** One node's directory: its feed and a worker's view, in this process. */
export type FleetNode = {
  readonly path: string;
  readonly feed: DirectoryFeed;
  readonly directory: Directory;
  /** What the feed had to say. */
  readonly notices: readonly string[];
  readonly stop: () => Promise<void>;
};

/** A message of the topic of entities, as it stands there. */
export type OnTopic = { readonly partition: number; readonly key: string; readonly value: string | null; readonly headers: Readonly<Record<string, string>> };

/** Waits until something holds. */
export const until = async (what: string, holds: () => boolean, ms = 20_000): Promise<void> => {
  const end = Date.now() + ms;
  while (!holds()) {
    if (Date.now() > end) throw new Error(`Not within ${ms} ms: ${what}.`);
    await sleep(2);
  }
};

/** A fleet on these brokers, under topics of its own. */
export const fleetOn = async (brokers: readonly string[], changes: Partial<KafkaConfig> = {}) => {
  const config = kafkaConfig(brokers, changes);
  const topic = topicNames(config.topic_prefix).entities;
  const nodes = new Set<FleetNode>();
  const folders = new Set<string>();

  const asAdmin = async <T>(work: (admin: Admin) => Promise<T>): Promise<T> => {
    const admin = kafkaClient(config, log).admin();
    await admin.connect();
    try {
      return await work(admin);
    } finally {
      await admin.disconnect();
    }
  };
  await asAdmin((admin) => ensureTopics(admin, config));

  const start = async (options: { path?: string; checkMs?: number; repairMs?: number; timeoutMs?: number; incomplete?: boolean } = {}): Promise<FleetNode> => {
    const { path = mkdtempSync(join(tmpdir(), 'verdict-fleet-')), incomplete, timeoutMs, ...rest } = options;
    folders.add(path);
    const notices: string[] = [];
    const kafka = kafkaClient(config, log);
    const feed = directoryFeed({ path, topicPrefix: config.topic_prefix, ...rest }, { kafka, onTrouble: (sentence) => notices.push(sentence) });
    const directory = kafkaDirectory({ path, topicPrefix: config.topic_prefix, ...(timeoutMs !== undefined && { timeoutMs }) }, { kafka });
    const before = directory.staleness();
    await feed.start();
    const node: FleetNode = {
      path,
      feed,
      directory,
      notices,
      stop: async () => {
        nodes.delete(node);
        await feed.stop();
        await directory.close();
      },
    };
    nodes.add(node);
    if (!incomplete) await until('the copy is complete', () => directory.staleness() < Math.min(before, 5_000) && feed.trouble() === undefined);
    return node;
  };

  /** The topic as a consumer finds it that reads it from its beginning. */
  const read = async (): Promise<readonly OnTopic[]> => {
    const ends = await asAdmin((admin) => admin.fetchTopicOffsets(topic));
    const open = new Set(ends.filter(({ high, low }) => Number(high) > Number(low)).map(({ partition }) => partition));
    const found: OnTopic[] = [];
    const consumer = kafkaClient(config, log).consumer({ groupId: `${topic}.look.${Date.now()}.${Math.random()}`, maxWaitTimeInMs: 50 });
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachMessage: async ({ partition, message: { key, value, headers, offset } }) => {
        const texts = Object.entries(headers ?? {}).map(([name, text]) => [name, String(text)] as const);
        found.push({ partition, key: String(key), value: value === null ? null : value.toString(), headers: Object.fromEntries(texts) });
        if (Number(offset) + 1 >= Number(ends.find((end) => end.partition === partition)?.high)) open.delete(partition);
      },
    });
    await until('the topic is read', () => open.size === 0);
    await consumer.disconnect();
    return found;
  };

  return {
    config,
    topic,
    client: () => kafkaClient(config, log),
    asAdmin,
    start,
    read,
    close: async () => {
      for (const node of nodes) await node.stop();
      for (const folder of folders) rmSync(folder, { recursive: true, force: true });
    },
  };
};

export type Fleet = Awaited<ReturnType<typeof fleetOn>>;
