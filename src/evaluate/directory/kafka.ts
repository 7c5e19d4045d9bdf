import { setTimeout as sleep } from 'node:timers/promises';
import { type Kafka, type Message, Partitioners, type Producer } from 'kafkajs';
import { newUlid } from '../../event/index.js';
import { topicNames } from '../../kafka/index.js';
import { ageOf, openCopy } from './copy.js';
import { checkChanges } from './limits.js';
import { outcomeIn } from './local.js';
import { toMessage } from './record.js';
import { judge, versionOf } from './state.js';
import type { Directory, EntityChange, EntityOutcome } from './types.js';

export type KafkaDirectoryConfig = {
  /** The folder of the LMDB environment that this node's feed fills. */
  readonly path: string;
  /** The topic is `<prefix>.entities`; it must exist. */
  readonly topicPrefix: string;
  /** How long a change may take to come back from the brokers, in milliseconds. */
  readonly timeoutMs?: number;
};

const TIMEOUT_MS = 10_000;
/** How long a change that names a version this copy hasn't seen waits for it. */
const CATCH_UP_MS = 2_000;
const POLL_MS = 3;
const SEND_BYTES = 512 * 1024;
/** A change that isn't decided yet: `attempt` is set while its record is on the way. */
type Open = { readonly index: number; readonly change: EntityChange; readonly attempt?: string };
type Attempt = Open & { readonly attempt: string; readonly message: Message };

/** Splits messages into requests that no broker finds too large. */
const requestsOf = (messages: readonly Message[]): readonly Message[][] => {
  const requests: Message[][] = [];
  let bytes = SEND_BYTES;
  for (const message of messages) {
    const size = 200 + (message.value?.length ?? 0) * 2;
    if (bytes + size > SEND_BYTES) {
      requests.push([]);
      bytes = 0;
    }
    requests.at(-1)?.push(message);
    bytes += size;
  }
  return requests;
};

/** The first open change of each (type, id): those behind it wait for what becomes of it. */
const firstOfEach = (open: readonly Open[]): readonly Open[] => {
  const first = new Map<string, Open>();
  for (const one of open) {
    const key = `${one.change.type}/${one.change.id}`;
    if (!first.has(key)) first.set(key, one);
  }
  return [...first.values()];
};

/**
 * A fleet's directory, as a decision worker sees it: reads come from the copy that this node's feed keeps; a write is a
 * record on the topic, and is answered when the feed has brought it back, in its place among everybody's. What doesn't
 * come back in time is `unavailable`: nothing is promised, it may still happen.
 */
export const kafkaDirectory = (config: KafkaDirectoryConfig, deps: { readonly kafka: Kafka; readonly now?: () => number }): Directory => {
  const now = deps.now ?? Date.now;
  const copy = openCopy(config.path, now);
  const topic = topicNames(config.topicPrefix).entities;
  const timeoutMs = config.timeoutMs ?? TIMEOUT_MS;
  // No idempotence: after an error it can drop a later message as a repetition; a repeated record changes nothing here.
  const producer: Producer = deps.kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner, allowAutoTopicCreation: false });
  let connecting: Promise<void> | undefined;

  const connect = (): Promise<void> => {
    connecting ??= producer.connect().catch((error: unknown) => {
      connecting = undefined;
      throw error;
    });
    return connecting;
  };

  const unavailable = (why: string): EntityOutcome => ({ outcome: 'unavailable', reason: `The change could not be made: ${why}` });

  /** Remembers refusals, so that a repeated change hears the same. What can't be remembered is judged anew. */
  const keep = async (refused: readonly (readonly [Open, EntityOutcome])[]): Promise<void> => {
    if (refused.length === 0) return;
    const writing = copy.transaction((writer) => {
      for (const [{ change }, outcome] of refused) writer.remember(change.change, outcome);
    });
    await writing.catch(() => undefined);
  };

  /** Decides a change from the copy as it stands, or makes its record; undefined: the copy isn't there yet. */
  const attempt = (open: Open, since: number): EntityOutcome | Attempt | undefined => {
    const { change } = open;
    const known = outcomeIn(copy, change.change);
    if (known) return known;
    const state = copy.state(change.type, change.id);
    const { outcome, next } = judge(state, change, new Date(now()).toISOString());
    if (!next) {
      const isAhead = change.expected !== undefined && change.expected > versionOf(state);
      return isAhead && performance.now() - since < CATCH_UP_MS ? undefined : outcome;
    }
    const { type, id, expected } = change;
    const name = newUlid();
    const op = change.op === 'delete' ? 'delete' : outcome.outcome === 'applied' && outcome.created ? 'create' : 'update';
    const record = { type, id, state: next, attempt: name, node: copy.node, isRepair: false };
    return { ...open, attempt: name, message: toMessage(record, { op, ...(expected !== undefined && { expected }) }) };
  };

  const send = async (attempts: readonly Attempt[]): Promise<void> => {
    await connect();
    for (const messages of requestsOf(attempts.map(({ message }) => message))) await producer.send({ topic, acks: -1, messages });
  };

  /** What became of an attempt: an outcome; `again` if another record won; undefined while it is under way. */
  const settled = ({ change, attempt: name }: Attempt): EntityOutcome | 'again' | undefined =>
    outcomeIn(copy, change.change) ?? (copy.outcome(name) ? 'again' : undefined);

  /** Waits until each attempt is settled or the deadline has passed. */
  const wait = async (attempts: readonly Attempt[], until: number, decide: (open: Open, outcome: EntityOutcome) => void): Promise<void> => {
    let left = attempts;
    let generation = -1;
    while (left.length > 0 && performance.now() < until) {
      const latest = copy.generation();
      if (latest !== generation) {
        generation = latest;
        left = left.filter((one) => {
          const result = settled(one);
          if (result !== undefined && result !== 'again') decide(one, result);
          return result === undefined;
        });
      }
      if (left.length > 0) await sleep(POLL_MS);
    }
    for (const one of left) decide(one, unavailable(`it did not come back from ${topic} within ${timeoutMs / 1000} s; it may still be made.`));
  };

  const sendInTime = async (attempts: readonly Attempt[], until: number): Promise<void> => {
    const sending = send(attempts);
    sending.catch(() => undefined);
    const late = sleep(Math.max(1, until - performance.now()), 'late' as const, { ref: false });
    if ((await Promise.race([sending, late])) === 'late') throw new Error(`no answer within ${timeoutMs / 1000} s`);
  };

  const round = async (open: readonly Open[], since: number, decide: (open: Open, outcome: EntityOutcome) => void): Promise<void> => {
    const attempts: Attempt[] = [];
    const refused: (readonly [Open, EntityOutcome])[] = [];
    for (const one of firstOfEach(open)) {
      const result = attempt(one, since);
      if (result && 'message' in result) attempts.push(result);
      else if (result) refused.push([one, result]);
    }
    await keep(refused);
    for (const [one, outcome] of refused) decide(one, outcome);
    if (attempts.length === 0) return void (await sleep(POLL_MS));
    try {
      await sendInTime(attempts, since + timeoutMs);
    } catch (error) {
      const outcome = unavailable(`the brokers did not take it (${(error as Error).message}); it may still be made.`);
      for (const one of attempts) decide(one, outcome);
      return;
    }
    await wait(attempts, since + timeoutMs, decide);
  };

  const apply = async (changes: readonly EntityChange[]): Promise<readonly EntityOutcome[]> => {
    checkChanges(changes);
    const outcomes: EntityOutcome[] = [];
    let open: readonly Open[] = changes.map((change, index) => ({ index, change }));
    let since = performance.now();
    const decide = ({ index }: Open, outcome: EntityOutcome): void => {
      outcomes[index] = outcome;
      since = performance.now();
    };
    while (open.length > 0) {
      const hopeless =
        copy.heartbeat() === 0
          ? "this node's copy of the directory is being built."
          : performance.now() - since > timeoutMs
            ? `others kept changing the same entity for ${timeoutMs / 1000} s.`
            : undefined;
      if (hopeless) for (const one of open) decide(one, unavailable(hopeless));
      else await round(open, since, decide);
      open = open.filter(({ index }) => outcomes[index] === undefined);
    }
    return outcomes;
  };

  return {
    get: copy.get,
    list: copy.list,
    ofAccount: copy.ofAccount,
    grantedTo: copy.grantedTo,
    tokenOf: copy.tokenOf,
    isEmpty: copy.isEmpty,
    generation: copy.generation,
    staleness: () => ageOf(copy.heartbeat(), now()),
    outcomeOf: (change) => outcomeIn(copy, change),
    apply,
    close: async () => {
      await connecting?.catch(() => undefined);
      await producer.disconnect();
      await copy.close();
    },
  };
};
