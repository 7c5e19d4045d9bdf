import { setTimeout as sleep } from 'node:timers/promises';
import type { Kafka } from 'kafkajs';
import { topicNames } from '../../kafka/index.js';
import { ageOf, openCopy } from './copy.js';
import { runSession } from './feed-session.js';

export type DirectoryFeedConfig = {
  /** The folder of the LMDB environment that decision workers read. */
  readonly path: string;
  /** The topic is `<prefix>.entities`; it must exist. */
  readonly topicPrefix: string;
  /** How often the feed makes sure that it has everything, in milliseconds. */
  readonly checkMs?: number;
  /** How long another node's rejected record may stand last before this node mends it, in milliseconds. */
  readonly repairMs?: number;
};

export type DirectoryFeedDeps = {
  readonly kafka: Kafka;
  readonly now?: () => number;
  /** Told, as a sentence, of each failure and of each message that isn't Verdict's. */
  readonly onTrouble?: (sentence: string) => void;
};

export type DirectoryFeed = {
  /** Resolves at once: the brokers may be away. */
  readonly start: () => Promise<void>;
  readonly stop: () => Promise<void>;
  /** What keeps the copy from being complete, as a sentence; undefined when all is well. */
  readonly trouble: () => string | undefined;
  /** Milliseconds since the copy was last known to be complete; infinite while it is being built. */
  readonly staleness: () => number;
};

const CHECK_MS = 1_000;
const REPAIR_MS = 10_000;
/** A client that waits for brokers that are away is not waited for any longer. */
const STOP_MS = 8_000;
const RETRY_MS = { first: 200, most: 5_000 };

/**
 * Keeps this node's copy of a fleet's directory: one for each node, the only one that writes entities there. Starts
 * over with a new connection after each failure, and from the topic's beginning where the copy can't be trusted.
 */
export const directoryFeed = (config: DirectoryFeedConfig, deps: DirectoryFeedDeps): DirectoryFeed => {
  const now = deps.now ?? Date.now;
  const copy = openCopy(config.path, now);
  const stopping = new AbortController();
  let running: Promise<void> | undefined;
  let complaint: string | undefined;

  const complain = (sentence: string): void => {
    complaint = sentence;
    deps.onTrouble?.(sentence);
  };

  const session = () =>
    runSession(
      { topic: topicNames(config.topicPrefix).entities, checkMs: config.checkMs ?? CHECK_MS, repairMs: config.repairMs ?? REPAIR_MS, signal: stopping.signal },
      {
        copy,
        kafka: deps.kafka,
        now,
        onComplete: () => {
          complaint = undefined;
        },
        onNotice: (sentence) => deps.onTrouble?.(sentence),
      },
    );

  const run = async (): Promise<void> => {
    let pause = RETRY_MS.first;
    while (!stopping.signal.aborted) {
      const started = now();
      try {
        await session();
      } catch (error) {
        complain(`The directory's feed stopped and starts again: ${(error as Error).message}`);
        if (now() - started > 60_000) pause = RETRY_MS.first;
        await sleep(pause, undefined, { signal: stopping.signal }).catch(() => undefined);
        pause = Math.min(pause * 2, RETRY_MS.most);
      }
    }
  };

  return {
    start: async () => {
      running ??= run();
    },
    stop: async () => {
      stopping.abort();
      await Promise.race([running, sleep(STOP_MS, undefined, { ref: false })]);
      await copy.close();
    },
    trouble: () =>
      complaint ?? (copy.heartbeat() === 0 ? 'The copy of the directory is being built from the topic; decisions are denied until then.' : undefined),
    staleness: () => ageOf(copy.heartbeat(), now()),
  };
};
