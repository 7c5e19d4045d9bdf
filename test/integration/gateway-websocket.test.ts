import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { ACCOUNT, metric, type RunningGateway, raw, startGateway, tokens } from '../peers/gateway.js';
import { startUpstream, type Upstream } from '../peers/upstream.js';
import { until } from '../peers/verdict.js';

const ROUTES = `
version: 1
routes:
  - { method: GET, path: "/v1/instances/{id}/console", action: instance.console, resource: { type: instance, id: "{params.id}" } }
`;
const PATH = '/v1/instances/inst-1/console';

let upstream: Upstream;
let gateway: RunningGateway;
let rooms: WebSocketServer;
let asked: readonly (readonly [string, string | undefined])[] = [];

beforeAll(async () => {
  upstream = await startUpstream();
  rooms = new WebSocketServer({ noServer: true, maxPayload: 64 * 1024 * 1024 });
  rooms.on('connection', (socket) => {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
    socket.on('error', () => undefined);
  });
  upstream.onUpgrade((request, socket, head) => {
    asked = [...asked, [request.url ?? '', request.headers['x-verdict-subject-id'] as string | undefined]];
    rooms.handleUpgrade(request, socket, head, (opened) => rooms.emit('connection', opened, request));
  });
  gateway = await startGateway(upstream.url, ROUTES, { VERDICT_HTTP_DRAIN_MS: '5000' });
});

afterAll(async () => {
  await gateway?.stop();
  rooms.close();
  await upstream.stop();
});

const open = (id: string, token: string): Promise<WebSocket> =>
  new Promise((done, failed) => {
    const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}${PATH}`, { headers: { authorization: `Bearer ${token}`, 'x-request-id': id } });
    socket.on('open', () => done(socket));
    socket.on('unexpected-response', (_, response) => failed(new Error(`status ${response.statusCode}`)));
    socket.on('error', failed);
  });

const echoed = (socket: WebSocket, data: string | Buffer): Promise<Buffer> =>
  new Promise((done) => {
    socket.once('message', (answer) => done(answer as Buffer));
    socket.send(data);
  });

describe('a WebSocket', () => {
  it('is decided and recorded like any request, then goes both ways untouched', async () => {
    const socket = await open('req-ws-1', tokens.developer);
    expect((await echoed(socket, 'hello')).toString()).toBe('hello');
    const big = Buffer.alloc(8 * 1024 * 1024, 'x');
    const hash = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
    expect(hash(await echoed(socket, big))).toBe(hash(big));
    const [decision, activity] = await gateway.events('req-ws-1', 2);
    expect(decision).toMatchObject({ kind: 'decision', action: 'instance.console', result: 'allowed', account: ACCOUNT });
    expect(activity).toMatchObject({ kind: 'activity', result: 'success', caused_by: decision?.id, request: { status: 101, path: PATH } });
    expect(asked.at(-1)).toEqual([PATH, 'tok-usr-dev']);
    expect(await metric(gateway, 'verdict_gateway_tunnels')).toBe(1);
    const closed = new Promise((done) => socket.on('close', done));
    socket.close(1000);
    expect(await closed).toBe(1000);
    await until('the end of the tunnel', async () => ((await metric(gateway, 'verdict_gateway_tunnels')) === 0 ? true : undefined));
    await until('the end of the upstream’s side', () => (rooms.clients.size === 0 ? true : undefined));
  });

  it('that the policy denies is answered 403, and the upstream hears nothing', async () => {
    const before = upstream.count();
    await expect(open('req-ws-2', tokens.viewer)).rejects.toThrow('status 403');
    expect(upstream.count()).toBe(before);
    expect((await gateway.events('req-ws-2', 2))[1]).toMatchObject({ result: 'failure', request: { status: 403 } });
  });

  it('of nobody is answered 401', async () => {
    await expect(open('req-ws-3', 'made-up')).rejects.toThrow('status 401');
  });

  it('that ends at the upstream ends at the client', async () => {
    const socket = await open('req-ws-4', tokens.developer);
    const closed = new Promise((done) => socket.on('close', done));
    for (const one of rooms.clients) one.terminate();
    expect(await closed).toBe(1006);
  });

  it('whose client vanishes ends at the upstream', async () => {
    const socket = await open('req-ws-5', tokens.developer);
    socket.terminate();
    await until('the end of the upstream’s side', () => (rooms.clients.size === 0 ? true : undefined));
  });

  it('that the upstream does not take is answered as the upstream answers', async () => {
    upstream.onUpgrade((_, socket) => {
      socket.end('HTTP/1.1 426 Upgrade Required\r\nContent-Type: text/plain\r\nContent-Length: 4\r\nSec-WebSocket-Version: 13\r\n\r\nnope');
    });
    const heard = await raw(
      gateway,
      `GET ${PATH} HTTP/1.1\r\nHost: a\r\nX-Request-ID: req-ws-6\r\nAuthorization: Bearer ${tokens.developer}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 8\r\n\r\nGET /admin HTTP/1.1\r\nHost: a\r\n\r\n`,
    );
    expect(heard).toMatch(/^HTTP\/1\.1 426 /);
    expect(heard).toMatch(/nope$/);
    expect((await gateway.events('req-ws-6', 2))[1]).toMatchObject({ result: 'failure', request: { status: 426 } });
    expect(upstream.hits.every(({ url }) => url !== '/admin')).toBe(true);
    upstream.onUpgrade((request, socket, head) => rooms.handleUpgrade(request, socket, head, (opened) => rooms.emit('connection', opened, request)));
  });

  it('that is open at a stop is closed once everybody else is answered, and the node ends in order', async () => {
    const socket = await open('req-ws-7', tokens.developer);
    const closed = new Promise((done) => socket.on('close', done));
    const stopping = gateway.stop();
    expect(await closed).toBe(1006);
    expect(await stopping).toBe(0);
  });
});
