import { fileURLToPath } from 'node:url';
import { type Logger, pino } from 'pino';
import { adminToken } from './caller/index.js';
import { type Config, loadConfig, workerCount } from './config.js';
import { decisionProcess } from './decision-process.js';
import { loadPolicy } from './evaluate/index.js';
import { pipelineProcess } from './pipeline-process.js';
import { bundleSource, policyRules } from './policy-source.js';
import { createRollout, type Rollout } from './rollout/index.js';
import { type DataFolder, openDataFolder, StartError } from './serve/data-folder.js';
import { keepStore } from './serve/embedded-store.js';
import { endWith, type Start, type ToChild, toSupervisor } from './serve/messages.js';
import { aggregateMetrics } from './serve/metrics.js';
import { createSupervisor, type Supervisor } from './serve/supervisor.js';

/** Where a node answers, and the admin token; `tokenFile` is where that is kept, unless the configuration gave it. */
export type Listening = { readonly url: string; readonly token: string; readonly tokenFile?: string };

export type ServeOptions = {
  readonly configPath?: string;
  /** Instead of what the configuration has in `collect.sources`. */
  readonly collect?: readonly string[];
  /** Told when the node answers; one that rejects ends it. */
  readonly onListening?: (node: Listening) => Promise<void>;
};

const ENTRY = fileURLToPath(import.meta.url);
const PROGRESS_MS = 2_000;
/** What a child has to end in, beyond http.drain_ms. */
const STOP_MS = 20_000;

const loggerOf = (config: Config, role: string): Logger =>
  pino({ level: config.log.level, base: { role, pid: process.pid } }, pino.destination({ dest: 2, sync: false }));

/** Says what takes long, once, and then every few seconds that it still does. */
const withProgress = async <T>(what: string, work: Promise<T>): Promise<T> => {
  const timer = setInterval(() => process.stdout.write(`${what} …\n`), PROGRESS_MS);
  try {
    return await work;
  } finally {
    clearInterval(timer);
  }
};

/**
 * Runs a node until it is told to stop (SIGINT, SIGTERM): the embedded store where no other is configured, the
 * pipeline, and the decision workers. Resolves when everything has ended in order. Rejects with one sentence where it
 * can't start.
 */
export const serve = async ({ configPath, collect, onListening }: ServeOptions): Promise<void> => {
  const env = collect ? { ...process.env, VERDICT_COLLECT_SOURCES: collect.join(',') } : process.env;
  const { config, warnings } = loadConfig(env, configPath);
  const log = loggerOf(config, 'supervisor');
  for (const warning of warnings) log.warn(warning);
  const folder = await openDataFolder(config.data_dir);
  try {
    await run(config, folder, { log, ...(onListening && { onListening }) });
  } finally {
    folder.unlock();
  }
};

type RunOptions = Pick<ServeOptions, 'onListening'> & { readonly log: Logger };

const run = async (config: Config, folder: DataFolder, { onListening, log }: RunOptions): Promise<void> => {
  let supervisor: Supervisor | undefined;
  const rollout = rolloutOf(config, folder, log, () => supervisor as Supervisor);
  const bundle = await withProgress('Fetching the policy bundle', rollout.first());
  const admin = await adminToken({ dataDir: folder.path, configured: config.admin_token });
  let family: readonly number[] = [];
  const note = (): void => {
    try {
      folder.noteProcesses([...family, ...(store.pid() ? [store.pid() as number] : [])]);
    } catch (error) {
      log.error({ error: (error as Error).message }, "the family's process ids could not be written down");
    }
  };
  const store = keepStore(config, { log, onProcess: () => note(), onStatus: (part) => supervisor?.report(part) });
  const ending = untilToldToStop();
  try {
    const address = await withProgress('Starting the embedded store', store.start());
    supervisor = createSupervisor({
      entry: ENTRY,
      slots: Array.from({ length: workerCount(config) }, (_, index) => `w${index}`),
      policyTimeoutMs: config.policy.timeout_ms,
      stopMs: config.http.drain_ms + STOP_MS,
      start: { config, store: address, adminToken: admin.token, node: folder.node, bundle },
      port: config.http.port,
      log,
      onProcesses: (pids) => {
        family = pids;
        note();
      },
      onFront: announceOnce(),
      onFatal: ending.fail,
      aggregate: async (metrics, pipelineSilence) => aggregateMetrics([...metrics, await rollout.metrics()], pipelineSilence),
    });
    process.on('SIGHUP', rollout.look);
    const port = await withProgress('Starting the decision workers', Promise.race([supervisor.start(), ending.promise]));
    if (port === undefined) return;
    rollout.follow();
    const url = addressOf(config, port);
    process.stdout.write(`Verdict listens on ${url}\n`);
    if (admin.created) process.stdout.write(`The admin key was made now and is kept in ${admin.path}: ${admin.token}\n`);
    if (onListening) await Promise.race([onListening({ url, token: admin.token, ...(admin.path && { tokenFile: admin.path }) }), ending.promise]);
    await ending.promise;
  } finally {
    rollout.stop();
    process.stdout.write('Verdict stops: requests in flight are answered, the journal is handed on.\n');
    await withProgress('Stopping', supervisor?.stop() ?? Promise.resolve());
    await store.stop();
  }
};

/** Every worker, and every one that takes its place, decides by the bundle that this brings into force. */
const rolloutOf = (config: Config, folder: DataFolder, log: Logger, supervisor: () => Supervisor): Rollout =>
  createRollout(
    { policy: config.policy, folder: folder.policy, region: config.region },
    {
      log,
      source: bundleSource(config),
      load: (bytes) => loadPolicy({ bytes, ...policyRules(config) }),
      record: (draft) => supervisor().record(draft),
      activate: (bytes) => supervisor().reload(bytes),
    },
  );

/** Says where a further listener is; its workers share it. */
const announceOnce = () => {
  const said = new Set<string>();
  return (name: string, url: string): void => {
    const line = `${name} listens on ${url}`;
    if (!said.has(line)) process.stdout.write(`${line}\n`);
    said.add(line);
  };
};

const addressOf = ({ http }: Config, port: number): string => {
  const host = http.host === '0.0.0.0' || http.host === '::' ? 'localhost' : http.host.includes(':') ? `[${http.host}]` : http.host;
  return `${http.tls.cert === '' ? 'http' : 'https'}://${host}:${port}`;
};

/** Resolves at the first SIGINT or SIGTERM; rejects where a part of the family can't go on. A second signal ends at once. */
const untilToldToStop = () => {
  let fail: (message: string) => void = () => undefined;
  const promise = new Promise<undefined>((resolve, reject) => {
    let isTold = false;
    const told = (): void => {
      if (isTold) process.exit(130);
      isTold = true;
      resolve(undefined);
    };
    process.on('SIGINT', told);
    process.on('SIGTERM', told);
    fail = (message) => reject(new StartError(message));
  });
  promise.catch(() => undefined);
  return { promise, fail: (message: string) => fail(message) };
};

/** A child of the family: waits to be told its part, and ends when the supervisor does. */
const runChild = async (role: string | undefined): Promise<void> => {
  // Ctrl-C reaches the whole family; the supervisor alone decides on the order.
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', () => undefined);
  process.on('disconnect', () => process.exit(0));
  const start = await new Promise<Start>((resolve) => {
    const first = (message: ToChild): void => {
      if (message.kind !== 'start') return;
      process.off('message', first);
      resolve(message);
    };
    process.on('message', first);
    toSupervisor({ kind: 'hello' });
  });
  const log = loggerOf(start.config, start.slot ?? role ?? 'child');
  try {
    if (role === 'pipeline') await pipelineProcess(start, log);
    else await decisionProcess({ ...start, slot: start.slot as string }, log);
  } catch (error) {
    endWith((error as Error).message);
  }
};

if (process.argv[1] === ENTRY) await runChild(process.argv[2]);
