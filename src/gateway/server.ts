import { createServer, type IncomingMessage, type Server, ServerResponse, STATUS_CODES } from 'node:http';
import { createServer as createSecureServer, type Server as SecureServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { PROBLEM_TYPE, problem, requestIdOf } from '../api/index.js';
import type { Handle } from './handle.js';
import type { GatewayDeps } from './types.js';

const HEADERS_MS = 10_000;
const KEEP_ALIVE_MS = 65_000;
const CHECK_MS = 5_000;
const HEADER_BYTES = 16 * 1024;
const LINGER_MS = 2_000;
/** Requests of one connection that may wait for the answers before them. */
const MOST_WAITING = 64;

/** What node:http's parser says of bytes that are no request, as the gateway says it. */
const FAULTS: Readonly<Record<string, readonly [status: number, code: string, message: string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'headers.too_large', 'The headers are larger than 16 KiB together.'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, 'request.framing', 'The chunks of the body have extensions without end.'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'request.timeout', 'The request did not arrive in time.'],
};
const NO_REQUEST = [400, 'request.invalid', 'This is not a request that HTTP/1.1 allows.'] as const;

/**
 * What came on a connection. A client may send requests without waiting for answers (RFC 9112, section 9.3.2): they are taken
 * one after the other, so that the few bytes of each don't have it answered, and its answer held, all at once.
 */
type Line = { current: ServerResponse | undefined; readonly waiting: (() => void)[] };

/** Upgrades that aren't WebSocket's (h2c) are no matter of the gateway's: it goes on in HTTP/1.1, as it may (RFC 9110, section 7.8). */
const NOT_PASSED = new Set(['connection', 'upgrade', 'http2-settings']);

const headOf = ({ method, url, httpVersion, rawHeaders }: IncomingMessage): string => {
  let text = `${method} ${url} HTTP/${httpVersion}\r\n`;
  for (let at = 0; at < rawHeaders.length; at += 2)
    if (!NOT_PASSED.has((rawHeaders[at] as string).toLowerCase())) text += `${rawHeaders[at]}: ${rawHeaders[at + 1]}\r\n`;
  return `${text}\r\n`;
};

const isWebSocket = ({ headers }: IncomingMessage): boolean => headers.upgrade?.toLowerCase() === 'websocket';

const setLimits = (server: Server | SecureServer, quietMs: number): void => {
  // A client that doesn't take its answer; everything else that may be waited for is watched by itself, and shorter.
  server.timeout = quietMs;
  server.headersTimeout = HEADERS_MS;
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  // An upload may take hours; that it moves is watched piece by piece.
  server.requestTimeout = 0;
  // node:http drops fields beyond a number without a word; src/gateway/framing.ts refuses them instead.
  server.maxHeadersCount = 0;
};

/** A response for a connection that node:http has given out of its hands. */
const responseOn = (request: IncomingMessage, socket: Socket): ServerResponse => {
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket);
  response.on('finish', () => socket.destroySoon());
  return response;
};

const ignore = (): void => undefined;

/** The gateway's listener: node:http with a strict parser, and every kind of request handed to the same `handle`. */
export const createListener = (
  handle: Handle,
  tls: object | undefined,
  deps: Pick<GatewayDeps, 'addressOf' | 'refused' | 'metrics' | 'limits'>,
): Server | SecureServer => {
  const options = { insecureHTTPParser: false, maxHeaderSize: HEADER_BYTES, requireHostHeader: false, connectionsCheckingInterval: CHECK_MS, noDelay: true };
  const server = tls ? createSecureServer({ ...tls, ...options }) : createServer(options);
  setLimits(server, deps.limits.quiet_ms);
  const kept = new WeakMap<Duplex, Line>();
  /** Responses whose request was followed by what is none. */
  const spoilt = new WeakSet<ServerResponse>();

  const lineOf = (socket: Duplex): Line => {
    const known = kept.get(socket);
    if (known) return known;
    const line: Line = { current: undefined, waiting: [] };
    kept.set(socket, line);
    return line;
  };

  /** Takes what came on a connection when everything before it has been answered; where the connection is gone by then, nobody wants it. */
  const inTurn = (socket: Socket, go: (line: Line) => void): void => {
    const line = lineOf(socket);
    if (!line.current || line.current.closed) go(line);
    else if (line.waiting.length < MOST_WAITING) line.waiting.push(() => go(line));
    else socket.destroy();
  };

  const take = (request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): void =>
    inTurn(request.socket, (line) => {
      line.current = response;
      response.once('close', () => {
        const next = line.waiting.shift();
        if (!request.socket.destroyed) next?.();
        else line.waiting.length = 0;
      });
      void handle(request, response, { expectsContinue, isSpoilt: () => spoilt.has(response) });
    });

  /** node:http lets go of the connection though answers to earlier requests may still have to be written on it. */
  const takeOver = (socket: Socket, go: () => void): void => {
    socket.off('error', ignore).on('error', ignore);
    inTurn(socket, () => {
      // The pause between two requests, which node:http began to count behind the last answer, is no matter of what follows.
      socket.setTimeout(0);
      if (socket.writable) go();
    });
  };

  const goOnWithoutUpgrade = (request: IncomingMessage, socket: Socket, head: Buffer): void => {
    socket.unshift(Buffer.concat([Buffer.from(headOf(request), 'latin1'), head]));
    server.emit(tls ? 'secureConnection' : 'connection', socket);
  };

  server.on('request', (request, response) => take(request, response, false));
  server.on('checkContinue', (request, response) => take(request, response, true));
  server.on('checkExpectation', (request, response) => take(request, response, false));
  server.on('upgrade', (request, socket: Socket, head) =>
    takeOver(socket, () => {
      if (isWebSocket(request)) void handle(request, responseOn(request, socket), { client: { socket, head } });
      else goOnWithoutUpgrade(request, socket, head);
    }),
  );
  server.on('connect', (request, socket: Socket) => takeOver(socket, () => void handle(request, responseOn(request, socket))));
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) return socket.destroy();
    const [status, code, message] = FAULTS[error.code ?? ''] ?? NO_REQUEST;
    const requestId = requestIdOf(undefined);
    deps.metrics.refused(code);
    deps.refused({ address: deps.addressOf({ socket, headers: {} } as IncomingMessage), code, path: '', requestId });
    const response = kept.get(socket)?.current;
    if (response) spoilt.add(response);
    if (response && !response.writableFinished && response.headersSent) return socket.destroy();
    const body = JSON.stringify({ ...problem(status, code, message), request_id: requestId });
    const lines = [
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
      `Content-Type: ${PROBLEM_TYPE}`,
      `Content-Length: ${Buffer.byteLength(body)}`,
      'Connection: close',
    ];
    socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`);
    // A client that doesn't close its side would keep the connection.
    setTimeout(() => socket.destroy(), LINGER_MS).unref();
  });
  return server;
};
