import { join } from 'node:path';
import type { Logger } from 'pino';
import { openCollectors } from './collectors.js';
import type { KafkaConfig } from './config.js';
import { DESTINATIONS } from './destinations.js';
import { directoryFeed, type EntityOutcome, kafkaDirectory, localDirectory, residencyOf, writeEntities } from './evaluate/directory/index.js';
import { type EventDraft, newEventId, SYSTEM_ACCOUNT } from './event/index.js';
import { exportRunner, jobFolder } from './export/index.js';
import { oneAtATime, openForwardState, parsedChunks, runForwarders, senderOf } from './forward/index.js';
import {
  type Handler,
  journalStream,
  kafkaPublisher,
  kafkaQuarantine,
  kafkaStream,
  lmdbQuarantine,
  openConflicts,
  openJournal,
  openRanges,
  type Stream,
  type StreamGap,
  storeHandler,
} from './ingest/index.js';
import { ensureTopics, kafkaClient } from './kafka/index.js';
import { addressGuard, guardedDial, openSecrets } from './outbound/index.js';
import { belongingsOf, redactOwn } from './own-entities.js';
import { scheduleRunner } from './schedule/index.js';
import { journalSlots, layout } from './serve/data-folder.js';
import { type Start, toSupervisor } from './serve/messages.js';
import { pipelineMetrics } from './serve/metrics.js';
import { type PipelineParts, runPipeline } from './serve/pipeline.js';
import { publishHead } from './serve/publish-head.js';
import { publishChanges } from './serve/publish-ranges.js';
import { followRetention } from './serve/retention.js';
import { migrate, openStore, StoreVersionError } from './store/index.js';

const OWN_SLOT = 'pipeline';
const DYING_MS = 200;
const RETRY_MS = 1_000;
/** From the journal to the brokers nothing is held back for a larger batch. */
const PUBLISH = { bytes: 1 << 20, age_ms: 1 };

/** Composes and runs the pipeline: the right-hand side of the journal. Here, and nowhere else, the stream is chosen. */
export const pipelineProcess = async (start: Start, log: Logger): Promise<void> => {
  const { config } = start;
  const folder = layout(config.data_dir);
  const storeConfig = { ...config.clickhouse, ...start.store };
  const store = openStore(storeConfig);
  const own = await openJournal({
    path: folder.journal(OWN_SLOT),
    maxBytes: config.journal.max_bytes,
    durability: 'disk',
    onFailure: (error) => {
      log.fatal({ error: error.message }, "the pipeline's journal failed");
      setTimeout(() => process.kill(process.pid, 'SIGKILL'), DYING_MS);
    },
  });
  const record = (draft: EventDraft) => own.append([draft]);
  const recordOnce = async (draft: EventDraft, once: string): Promise<void> => {
    if (!own.known(once)) await own.append([draft], { fingerprints: [{ key: once, content: '' }] });
  };
  const endHead = publishHead({ head: own.head, publish: (head) => store.publishHead(head) });
  const limits = { bytes: config.ingest.batch_bytes, age_ms: config.ingest.batch_ms };
  const cursors = join(folder.ingest, 'cursors');
  const ranges = openRanges(join(folder.ingest, 'ranges'));
  const conflicts = openConflicts(join(folder.ingest, 'conflicts'));
  const nodeQuarantine = lmdbQuarantine(folder.quarantine);
  const onTrouble = (consumer: string, sentence: string): void => log.warn({ consumer, sentence }, 'a consumer waits');

  const holding = config.kafka.brokers.length > 0 ? 'publish' : 'ingest';
  const journals = journalStream({
    journals: journalSlots(config.data_dir, [...start.slots, OWN_SLOT]).map((slot) => ({
      slot,
      path: folder.journal(slot),
      isOrphan: slot !== OWN_SLOT && !start.slots.includes(slot),
    })),
    maxBytes: config.journal.max_bytes,
    cursors,
    holding: [holding],
    release: (slot, name, through) => (slot === OWN_SLOT ? own.release(name, through) : toSupervisor({ kind: 'release', slot, log: name, through })),
    onTrouble,
  });

  const kafka = config.kafka.brokers.length > 0 ? kafkaClient(config.kafka, log) : undefined;
  const fleetQuarantine = kafka && kafkaQuarantine(config.kafka, { client: kafka, log, path: join(folder.quarantine, OWN_SLOT) });
  const quarantine = fleetQuarantine ?? nodeQuarantine;
  let consumers: PipelineParts['consumers'] = [];
  let forwarders: ReturnType<typeof runForwarders> | undefined;
  const metrics = pipelineMetrics({
    consumers: () => consumers.map(({ name, consumer }) => ({ name, lag: consumer.lag })),
    quarantined: () => quarantine.count(),
    forwarders: () => forwarders?.statuses() ?? [],
  });
  // Read only: who writes it is the workers, or the feed below.
  const directory = localDirectory({ path: folder.directory });
  const completeUntil = (): number => Date.now() - Math.max(0, ...consumers.map(({ consumer }) => consumer.lag().seconds * 1000));
  const collectors = openCollectors(config, join(folder.ingest, 'collect'), {
    log,
    directory,
    store,
    completeUntil,
    record: recordOnce,
  });
  const fillStore = storeHandler({
    insert: (lines) => store.insertLines(lines),
    quarantine,
    conflicts,
    ranges,
    record: async (draft, once) => {
      try {
        await recordOnce(draft, once);
      } catch (error) {
        log.error({ action: draft.action, error: (error as Error).message }, 'an act of the pipeline could not be recorded');
      }
    },
    observe: metrics.inserted,
  });
  const ingest: Handler = async (batch) => {
    await fillStore(batch);
    await collectors.taken(batch);
  };

  const exports = exportRunner(config.exports, {
    folder: jobFolder(folder.exports),
    store,
    belongings: belongingsOf(directory),
    record: recordOnce,
    warn: (sentence) => log.warn(sentence),
  });
  const feeds: PipelineParts['feeds'][number][] = [{ name: 'exports', ...exports }];
  const closing: (() => Promise<void>)[] = [];
  const streams: PipelineParts['streams'][number][] = [journals];
  let feeding: Stream = journals;
  let isCopyFresh = (): boolean => true;
  if (kafka) {
    const publisher = kafkaPublisher(config.kafka, { client: kafka, log, quarantine: nodeQuarantine });
    const events = kafkaStream(config.kafka, {
      client: kafka,
      log,
      cursors,
      onGap: async (consumer, gap) => {
        await record(gapEvent(consumer, gap));
      },
      onTrouble,
    });
    const feed = directoryFeed(
      { path: folder.directory, topicPrefix: config.kafka.topic_prefix },
      { kafka, onTrouble: (sentence) => onTrouble('directory', sentence) },
    );
    const topics = topicsReady(kafka, config.kafka, log);
    feeds.push({ name: 'topics', start: topics.start, stop: topics.stop, trouble: topics.trouble });
    feeds.push({ name: 'directory feed', start: async () => void topics.ready.then(feed.start), stop: feed.stop, trouble: feed.trouble });
    consumers = [
      {
        name: 'publish',
        consumer: journals.consumer('publish', PUBLISH, async (batch) => topics.ready.then(() => publisher.publish(batch))),
        needsStore: false,
      },
      { name: 'ingest', consumer: events.consumer('ingest', limits, ingest), needsStore: true },
    ];
    streams.push(events);
    feeding = events;
    closing.push(publisher.close);
    isCopyFresh = () => feed.staleness() < config.directory.max_staleness * 1000;
  } else {
    consumers = [{ name: 'ingest', consumer: journals.consumer('ingest', limits, ingest), needsStore: true }];
  }
  const writer = kafka
    ? kafkaDirectory({ path: folder.directory, topicPrefix: config.kafka.topic_prefix }, { kafka })
    : localDirectory({ path: folder.directory });
  const schedules = scheduleRunner({
    directory,
    isCopyFresh,
    write: async (change) => {
      const [outcome] = await writeEntities({ directory: writer, journal: own, redact: redactOwn }, [change], () => ({
        timestamp: new Date().toISOString(),
        actor: { type: 'service', id: 'verdict' },
        source: 'verdict',
        ...(config.region !== '' && { region: config.region }),
      }));
      return outcome as EntityOutcome;
    },
    record: recordOnce,
    secrets: openSecrets(config.secrets),
    dial: guardedDial(addressGuard(config.outbound.allow)),
    base: config.exports.folder,
    walk: store.walk,
    residency: residencyOf(directory),
    jobs: jobFolder(folder.exports),
    scratch: join(folder.exports, 'scheduled'),
    part_bytes: config.exports.part_bytes,
    keep_hours: config.exports.keep_hours,
    publicUrl: config.http.public_url,
    node: start.node,
    completeUntil,
    settle_ms: config.exports.settle_seconds * 1000,
    warn: (sentence) => onTrouble('scheduled exports', sentence),
  });
  feeds.push({ name: 'scheduled exports', ...schedules });
  closing.push(writer.close);
  const retention = followRetention({
    directory,
    isCopyFresh,
    reconcile: store.retention.reconcile,
    warn: (error) => log.warn({ error }, 'retention is not applied yet'),
  });

  const dial = guardedDial(addressGuard(config.outbound.allow));
  const secrets = openSecrets(config.secrets);
  const forwardState = openForwardState(folder.forward);
  forwarders = runForwarders({
    stream: feeding,
    state: forwardState,
    directory,
    isCopyFresh,
    walk: store.walk,
    inTurn: oneAtATime(),
    sender: (id, forwarder) => senderOf({ destinations: DESTINATIONS, secrets, dial }, id, forwarder),
    parsed: parsedChunks(),
    residency: residencyOf(directory),
    quarantine,
    record,
    node: start.node,
    ...(kafka && { publish: (rows) => store.publishForwarders(start.node, rows) }),
    warn: (sentence) => onTrouble('forwarders', sentence),
  });

  await runPipeline(start, {
    log,
    migrate: () => migrated(storeConfig),
    journal: own,
    consumers,
    collectors: collectors.parts,
    feeds,
    streams,
    nudge: journals.nudge,
    ranges,
    publishRanges: publishChanges(ranges, (runs, gone) => store.publishReceived(start.node, runs, gone)),
    onStoreReady: retention.start,
    forwarders,
    metrics,
    close: async () => {
      await endHead();
      retention.stop();
      for (const close of closing) await close();
      await forwardState.close();
      await conflicts.close();
      await ranges.close();
      await nodeQuarantine.close();
      await fleetQuarantine?.close();
      await directory.close();
      await store.close();
    },
  });
};

const migrated: (config: Parameters<typeof migrate>[0]) => ReturnType<PipelineParts['migrate']> = async (config) => {
  try {
    await migrate(config);
    return { outcome: 'ready' };
  } catch (error) {
    return { outcome: error instanceof StoreVersionError ? 'fatal' : 'unavailable', reason: (error as Error).message };
  }
};

/** Makes the topics as soon as the brokers answer. */
const topicsReady = (kafka: ReturnType<typeof kafkaClient>, config: KafkaConfig, log: Logger) => {
  let isStopped = false;
  let complaint: string | undefined = 'The topics are being looked up.';
  let done: () => void = () => undefined;
  const ready = new Promise<void>((resolve) => {
    done = resolve;
  });
  const attempt = async (): Promise<void> => {
    while (!isStopped) {
      const admin = kafka.admin();
      try {
        await admin.connect();
        for (const sentence of await ensureTopics(admin, config)) log.warn(sentence);
        complaint = undefined;
        return done();
      } catch (error) {
        complaint = `Kafka (${config.brokers.join(', ')}) has not got Verdict's topics yet: ${(error as Error).message}`;
        log.warn(complaint);
      } finally {
        await admin.disconnect().catch(() => undefined);
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  };
  return {
    ready,
    start: async () => void attempt(),
    stop: async () => {
      isStopped = true;
    },
    trouble: () => complaint,
  };
};

/** Offsets that will never be read: the record that an auditor must find. */
const gapEvent = (consumer: string, gap: StreamGap): EventDraft => ({
  id: newEventId(),
  timestamp: new Date().toISOString(),
  account: SYSTEM_ACCOUNT,
  kind: 'activity',
  actor: { type: 'service', id: 'verdict' },
  action: 'stream.gap',
  resource: { type: 'partition', id: `${gap.topic}/${gap.partition}` },
  result: 'failure',
  details: { consumer, from: gap.from, to: gap.to, reason: gap.reason },
  source: 'verdict',
});
