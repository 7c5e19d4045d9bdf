import type { Logger } from 'pino';
import type { EventDraft } from '../event/index.js';
import type { Consumer, Journal, Ranges, Stream } from '../ingest/index.js';
import { endWith, type PartStatus, type Start, type ToChild, toSupervisor } from './messages.js';
import type { pipelineMetrics } from './metrics.js';

/** What the pipeline is made of; main.ts chooses by configuration. */
export type PipelineParts = {
  readonly log: Logger;
  /** Makes the store's tables or brings them up to date. Rejects with a sentence while the store is away; `fatal` where waiting won't help. */
  readonly migrate: () => Promise<{ readonly outcome: 'ready' } | { readonly outcome: 'unavailable' | 'fatal'; readonly reason: string }>;
  /** The pipeline's own journal: Verdict's own acts. */
  readonly journal: Journal;
  /** In the order in which they are stopped. One that doesn't write to the store needn't wait for its tables. */
  readonly consumers: readonly { readonly name: string; readonly consumer: Consumer; readonly needsStore: boolean }[];
  /** Feeds that run beside the stream: the directory's on Kafka. Started at once, stopped last. */
  readonly feeds: readonly {
    readonly name: string;
    readonly start: () => Promise<void>;
    readonly stop: () => Promise<void>;
    readonly trouble: () => string | undefined;
  }[];
  /** What this node notices by itself. Started at once, stopped first, so that what they noticed last is still recorded. Their trouble is said, and is no reason to ask this node nothing. */
  readonly collectors: readonly {
    readonly name: string;
    readonly start: () => Promise<void>;
    readonly stop: () => Promise<void>;
    readonly trouble: () => string | undefined;
  }[];
  /** Standing feeds to other places: started when the consumers are, stopped before them. Nothing waits for them. */
  readonly forwarders: { readonly start: () => Promise<void>; readonly stop: () => Promise<void> };
  readonly streams: readonly Stream[];
  readonly nudge: () => void;
  readonly ranges: Ranges;
  /** Makes what was received known to everybody who asks for gaps. */
  readonly publishRanges: () => Promise<void>;
  /** Told once, when the store has its tables. */
  readonly onStoreReady: () => void;
  readonly metrics: ReturnType<typeof pipelineMetrics>;
  readonly close: () => Promise<void>;
};

const RETRY_MS = 1_000;
const STATUS_MS = 500;
const RANGES_MS = 1_000;

/** Runs the right-hand side of the journal: publishes or ingests, feeds the directory's copy, and says how it stands. */
export const runPipeline = async (start: Start, parts: PipelineParts): Promise<void> => {
  const { log } = parts;
  let isStopping = false;
  let store: PartStatus = { name: 'store', ok: false, message: 'The store is being prepared.' };
  let rangesTrouble: string | undefined;
  let sent = '';

  const statuses = (): readonly PartStatus[] => [
    store,
    ...parts.feeds.map(({ name, trouble }) => statusOf(name, trouble())),
    ...parts.consumers.map(({ name, consumer }) => statusOf(name, consumer.trouble())),
    ...parts.collectors.map(({ name, trouble }) => ({ ...statusOf(name, trouble()), ok: true })),
    ...(rangesTrouble ? [statusOf('ranges', rangesTrouble)] : []),
  ];

  const prepareStore = async (): Promise<void> => {
    while (!isStopping) {
      const done = await parts.migrate();
      if (done.outcome === 'ready') {
        store = { name: 'store', ok: true };
        return;
      }
      store = { name: 'store', ok: false, message: done.reason };
      if (done.outcome === 'fatal') return endWith(done.reason);
      log.warn({ reason: done.reason }, 'the store can not be prepared yet');
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  };

  const announceRanges = async (): Promise<void> => {
    const now = JSON.stringify(parts.ranges.list());
    if (now === sent || !store.ok) return;
    try {
      await parts.publishRanges();
      sent = now;
      rangesTrouble = undefined;
    } catch (error) {
      rangesTrouble = `The store did not take the received ranges: ${(error as Error).message}`;
    }
  };

  const status = setInterval(() => toSupervisor({ kind: 'parts', parts: statuses() }), STATUS_MS);
  let announcing: Promise<void> = Promise.resolve();
  const ranges = setInterval(() => {
    announcing = announcing.then(announceRanges);
  }, RANGES_MS);

  const stop = async (): Promise<void> => {
    if (isStopping) return;
    isStopping = true;
    clearInterval(status);
    clearInterval(ranges);
    for (const collector of parts.collectors) await collector.stop();
    await parts.forwarders.stop();
    await parts.journal.end();
    for (const { consumer } of parts.consumers) await consumer.stop();
    await announcing;
    await announceRanges();
    for (const feed of parts.feeds) await feed.stop();
    for (const stream of parts.streams) await stream.close();
    await parts.journal.close();
    await parts.close();
    toSupervisor({ kind: 'stopped' });
    process.exit(0);
  };

  const record = async (draft: EventDraft): Promise<void> => {
    try {
      await parts.journal.append([draft]);
      toSupervisor({ kind: 'recorded', event: draft.id });
    } catch (error) {
      log.error({ action: draft.action, error: (error as Error).message }, 'an act of the supervisor could not be recorded');
    }
  };

  process.on('message', (message: ToChild) => {
    switch (message.kind) {
      case 'stop':
        void stop();
        return;
      case 'committed':
        parts.nudge();
        return;
      case 'record':
        void record(message.draft);
        return;
      case 'metrics.request':
        void parts.metrics.registry.getMetricsAsJSON().then((metrics) => toSupervisor({ kind: 'metrics.json', id: message.id, metrics }));
        return;
      default:
    }
  });

  for (const feed of parts.feeds) await feed.start();
  for (const { consumer, needsStore } of parts.consumers) if (!needsStore) await consumer.start();
  for (const collector of parts.collectors) await collector.start();
  await parts.forwarders.start();
  toSupervisor({ kind: 'ready' });
  await prepareStore();
  if (isStopping) return;
  parts.onStoreReady();
  for (const { consumer, needsStore } of parts.consumers) if (needsStore) await consumer.start();
  log.info({ slots: start.slots, consumers: parts.consumers.map(({ name }) => name) }, 'the pipeline runs');
};

const statusOf = (name: string, message: string | undefined): PartStatus => (message === undefined ? { name, ok: true } : { name, ok: false, message });
