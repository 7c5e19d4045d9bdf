import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { Agent, type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { clientOf, type RunningVerdict, removeFolder, startVerdict, temporaryFolder, until } from './verdict.js';

export const ACCOUNT = 'acc-gw';

/** The tokens of the people of these tests: nothing but random text to anybody else. */
export const tokens = { developer: 'developer-token-of-the-tests', viewer: 'viewer-token-of-the-tests' } as const;
const hashOf = (token: string): string => createHash('sha256').update(token).digest('hex');

const person = (id: string, role: string, token: string) => [
  { type: 'user', id, properties: { name: id, email: `${id}@example.com` } },
  { type: 'membership', id: `${ACCOUNT}:${id}`, account: ACCOUNT, properties: { role } },
  { type: 'token', id: `tok-${id}`, account: ACCOUNT, properties: { owner: id, scope: 'write', hash: hashOf(token) } },
];

const entities = [
  { type: 'account', id: ACCOUNT, account: ACCOUNT, properties: { name: 'Gateway', access_models: ['roles'] } },
  ...person('usr-dev', 'developer', tokens.developer),
  ...person('usr-view', 'viewer', tokens.viewer),
  { type: 'instance', id: 'inst-1', account: ACCOUNT, properties: { name: 'web-1' } },
  { type: 'instance', id: 'inst-2', account: ACCOUNT, properties: { name: 'web-2' } },
];

export type Found = {
  readonly id: string;
  readonly kind: string;
  readonly account: string;
  readonly action: string;
  readonly result: string;
  readonly source: string;
  readonly actor: Readonly<Record<string, string>>;
  readonly resource: Readonly<Record<string, string>>;
  readonly details: Readonly<Record<string, unknown>>;
  readonly caused_by?: string;
  readonly request?: { readonly id: string; readonly method: string; readonly path: string; readonly status: number; readonly duration_ms: number };
};

export type RunningGateway = {
  readonly node: RunningVerdict;
  /** Where the gateway listens. */
  readonly url: string;
  readonly port: number;
  readonly api: ReturnType<typeof clientOf>;
  /** Events of a request, oldest first, once `count` of them can be queried. */
  readonly events: (requestId: string, count: number) => Promise<readonly Found[]>;
  readonly stop: () => Promise<number | null>;
};

/** The first number that follows a name in /metrics, over all labels. */
export const metric = async (gateway: RunningGateway, name: string): Promise<number> => {
  const { body } = await gateway.api.call('GET', '/metrics');
  return [...body.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'gm'))].reduce((sum, [, value]) => sum + Number(value), 0);
};

/** A whole family whose workers stand before `upstream`, by a table's text or the URL of an OpenAPI document, with an account, a developer, a viewer and two instances in its directory. */
export const startGateway = async (
  upstream: string,
  routes: string,
  env: Readonly<Record<string, string>> = {},
  folder = temporaryFolder(),
): Promise<RunningGateway> => {
  const isThere = /^https?:/.test(routes);
  const file = isThere ? routes : join(folder, 'routes.yaml');
  if (!isThere) writeFileSync(file, routes);
  const args = ['--upstream', upstream, '--routes', file];
  const node = await startVerdict({ folder, command: 'gateway', args, env: { VERDICT_GATEWAY_PORT: '0', ...env } });
  const [, url] = /The gateway listens on (\S+)/.exec(node.output()) as unknown as [string, string];
  const api = clientOf(node);
  await api.json('POST', '/v1/entities', entities);
  return {
    node,
    url,
    port: Number(new URL(url).port),
    api,
    events: (requestId, count) =>
      until(`${count} events of ${requestId}`, async () => {
        const answer = await api.call('GET', `/v1/audit-logs?request_id=${encodeURIComponent(requestId)}&limit=100`);
        if (answer.status !== 200) return undefined;
        const { events } = (JSON.parse(answer.body) as { data: { events: readonly Found[] } }).data;
        return events.length >= count ? [...events].sort((a, b) => (a.id < b.id ? -1 : 1)) : undefined;
      }),
    stop: async () => {
      api.close();
      const code = await node.stop();
      removeFolder(folder);
      return code;
    },
  };
};

export type Answered = {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly raw: readonly string[];
  readonly body: string;
  readonly trailers: IncomingMessage['trailers'];
};

const agent = new Agent({ keepAlive: true });

/** Asks through the gateway as the developer, unless the headers say otherwise (an empty `authorization`: as nobody). Rejects where the answer breaks off. */
export const through = (
  gateway: Pick<RunningGateway, 'port'>,
  method: string,
  path: string,
  headers: Record<string, string | string[]> = {},
  body?: string,
): Promise<Answered> =>
  new Promise((done, failed) => {
    const { authorization = `Bearer ${tokens.developer}`, ...rest } = headers;
    const said: Record<string, string | string[]> = {
      ...(authorization !== '' && { authorization }),
      ...(body !== undefined && { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) }),
      ...rest,
    };
    const outgoing = request({ host: '127.0.0.1', port: gateway.port, method, path, agent, timeout: 30_000, headers: said }, (response) => {
      const pieces: Buffer[] = [];
      response.on('data', (piece: Buffer) => pieces.push(piece));
      response.on('end', () =>
        done({
          status: response.statusCode ?? 0,
          headers: response.headers,
          raw: response.rawHeaders,
          body: Buffer.concat(pieces).toString(),
          trailers: response.trailers,
        }),
      );
      response.on('error', failed);
    });
    outgoing.on('timeout', () => outgoing.destroy(new Error('No answer within 30 s.')));
    outgoing.on('error', failed);
    outgoing.end(body);
  });

/** Writes bytes to the gateway and gives what comes back until the connection ends, or nothing has come for `quietMs`. */
export const raw = (gateway: Pick<RunningGateway, 'port'>, bytes: string | Buffer | readonly (string | Buffer)[], quietMs = 400): Promise<string> =>
  new Promise((done) => {
    const socket = connect(gateway.port, '127.0.0.1');
    let heard = '';
    const end = (): void => {
      clearTimeout(quiet);
      socket.destroy();
      done(heard);
    };
    const quiet = setTimeout(end, quietMs);
    socket.on('data', (piece: Buffer) => {
      quiet.refresh();
      heard += piece.toString('latin1');
    });
    socket.on('close', end).on('error', end);
    for (const one of [bytes].flat() as (string | Buffer)[]) socket.write(typeof one === 'string' ? Buffer.from(one, 'latin1') : one);
  });
