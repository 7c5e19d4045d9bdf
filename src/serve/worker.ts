import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer, type Server as SecureServer } from 'node:https';
import type { Logger } from 'pino';
import type { Journal } from '../ingest/index.js';
import { type PartStatus, type Start, type ToChild, toSupervisor } from './messages.js';
import type { workerMetrics } from './metrics.js';

/** What a decision worker is made of; main.ts chooses by configuration. */
export type WorkerParts = {
  readonly log: Logger;
  readonly listener: (request: IncomingMessage, response: ServerResponse) => void;
  readonly journal: Journal;
  readonly metrics: ReturnType<typeof workerMetrics>;
  /** Present where http.tls is configured: the options of a TLS listener, and how it follows changed certificates. */
  readonly tls?: { readonly options: object; readonly follow: (server: SecureServer) => () => void };
  readonly reload: () => Promise<void>;
  /** What the supervisor last said of the other processes. */
  readonly onParts: (parts: readonly PartStatus[]) => void;
  readonly onMetricsText: (id: number, text: string) => void;
  /** Writes down what is still only in memory (refusals, last uses), then the journal is closed, then `close`. */
  readonly flush: () => Promise<void>;
  readonly close: () => Promise<void>;
};

const HEADERS_MS = 10_000;
const KEEP_ALIVE_MS = 65_000;

/** Listens, answers, and stops in order: no new requests, those in flight answered, the log closed. */
export const runWorker = async (start: Start, parts: WorkerParts): Promise<void> => {
  const { http, policy } = start.config;
  const secure = parts.tls && createSecureServer(parts.tls.options, guarded);
  const server: Server | SecureServer = secure ?? createServer(guarded);
  server.headersTimeout = HEADERS_MS;
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  const unfollow = secure && parts.tls?.follow(secure);
  let isStopping = false;

  function guarded(request: IncomingMessage, response: ServerResponse): void {
    // A connection that stays open would keep a stopping worker alive.
    if (isStopping) response.setHeader('Connection', 'close');
    parts.listener(request, response);
  }

  const stop = async (): Promise<void> => {
    if (isStopping) return;
    isStopping = true;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    // Connections whose request was in flight become idle later than this moment.
    const idle = setInterval(() => server.closeIdleConnections(), 20);
    const late = setTimeout(() => server.closeAllConnections(), http.drain_ms);
    await closed;
    clearTimeout(late);
    clearInterval(idle);
    unfollow?.();
    await parts.flush();
    await parts.journal.close();
    await parts.close();
    toSupervisor({ kind: 'stopped' });
    process.exit(0);
  };

  process.on('message', (message: ToChild) => {
    switch (message.kind) {
      case 'stop':
        void stop();
        return;
      case 'release':
        parts.journal.release(message.log, message.through);
        return;
      case 'reload':
        void parts.reload();
        return;
      case 'parts':
        parts.onParts(message.parts);
        return;
      case 'metrics.text':
        parts.onMetricsText(message.id, message.text);
        return;
      case 'metrics.request':
        void parts.metrics.registry.getMetricsAsJSON().then((metrics) => toSupervisor({ kind: 'metrics.json', id: message.id, metrics }));
        return;
      default:
    }
  });

  server.on('error', (error: NodeJS.ErrnoException) => {
    const where = `${http.host}:${start.port}`;
    const message =
      error.code === 'EADDRINUSE'
        ? `The port ${start.port} on ${http.host} is in use by another process: stop that one, or set VERDICT_HTTP_PORT.`
        : `Verdict can't listen on ${where}: ${error.message}.`;
    toSupervisor({ kind: 'fatal', message });
  });
  server.listen(start.port, http.host, () => {
    const address = server.address();
    setInterval(() => toSupervisor({ kind: 'beat' }), Math.max(20, policy.timeout_ms / 8)).unref();
    toSupervisor({ kind: 'ready', ...(typeof address === 'object' && address && { port: address.port }) });
  });
};
