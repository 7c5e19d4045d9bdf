import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/** A request as it reached the upstream. */
export type Hit = {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly raw: readonly string[];
  readonly body: string;
};

/** Answers one path; `hit.body` is read already. */
export type Behaviour = (request: IncomingMessage, response: ServerResponse, hit: Hit) => void;
/** Answers before the body is read. */
export type RawBehaviour = (request: IncomingMessage, response: ServerResponse) => void;

export type Upstream = {
  readonly url: string;
  readonly port: number;
  readonly server: Server;
  readonly hits: Hit[];
  /** How often it was asked, by request id. */
  readonly count: () => number;
  /** What a path (without its query) answers from now on. */
  readonly on: (path: string, behaviour: Behaviour) => void;
  readonly onRaw: (path: string, behaviour: RawBehaviour) => void;
  readonly onUpgrade: (behaviour: (request: IncomingMessage, socket: Duplex, head: Buffer) => void) => void;
  readonly connections: ReadonlySet<Socket>;
  readonly stop: () => Promise<void>;
};

const bodyOf = (request: IncomingMessage): Promise<string> =>
  new Promise((done) => {
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', () => done(Buffer.concat(pieces).toString()));
    request.on('error', () => done(Buffer.concat(pieces).toString()));
  });

const echo: Behaviour = (_, response, hit) => {
  response.setHeader('Content-Type', 'application/json').end(JSON.stringify(hit));
};

/** A real API behind a gateway: it echoes what it gets, unless a path is told to behave otherwise. */
export const startUpstream = async (port = 0): Promise<Upstream> => {
  const hits: Hit[] = [];
  let count = 0;
  const behaviours = new Map<string, Behaviour>();
  const raw = new Map<string, RawBehaviour>();
  const connections = new Set<Socket>();
  const pathOf = (request: IncomingMessage): string => (request.url ?? '').split('?', 1)[0] as string;
  const take = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    count += 1;
    const path = pathOf(request);
    const plain = raw.get(path);
    if (plain) return plain(request, response);
    const body = await bodyOf(request);
    const hit = { method: request.method ?? '', url: request.url ?? '', headers: request.headers, raw: request.rawHeaders, body };
    hits.push(hit);
    (behaviours.get(path) ?? echo)(request, response, hit);
  };
  const server = createServer((request, response) => void take(request, response));
  server.on('connection', (socket) => {
    connections.add(socket);
    socket.on('close', () => connections.delete(socket));
    socket.on('error', () => undefined);
  });
  server.on('checkContinue', (request, response) => void take(request, response));
  server.keepAliveTimeout = 20_000;
  await new Promise<void>((done) => server.listen(port, '127.0.0.1', done));
  const at = (server.address() as AddressInfo).port;
  return {
    url: `http://127.0.0.1:${at}`,
    port: at,
    server,
    hits,
    count: () => count,
    on: (path, behaviour) => behaviours.set(path, behaviour),
    onRaw: (path, behaviour) => raw.set(path, behaviour),
    onUpgrade: (behaviour) => {
      server.removeAllListeners('upgrade');
      server.on('upgrade', (request, socket, head) => {
        count += 1;
        behaviour(request, socket, head);
      });
    },
    connections,
    stop: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
        for (const socket of connections) socket.destroy();
      }),
  };
};
