import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { metric, type RunningGateway, startGateway, through, tokens } from '../peers/gateway.js';
import { startUpstream, type Upstream } from '../peers/upstream.js';
import { until } from '../peers/verdict.js';

const REQUESTS = 10_000;
const AT_ONCE = 48;
/** A request that is not whole waits for its rest: after so long without an answer the client ends its side … */
const QUIET_MS = 150;
/** … and then the connection must end, or it hangs. */
const HANG_MS = 15_000;

const ROUTES = `
version: 1
routes:
  - { method: GET, path: "/v1/instances/{id}", action: instance.get, resource: { type: instance, id: "{params.id}" } }
  - { method: POST, path: "/v1/instances/{id}/actions", action: "instance.{body.action}", resource: { type: instance, id: "{params.id}" }, properties: { plan: body.plan } }
  - { method: POST, path: /v1/instances, action: instance.create, resource: { type: instance, id: "*" }, entity: { on: created, type: instance, id: response.id } }
  - { method: POST, path: /v1/bulk, action: instance.start, resource: { type: instance, id: "*" }, each: body.ids }
  - { method: PUT, path: "/v1/files/{rest...}", action: image.import, resource: { type: image, id: "{params.rest}" } }
  - { method: POST, path: /v1/login, public: true, login: { subject: body.email } }
`;

/** Repeatable randomness (mulberry32): a failure names its seed by its number. */
const random = (seed: number) => {
  let state = seed;
  return (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
};

const METHODS = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'HEAD', 'TRACE', 'CONNECT', 'get', 'G\0T', 'PROPFIND', '', 'GET GET'];
const TARGETS = [
  '/v1/instances/inst-1',
  '/v1/instances/inst-1/actions',
  '/v1/instances',
  '/v1/bulk',
  '/v1/files/a/b/c',
  '/v1/login',
  '/',
  '*',
  '//',
  '/v1/../admin',
  '/v1/instances/%2e%2e',
  '/v1/instances/%2f',
  '/v1/instances/%00',
  '/v1/instances/%',
  '/v1/instances/%c0%ae',
  '/v1/instances/inst-1?x=%zz',
  'http://a/v1/instances/inst-1',
  '/v1/files/..%2f..',
  '/v1/files/../x',
  '/v1/instances/inst-1;x=1',
  '/v1/instances/inst-1#a',
  '\\v1\\instances',
  '/v1/instances/inst 1',
  '/v1/instances/\xff',
  `/v1/instances/${'a'.repeat(9_000)}`,
  '/v1/instances/__proto__',
  '/v1/instances/inst-1?a=1&a=2',
];
const VERSIONS = ['HTTP/1.1', 'HTTP/1.1', 'HTTP/1.1', 'HTTP/1.1', 'HTTP/1.0', 'HTTP/2.0', 'HTTP/0.9', 'http/1.1', 'HTTP/1.10', 'RTSP/1.0', ''];
const FIELDS = [
  'Content-Length: 0',
  'Content-Length: 5',
  'Content-Length: -1',
  'Content-Length: 99999999999',
  'Content-Length: 5\r\nContent-Length: 6',
  'Transfer-Encoding: chunked',
  'Transfer-Encoding: gzip',
  'Transfer-Encoding: chunked, chunked',
  'Transfer-Encoding : chunked',
  'Host: b',
  'Host:',
  'Connection: Upgrade\r\nUpgrade: websocket',
  'Connection: Upgrade\r\nUpgrade: h2c',
  'Connection: authorization, host, content-length',
  'Connection: close',
  'Expect: 100-continue',
  'Expect: x',
  'X-Request-ID: \x7f',
  'X-Request-ID: a b c',
  'X-Verdict-Subject-Id: root',
  'X_Verdict_Subject_Id: root',
  'X-HTTP-Method-Override: DELETE',
  'traceparent: 00-0-0-0',
  'Forwarded: for=1.1.1.1',
  'X-Forwarded-For: 1.1.1.1',
  `X-Long: ${'a'.repeat(20_000)}`,
  'X-A: b\r\n c',
  'X-A: \x00',
  'X-A\x0b: b',
  ': x',
  'NoColon',
  '__proto__: x',
  'constructor: x',
  'Content-Type: text/plain',
  'Content-Encoding: gzip',
  'TE: trailers',
  'Range: bytes=0-0',
  'Cookie: a=b',
  'If-None-Match: *',
];
const BODIES = [
  '{"action":"start"}',
  '{"action":"start","action":"delete"}',
  '{"action":["start"]}',
  '{"ids":["inst-1"]}',
  '{"ids":[]}',
  '{"ids":[{}]}',
  '{"email":"a@example.com","password":"x"}',
  '{',
  '',
  'null',
  '[]',
  '"x"',
  '{"action":null}',
  '['.repeat(5_000),
  `{"action":"${'x'.repeat(5_000)}"}`,
  '{"__proto__":{"action":"start"}}',
  '{"action":"\\ud800"}',
  '\xff\xfe',
  '5\r\nhello\r\n0\r\n\r\n',
  'zz\r\n',
  'fffffffff\r\n',
  '0\r\n\r\n',
  '1\r\nab\r\n0\r\n\r\n',
  '0\r\nX-A: b\r\n\r\n',
  '{"action":1e400}',
];

/** One request, more or less right, then spoilt at some places. */
const requestOf = (seed: number): Buffer => {
  const next = random(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)] as T;
  const isNearlyRight = next() < 0.75;
  const body = pick(BODIES);
  const [method, target] = isNearlyRight
    ? pick([
        ['GET', TARGETS[0]],
        ['POST', TARGETS[1]],
        ['POST', TARGETS[2]],
        ['POST', TARGETS[3]],
        ['PUT', TARGETS[4]],
        ['POST', TARGETS[5]],
      ])
    : [pick(METHODS), pick(TARGETS)];
  const fields = [`Host: a`, `X-Request-ID: fz-${seed}`];
  if (next() < 0.8)
    fields.push(
      `Authorization: ${pick([`Bearer ${tokens.developer}`, `Bearer ${tokens.developer}`, `Bearer ${tokens.viewer}`, 'Bearer x', 'Basic eA==', 'Bearer', ''])}`,
    );
  if (next() < 0.7) fields.push('Content-Type: application/json');
  if (next() < 0.6) fields.push(`Content-Length: ${Buffer.byteLength(body, 'latin1')}`);
  const odd = isNearlyRight ? next() < 0.5 : true;
  if (odd) for (let count = Math.ceil(next() * 3); count > 0; count--) fields.splice(Math.floor(next() * fields.length), next() < 0.2 ? 1 : 0, pick(FIELDS));
  const text = `${method} ${target} ${isNearlyRight ? 'HTTP/1.1' : pick(VERSIONS)}\r\n${fields.join('\r\n')}\r\n\r\n${body}`;
  const bytes = Buffer.from(text, 'latin1');
  for (let count = next() < 0.15 ? Math.ceil(next() * 4) : 0; count > 0; count--) bytes[Math.floor(next() * bytes.length)] = Math.floor(next() * 256);
  return next() < 0.06 ? bytes.subarray(0, Math.floor(next() * bytes.length)) : bytes;
};

type Heard = { readonly text: string; readonly hangs: boolean };

/** Sends one request and hears what comes; a client that has said all it has ends its side. */
const send = (port: number, bytes: Buffer): Promise<Heard> =>
  new Promise((done) => {
    const socket = connect(port, '127.0.0.1');
    let text = '';
    const over = (hangs: boolean): void => {
      clearTimeout(quiet);
      clearTimeout(hang);
      socket.destroy();
      done({ text, hangs });
    };
    const quiet = setTimeout(() => socket.end(), QUIET_MS);
    const hang = setTimeout(() => over(true), HANG_MS);
    socket.on('data', (piece: Buffer) => {
      text += piece.toString('latin1');
      quiet.refresh();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => over(false));
    socket.write(bytes);
  });

type Line = { readonly id: string; readonly kind: string; readonly result: string; readonly source: string; readonly request?: { readonly id?: string } };

let upstream: Upstream;
let gateway: RunningGateway;
/** What reached the upstream: the request's id, and the decision that it came with. */
const reached: { readonly id: string; readonly decision: string | undefined; readonly url: string }[] = [];

beforeAll(async () => {
  upstream = await startUpstream();
  upstream.server.removeAllListeners('checkContinue');
  upstream.server.prependListener('request', ({ headers, url }) =>
    reached.push({ id: String(headers['x-request-id']), decision: headers['x-verdict-decision'] as string | undefined, url: url ?? '' }),
  );
  upstream.server.on('upgrade', ({ headers, url }, socket) => {
    reached.push({ id: String(headers['x-request-id']), decision: headers['x-verdict-decision'] as string | undefined, url: url ?? '' });
    socket.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n');
  });
  gateway = await startGateway(upstream.url, ROUTES, { VERDICT_LOG_LEVEL: 'error' });
});

afterAll(async () => {
  expect(await gateway.stop()).toBe(0);
  await upstream.stop();
});

const everyEvent = async (): Promise<readonly Line[]> => {
  const answer = await gateway.api.call('GET', '/v1/audit-logs/export?format=jsonl');
  expect(answer.status).toBe(200);
  return answer.body
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Line);
};

describe('10,000 malformed requests', () => {
  it('end no process, hang nowhere, are answered no 500, and nothing reaches the upstream without its records', { timeout: 240_000 }, async () => {
    const family = gateway.node.processes();
    const statuses = new Map<string, number>();
    const hanging: number[] = [];
    const faults: number[] = [];
    let seed = 0;
    const work = async (): Promise<void> => {
      while (seed < REQUESTS) {
        seed += 1;
        const mine = seed;
        const { text, hangs } = await send(gateway.port, requestOf(mine));
        const status = /^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 'none';
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        if (hangs) hanging.push(mine);
        if (/HTTP\/1\.1 500 /.test(text)) faults.push(mine);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    process.stdout.write(`Answered, by status: ${JSON.stringify(Object.fromEntries([...statuses].sort()))}; ${reached.length} reached the upstream.\n`);
    expect(hanging).toEqual([]);
    expect(faults).toEqual([]);
    expect(gateway.node.processes()).toEqual(family);
    expect(gateway.node.output()).not.toMatch(/could not be answered|child process ended/);
    // The spoiling left enough right for this test to be able to fail.
    expect(reached.length).toBeGreaterThan(200);
    expect(statuses.get('400') ?? 0).toBeGreaterThan(1_000);

    await until('nothing in flight', async () => ((await metric(gateway, 'verdict_gateway_in_flight')) === 0 ? true : undefined));
    const last = await through(gateway, 'GET', '/v1/instances/inst-1', { 'x-request-id': 'fz-last' });
    expect(last.status).toBe(200);
    await gateway.events('fz-last', 2);
    const missing = await until(
      'every record of what reached the upstream',
      async () => {
        const events = await everyEvent();
        const allowed = new Set(events.filter(({ kind, result }) => kind === 'decision' && result === 'allowed').map(({ id }) => id));
        const recorded = new Set(events.filter(({ kind, source }) => kind === 'activity' && source === 'gateway').map(({ request }) => request?.id));
        const without = reached.filter(
          ({ id, decision, url }) => !recorded.has(id) || !(url.startsWith('/v1/login') || (decision ?? '').split(', ').every((one) => allowed.has(one))),
        );
        return without.length === 0 ? without : undefined;
      },
      30_000,
    ).catch(() => reached);
    expect(missing).toEqual([]);
  });
});
