import { join } from 'node:path';
import type { Kafka } from 'kafkajs';
import type { Logger } from 'pino';
import type { KafkaConfig } from '../config.js';
import { topicNames } from '../kafka/index.js';
import { openCursors } from './kafka-cursors.js';
import type { StreamGap } from './kafka-positions.js';
import { openSession, rest, type Session } from './kafka-session.js';
import type { BatchLimits, Consumer, Following, Handler, Lag } from './stream.js';

export type KafkaStreamDeps = {
  readonly client: Kafka;
  readonly log: Logger;
  /** The folder for the cursors' LMDB environments, one for each consumer. */
  readonly cursors: string;
  /** Told of offsets that will never be read; they are passed when it resolves, and reported again where it rejects. */
  readonly onGap: (consumer: string, gap: StreamGap) => Promise<void> | void;
  readonly onTrouble?: (consumer: string, sentence: string) => void;
  /** After how long without a sign of life the group gives a consumer's partitions to others, in milliseconds. */
  readonly session_ms?: number;
};

const SESSION_MS = 30_000;
const SILENCE_MS = 15_000;
const RETRY_MS = { first: 500, most: 5_000 };
const STEADY_MS = 60_000;

/** The consumer group of a consumer. */
export const groupOf = (config: KafkaConfig, name: string): string => `${config.topic_prefix}-${name}`;

/** Reads `<prefix>.events` as the group `<prefix>-<name>`, session after session. */
export const kafkaConsumer = (
  config: KafkaConfig,
  deps: KafkaStreamDeps,
  { name, limits, handle, following }: { readonly name: string; readonly limits: BatchLimits; readonly handle: Handler; readonly following?: Following },
): Consumer => {
  const topic = topicNames(config.topic_prefix).events;
  const groupId = groupOf(config, name);
  const cursors = openCursors(join(deps.cursors, name), topic);
  const log = deps.log.child({ part: 'kafka.consumer', group: groupId });
  const stop = new AbortController();
  const stopped = new Promise<void>((resolve) => stop.signal.addEventListener('abort', () => resolve(), { once: true }));
  let running: Promise<void> | undefined;
  let stopping: Promise<void> | undefined;
  let session: Session | undefined;
  let known: { readonly lag: Lag; readonly at: number } = { lag: { events: 0, seconds: 0 }, at: Date.now() };
  let breakage: string | undefined;
  let refusal: string | undefined;

  const away = (why: string): string => `Kafka (${config.brokers.join(', ')}) can't be read as ${groupId}; events wait there. ${why}`;

  const onRefusal = (why: string | undefined): void => {
    refusal = why;
    if (why !== undefined) deps.onTrouble?.(name, why);
  };

  const live = async (): Promise<void> => {
    session = openSession({
      client: deps.client,
      topic,
      groupId,
      limits,
      cursors,
      log,
      handle,
      session_ms: deps.session_ms ?? SESSION_MS,
      onGap: (gap) => deps.onGap(name, gap),
      onRefusal,
      ...(following && { following }),
    });
    try {
      await Promise.race([session.broken, stopped]);
    } catch (error) {
      breakage = (error as Error).message;
      deps.onTrouble?.(name, away(breakage));
    }
    currentLag();
    await session.close();
    session = undefined;
  };

  const run = async (): Promise<void> => {
    let pause = RETRY_MS.first;
    while (!stop.signal.aborted) {
      const startedAt = Date.now();
      await live();
      if (Date.now() - startedAt > STEADY_MS) pause = RETRY_MS.first;
      await rest(pause, stop.signal);
      pause = Math.min(pause * 2, RETRY_MS.most);
    }
  };

  /** While the brokers are away: what was known last, ageing. */
  const currentLag = (): Lag => {
    const lag = session?.lag();
    if (lag) {
      known = { lag, at: Date.now() };
      breakage = undefined;
      return lag;
    }
    const { events, seconds } = known.lag;
    return { events, seconds: events > 0 ? seconds + (Date.now() - known.at) / 1000 : 0 };
  };

  const end = async (): Promise<void> => {
    stop.abort();
    await running;
    await cursors.close();
  };

  return {
    start: async () => {
      running ??= run();
    },
    stop: () => (stopping ??= end()),
    lag: currentLag,
    trouble: () => {
      if (refusal !== undefined) return refusal;
      const silence = session?.silence() ?? 0;
      if (silence > SILENCE_MS) return away(`No answer for ${Math.round(silence / 1000)} s.`);
      return session?.lag() || breakage === undefined ? undefined : away(breakage);
    },
  };
};
