import type { Admin, Kafka, Producer } from 'kafkajs';
import type { Copy } from './copy.js';
import type { Reader } from './feed-reader.js';
import { beacon, toMessage } from './record.js';

export type SessionConfig = {
  readonly topic: string;
  readonly checkMs: number;
  readonly repairMs: number;
  readonly signal: AbortSignal;
};

export type SessionDeps = {
  readonly copy: Copy;
  readonly kafka: Kafka;
  readonly now: () => number;
  /** Told after each check that found the copy complete. */
  readonly onComplete: () => void;
  /** Told of what a person should know: a rebuild, a message that isn't Verdict's. */
  readonly onNotice: (sentence: string) => void;
};

/** First and next offset of a partition. */
type Ends = { readonly low: number; readonly high: number };

/** A partition that takes no step for so long, though its end isn't reached, gets a beacon. */
const STANDSTILL_MS = 5_000;
/** A topic that ends before the copy's cursor in so many checks is believed to be another one. */
const SHORTER = 5;
/** As many of the largest entities as fit into one request. */
const MENDED_AT_ONCE = 16;
/** How often a copy that is being built is checked. */
const BUILDING_MS = 100;

const endsOf = async (admin: Admin, topic: string): Promise<ReadonlyMap<number, Ends>> =>
  new Map((await admin.fetchTopicOffsets(topic)).map(({ partition, low, high }) => [partition, { low: Number(low), high: Number(high) }]));

/** Since when the copy may lack deletions: its last heartbeat, or the start of its building. */
export const trustedFrom = (copy: Copy): number => copy.heartbeat() || Number(copy.noted('since') ?? 0);

/** Something to wait for that can be rung early, or fail. */
export const alarm = (signal: AbortSignal) => {
  let failure: Error | undefined;
  let isRung = false;
  let wake: () => void = () => undefined;
  const ring = (): void => {
    isRung = true;
    wake();
  };
  signal.addEventListener('abort', ring, { once: true });
  return {
    ring,
    /** Nobody waits any more. */
    silence: () => signal.removeEventListener('abort', ring),
    fail: (error: Error): void => {
      failure = error;
      ring();
    },
    wait: async (ms: number): Promise<void> => {
      if (!isRung)
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, ms);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      isRung = false;
      if (failure) throw failure;
    },
  };
};

type Parts = { readonly admin: Admin; readonly producer: Producer; readonly reader: Reader; readonly bell: ReturnType<typeof alarm> };

/** Checks again and again whether everything is read. Resolves with nothing at the signal, or with why the copy can't be trusted. */
export const watch = async (
  { admin, producer, reader, bell }: Parts,
  config: SessionConfig & { readonly markMs: number },
  deps: SessionDeps,
): Promise<string | undefined> => {
  const { topic, markMs, signal } = config;
  const { copy, now } = deps;
  const stands = new Map<number, { readonly at: number; readonly since: number }>();
  let shorter = 0;
  let confirmed = performance.now();

  /** Writes a beacon where a partition's tail was compacted away: nothing else would show that its end is reached. */
  const push = async (partition: number, at: number): Promise<void> => {
    const stand = stands.get(partition);
    const isStill = stand?.at === at;
    if (isStill && performance.now() - stand.since < STANDSTILL_MS) return;
    stands.set(partition, { at, since: performance.now() });
    if (isStill) await producer.send({ topic, acks: -1, messages: [beacon(partition)] });
  };

  const lostIn = (ends: ReadonlyMap<number, Ends>, before: ReadonlyMap<number, number>): string | undefined => {
    for (const [partition, { low }] of ends) {
      const at = before.get(partition);
      if (at !== undefined && at < low) return `messages ${at} to ${low - 1} of partition ${partition} were removed before this node had read them`;
    }
    shorter = [...ends].some(([partition, { high }]) => (reader.position(partition) ?? 0) > high) ? shorter + 1 : 0;
    return shorter >= SHORTER ? 'the topic is shorter than what this node has read of it' : undefined;
  };

  const confirm = async (asked: number): Promise<string | undefined> => {
    const away = Math.max(asked - trustedFrom(copy), performance.now() - confirmed);
    if (away > markMs) return `it was not complete for ${Math.round(away / 1000)} s, and deletions are only sure to be found for ${markMs / 1000} s`;
    await copy.transaction((writer) => writer.beat(asked));
    confirmed = performance.now();
    deps.onComplete();
    return undefined;
  };

  let before: ReadonlyMap<number, number> = copy.cursors();
  for (;;) {
    if (signal.aborted) return undefined;
    const asked = now();
    const ends = await endsOf(admin, topic);
    const lost = lostIn(ends, before);
    if (lost) return lost;
    const positions = new Map([...ends].map(([partition, { low }]) => [partition, reader.position(partition) ?? low] as const));
    const behind = [...ends].filter(([partition, { high }]) => (positions.get(partition) ?? 0) < high);
    if (behind.length === 0 && shorter === 0) {
      const distrusted = await confirm(asked);
      if (distrusted) return distrusted;
      await mend(producer, config, deps);
    } else for (const [partition] of behind) await push(partition, positions.get(partition) ?? 0);
    before = positions;
    await bell.wait(behind.length === 0 || copy.heartbeat() > 0 ? config.checkMs : Math.min(config.checkMs, BUILDING_MS));
  }
};

/** Publishes accepted states whose key has a rejected record last; compaction would keep that one only. */
const mend = async (producer: Producer, { topic, repairMs }: SessionConfig, { copy, now }: SessionDeps): Promise<void> => {
  const due = copy
    .owed()
    .filter((one) => one.due <= now())
    .slice(0, MENDED_AT_ONCE);
  if (due.length === 0) return;
  const messages = due.flatMap(({ type, id }) => {
    const state = copy.state(type, id);
    return state ? [toMessage({ type, id, state, attempt: '', node: copy.node, isRepair: true }, { op: 'repair' })] : [];
  });
  await copy.transaction((writer) => {
    for (const { type, id } of due) writer.owe(type, id, now() + repairMs);
  });
  await producer.send({ topic, acks: -1, messages });
};
