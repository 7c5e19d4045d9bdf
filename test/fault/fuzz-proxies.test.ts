import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CheckClient, checkClient, checkOf, headerIn, rawChecks } from '../peers/check.js';
import { type Scene, startScene } from '../peers/proxied.js';
import { until } from '../peers/verdict.js';

const EACH = 10_000;
const CONNECTIONS = 24;
const PIPELINED = 25;

/** The same numbers at each run from the same seed (mulberry32). */
const randomOf = (seed: number) => {
  let state = seed;
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
  const below = (limit: number): number => Math.floor(next() * limit);
  return { below, chance: (share: number): boolean => next() < share, pick: <T>(list: readonly T[]): T => list[below(list.length)] as T };
};
type Random = ReturnType<typeof randomOf>;

const METHODS = [
  'GET',
  'POST',
  'DELETE',
  'PUT',
  'HEAD',
  'OPTIONS',
  'PATCH',
  'get',
  'G',
  'TRACE',
  'PURGE',
  'X'.repeat(200),
  '',
  'GET,POST',
  '__proto__',
  'constructor',
];
const PIECES = [
  '/health',
  '/v1',
  '/instances',
  '/inst-1',
  '/inst-2',
  '/actions',
  '/start',
  '/bulk-start',
  '/files',
  '/login',
  '/',
  '//',
  '/.',
  '/..',
  '%2e',
  '%2E%2e',
  '%2f',
  '%5C',
  '%00',
  '%0a',
  '%zz',
  '%',
  '%c0%af',
  '%e2%82%ac',
  '%25',
  '%252f',
  ';',
  ';a=b',
  '?',
  '&',
  '=',
  '#',
  '*',
  '@',
  ':',
  'http://evil.example',
  '/__proto__',
  '/constructor',
  'é',
  '|',
  '"',
  '<script>',
  'a'.repeat(300),
  '/{id}',
  '/{params.id}',
] as const;
const targetOf = (random: Random): string => {
  if (random.chance(0.2)) return random.pick(['/v1/instances/inst-1', '/v1/instances/inst-1?page=1', '/health', '/v1/instances/inst-1/actions/start']);
  return Array.from({ length: 1 + random.below(8) }, () => random.pick(PIECES)).join('');
};
const BODIES = [
  '',
  '{}',
  '{"action":"start"}',
  '{"action":"start","action":"delete"}',
  '{"action":',
  '[]',
  'null',
  '"x"',
  '{"ids":["inst-1","inst-2"]}',
  '{"ids":[]}',
  '{"ids":[1]}',
  '{"ids":"inst-1"}',
  '{"action":{"a":1}}',
  '{"__proto__":{"action":"start"}}',
  '{"action":"../get"}',
  '{"action":"get\\u0000"}',
  '[[[[[[',
  '{"a":1e999}',
  '\u00ff\u00fe',
  '{"action":"x"}'.padEnd(9_000),
] as const;
const bytesOf = (random: Random): string => Array.from({ length: random.below(60) }, () => String.fromCharCode(random.below(256))).join('');
/** Any bytes that HTTP lets a header have (RFC 9110, section 5.5): others end the connection. */
const headerText = (random: Random): string => bytesOf(random).replaceAll(/[^\t\x20-\x7e\x80-\xff]/g, '.');

const credentialOf = (random: Random, { owner, viewer, revoked, key }: Scene): string | undefined =>
  random.pick([
    `Bearer ${owner}`,
    `Bearer ${owner}`,
    `Bearer ${viewer}`,
    `Bearer ${revoked}`,
    undefined,
    'Bearer ',
    'Bearer a.b.c',
    `Bearer ${key}`,
    `bearer  ${owner}`,
    'Basic YTpi',
    `Bearer ${owner}, Bearer ${viewer}`,
    `Bearer eyJhbGciOiJub25lIn0.e30.`,
    `Bearer ${'x'.repeat(6_000)}`,
    headerText(random),
  ]);

type Written = { readonly text: string; readonly isHead: boolean };
type Answered = { readonly status: number; readonly event: string };

/** One request as its bytes, mostly of a kind that HTTP itself lets pass. */
const httpRequest = (random: Random, way: string, scene: Scene): Written => {
  const [asked, target] = [random.pick(METHODS), targetOf(random)];
  // node:http takes the methods that it knows; the others come in headers.
  const isPlain = /^(GET|POST|DELETE|PUT|HEAD|OPTIONS|PATCH)$/.test(asked) && !/[^\x21-\x7e]/.test(target);
  const method = way === 'envoy' && isPlain ? asked : 'GET';
  const path = way === 'envoy' ? (isPlain ? (target.startsWith('/') ? target : `/${target}`) : '/health') : '';
  const headers = [`Host: verdict`];
  if (random.chance(0.97)) headers.push(`X-Verdict-Key: ${scene.key}`);
  const credential = credentialOf(random, scene);
  if (credential !== undefined) headers.push(`Authorization: ${credential}`);
  const names = way === 'nginx' ? ['X-Original-Method', 'X-Original-URI'] : ['X-Forwarded-Method', 'X-Forwarded-Uri'];
  if (way !== 'envoy') {
    if (random.chance(0.97)) headers.push(`${names[0]}: ${random.chance(0.5) ? 'GET' : asked}`);
    if (random.chance(0.97)) headers.push(`${names[1]}: ${target}`);
  }
  if (random.chance(0.2))
    headers.push(`${random.pick(['Cookie', 'X-Verdict-Subject', 'X_Verdict_Account', 'X-Request-ID', 'X-Forwarded-For', 'Via'])}: ${headerText(random)}`);
  if (random.chance(0.1)) headers.push(`${names[1]}: /health`);
  const body = method === 'GET' || method === 'HEAD' ? '' : random.chance(0.3) ? bytesOf(random) : random.pick(BODIES);
  if (body !== '')
    headers.push(`Content-Type: ${random.pick(['application/json', 'application/json', 'text/plain', 'application/x+json', '', 'a'.repeat(100)])}`);
  if (random.chance(0.05)) headers.push(`X-Envoy-Auth-Partial-Body: ${random.pick(['true', 'false', 'x'])}`);
  if (random.chance(0.05)) headers.push(`Content-Encoding: ${random.pick(['gzip', 'identity', 'x'])}`);
  headers.push(`Content-Length: ${Buffer.byteLength(body, 'latin1')}`);
  return { text: `${method} /v1/ext-authz/${way}${path} HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n${body}`, isHead: method === 'HEAD' };
};

/** Sends requests on one connection, one after the other without waiting; resolves with an answer to each. */
const sendAll = (port: number, requests: readonly Written[]): Promise<readonly Answered[]> =>
  new Promise((done, failed) => {
    const socket = connect(port, '127.0.0.1');
    const answers: Answered[] = [];
    let rest = '';
    let sent = 0;
    const feed = (): void => {
      while (sent < requests.length && sent - answers.length < PIPELINED) socket.write(Buffer.from((requests[sent++] as Written).text, 'latin1'));
    };
    const take = (): boolean => {
      const end = rest.indexOf('\r\n\r\n');
      if (end < 0) return false;
      const head = rest.slice(0, end);
      const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1]);
      const length = requests[answers.length]?.isHead ? 0 : Number(/^content-length: (\d+)$/im.exec(head)?.[1] ?? 0);
      if (rest.length < end + 4 + length) return false;
      if (!status) throw new Error(`This is no answer: ${head}`);
      answers.push({ status, event: /^x-verdict-decision: (\S+)$/im.exec(head)?.[1] ?? '' });
      rest = rest.slice(end + 4 + length);
      return true;
    };
    socket.setTimeout(30_000, () => socket.destroy(new Error(`No answer within 30 s to: ${requests[answers.length]?.text}`)));
    socket.once('error', failed);
    socket.once('close', () => failed(new Error(`The connection ended before the answer to: ${requests[answers.length]?.text}`)));
    socket.on('data', (part: Buffer) => {
      rest += part.toString('latin1');
      while (take());
      if (answers.length < requests.length) return feed();
      socket.removeAllListeners('close').destroy();
      done(answers);
    });
    feed();
  });

/** Bytes that are no request: an answer or none, but an end. */
const sendGarbage = (port: number, bytes: string): Promise<string> =>
  new Promise((done) => {
    const socket = connect(port, '127.0.0.1');
    let text = '';
    socket.on('data', (part: Buffer) => {
      text += part.toString('latin1');
    });
    socket.on('error', () => undefined);
    socket.once('close', () => done(text));
    socket.end(Buffer.from(bytes, 'latin1'));
  });

describe('10,000 malformed requests to each way in', () => {
  let scene: Scene;
  let family: readonly number[];
  let clients: readonly ReturnType<typeof rawChecks>[];
  let first: CheckClient;
  const allowed: string[] = [];
  beforeAll(async () => {
    scene = await startScene({ VERDICT_LOG_LEVEL: 'error' });
    family = scene.node.processes();
    clients = Array.from({ length: 4 }, () => rawChecks(scene.grpcPort));
    first = checkClient(`127.0.0.1:${scene.grpcPort}`);
  });
  afterAll(async () => {
    for (const client of [first, ...(clients ?? [])]) client?.close();
    await scene?.stop();
  });

  const port = (): number => Number(new URL(scene.node.url).port);

  it.each(['envoy', 'nginx', 'traefik', 'caddy'])('%s: each is answered, and none with an error of Verdict’s', { timeout: 120_000 }, async (way) => {
    const random = randomOf(way.length * 7_919);
    const requests = Array.from({ length: EACH }, () => httpRequest(random, way, scene));
    const share = Math.ceil(EACH / CONNECTIONS);
    const lists = Array.from({ length: CONNECTIONS }, (_, index) => requests.slice(index * share, (index + 1) * share));
    const answers = (await Promise.all(lists.map((list) => sendAll(port(), list)))).flat();
    expect(answers.length).toBe(EACH);
    const statuses = new Map<number, number>();
    for (const { status } of answers) statuses.set(status, (statuses.get(status) ?? 0) + 1);
    const expected = way === 'nginx' ? [200, 401, 403] : [200, 400, 401, 403, 413];
    expect([...statuses.keys()].filter((status) => !expected.includes(status))).toEqual([]);
    expect(statuses.get(200) ?? 0).toBeGreaterThan(50);
    expect(statuses.get(403) ?? 0).toBeGreaterThan(500);
    // Without an event only the public route that is not recorded lets anybody through.
    allowed.push(...answers.flatMap(({ status, event }) => (status === 200 && event !== '' ? [event] : [])));
  });

  it('what is no HTTP at all is refused, and its connection ends', { timeout: 120_000 }, async () => {
    const random = randomOf(1);
    for (let round = 0; round < 40; round++) {
      const garbage = Array.from(
        { length: 25 },
        () => `GET /v1/ext-authz/envoy${targetOf(random)} HTTP/1.1\r\n${bytesOf(random)}\r\n${bytesOf(random)}\r\n\r\n`,
      );
      for (const text of await Promise.all(garbage.map((one) => sendGarbage(port(), one)))) expect(text).not.toMatch(/HTTP\/1\.1 (2|5)\d\d/);
    }
  });

  it('gRPC: each is answered with a ruling, and no call fails', { timeout: 120_000 }, async () => {
    const random = randomOf(2);
    const shown = { authorization: `Bearer ${scene.key}` };
    const message = (): Buffer => {
      const headers: Record<string, string> = { 'content-type': 'application/json' };
      const credential = credentialOf(random, scene);
      if (credential !== undefined) headers['authorization'] = credential;
      if (random.chance(0.2)) headers[random.pick(['__proto__', 'x-verdict-subject', 'X_Verdict-Account', '', 'cookie', 'constructor'])] = bytesOf(random);
      const body = random.chance(0.5) ? { body: random.pick(BODIES) } : { raw_body: Buffer.from(bytesOf(random), 'latin1') };
      const good = first.bytes(checkOf(random.chance(0.5) ? 'GET' : random.pick(METHODS), targetOf(random), headers, body));
      if (random.chance(0.5)) return good;
      if (random.chance(0.3)) return Buffer.from(bytesOf(random), 'latin1');
      const spoilt = Buffer.from(good);
      for (let count = 1 + random.below(4); count > 0; count--) spoilt[random.below(spoilt.length)] = random.below(256);
      return random.chance(0.3) ? spoilt.subarray(0, random.below(spoilt.length)) : spoilt;
    };
    let left = EACH;
    let denials = 0;
    const work = async (client: Pick<CheckClient, 'send'>): Promise<void> => {
      while (left > 0) {
        left -= 1;
        const bytes = message();
        const { code, message: why, response } = await client.send(bytes, random.chance(0.97) ? shown : {});
        if (code !== 0) throw new Error(`The call failed with ${code} (${why}) for ${bytes.toString('base64')}`);
        const event = headerIn(response, 'x-verdict-decision');
        if (response?.denied_response) denials += 1;
        else if (event !== undefined) allowed.push(event);
        else if (!response?.ok_response?.headers_to_remove.includes('x-verdict-decision')) throw new Error('An allow without a word about its event.');
      }
    };
    await Promise.all(Array.from({ length: 2 * CONNECTIONS }, (_, index) => work(clients[index % clients.length] as Pick<CheckClient, 'send'>)));
    expect(denials).toBeGreaterThan(5_000);
  });

  it('no process has ended, and every allow has its record', { timeout: 120_000 }, async () => {
    expect(scene.node.processes()).toEqual(family);
    expect(scene.node.output()).not.toContain('could not be ruled on');
    const known = new Set<string>();
    const marker = allowed.at(-1) as string;
    await until('the last allow in the store', async () => ((await scene.client.call('GET', `/v1/audit-logs/${marker}`)).status === 200 ? true : undefined));
    const lookUp = async (): Promise<readonly string[]> => {
      for (const account of ['acc-1', 'verdict']) {
        const lines = (await scene.client.call('GET', `/v1/audit-logs/export?format=jsonl&account=${account}`)).body.split('\n').filter(Boolean);
        for (const line of lines) {
          const { id, result } = JSON.parse(line) as { readonly id: string; readonly result: string };
          if (result === 'allowed' || result === 'success') known.add(id);
        }
      }
      return allowed.filter((id) => !known.has(id));
    };
    await until('every allow in the store', async () => ((await lookUp()).length === 0 ? true : undefined), 20_000);
    expect(allowed.length).toBeGreaterThan(300);
    expect((await scene.client.call('GET', '/healthz')).status).toBe(200);
  });
});
