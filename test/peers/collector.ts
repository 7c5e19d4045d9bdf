import { lookup } from 'node:dns';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { gunzipSync } from 'node:zlib';
import type { Dial } from '../../src/export/sender.js';

/** What was asked of a collector, its body uncompressed. */
export type Asked = { readonly method: string; readonly url: string; readonly headers: IncomingHttpHeaders; readonly body: string; readonly bytes: number };

export type Collector = {
  readonly url: string;
  readonly asked: readonly Asked[];
  /** How many connections were made. */
  readonly connections: () => number;
  readonly close: () => Promise<void>;
};

export type Respond = (asked: Asked, response: ServerResponse, socket: Socket) => void | Promise<void>;

const bodyOf = async (request: IncomingMessage): Promise<Buffer> => {
  const parts: Buffer[] = [];
  for await (const part of request as AsyncIterable<Buffer>) parts.push(part);
  return Buffer.concat(parts);
};

/** An HTTP server on a free loopback port that keeps what it is asked and answers as a product would. */
export const startCollector = async (respond: Respond, tls?: { readonly cert: string; readonly key: string; readonly ca?: string }): Promise<Collector> => {
  const asked: Asked[] = [];
  let connections = 0;
  const onRequest = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    try {
      const raw = await bodyOf(request);
      const body = request.headers['content-encoding'] === 'gzip' ? gunzipSync(raw) : raw;
      const one = { method: request.method ?? '', url: request.url ?? '', headers: request.headers, body: body.toString('utf8'), bytes: body.length };
      asked.push(one);
      await respond(one, response, request.socket);
    } catch {
      // The client went away in its midst.
      response.destroy();
    }
  };
  const server = tls ? createTlsServer({ ...tls, ...(tls.ca && { requestCert: true, rejectUnauthorized: true }) }, onRequest) : createServer(onRequest);
  server.on('connection', () => (connections += 1));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `${tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    asked,
    connections: () => connections,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
};

/** Answers with JSON. */
export const answer = (response: ServerResponse, status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): void => {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
};

class GuardedAddress extends Error {
  override readonly name = 'GuardedAddress';
}

/** A way out with nothing in its way. */
export const openDial: Dial = { lookup, check: () => undefined };

/** A way out that leads nowhere: every address is guarded, at the moment of connecting too. */
export const closedDial: Dial = {
  lookup: (host, _options, done) => done(new GuardedAddress(`${host} is guarded.`), '', 0),
  check: (host) => {
    if (/^[\d.]+$/.test(host)) throw new GuardedAddress(`${host} is guarded.`);
  },
};
