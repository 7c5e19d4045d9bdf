import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { metric, type RunningGateway, raw, startGateway, through, tokens } from '../peers/gateway.js';
import { startUpstream, type Upstream } from '../peers/upstream.js';
import { until } from '../peers/verdict.js';

const ROUTES = `
version: 1
routes:
  - { method: [GET, POST], path: "/v1/instances/{id}", action: instance.get, resource: { type: instance, id: "{params.id}" } }
  - { method: GET, path: /v1/named, action: instance.get, resource: { type: instance, id: inst-1 }, name: response.name }
`;
const ENV = {
  VERDICT_GATEWAY_CONNECT_MS: '1000',
  VERDICT_GATEWAY_HEADERS_MS: '700',
  VERDICT_GATEWAY_IDLE_MS: '900',
  VERDICT_GATEWAY_BREAKER_OPEN_MS: '500',
};
const PATH = '/v1/instances/inst-1';

let upstream: Upstream;
let gateway: RunningGateway;

beforeAll(async () => {
  upstream = await startUpstream();
  gateway = await startGateway(upstream.url, ROUTES, ENV);
});

afterAll(async () => {
  expect(await gateway?.stop()).toBe(0);
  await upstream.stop();
});

const recorded = async (id: string, status: number, code: string, result: string) => {
  const events = await gateway.events(id, 2);
  expect(events.find(({ kind }) => kind === 'activity')).toMatchObject({
    source: 'gateway',
    result,
    caused_by: events[0]?.id,
    request: { status },
    details: { code },
  });
};

const fine = () => until('the upstream to be asked again', async () => ((await through(gateway, 'GET', PATH)).status === 200 ? true : undefined));

describe('an upstream that', { timeout: 60_000 }, () => {
  it('does not answer in time: 504, recorded', async () => {
    upstream.onRaw('/v1/instances/inst-2', () => undefined);
    const answer = await through(gateway, 'GET', '/v1/instances/inst-2', { 'x-request-id': 'req-slow' });
    expect(answer.status).toBe(504);
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'upstream.timeout', acted: true, request_id: 'req-slow' });
    await recorded('req-slow', 504, 'upstream.timeout', 'error');
    await fine();
  });

  it('breaks off before its answer: 502, recorded, and a POST is not sent twice', async () => {
    let count = 0;
    upstream.onRaw('/v1/instances/inst-2', (request) => {
      count += 1;
      request.socket.destroy();
    });
    const answer = await through(gateway, 'POST', '/v1/instances/inst-2', { 'x-request-id': 'req-broken' }, '{}');
    expect(answer.status).toBe(502);
    await recorded('req-broken', 502, 'upstream.broken', 'error');
    expect(count).toBe(1);
    await fine();
  });

  it('breaks off in its answer’s body: the client’s breaks off too, and a second event has the same request id', async () => {
    upstream.onRaw('/v1/instances/inst-2', (_, response) => {
      response.writeHead(200, { 'Content-Length': '100' });
      response.write('half');
      setTimeout(() => response.destroy(), 50);
    });
    await expect(through(gateway, 'GET', '/v1/instances/inst-2', { 'x-request-id': 'req-half' })).rejects.toThrow();
    const events = await gateway.events('req-half', 3);
    expect(events.map(({ kind, result }) => `${kind} ${result}`)).toEqual(['decision allowed', 'activity success', 'activity error']);
    expect(events[2]).toMatchObject({ details: { code: 'upstream.broken' }, caused_by: events[0]?.id });
  });

  it('breaks off in chunks: the client sees no end', async () => {
    upstream.onRaw('/v1/instances/inst-2', (_, response) => {
      response.write('half');
      setTimeout(() => response.destroy(), 50);
    });
    const heard = await raw(
      gateway,
      `GET /v1/instances/inst-2 HTTP/1.1\r\nHost: a\r\nX-Request-ID: req-chunks\r\nAuthorization: Bearer ${tokens.developer}\r\n\r\n`,
    );
    expect(heard).toMatch(/Transfer-Encoding: chunked/i);
    expect(heard).not.toMatch(/0\r\n\r\n$/);
    expect((await gateway.events('req-chunks', 3))[2]).toMatchObject({ result: 'error', details: { code: 'upstream.broken' } });
  });

  it('stalls in its answer’s body: is broken off, recorded', async () => {
    upstream.onRaw('/v1/instances/inst-2', (_, response) => {
      response.write('half');
    });
    await expect(through(gateway, 'GET', '/v1/instances/inst-2', { 'x-request-id': 'req-stall' })).rejects.toThrow();
    expect((await gateway.events('req-stall', 3))[2]).toMatchObject({ result: 'error', details: { code: 'upstream.idle' } });
  });

  it('answers before it has the body: its answer goes on', async () => {
    upstream.onRaw('/v1/instances/inst-2', (_, response) => response.writeHead(413).end('too much'));
    const answer = await through(gateway, 'POST', '/v1/instances/inst-2', { 'x-request-id': 'req-early' }, 'x'.repeat(2_000_000));
    expect(answer.status).toBe(413);
    await until('nothing in flight', async () => ((await metric(gateway, 'verdict_gateway_in_flight')) === 0 ? true : undefined));
    expect((await gateway.events('req-early', 2))[1]).toMatchObject({ result: 'failure', request: { status: 413 } });
  });

  it('does not take a body: 504 once nothing has moved', async () => {
    upstream.onRaw('/v1/instances/inst-2', (request) => {
      request.pause();
    });
    const answer = await through(gateway, 'POST', '/v1/instances/inst-2', { 'x-request-id': 'req-full' }, 'x'.repeat(30_000_000)).catch(() => undefined);
    if (answer) expect(answer.status).toBe(504);
    expect((await gateway.events('req-full', 2))[1]).toMatchObject({ result: 'error', request: { status: 504 } });
    await fine();
  });

  it('closes a kept connection: a GET is asked again, once, and the client sees nothing of it', async () => {
    let asked = 0;
    upstream.onRaw('/v1/instances/inst-2', (request, response) => {
      asked += 1;
      // The second request on this connection finds it closed, as one that was idle for too long does.
      if ((request.socket as { used?: boolean }).used) request.socket.resetAndDestroy();
      else response.end('fine');
      (request.socket as { used?: boolean }).used = true;
    });
    const before = await metric(gateway, 'verdict_gateway_retries_total');
    for (let turn = 0; turn < 4; turn++) expect((await through(gateway, 'GET', '/v1/instances/inst-2')).status).toBe(200);
    expect(asked).toBeGreaterThan(4);
    expect(await metric(gateway, 'verdict_gateway_retries_total')).toBeGreaterThan(before);
  });

  it.each([
    ['no HTTP', 'nonsense\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx'],
    ['a folded field', 'HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 0\r\n\r\n'],
    ['a NUL', 'HTTP/1.1 200 OK\r\nX-A: b\0\r\nContent-Length: 0\r\n\r\n'],
    ['headers without end', `HTTP/1.1 200 OK\r\nX-A: ${'a'.repeat(70_000)}\r\n\r\n`],
    ['a status that none is', 'HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n'],
    ['a switch of protocols that nobody asked for', 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'],
  ])('answers %s: 502, and nothing of it is shown', async (_, bytes) => {
    upstream.onRaw('/v1/instances/inst-2', (request) => {
      request.socket.end(bytes, 'latin1');
    });
    const answer = await through(gateway, 'GET', '/v1/instances/inst-2');
    expect(answer.status).toBe(502);
    const events = await gateway.events(answer.headers['x-request-id'] as string, 2);
    expect(events).toHaveLength(2);
    expect(events[1]).toMatchObject({ result: 'error', request: { status: 502 } });
    await fine();
  });

  it('answers before it has the body keeps no connection for what never comes of it', async () => {
    upstream.onRaw('/v1/instances/inst-2', (_, response) => response.end('early'));
    const request = `POST /v1/instances/inst-2 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${tokens.developer}\r\nContent-Length: 1000\r\n\r\nabc`;
    const before = upstream.connections.size;
    expect(await Promise.all(Array.from({ length: 20 }, () => raw(gateway, request)))).toSatisfy((all: string[]) =>
      all.every((heard) => heard.startsWith('HTTP/1.1 200 ')),
    );
    await until('the connections to end', () => (upstream.connections.size <= before ? true : undefined));
  });

  it('breaks off a body that its client does not send is no upstream that fails', async () => {
    upstream.onRaw('/v1/instances/inst-2', (request) => void request.once('data', () => request.socket.resetAndDestroy()));
    const request = `POST /v1/instances/inst-2 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${tokens.developer}\r\nContent-Length: 1000\r\n\r\nabc`;
    for (let turn = 0; turn < 6; turn++) expect(await raw(gateway, request)).toMatch(/^HTTP\/1\.1 502 /);
    expect((await through(gateway, 'GET', PATH)).status).toBe(200);
  });
});

describe('an upstream of which all connections are in use', { timeout: 60_000 }, () => {
  let small: RunningGateway;
  beforeAll(async () => {
    small = await startGateway(upstream.url, ROUTES, { ...ENV, VERDICT_GATEWAY_HEADERS_MS: '20000', VERDICT_GATEWAY_MAX_CONNECTIONS: '2' });
  });
  afterAll(() => small?.stop());

  it('is 503 to the next request, and not taken for one that fails', async () => {
    const held: (() => void)[] = [];
    upstream.onRaw('/v1/instances/inst-2', (_, response) => void held.push(() => response.end('late')));
    const long = [1, 2].map(() => through(small, 'GET', '/v1/instances/inst-2'));
    await until('both to be held', () => (held.length === 2 ? true : undefined));
    const turned = await Promise.all(Array.from({ length: 6 }, () => through(small, 'GET', PATH)));
    for (const answer of turned) {
      const problem = JSON.parse(answer.body) as Record<string, unknown>;
      expect(problem).toMatchObject({ status: 503, code: 'upstream.busy' });
      expect(problem).not.toHaveProperty('acted');
    }
    for (const end of held) end();
    expect((await Promise.all(long)).map(({ status }) => status)).toEqual([200, 200]);
    expect((await through(small, 'GET', PATH)).status).toBe(200);
  });
});

describe('a client that', { timeout: 60_000 }, () => {
  it('goes away before the answer is recorded so, and the upstream’s connection ends', async () => {
    let isClosed = false;
    upstream.onRaw('/v1/instances/inst-2', (request) => {
      request.socket.on('close', () => {
        isClosed = true;
      });
    });
    const socket = connect(gateway.port, '127.0.0.1');
    socket.write(`GET /v1/instances/inst-2 HTTP/1.1\r\nHost: a\r\nX-Request-ID: req-gone\r\nAuthorization: Bearer ${tokens.developer}\r\n\r\n`);
    await new Promise((done) => setTimeout(done, 200));
    socket.destroy();
    await recorded('req-gone', 499, 'client.gone', 'error');
    await until('the end of the upstream’s connection', () => isClosed || undefined);
  });

  it('goes away in the middle of its body is recorded so, and the upstream sees no end of it', async () => {
    let ended = false;
    upstream.onRaw('/v1/instances/inst-2', (request) => {
      request.on('end', () => {
        ended = true;
      });
      request.on('error', () => undefined);
      request.resume();
    });
    const socket = connect(gateway.port, '127.0.0.1');
    socket.write(
      `POST /v1/instances/inst-2 HTTP/1.1\r\nHost: a\r\nX-Request-ID: req-half-body\r\nContent-Length: 100\r\nAuthorization: Bearer ${tokens.developer}\r\n\r\nhalf`,
    );
    await new Promise((done) => setTimeout(done, 200));
    socket.destroy();
    await recorded('req-half-body', 499, 'client.gone', 'error');
    expect(ended).toBe(false);
  });

  it('takes nothing of an answer that was read whole is sent away', async () => {
    upstream.on('/v1/named', (_, response) =>
      response.setHeader('Content-Type', 'application/json').end(JSON.stringify({ name: 'n', pad: 'x'.repeat(900_000) })),
    );
    const request = `GET /v1/named HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${tokens.developer}\r\n\r\n`;
    const socket = connect(gateway.port, '127.0.0.1').on('error', () => undefined);
    socket.pause().write(request.repeat(30));
    await until('one to be held', async () => ((await metric(gateway, 'verdict_gateway_in_flight')) === 1 ? true : undefined));
    await until('nothing to be in flight', async () => ((await metric(gateway, 'verdict_gateway_in_flight')) === 0 ? true : undefined));
    socket.destroy();
  });

  it('stops sending its body is answered 408', async () => {
    upstream.onRaw('/v1/instances/inst-2', (request) => request.resume());
    const heard = await raw(
      gateway,
      `POST /v1/instances/inst-2 HTTP/1.1\r\nHost: a\r\nX-Request-ID: req-idle\r\nContent-Length: 100\r\nAuthorization: Bearer ${tokens.developer}\r\n\r\nhalf`,
      3_000,
    );
    expect(heard).toMatch(/^HTTP\/1\.1 408 /);
    await recorded('req-idle', 408, 'request.timeout', 'failure');
  });

  it('goes away in the middle of the answer leaves an error event, and no connection behind', async () => {
    upstream.onRaw('/v1/instances/inst-2', (_, response) => {
      const write = (): void => {
        while (response.write(Buffer.alloc(65_536)));
        response.once('drain', write);
      };
      write();
    });
    const socket = connect(gateway.port, '127.0.0.1');
    socket.write(`GET /v1/instances/inst-2 HTTP/1.1\r\nHost: a\r\nX-Request-ID: req-gone-2\r\nAuthorization: Bearer ${tokens.developer}\r\n\r\n`);
    await new Promise((done) => setTimeout(done, 200));
    socket.destroy();
    expect((await gateway.events('req-gone-2', 3))[2]).toMatchObject({ result: 'error', details: { code: 'client.gone' } });
    await until('nothing in flight', async () => ((await metric(gateway, 'verdict_gateway_in_flight')) === 0 ? true : undefined));
  });
});

describe('an upstream that is down', () => {
  it('is 502, each recorded; then 503 without being asked; the gateway stays up and comes back by itself', { timeout: 60_000 }, async () => {
    await upstream.stop();
    const seen: number[] = [];
    for (let turn = 0; turn < 8; turn++) {
      const answer = await through(gateway, 'GET', PATH, { 'x-request-id': `req-down-${turn}` });
      seen.push(answer.status);
      if (answer.status === 503) expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    }
    expect(seen.slice(0, 5)).toEqual([502, 502, 502, 502, 502]);
    expect(seen).toContain(503);
    for (let turn = 0; turn < 8; turn++)
      expect((await gateway.events(`req-down-${turn}`, 2))[1]).toMatchObject({ result: 'error', request: { status: seen[turn] } });
    expect((await gateway.api.call('GET', '/readyz')).body).toContain('"name":"upstream","ok":false');
    expect((await gateway.api.call('GET', '/healthz')).status).toBe(200);
    upstream = await startUpstream(upstream.port);
    await fine();
    expect((await gateway.api.call('GET', '/readyz')).body).toContain('"name":"upstream","ok":true');
  });
});
