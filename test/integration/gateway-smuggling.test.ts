import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { metric, type RunningGateway, raw, startGateway, tokens } from '../peers/gateway.js';
import { startUpstream, type Upstream } from '../peers/upstream.js';
import { until } from '../peers/verdict.js';

const ROUTES = `
version: 1
routes:
  - { method: GET, path: "/v1/instances/{id}", action: instance.get, resource: { type: instance, id: "{params.id}" } }
  - { method: GET, path: /v1/region, action: instance.get, resource: { type: instance, id: inst-1 }, properties: { region: header.x-region } }
  - { method: POST, path: "/v1/instances/{id}/start", action: instance.start, resource: { type: instance, id: "{params.id}" } }
`;

let upstream: Upstream;
let gateway: RunningGateway;

beforeAll(async () => {
  upstream = await startUpstream();
  gateway = await startGateway(upstream.url, ROUTES);
});

afterAll(async () => {
  expect(await gateway?.stop()).toBe(0);
  await upstream.stop();
});

const AUTH = `Authorization: Bearer ${tokens.developer}\r\n`;
const GET = `GET /v1/instances/inst-1 HTTP/1.1\r\nHost: a\r\n${AUTH}`;
const POST = `POST /v1/instances/inst-1/start HTTP/1.1\r\nHost: a\r\n${AUTH}`;
/** A request that would reach the upstream undecided if the one before it were read in two ways. */
const SMUGGLED = 'GET /admin HTTP/1.1\r\nHost: a\r\n\r\n';

/** Refused before anything of it, or behind it, reaches the upstream. */
const refused: readonly (readonly [string, string, number])[] = [
  ['both lengths, Content-Length first', `${POST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`, 400],
  ['both lengths, Transfer-Encoding first', `${POST}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n${SMUGGLED}`, 400],
  ['two equal Content-Lengths', `${POST}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`, 400],
  ['two Content-Lengths', `${POST}Content-Length: 5\r\nContent-Length: 0\r\n\r\nhello`, 400],
  ['a list as Content-Length', `${POST}Content-Length: 5, 5\r\n\r\nhello`, 400],
  ['a signed Content-Length', `${POST}Content-Length: +5\r\n\r\nhello`, 400],
  ['a hexadecimal Content-Length', `${POST}Content-Length: 0x5\r\n\r\nhello`, 400],
  ['an empty Content-Length', `${POST}Content-Length: \r\n\r\nhello`, 400],
  ['a Content-Length beyond all numbers', `${POST}Content-Length: 99999999999999999999999\r\n\r\nhello`, 400],
  ['a Content-Length that no double holds', `${POST}Content-Length: 9007199254740993\r\n\r\nhello`, 400],
  ['a space before the colon', `${POST}Content-Length : 5\r\n\r\nhello`, 400],
  ['identity as Transfer-Encoding', `${POST}Transfer-Encoding: identity\r\n\r\n${SMUGGLED}`, 400],
  ['an unknown Transfer-Encoding', `${POST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${SMUGGLED}`, 400],
  ['chunked that is not last', `${POST}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${SMUGGLED}`, 400],
  ['two Transfer-Encodings', `${POST}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n${SMUGGLED}`, 400],
  ['a vertical tab before chunked', `${POST}Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n${SMUGGLED}`, 400],
  ['gzip and chunked', `${POST}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`, 501],
  ['chunks in HTTP/1.0', `${POST.replace('HTTP/1.1', 'HTTP/1.0')}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
  ['a field that is decided on, and is taken off', `${GET.replace('instances/inst-1', 'region')}X-Region: eu\r\nConnection: x-region\r\n\r\n`, 400],
  ['a field that is decided on, in two spellings', `${GET.replace('instances/inst-1', 'region')}X-Region: eu\r\nX_Region: us\r\n\r\n`, 400],
  ['a folded field', `${GET}X-A: b\r\n c\r\n\r\n`, 400],
  ['a folded Transfer-Encoding', `${POST}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`, 400],
  ['a field that begins with a space', `GET /v1/instances/inst-1 HTTP/1.1\r\n X: b\r\nHost: a\r\n${AUTH}\r\n`, 400],
  ['lines that end in LF alone', `${GET.replaceAll('\r\n', '\n')}\n`, 400],
  ['one line that ends in LF alone', `${GET}X-A: b\nX-B: c\r\n\r\n`, 400],
  ['a CR alone', `${GET}X-A: b\rTransfer-Encoding: chunked\r\n\r\n`, 400],
  ['a NUL in a value', `${GET}X-A: a\0b\r\n\r\n`, 400],
  ['a NUL in a name', `${GET}X\0A: b\r\n\r\n`, 400],
  ['a control character in a value', `${GET}X-A: a\x01b\r\n\r\n`, 400],
  ['a line without a colon', `${GET}Foo\r\n\r\n`, 400],
  ['a name with a space', `${GET}X A: b\r\n\r\n`, 400],
  ['two Hosts', `${GET}Host: b\r\n\r\n`, 400],
  ['no Host', `GET /v1/instances/inst-1 HTTP/1.1\r\n${AUTH}\r\n`, 400],
  ['a Host that is none', `GET /v1/instances/inst-1 HTTP/1.1\r\nHost: a/../b\r\n${AUTH}\r\n`, 400],
  ['two Authorizations', `${GET}${AUTH}\r\n`, 400],
  ['a target in absolute form', `GET http://b/v1/instances/inst-1 HTTP/1.1\r\nHost: a\r\n${AUTH}\r\n`, 400],
  ['a fragment', `GET /v1/instances/inst-1#x HTTP/1.1\r\nHost: a\r\n${AUTH}\r\n`, 400],
  ['a space in the target', `GET /v1/instances/inst-1 /admin HTTP/1.1\r\nHost: a\r\n${AUTH}\r\n`, 400],
  ['a byte beyond ASCII in the target', `GET /v1/instances/\xff HTTP/1.1\r\nHost: a\r\n${AUTH}\r\n`, 400],
  ['a method in small letters', `get /v1/instances/inst-1 HTTP/1.1\r\nHost: a\r\n${AUTH}\r\n`, 400],
  ['HTTP/2.0 in its own words', `GET /v1/instances/inst-1 HTTP/2.0\r\nHost: a\r\n${AUTH}\r\n`, 505],
  ["HTTP/2's preface", 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
  ['no version', 'GET /v1/instances/inst-1\r\n\r\n', 505],
  ['CONNECT', `CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n${AUTH}\r\n`, 400],
  ['an asterisk', `OPTIONS * HTTP/1.1\r\nHost: a\r\n${AUTH}\r\n`, 400],
  ['headers over 16 KiB', `${GET}X-A: ${'a'.repeat(17_000)}\r\n\r\n`, 431],
  ['over 128 fields', `${GET}${Array.from({ length: 130 }, (_, index) => `X-${index}: 1\r\n`).join('')}\r\n`, 431],
  ['another expectation than 100-continue', `${GET}Expect: 200-ok\r\n\r\n`, 417],
  [
    'a WebSocket with a body',
    `${GET}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nContent-Length: 5\r\n\r\nhello`,
    400,
  ],
  ['a WebSocket by POST', `${POST}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`, 400],
];

describe('a request that two readers could read in two ways', () => {
  it.each(refused)('%s: is refused', async (_, bytes, status) => {
    const before = upstream.count();
    const heard = await raw(gateway, bytes);
    expect(heard.slice(0, 13)).toBe(`HTTP/1.1 ${status} `);
    expect(heard).toContain('application/problem+json');
    expect(heard.match(/HTTP\/1\.1 2\d\d/)).toBeNull();
    expect(upstream.count()).toBe(before);
  });

  it.each([
    ['a chunk size that is none', 'zz\r\nhello\r\n0\r\n\r\n'],
    ['a chunk size with 0x', '0x5\r\nhello\r\n0\r\n\r\n'],
    ['a chunk longer than it says', '5\r\nhelloworld\r\n0\r\n\r\n'],
    ['a chunk size beyond all numbers', 'fffffffffffffffff1\r\nhello\r\n0\r\n\r\n'],
    ['a chunk size that ends in LF alone', '5\nhello\n0\n\n'],
    ['a chunk size with a space', '5 \r\nhello\r\n0\r\n\r\n'],
    ['an extension that ends in LF alone', '5;a=b\nhello\r\n0\r\n\r\n'],
    ['a Content-Length among the trailers', '5\r\nhello\r\n0\r\nContent-Length: 3\r\n\r\n'],
  ])('%s: the body never ends for the upstream, and nothing behind it is a request', async (_, body) => {
    let ended = 0;
    upstream.onRaw('/v1/instances/inst-1/start', (request, response) => {
      request.on('end', () => {
        ended += 1;
        response.end('done');
      });
      request.on('error', () => undefined);
      request.resume();
    });
    const before = upstream.count();
    const id = `req-chunk-${Math.random().toString(36).slice(2)}`;
    const heard = await raw(gateway, `${POST}X-Request-ID: ${id}\r\nTransfer-Encoding: chunked\r\n\r\n${body}${SMUGGLED}`);
    expect(heard).not.toMatch(/HTTP\/1\.1 2\d\d/);
    expect(ended).toBe(0);
    expect(upstream.hits.every(({ url }) => !url.startsWith('/admin'))).toBe(true);
    // Known to be none before it was decided, it doesn't go on at all; what was decided is recorded.
    expect(upstream.count()).toBe(before);
    const events = await gateway.events(id, 2);
    expect(events.map(({ kind, result }) => `${kind} ${result}`)).toEqual(['decision allowed', 'activity failure']);
    expect(events[1]).toMatchObject({ request: { status: 400 }, details: { code: 'request.invalid' } });
  });

  it('a good request behind a refused one on the same connection is nobody’s', async () => {
    const before = upstream.count();
    await raw(gateway, `${POST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${GET}\r\n`);
    expect(upstream.count()).toBe(before);
  });

  it('chunks that are right go on, whole, and the next request on the connection is decided by itself', async () => {
    upstream.onRaw('/v1/instances/inst-1/start', (request, response) => {
      request.resume();
      request.on('end', () => response.end('done'));
    });
    const heard = await raw(gateway, `${POST}Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\n\r\n${SMUGGLED}`);
    expect([...heard.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status)).toEqual(['200', '403']);
  });

  it.each([
    [
      'a WebSocket',
      `${GET}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
      '200',
    ],
    ['an offer of h2c', `${GET}Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n`, '200'],
    ['a CONNECT', 'CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n', '400'],
  ])('%s behind a request that is still being answered is answered after it, by the same process', async (_, behind, status) => {
    upstream.onRaw('/v1/instances/inst-2', (__, response) => void setTimeout(() => response.end('late'), 300));
    const processes = gateway.node.processes();
    const heard = await raw(gateway, `${GET.replace('inst-1', 'inst-2')}\r\n${behind}`, 1_500);
    expect([...heard.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, one]) => one)).toEqual(['200', status]);
    expect(heard.indexOf('late')).toBeLessThan(heard.lastIndexOf('HTTP/1.1 '));
    expect(gateway.node.processes()).toEqual(processes);
  });

  it('is counted by address where it was no request at all', async () => {
    const counted = await gateway.api.call('GET', '/metrics');
    expect(counted.body).toMatch(/verdict_gateway_refused_total\{code="request\.invalid"\} [1-9]/);
  });
});

describe('a client that is slow on purpose', () => {
  it('has one of its requests answered after the other, and takes nothing with it when it goes', { timeout: 60_000 }, async () => {
    let open = 0;
    let most = 0;
    upstream.onRaw('/v1/instances/inst-2', (_, response) => {
      open += 1;
      most = Math.max(most, open);
      setTimeout(() => {
        open -= 1;
        response.end('done');
      }, 50);
    });
    const one = `${GET.replace('inst-1', 'inst-2')}\r\n`;
    expect((await raw(gateway, one.repeat(10), 1_500)).match(/HTTP\/1\.1 200/g)).toHaveLength(10);
    expect(most).toBe(1);
    // Without reading anything, and many more than may wait.
    const greedy = connect(gateway.port, '127.0.0.1').on('error', () => undefined);
    greedy.pause().write(one.repeat(500));
    await until('it to be sent away', () => (greedy.writable && !greedy.destroyed ? void greedy.write('x') : true));
    greedy.destroy();
    await until('nothing to be in flight', async () => ((await metric(gateway, 'verdict_gateway_in_flight')) === 0 ? true : undefined));
  });

  it('gets 408 when its headers do not end', { timeout: 40_000 }, async () => {
    const heard = await raw(gateway, GET, 20_000);
    expect(heard).toMatch(/^HTTP\/1\.1 408 /);
  });
});

describe('the route table', () => {
  it('decides on the very target that goes on', async () => {
    const target = '/v1/instances/inst-1?q=%41%20b+c&x=%2F..%2F&y=a;b#'.replace('#', '');
    const heard = await raw(gateway, `GET ${target} HTTP/1.1\r\nHost: a\r\n${AUTH}Connection: close\r\n\r\n`);
    expect(heard).toMatch(/^HTTP\/1\.1 200 /);
    await until('the hit', () => (upstream.hits.some(({ url }) => url === target) ? true : undefined));
  });
});
