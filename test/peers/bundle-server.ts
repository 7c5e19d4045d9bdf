import { createHash } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';

/** How the server behaves at the moment. */
export type Behaviour = 'well' | 'error' | 'page' | 'truncated' | 'silent' | 'endless' | 'redirect' | 'no-etag' | 'gone';

export type BundleServer = {
  readonly url: string;
  readonly publish: (bytes: Buffer) => void;
  readonly behave: (behaviour: Behaviour) => void;
  /** The headers of every request so far. */
  readonly requests: readonly IncomingHttpHeaders[];
  /** How requests were answered, in order. */
  readonly answers: readonly number[];
  readonly close: () => Promise<void>;
};

export type BundleServerOptions = {
  /** Whether it holds requests as OPA's bundle protocol lets it. */
  readonly longPolling?: boolean;
  /** The one bearer token that it takes. */
  readonly token?: string;
  readonly tls?: ServerOptions;
  readonly port?: number;
};

const LONG_POLL_TYPE = 'application/vnd.openpolicyagent.bundles';
const TICK_MS = 20;

/** An HTTP server that serves one bundle as bundle servers do: ETags, 304, held requests, and their failures. */
export const startBundleServer = async (options: BundleServerOptions = {}): Promise<BundleServer> => {
  const requests: IncomingHttpHeaders[] = [];
  const answers: number[] = [];
  let bundle: Buffer = Buffer.alloc(0);
  let behaviour: Behaviour = 'well';
  const etag = (): string => `"${createHash('sha256').update(bundle).digest('hex').slice(0, 16)}"`;

  const answer = (response: ServerResponse, status: number, headers: Record<string, string | number> = {}, body?: Buffer | string): void => {
    answers.push(status);
    response.writeHead(status, headers).end(body);
  };

  const give = (request: IncomingMessage, response: ServerResponse): void => {
    const type = options.longPolling ? LONG_POLL_TYPE : 'application/gzip';
    if (behaviour !== 'no-etag' && request.headers['if-none-match'] === etag()) answer(response, 304, { ETag: etag() });
    else answer(response, 200, { 'Content-Type': type, 'Content-Length': bundle.length, ...(behaviour !== 'no-etag' && { ETag: etag() }) }, bundle);
  };

  const held = (request: IncomingMessage, response: ServerResponse): void => {
    const wait = Number(/wait=(\d+)/.exec(String(request.headers['prefer']))?.[1] ?? 0);
    const end = Date.now() + wait * 1000;
    const look = (): void => {
      if (response.destroyed) return;
      if (request.headers['if-none-match'] === etag() && Date.now() < end) setTimeout(look, TICK_MS);
      else give(request, response);
    };
    look();
  };

  const fail: Record<Exclude<Behaviour, 'well' | 'no-etag'>, (response: ServerResponse) => void> = {
    error: (response) => answer(response, 500, { 'Content-Type': 'text/plain' }, 'out of order'),
    gone: (response) => answer(response, 404),
    page: (response) => answer(response, 200, { 'Content-Type': 'text/html; charset=utf-8' }, '<h1>Sign in</h1>'),
    redirect: (response) => answer(response, 302, { Location: 'http://127.0.0.1:1/' }),
    silent: () => undefined,
    endless: (response) => {
      answers.push(200);
      response.writeHead(200, { 'Content-Type': 'application/gzip', ETag: '"endless"' });
      const more = (): void => {
        if (!response.destroyed) response.write(Buffer.alloc(65_536), () => setImmediate(more));
      };
      more();
    },
    truncated: (response) => {
      answers.push(200);
      response.writeHead(200, { 'Content-Type': 'application/gzip', 'Content-Length': bundle.length, ETag: '"truncated"' });
      response.write(bundle.subarray(0, bundle.length / 2), () => response.destroy());
    },
  };

  const listener: RequestListener = (request, response) => {
    requests.push(request.headers);
    if (options.token && request.headers.authorization !== `Bearer ${options.token}`) return answer(response, 401);
    if (behaviour !== 'well' && behaviour !== 'no-etag') return fail[behaviour](response);
    if (options.longPolling) held(request, response);
    else give(request, response);
  };

  const server: Server = options.tls ? createSecureServer(options.tls, listener) : createServer(listener);
  await new Promise<void>((done) => server.listen(options.port ?? 0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  return {
    url: `${options.tls ? 'https' : 'http'}://127.0.0.1:${port}/bundles/verdict.tar.gz`,
    publish: (bytes) => {
      bundle = bytes;
    },
    behave: (next) => {
      behaviour = next;
    },
    requests,
    answers,
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
};
