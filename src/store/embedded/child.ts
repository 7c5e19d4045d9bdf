/** The embedded store's process: chDB on one folder behind ClickHouse's HTTP interface on loopback. Started by launch.ts. */
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Engine, openEngine } from './engine.js';
import { newFront } from './front.js';
import type { FromStore, ToStore } from './protocol.js';

const CLOSE_MS = 3000;
const RETRY_MS = 100;

const tell = (message: FromStore): Promise<void> =>
  new Promise((resolve) => {
    if (process.connected) process.send?.(message, undefined, undefined, () => resolve());
    else resolve();
  });

/** Opens the engine; while another process that is about to end still holds the folder, tries again. */
const openPatiently = async (folder: string, patience: number): Promise<Engine> => {
  const until = Date.now() + patience;
  for (;;) {
    try {
      return await openEngine(folder);
    } catch (error) {
      if (Date.now() >= until) throw error;
      await sleep(RETRY_MS);
    }
  }
};

const listen = (server: Server, port: number): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });

/** Lets what is under way finish, then closes the engine. What was acknowledged is on disk in any case. */
const close = async (server: Server, engine: Engine): Promise<void> => {
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
  });
  await engine.close();
};

/** Opens and serves; answers how to close again. */
const serve = async (message: Extract<ToStore, { kind: 'open' }>): Promise<() => Promise<void>> => {
  const engine = await openPatiently(message.folder, message.patience_ms);
  const server = newFront({ username: message.username, password: message.password }, engine);
  const port = await listen(server, message.port);
  await tell({ kind: 'ready', port, version: engine.version });
  return () => close(server, engine);
};

const kill = (): void => {
  process.kill(process.pid, 'SIGKILL');
};

let closing: () => Promise<void> = async () => undefined;

// A terminal's Ctrl-C reaches every process of its group; this one ends when its parent says so or is gone.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);
// Without a parent nobody would wait for an orderly exit, and the next owner waits for the folder: a query that still
// runs must not keep it, so the process ends itself the hard way.
process.once('disconnect', () => {
  setTimeout(kill, CLOSE_MS);
  closing().then(kill, kill);
});
process.on('message', (message: ToStore) => {
  if (message.kind === 'stop') {
    closing().then(
      () => process.exit(0),
      () => process.exit(1),
    );
    return;
  }
  serve(message).then(
    (stop) => {
      closing = stop;
    },
    async (error: NodeJS.ErrnoException) => {
      await tell({ kind: 'failed', why: error.code === 'EADDRINUSE' ? 'port' : 'other', message: error.message });
      process.exit(1);
    },
  );
});
