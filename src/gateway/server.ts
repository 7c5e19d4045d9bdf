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

/** What node:http's parser says of bytes that are no request, as the gateway says it. */
const FAULTS: Readonly<Record<string, readonly [status: number, code: string, message: string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'headers.too_large', 'The headers are larger than 16 KiB together.'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, 'request.framing', 'The chunks of the body have extensions without end.'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'request.timeout', 'The request did not arrive in time.'],
};
const NO_REQUEST = [400, 'request.invalid', 'This is not a request that HTTP/1.1 allows.'] as const;

/** Upgrades that aren't WebSocket's (h2c) are no matter of the gateway's: it goes on in HTTP/1.1, as it may (RFC 9110, section 7.8). */
const NOT_PASSED = new Set(['connection', 'upgrade', 'http2-settings']);

const headOf = ({ method, url, httpVersion, rawHeaders }: IncomingMessage): string => {
  let text = `${method} ${url} HTTP/${httpVersion}\r\n`;
  for (let at = 0; at < rawHeaders.length; at += 2)
    if (!NOT_PASSED.has((rawHeaders[at] as string).toLowerCase())) text += `${rawHeaders[at]}: ${rawHeaders[at + 1]}\r\n`;
  return `${text}\r\n`;
};

const isWebSocket = ({ headers }: IncomingMessage): boolean => headers.upgrade?.toLowerCase() === 'websocket';

const setLimits = (server: Server | SecureServer): void => {
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

/** The gateway's listener: node:http with a strict parser, and every kind of request handed to the same `handle`. */
export const createListener = (
  handle: Handle,
  tls: object | undefined,
  deps: Pick<GatewayDeps, 'addressOf' | 'refused' | 'metrics'>,
): Server | SecureServer => {
  const options = { insecureHTTPParser: false, maxHeaderSize: HEADER_BYTES, requireHostHeader: false, connectionsCheckingInterval: CHECK_MS, noDelay: true };
  const server = tls ? createSecureServer({ ...tls, ...options }) : createServer(options);
  setLimits(server);
  /** The last response on each connection: what is no request must not be answered into the middle of one. */
  const current = new WeakMap<Duplex, ServerResponse>();
  /** Responses whose request was followed by what is none. */
  const spoilt = new WeakSet<ServerResponse>();

  const take = (request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): void => {
    current.set(request.socket, response);
    void handle(request, response, { expectsContinue, isSpoilt: () => spoilt.has(response) });
  };

  server.on('request', (request, response) => take(request, response, false));
  server.on('checkContinue', (request, response) => take(request, response, true));
  server.on('checkExpectation', (request, response) => take(request, response, false));
  server.on('upgrade', (request, socket: Socket, head) => {
    if (!isWebSocket(request)) {
      socket.unshift(Buffer.concat([Buffer.from(headOf(request), 'latin1'), head]));
      server.emit(tls ? 'secureConnection' : 'connection', socket);
      return;
    }
    socket.on('error', () => undefined);
    void handle(request, responseOn(request, socket), { client: { socket, head } });
  });
  server.on('connect', (request, socket: Socket) => {
    socket.on('error', () => undefined);
    void handle(request, responseOn(request, socket));
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) return socket.destroy();
    const [status, code, message] = FAULTS[error.code ?? ''] ?? NO_REQUEST;
    const requestId = requestIdOf(undefined);
    deps.metrics.refused(code);
    deps.refused({ address: deps.addressOf({ socket, headers: {} } as IncomingMessage), code, path: '', requestId });
    const response = current.get(socket);
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
