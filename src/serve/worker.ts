import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import { createServer as createSecureServer, type Server as SecureServer } from 'node:https';
import type { Logger } from 'pino';
import { PROBLEM_TYPE, type Problem, problem, requestIdOf } from '../api/index.js';
import type { Journal } from '../ingest/index.js';
import { endWith, type PartStatus, type Start, type ToChild, toSupervisor } from './messages.js';
import type { workerMetrics } from './metrics.js';

/** A further listener of a worker, beside the API's. `listen` resolves when it listens, and rejects with one sentence where it can't; `stop` resolves when those in flight are answered. */
export type Front = { readonly name: string; readonly listen: () => Promise<void>; readonly stop: () => Promise<void> };

/** What a decision worker is made of; main.ts chooses by configuration. */
export type WorkerParts = {
  readonly log: Logger;
  readonly listener: (request: IncomingMessage, response: ServerResponse) => void;
  readonly journal: Journal;
  readonly metrics: ReturnType<typeof workerMetrics>;
  /** Present where http.tls is configured: the options of a TLS listener, and how it follows changed certificates. */
  readonly tls?: { readonly options: object; readonly follow: (server: SecureServer) => () => void };
  /** Started before the worker is ready, stopped before the journal closes. */
  readonly fronts?: readonly Front[];
  readonly reload: (bundle: Uint8Array) => Promise<void>;
  /** What the supervisor last said of the other processes. */
  readonly onParts: (parts: readonly PartStatus[]) => void;
  readonly onMetricsText: (id: number, text: string) => void;
  /** Writes down what is still only in memory (refusals, last uses), then the journal is closed, then `close`. */
  readonly flush: () => Promise<void>;
  readonly close: () => Promise<void>;
};

const HEADERS_MS = 10_000;
const KEEP_ALIVE_MS = 65_000;

const bodyOf = (what: Problem): string => JSON.stringify({ ...what, request_id: requestIdOf(undefined) });

const refuse = (response: ServerResponse, what: Problem): void => {
  response.writeHead(what.status, { 'Content-Type': PROBLEM_TYPE, Connection: 'close' });
  response.end(bodyOf(what));
};

/** Listens, answers, and stops in order: no new requests, those in flight answered, the log closed. */
export const runWorker = async (start: Start, parts: WorkerParts): Promise<void> => {
  const { http, policy } = start.config;
  // A request without Host, and one that expects what nobody knows, get their problem here instead of an empty answer.
  const options = { requireHostHeader: false };
  const secure = parts.tls && createSecureServer({ ...parts.tls.options, ...options }, guarded);
  const server: Server | SecureServer = secure ?? createServer(options, guarded);
  server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) =>
    refuse(response, problem(417, 'expectation.failed', `The expectation "${request.headers.expect}" can't be met; only 100-continue is.`)),
  );
  server.headersTimeout = HEADERS_MS;
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  const unfollow = secure && parts.tls?.follow(secure);
  let isStopping = false;

  function guarded(request: IncomingMessage, response: ServerResponse): void {
    // A connection that stays open would keep a stopping worker alive.
    if (isStopping) response.setHeader('Connection', 'close');
    const isNameless = request.headers.host === undefined && request.httpVersion === '1.1';
    if (isNameless) refuse(response, problem(400, 'request.invalid', 'A request in HTTP/1.1 names its Host (RFC 9112, section 3.2).'));
    else parts.listener(request, response);
  }

  const stop = async (): Promise<void> => {
    if (isStopping) return;
    isStopping = true;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    // Connections whose request was in flight become idle later than this moment.
    const idle = setInterval(() => server.closeIdleConnections(), 20);
    const late = setTimeout(() => server.closeAllConnections(), http.drain_ms);
    await Promise.all([closed, ...(parts.fronts ?? []).map((front) => front.stop())]);
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
        void parts.reload(message.bundle);
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

  // What is no HTTP at all never reaches a route; it gets a problem too.
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (!socket.writable || error.code === 'ECONNRESET') return socket.destroy();
    const [status, code, detail] =
      error.code === 'HPE_HEADER_OVERFLOW'
        ? ([431, 'headers.too_large', 'The headers are larger than 16 KiB together.'] as const)
        : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
          ? ([408, 'request.timeout', 'The request did not arrive in time.'] as const)
          : ([400, 'request.invalid', 'This is not a request that HTTP/1.1 allows.'] as const);
    const body = bodyOf(problem(status, code, detail));
    const lines = [
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
      `Content-Type: ${PROBLEM_TYPE}`,
      `Content-Length: ${Buffer.byteLength(body)}`,
      'Connection: close',
    ];
    socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`);
  });
  server.on('error', (error: NodeJS.ErrnoException) => {
    const where = `${http.host}:${start.port}`;
    const message =
      error.code === 'EADDRINUSE'
        ? `The port ${start.port} on ${http.host} is in use by another process: stop that one, or set VERDICT_HTTP_PORT.`
        : `Verdict can't listen on ${where}: ${error.message}.`;
    endWith(message);
  });
  const ready = async (): Promise<void> => {
    try {
      await Promise.all((parts.fronts ?? []).map((front) => front.listen()));
    } catch (error) {
      return endWith((error as Error).message);
    }
    const address = server.address();
    setInterval(() => toSupervisor({ kind: 'beat' }), Math.max(20, policy.timeout_ms / 8)).unref();
    toSupervisor({ kind: 'ready', ...(typeof address === 'object' && address && { port: address.port }) });
  };
  server.listen(start.port, http.host, () => void ready());
};
