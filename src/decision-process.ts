import { join } from 'node:path';
import type { Logger } from 'pino';
import { type ApiDeps, createApi, type PartStatus, type RequestMeta } from './api/index.js';
import { apiKeys, authenticator, clientAddress, lastUse, refusals, tlsContext } from './caller/index.js';
import { DESTINATIONS } from './destinations.js';
import {
  createDecide,
  createQuery,
  createSearch,
  type DecideDeps,
  type Directory,
  kafkaDirectory,
  loadGuard,
  loadPolicy,
  localDirectory,
  type Policy,
  resolveOpenIntents,
  type WriteDeps,
  writeEntities,
} from './evaluate/index.js';
import { MAX_EVENT_BYTES } from './event/index.js';
import { jobFolder } from './export/index.js';
import { type ForwarderDesk, fleetStatus, forwarderDesk, readForwardState } from './forward/index.js';
import { gatewayFront } from './gateway-front.js';
import {
  findGaps,
  type Journal,
  journalHeads,
  kafkaQuarantine,
  lmdbQuarantine,
  openJournal,
  type Quarantine,
  type Quarantined,
  replay,
} from './ingest/index.js';
import { kafkaClient } from './kafka/index.js';
import { opaContracts, opaFront } from './opa-api/index.js';
import { addressGuard, guardedDial, openSecrets } from './outbound/index.js';
import { redactOwn } from './own-entities.js';
import { policyRules } from './policy-source.js';
import { proxyFronts } from './proxy-fronts.js';
import { routeTable } from './routes/index.js';
import { scheduleDesk } from './schedule/index.js';
import { journalSlots, layout } from './serve/data-folder.js';
import { evaluationFront } from './serve/evaluation-front.js';
import { type Start, toSupervisor } from './serve/messages.js';
import { familyMetrics, workerMetrics } from './serve/metrics.js';
import { publishHead } from './serve/publish-head.js';
import { runWorker } from './serve/worker.js';
import { openStore } from './store/index.js';
import { version } from './version.js';

const DYING_MS = 200;
const INTENTS_MS = 2_000;

/** Composes and runs one decision worker: the left-hand side of the journal. */
export const decisionProcess = async (start: Start & { readonly slot: string }, log: Logger): Promise<void> => {
  const { config, slot } = start;
  const folder = layout(config.data_dir);
  const kafka = config.kafka.brokers.length > 0 ? kafkaClient(config.kafka, log) : undefined;
  const directory: Directory = kafka
    ? kafkaDirectory({ path: folder.directory, topicPrefix: config.kafka.topic_prefix }, { kafka })
    : localDirectory({ path: folder.directory });
  const quarantine: Quarantine = kafka
    ? kafkaQuarantine(config.kafka, { client: kafka, log, path: join(folder.quarantine, slot) })
    : lmdbQuarantine(folder.quarantine);
  const journal = await openJournal({
    path: folder.journal(slot),
    maxBytes: config.journal.max_bytes,
    durability: config.journal.durability,
    ...(config.journal.durability === 'kafka' && { onCommit: () => toSupervisor({ kind: 'committed' }) }),
    onFailure: (error) => {
      // The log is over. Those who wait get their 503; then the successor opens a new log.
      log.fatal({ error: error.message }, 'the journal failed');
      setTimeout(() => process.kill(process.pid, 'SIGKILL'), DYING_MS);
    },
  });
  const policy = await livePolicy(start, log);
  const metrics = workerMetrics(journal.depth, () => policy.current().revision);
  const store = openStore({ ...config.clickhouse, ...start.store });
  const warn = (sentence: string): void => log.warn(sentence);
  const uses = lastUse({ path: join(folder.usage, slot) }, { warn });
  const turnedAway = refusals({
    record: (drafts) => journal.append(drafts),
    isAccount: (account) => directory.get('account', account) !== undefined,
    warn,
    ...(config.region !== '' && { region: config.region }),
  });

  const writing = { directory, journal, redact: redactOwn };
  const write: ApiDeps['writeEntities'] = (caller, changes, { requestId, address }) =>
    writeEntities(writing, changes, () => ({
      timestamp: new Date().toISOString(),
      actor: { type: 'credential', id: caller.id, ip: address },
      source: 'verdict',
      request: { id: requestId },
      ...(config.region !== '' && { region: config.region }),
    }));
  const keys = apiKeys<RequestMeta>({ directory, write, lastUse: uses });
  const feeds = readForwardState(folder.forward);
  const forwarders = forwarderDesk({
    destinations: DESTINATIONS,
    secrets: openSecrets(config.secrets),
    dial: guardedDial(addressGuard(config.outbound.allow)),
    directory,
    write,
    append: (drafts) => journal.append(drafts),
    statuses: fleetStatus({ local: feeds.status, node: start.node, ...(kafka && { told: store.forwarders }) }),
    node: start.node,
    most: config.forwarders.max,
  });
  const authenticate = authenticator({ auth: config.auth, admin_token: start.adminToken }, { directory, lastUse: uses, warn });
  const addressOf = clientAddress(config.http.trusted_proxies);
  const guard = await loadGuard();
  const underway = counted(journal.append);
  const deciding: DecideDeps = {
    guard,
    policy: policy.current,
    directory,
    append: underway.append,
    maxStalenessMs: config.directory.max_staleness * 1000,
    region: config.region,
    observe: metrics.decided,
  };
  const decide = createDecide(deciding);

  const nodesHeads = async () => {
    const slots = journalSlots(config.data_dir, start.slots).filter((one) => one !== slot);
    return [journal.head(), ...(await journalHeads(slots.map(folder.journal), config.journal.max_bytes))];
  };
  const endHead = publishHead({ head: journal.head, publish: store.publishHead });

  let others: readonly PartStatus[] = [];
  const schedules = scheduleDesk({
    base: config.exports.folder,
    dial: guardedDial(addressGuard(config.outbound.allow)),
    directory,
    write,
    secrets: openSecrets(config.secrets),
  });
  let onText: (id: number, text: string) => void = () => undefined;
  const table = config.routes.file === '' ? undefined : await routeTable({ place: config.routes.file, folder: config.data_dir, warn });
  const gateway = gatewayFront(start, { table, directory, journal, decide, writing, addressOf, refused: turnedAway.refused, registry: metrics.registry, log });
  const own = (): readonly PartStatus[] => [
    journalStatus(journal, config.journal.max_bytes),
    directoryStatus(directory, config.directory.max_staleness),
    ...(gateway ? [gateway.status()] : []),
  ];
  const api = createApi(
    { publicUrl: config.http.public_url, version: version() },
    {
      guard,
      authenticate,
      refused: turnedAway.refused,
      clientAddress: addressOf,
      decide,
      search: createSearch({ ...deciding, append: (drafts) => journal.append(drafts), isBusy: underway.isAny }),
      journal,
      directory,
      writeEntities: write,
      audit: { ...store, gaps: () => findGaps({ ...store, journals: nodesHeads }) },
      exportJobs: jobFolder(folder.exports),
      schedules,
      revision: () => policy.current().revision,
      keys,
      forwarders,
      quarantine: { list: quarantine.list, replay: (ids) => replay(quarantine, ids, (item) => deliver(item, { store, forwarders })) },
      metrics: familyMetrics((listener) => {
        onText = listener;
      }),
      ready: () => {
        const parts = [...own(), ...others];
        return { ok: others.length > 0 && parts.every((part) => part.ok), parts };
      },
      log,
      observe: metrics.requested,
    },
    opaContracts,
  );
  const fronts = { authenticate, addressOf, refused: turnedAway.refused, observe: metrics.answered, log };
  const proxies = proxyFronts(config, { ...fronts, table, directory, journal, decide, guard }, (request, response) => void api.nodeListener(request, response));
  const opa = opaFront({ entrypoint: config.policy.entrypoint, version: version() }, { ...fronts, query: createQuery(deciding) }, proxies.listener);
  const front = evaluationFront({ ...fronts, decide }, opa);
  const stopIntents = settleIntents(writing, log);
  const { tls } = config.http;

  await runWorker(start, {
    log,
    listener: front,
    journal,
    metrics,
    ...(tls.cert !== '' && { tls: tlsContext(tls, { warn, info: (sentence) => log.info(sentence) }) }),
    fronts: [...proxies.fronts, ...(gateway ? [gateway.front] : [])],
    reload: policy.reload,
    onParts: (parts) => {
      others = parts;
    },
    onMetricsText: (id, text) => onText(id, text),
    flush: async () => {
      stopIntents();
      await turnedAway.close();
      await uses.close();
    },
    close: async () => {
      await endHead();
      await quarantine.close();
      await feeds.close();
      await directory.close();
      await store.close();
    },
  });
};

/** An append that knows whether any is under way. */
const counted = (append: Journal['append']) => {
  let count = 0;
  return {
    isAny: () => count > 0,
    append: async (drafts: Parameters<Journal['append']>[0]): ReturnType<Journal['append']> => {
      count += 1;
      try {
        return await append(drafts);
      } finally {
        count -= 1;
      }
    },
  };
};

const journalStatus = (journal: Journal, maxBytes: number): PartStatus => {
  const { bytes } = journal.depth();
  if (bytes < maxBytes * 0.8) return { name: 'journal', ok: true };
  return {
    name: 'journal',
    ok: bytes + MAX_EVENT_BYTES < maxBytes,
    message: `The journal holds ${bytes} of ${maxBytes} bytes (journal.max_bytes): the store is behind.`,
  };
};

const directoryStatus = (directory: Directory, maxStaleness: number): PartStatus => {
  const seconds = directory.staleness() / 1000;
  if (seconds <= maxStaleness) return { name: 'directory', ok: true };
  return { name: 'directory', ok: false, message: `This node's copy of the directory was not confirmed for ${maxStaleness} s (directory.max_staleness).` };
};

type DeliverTo = { readonly store: Pick<ReturnType<typeof openStore>, 'insertLines'>; readonly forwarders: Pick<ForwarderDesk, 'again'> };

/**
 * An event from quarantine is offered again to who refused it: a forwarder's destination, or the store. One whose id
 * stands for other content never is.
 */
const deliver = async ({ line, reason, source }: Quarantined, { store, forwarders }: DeliverTo): Promise<{ readonly refused?: string }> => {
  if (source && 'log' in source && source.forwarder !== undefined) return forwarders.again(source.forwarder, line);
  if (reason.startsWith('id.conflict')) return { refused: 'The first event of this id stands; this one stays set aside.' };
  const text = line.at(-1) === 0x0a ? line : Buffer.concat([line, Buffer.from('\n')]);
  const done = await store.insertLines(text);
  if (done.outcome === 'unavailable') throw new Error(done.reason);
  return done.outcome === 'refused' ? { refused: done.reason } : {};
};

/** The policy in force, and how another bundle takes its place between two requests. The supervisor has checked it, and recorded it for all. */
const livePolicy = async (start: Start, log: Logger) => {
  const how = policyRules(start.config);
  let policy: Policy = await loadPolicy({ bytes: start.bundle, ...how });
  let taking = Promise.resolve();
  const take = async (bundle: Uint8Array): Promise<void> => {
    try {
      policy = await loadPolicy({ bytes: bundle, ...how });
      log.info({ revision: policy.revision }, 'another policy bundle is in force');
    } catch (error) {
      // All workers decide by the same bundle: the one that takes this one's place starts with it.
      log.fatal({ error: (error as Error).message }, 'a policy bundle that was checked does not load in this worker');
      process.kill(process.pid, 'SIGKILL');
    }
  };
  return {
    current: () => policy,
    /** One after the other: the last one told is the one in force, however long each takes to load. */
    reload: (bundle: Uint8Array): Promise<void> => {
      taking = taking.then(() => take(bundle));
      return taking;
    },
  };
};

/** Changes whose end isn't known (a crash, brokers that were away) get their event, or are struck out, once it is. */
const settleIntents = (writing: WriteDeps, log: Logger): (() => void) => {
  let running = false;
  const attempt = async (): Promise<void> => {
    if (running) return;
    running = true;
    try {
      await resolveOpenIntents(writing);
    } catch (error) {
      log.warn({ error: (error as Error).message }, 'changes whose end is not known are not settled yet');
    }
    running = false;
  };
  void attempt();
  const timer = setInterval(() => void attempt(), INTENTS_MS);
  return () => clearInterval(timer);
};
