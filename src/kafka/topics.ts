import kafkajs, { type Admin, type ITopicConfig, type Kafka } from 'kafkajs';
import type { KafkaConfig } from '../config.js';

const HOUR_MS = 3_600_000;

/** The names of Verdict's topics under a prefix. */
export const topicNames = (prefix: string) => ({ events: `${prefix}.events`, entities: `${prefix}.entities`, quarantine: `${prefix}.quarantine` }) as const;

type Wanted = {
  readonly topic: string;
  readonly partitions: number;
  readonly cleanup: 'delete' | 'compact';
  readonly settings: Readonly<Record<string, string>>;
};

/**
 * What the topics must be. How long `events` is kept is the operator's choice (`retention.ms`, the cluster's default
 * at first): longer than the store may be away. The directory's feed relies on the compaction of `entities`: a node
 * that was away for less than `delete.retention.ms` sees every deletion. `quarantine` holds one record for each thing
 * set aside until a tombstone removes it.
 */
const wanted = (config: KafkaConfig): readonly Wanted[] => {
  const names = topicNames(config.topic_prefix);
  const compacted = { 'min.compaction.lag.ms': String(HOUR_MS), 'delete.retention.ms': String(24 * HOUR_MS) };
  return [
    { topic: names.events, partitions: config.partitions, cleanup: 'delete', settings: {} },
    { topic: names.entities, partitions: config.partitions, cleanup: 'compact', settings: compacted },
    {
      topic: names.quarantine,
      partitions: 1,
      cleanup: 'compact',
      settings: { 'delete.retention.ms': String(24 * HOUR_MS), 'max.message.bytes': String(2 << 20) },
    },
  ];
};

const definition = ({ topic, partitions, cleanup, settings }: Wanted, replicas: number): ITopicConfig => ({
  topic,
  numPartitions: partitions,
  replicationFactor: replicas,
  configEntries: Object.entries({ 'cleanup.policy': cleanup, ...settings, ...(replicas >= 3 && { 'min.insync.replicas': '2' }) }).map(([name, value]) => ({
    name,
    value,
  })),
});

const misfits = async (admin: Admin, existing: readonly Wanted[]): Promise<readonly string[]> => {
  if (existing.length === 0) return [];
  const { topics } = await admin.fetchTopicMetadata({ topics: existing.map(({ topic }) => topic) });
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: existing.map(({ topic }) => ({ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configNames: ['cleanup.policy'] })),
  });
  return existing.flatMap(({ topic, partitions, cleanup }) => {
    const found = topics.find(({ name }) => name === topic)?.partitions.length ?? 0;
    const policy = resources
      .find(({ resourceName }) => resourceName === topic)
      ?.configEntries.find(({ configName }) => configName === 'cleanup.policy')?.configValue;
    return [
      ...(found < partitions
        ? [
            `The topic ${topic} has ${found} partitions, fewer than kafka.partitions (${partitions}); at most ${found} consumers share it. Adding partitions moves accounts between them: do it while nothing is written.`,
          ]
        : []),
      ...(policy !== undefined && policy !== cleanup
        ? [`The topic ${topic} has cleanup.policy=${policy} where Verdict relies on ${cleanup}; set it with kafka-configs --alter, or records will be missing.`]
        : []),
    ];
  });
};

const LEADERS_MS = 30_000;
const LOOK_MS = 100;

/** Until every partition of the new topics has a leader that the brokers know of. A broker that hasn't heard of a topic yet is asked again, which kafkajs's own wait does not. */
const untilLed = async (admin: Admin, made: readonly Wanted[]): Promise<void> => {
  const end = Date.now() + LEADERS_MS;
  for (;;) {
    const found = await admin.fetchTopicMetadata({ topics: made.map(({ topic }) => topic) }).catch((error: { readonly retriable?: boolean }) => {
      if (error.retriable !== true || Date.now() > end) throw error;
      return undefined;
    });
    if (found?.topics.every(({ partitions }) => partitions.length > 0 && partitions.every(({ leader }) => leader >= 0))) return;
    if (Date.now() > end) throw new Error(`After ${LEADERS_MS / 1000} s the new topics have no leaders yet.`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
};

/**
 * Makes the topics that don't exist, with a replication factor no higher than there are brokers. Answers with a sentence
 * for each that exists and doesn't fit. Rejects where the brokers can't be reached or refuse; `admin` must be connected.
 */
export const ensureTopics = async (admin: Admin, config: KafkaConfig): Promise<readonly string[]> => {
  const present = new Set(await admin.listTopics());
  const all = wanted(config);
  const missing = all.filter(({ topic }) => !present.has(topic));
  if (missing.length > 0) {
    const { brokers } = await admin.describeCluster();
    const replicas = Math.max(1, Math.min(config.replication_factor, brokers.length));
    await admin.createTopics({ waitForLeaders: false, topics: missing.map((topic) => definition(topic, replicas)) });
    await untilLed(admin, missing);
  }
  return misfits(
    admin,
    all.filter(({ topic }) => present.has(topic)),
  );
};

/** {@link ensureTopics} on a connection of its own. Rejects with a sentence that names the brokers. */
export const prepareTopics = async (client: Kafka, config: KafkaConfig): Promise<readonly string[]> => {
  const admin = client.admin();
  try {
    await admin.connect();
    return await ensureTopics(admin, config);
  } catch (error) {
    const topics = Object.values(topicNames(config.topic_prefix)).join(', ');
    throw new Error(`The topics ${topics} can't be checked or made at ${config.brokers.join(', ')} (kafka.brokers): ${(error as Error).message}`, {
      cause: error,
    });
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
};
