import { type ChildProcess, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { FromStore, ToStore } from './protocol.js';

export type EmbeddedStoreConfig = {
  /** The node's data folder; the store lives in `store` below it. */
  readonly dataDir: string;
  /** Where it answered before, so that the clients of an earlier life find it again; a free port where it is absent. */
  readonly port?: number;
  readonly password?: string;
  /** How long another process that still holds the folder is waited for, in milliseconds. */
  readonly patience_ms?: number;
  /** The compiled child.js, where it isn't beside this file. */
  readonly childFile?: string;
};

export type EmbeddedStoreDeps = {
  readonly log: { readonly info: (fields: object, message: string) => void; readonly warn: (fields: object, message: string) => void };
};

export type Exit = { readonly code: number | null; readonly signal: NodeJS.Signals | null };

/** A running embedded store. */
export type EmbeddedStore = {
  readonly url: string;
  readonly port: number;
  readonly username: string;
  readonly password: string;
  readonly pid: number;
  /** ClickHouse's version of the engine. */
  readonly version: string;
  /** Ends it in order; resolves when the process is gone. */
  readonly stop: () => Promise<void>;
  /** Resolves when the process is gone, for whatever reason. */
  readonly exited: Promise<Exit>;
};

/** The embedded store can't be started. `busy`: another process holds the folder; `port`: the port is taken. The message is one sentence for people. */
export class StoreStartError extends Error {
  override readonly name = 'StoreStartError';
  constructor(
    readonly why: 'busy' | 'port' | 'folder' | 'other',
    message: string,
  ) {
    super(message);
  }
}

const USERNAME = 'verdict';
const STOP_MS = 10_000;
const PATIENCE_MS = 5000;
const STDERR_KEPT = 4096;
/** Threads for statements that run at the same time: libuv's own default is four. */
const THREADS = '16';

/** The one line of a crash's output that says what went wrong. */
const headline = (stderr: string): string | undefined => {
  const lines = stderr.split('\n').filter((line) => line.trim());
  return lines.find((line) => /error|exception/i.test(line)) ?? lines.at(-1);
};

const sentence = (folder: string, port: number | undefined, failed: Extract<FromStore, { kind: 'failed' }>, stderr: string): StoreStartError => {
  if (/Cannot lock file/.test(stderr))
    return new StoreStartError('busy', `The store's folder ${folder} is in use by another process: stop that one, or choose another data_dir.`);
  if (failed.why === 'port') return new StoreStartError('port', `The embedded store's port ${port} on 127.0.0.1 is in use by another process.`);
  const detail = headline(stderr) ?? failed.message;
  return new StoreStartError('other', `The embedded store can't be opened in ${folder}: ${detail}`);
};

const makeFolder = (folder: string): void => {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new StoreStartError('folder', `The store's folder ${folder} can't be made: ${(error as Error).message}.`);
  }
};

const stopper = (child: ChildProcess, exited: Promise<Exit>) => async (): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  if (child.connected) child.send({ kind: 'stop' } satisfies ToStore, () => undefined);
  else child.kill('SIGKILL');
  await exited;
  clearTimeout(timer);
};

/**
 * Starts the embedded store: a process of its own that serves ClickHouse's HTTP interface over chDB, on loopback and
 * behind a random password. It ends by itself when this process does. Rejects with {@link StoreStartError}.
 */
export const startEmbeddedStore = async (config: EmbeddedStoreConfig, deps: EmbeddedStoreDeps): Promise<EmbeddedStore> => {
  const folder = join(config.dataDir, 'store');
  makeFolder(folder);
  const password = config.password ?? randomBytes(24).toString('base64url');
  const child = fork(config.childFile ?? fileURLToPath(new URL('./child.js', import.meta.url)), [], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    env: { ...process.env, UV_THREADPOOL_SIZE: THREADS },
    execArgv: [],
  });
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-STDERR_KEPT);
  });
  const exited = new Promise<Exit>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
    child.once('error', () => resolve({ code: null, signal: null }));
  });
  const answered = new Promise<FromStore>((resolve) => child.once('message', (message) => resolve(message as FromStore)));
  const open: ToStore = {
    kind: 'open',
    folder,
    port: config.port ?? 0,
    username: USERNAME,
    password,
    patience_ms: config.patience_ms ?? PATIENCE_MS,
  };
  child.send(open, () => undefined);
  const first = await Promise.race([answered, exited]);
  if (!('kind' in first))
    throw new StoreStartError('other', `The embedded store's process ended while it started: ${headline(stderr) ?? JSON.stringify(first)}.`);
  if (first.kind === 'failed') {
    await exited;
    throw sentence(folder, config.port, first, stderr);
  }
  deps.log.info({ pid: child.pid, port: first.port, engine: first.version }, 'embedded store ready');
  exited.then(
    (exit) => exit.code !== 0 && deps.log.warn({ ...exit, stderr: stderr.trim().slice(-1000) }, 'embedded store ended'),
    () => undefined,
  );
  return {
    url: `http://127.0.0.1:${first.port}`,
    port: first.port,
    username: USERNAME,
    password,
    pid: child.pid as number,
    version: first.version,
    stop: stopper(child, exited),
    exited,
  };
};
