import type { Residency } from '../evaluate/directory/residency.js';
import { type EventDraft, textWithoutSecrets } from '../event/index.js';
import type { Outgoing, Sender } from '../export/sender.js';
import type { Batch, BatchLimits, Consumer, Missed, SetAside, Stream } from '../ingest/index.js';
import type { RetryRule } from '../outbound/index.js';
import { type CatchUpDeps, runErrand } from './catch-up.js';
import { eraOf, type Forwarder, type Replay } from './definition.js';
import { type Deliver, deliveryOf, FeedStopped, type Refused } from './delivery.js';
import { matcherOf, type ParsedChunks } from './match.js';
import { forwarderEvent } from './own-events.js';
import type { FeedStatus, ForwardState, ReplayStatus } from './state.js';

export type FeedDeps = CatchUpDeps & {
  readonly stream: Pick<Stream, 'consumer'>;
  readonly state: ForwardState;
  /** Makes the forwarder's sender; throws a sentence where that can't be done. */
  readonly sender: (id: string, forwarder: Forwarder) => Sender;
  readonly parsed: ParsedChunks;
  readonly residency: Residency;
  readonly quarantine: { readonly put: (items: readonly SetAside[]) => Promise<void> };
  readonly record: (draft: EventDraft) => Promise<unknown>;
  /** This node's name: it does the replays that name it. */
  readonly node: string;
  readonly rule?: RetryRule;
};

/** One forwarder at work on this node, from its start to its stop. */
export type Feed = {
  readonly era: string;
  readonly paused: boolean;
  readonly start: () => Promise<void>;
  /** Resolves when nothing more is sent and the cursor is saved. */
  readonly stop: () => Promise<void>;
  readonly status: () => FeedStatus;
  /** The replays that are wished for; new ones begin. */
  readonly replay: (wished: readonly Replay[]) => void;
};

/** `lingering`: for a destination that keeps each batch as an object of its own. Bounded, since a batch is held parsed. */
const LIMITS = { least: 1 << 20, most: 4 << 20, lingering: 8 << 20, age_ms: 200 };
/** So long behind, it isn't live. */
const BEHIND_SECONDS = 30;
/** A refusal is told of once in so long: a destination that refuses everything one by one would double the record. */
const TELL_MS = 60_000;
const REASON_CHARACTERS = 500;

const sayable = (reason: string): string => textWithoutSecrets(reason).slice(0, REASON_CHARACTERS);
const isoOf = (time: number): string => new Date(time).toISOString();

export const consumerName = (id: string): string => `forward-${id}`;

/** How much of the stream is one batch. */
const batchLimits = ({ limits: { bytes, linger_ms = 0 } }: Sender): BatchLimits => ({
  bytes: Math.min(linger_ms > 0 ? LIMITS.lingering : LIMITS.most, Math.max(LIMITS.least, bytes)),
  age_ms: Math.max(LIMITS.age_ms, linger_ms),
});

const asideOf = (id: string, { name }: Forwarder, { event, reason }: Refused): SetAside => ({
  line: Buffer.from(`${event.raw}\n`),
  reason: `forwarder.refused: ${name} (${id}) was answered: ${sayable(reason)}`,
  at: isoOf(Date.now()),
  source: { log: event.log, seq: event.seq, forwarder: id },
});

export const createFeed = (id: string, forwarder: Forwarder, deps: FeedDeps): Feed => {
  const era = eraOf(forwarder);
  const before = deps.state.status(id);
  const counts = { sent: before?.sent ?? 0, refused: before?.refused ?? 0, withheld: before?.withheld ?? 0 };
  const stopping = new AbortController();
  const { signal } = stopping;
  const matches = matcherOf(id, forwarder);
  /** A replay may reach further back than the feed began. */
  const matchesEver = matcherOf(id, { ...forwarder, since: '' });
  const replays = new Map<string, ReplayStatus>((before?.replays ?? []).map((one) => [one.id, one]));
  const told = new Map<string, number>();
  let stopped = before?.state === 'stopped' && before.era === era ? before.reason : undefined;
  let waiting: { readonly reason: string; readonly until: number } | undefined;
  let isCatchingUp = false;
  let linger_ms = 0;
  let lastSuccess = before?.last_success;
  let lastError = before?.last_error;
  let sender: Sender | undefined;
  let consumer: Consumer | undefined;
  let deliver: Deliver = async () => undefined;
  let replaying: Promise<void> = Promise.resolve();
  let halting: Promise<void> | undefined;

  const failed = (reason: string): void => {
    lastError = { at: isoOf(Date.now()), message: sayable(reason) };
  };

  /** True once in a while for each matter. */
  const isNews = (matter: string): boolean => {
    const now = Date.now();
    if (now - (told.get(matter) ?? 0) < TELL_MS) return false;
    told.set(matter, now);
    return true;
  };

  const halt = async (reason: string): Promise<void> => {
    if (stopped !== undefined) return;
    stopped = sayable(reason);
    failed(reason);
    await deps.state.saveStatus(id, status());
    stopping.abort();
    await deps.record(forwarderEvent(id, forwarder, { action: 'forwarder.stopped', details: { reason: stopped } }));
    await consumer?.stop();
  };

  const onRefused = async (refused: readonly Refused[]): Promise<void> => {
    await deps.quarantine.put(refused.map((one) => asideOf(id, forwarder, one)));
    counts.refused += refused.length;
    const [first] = refused;
    if (!first) return;
    failed(first.reason);
    if (isNews('refused'))
      await deps.record(
        forwarderEvent(id, forwarder, { action: 'forwarder.refused', details: { reason: sayable(first.reason), event: first.event.event.id } }),
      );
  };

  const deliveryBy = (through: Pick<Sender, 'limits' | 'send'>, onWaiting: (now: typeof waiting) => void, onSent: (count: number) => void): Deliver =>
    deliveryOf({
      sender: through,
      onRefused,
      onSent: (count) => {
        counts.sent += count;
        lastSuccess = isoOf(Date.now());
        onSent(count);
      },
      onWaiting: (now) => {
        if (now) failed(now.reason);
        onWaiting(now && { reason: sayable(now.reason), until: now.until });
      },
      ...(deps.rule && { rule: deps.rule }),
    });

  const withheldOf = (events: readonly Outgoing[]): readonly Outgoing[] => events.filter(({ event }) => !deps.residency(event.account, forwarder.region));

  const tellWithheld = async (withheld: readonly Outgoing[]): Promise<void> => {
    counts.withheld += withheld.length;
    for (const account of new Set(withheld.map(({ event }) => event.account))) {
      if (!isNews(`withheld ${account}`)) continue;
      const details = { reason: 'residency', destination_region: forwarder.region ?? '', forwarder: forwarder.name };
      await deps.record(forwarderEvent(id, forwarder, { action: 'forwarder.withheld', account, details }));
    }
  };

  /** Sends what may leave its region; of what may not, the record tells. */
  const handOver = async (events: readonly Outgoing[], through: Deliver): Promise<void> => {
    signal.throwIfAborted();
    const withheld = withheldOf(events);
    const free = withheld.length === 0 ? events : events.filter((one) => !withheld.includes(one));
    if (free.length > 0) await through(free, signal);
    // Its own word of what it held back is held back as well, and told of no further.
    if (withheld.length > 0) await tellWithheld(withheld.filter(({ event }) => event.action !== 'forwarder.withheld'));
  };

  const haltOn = (error: unknown): void => {
    if (!(error instanceof FeedStopped)) return;
    // Not awaited: what is stopped waits for the handler that this is called in.
    halting ??= halt(error.message).catch((cause: unknown) => failed((cause as Error).message));
  };

  const onBatch = async (batch: Batch): Promise<void> => {
    signal.throwIfAborted();
    try {
      await handOver(
        deps.parsed(batch).filter(({ event }) => matches(event)),
        deliver,
      );
    } catch (error) {
      haltOn(error);
      throw error;
    }
  };

  const walkOf = (from: number, to: number) => ({ from, to, accounts: forwarder.accounts, ...forwarder.filter });

  const onMissed = async (missed: Missed): Promise<void> => {
    isCatchingUp = true;
    try {
      await runErrand(
        deps,
        {
          name: id,
          key: missed.key,
          walk: { ...walkOf(Math.max(missed.from, Date.parse(forwarder.since)), missed.to), ...(missed.ranges && { ranges: missed.ranges }) },
          wants: ({ event }) => missed.has(event) && matches(event),
          deliver: (events) => handOver(events, deliver),
        },
        signal,
      );
    } catch (error) {
      haltOn(error);
      if (!signal.aborted) failed((error as Error).message);
      throw error;
    } finally {
      isCatchingUp = false;
    }
  };

  const replayOne = async ({ id: replay, from, to }: Replay): Promise<void> => {
    const own = deps.sender(id, forwarder);
    const note = (change: Partial<ReplayStatus>): void => {
      replays.set(replay, { id: replay, state: 'running', sent: 0, ...replays.get(replay), ...change });
    };
    const through = deliveryBy(
      own,
      (now) => note(now ? { state: 'waiting', reason: now.reason } : { state: 'running' }),
      () => undefined,
    );
    note({ state: 'running' });
    try {
      await runErrand(
        deps,
        {
          name: `${id}/${replay}`,
          key: replay,
          walk: walkOf(Date.parse(from), Date.parse(to) - 1),
          wants: ({ event }) => matchesEver(event),
          deliver: (events) => handOver(events, through),
          onProgress: ({ through: time, sent }) => note({ sent, through: isoOf(Math.min(time, Date.parse(to))) }),
        },
        signal,
      );
      note({ state: 'done' });
      await deps.state.saveStatus(id, status());
      await deps.state.dropProgress(`${id}/${replay}`);
    } catch (error) {
      if (!signal.aborted)
        note(
          error instanceof FeedStopped ? { state: 'stopped', reason: sayable(error.message) } : { state: 'waiting', reason: sayable((error as Error).message) },
        );
      haltOn(error);
      throw error;
    } finally {
      await own.close();
    }
  };

  const replay = (wished: readonly Replay[]): void => {
    for (const known of replays.keys()) if (!wished.some((one) => one.id === known)) replays.delete(known);
    if (forwarder.paused || stopped !== undefined) return;
    for (const one of wished) {
      if (one.node !== deps.node || started.has(one.id) || replays.get(one.id)?.state === 'done') continue;
      started.add(one.id);
      replaying = replaying
        .then(() => (signal.aborted ? undefined : replayOne(one)))
        // Tried again with the next look at what is wished for.
        .catch(() => void started.delete(one.id));
    }
  };
  const started = new Set<string>();

  const stateNow = (lag: FeedStatus['lag']): FeedStatus['state'] => {
    if (stopped !== undefined) return 'stopped';
    if (forwarder.paused) return 'paused';
    if (waiting || consumer?.trouble() !== undefined) return 'waiting';
    return isCatchingUp || lag.seconds > BEHIND_SECONDS + linger_ms / 1000 ? 'catching_up' : 'running';
  };

  const status = (): FeedStatus => {
    const { events, seconds } = consumer?.lag() ?? { events: 0, seconds: 0 };
    const lag = { events, seconds: Math.round(seconds * 10) / 10 };
    const state = stateNow(lag);
    const reason = stopped ?? (state === 'waiting' ? (waiting?.reason ?? sayable(consumer?.trouble() ?? '')) : undefined);
    return {
      state,
      ...(reason !== undefined && { reason }),
      ...(state === 'waiting' && waiting && { next_try: isoOf(waiting.until) }),
      ...counts,
      lag,
      ...(lastSuccess !== undefined && { last_success: lastSuccess }),
      ...(lastError && { last_error: lastError }),
      replays: [...replays.values()],
      era,
      at: isoOf(Date.now()),
    };
  };

  const begin = (): void => {
    sender = deps.sender(id, forwarder);
    const limits = batchLimits(sender);
    linger_ms = limits.age_ms;
    deliver = deliveryBy(
      sender,
      (now) => {
        waiting = now;
      },
      () => undefined,
    );
    consumer = deps.stream.consumer(consumerName(id), limits, onBatch, { since: Date.parse(forwarder.since), onMissed });
  };

  return {
    era,
    paused: forwarder.paused,
    start: async () => {
      try {
        begin();
      } catch (error) {
        await halt((error as Error).message);
        return;
      }
      if (forwarder.paused || stopped !== undefined) return;
      await consumer?.start();
    },
    stop: async () => {
      stopping.abort();
      if (halting) await halting;
      else await consumer?.stop();
      await replaying;
      await sender?.close();
      await deps.state.saveStatus(id, status());
    },
    status,
    replay,
  };
};
