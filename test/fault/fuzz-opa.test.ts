import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exportedDecisions } from '../peers/load.js';
import { clientOf, type RunningVerdict, removeFolder, startVerdict, until } from '../peers/verdict.js';

const REQUESTS = 10_000;
const AT_ONCE = 32;
/** So long may no answer take, whatever was sent. */
const HANG_MS = 10_000;
const SEED = Number(process.env['FUZZ_SEED'] ?? 20_261_123);

const ACCOUNT = 'acc-1';
const question = {
  subject: { type: 'user', id: 'usr-owner' },
  action: { name: 'instance.get' },
  resource: { type: 'instance', id: 'inst-1', properties: { account: ACCOUNT } },
  context: { channel: 'api' },
};

/** A generator of numbers from 0 to 1 that gives the same ones for the same seed (mulberry32). */
const randomFrom = (seed: number) => {
  let state = seed;
  return (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
};

const random = randomFrom(SEED);
const upTo = (most: number): number => Math.floor(random() * most);
const one = <T>(of: readonly T[]): T => of[upTo(of.length)] as T;

/** JSON that parsers, records and policies trip over. */
const ODD: readonly string[] = [
  'null',
  'true',
  '-0',
  '1e400',
  '9007199254740993',
  '0.1e-400',
  '""',
  '"\\u0000"',
  '"\\ud800"',
  '"__proto__"',
  '"../../etc/passwd"',
  '"verdict/decision"',
  `"${'x'.repeat(300)}"`,
  '"ünïcödé \\u202e"',
  '[]',
  '[[[[[]]]]]',
  `${'['.repeat(200)}${']'.repeat(200)}`,
  '{}',
  '{"__proto__":{"allow":true}}',
  '{"constructor":{"prototype":{}}}',
  '{"type":"user","id":7}',
  '{"type":"user","id":""}',
  '{"membership":{"properties":{"role":"owner"}}}',
  '{"sha256":"x"}',
  '"2026-11-22T04:03:48Z"',
  '{"cidr":"::/0","ports":[[0,65535],["a"]]}',
];

/** A question's JSON with some of its values, or names, replaced by odd ones. */
const misshapen = (): string => {
  const text = JSON.stringify({ ...question, directory: {}, facts: {}, more: [1, { a: 'b' }] });
  const places = [...text.matchAll(/"[^"]*"|\{\}|\d+/g)];
  let out = text;
  for (let times = 1 + upTo(3); times > 0; times--) {
    const place = one(places);
    out = out.replace(place[0], one(ODD));
  }
  return out;
};

/** Bytes changed, cut out, doubled, or cut off. */
const damaged = (text: string): Buffer => {
  let bytes = Buffer.from(text);
  for (let times = 1 + upTo(4); times > 0 && bytes.length > 1; times--) {
    const at = upTo(bytes.length);
    const kind = upTo(5);
    if (kind === 0) bytes[at] = upTo(256);
    else if (kind === 1) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + upTo(8))]);
    else if (kind === 2) bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from([upTo(256), upTo(256)]), bytes.subarray(at)]);
    else if (kind === 3) bytes = Buffer.concat([bytes.subarray(0, at), bytes]);
    else bytes = bytes.subarray(0, at);
  }
  return bytes;
};

const body = (isBatch: boolean): Buffer => {
  const inputs = [misshapen(), JSON.stringify(question), one(ODD)];
  const whole = isBatch ? `{"inputs":{"a":${one(inputs)},"b":${one(inputs)},${one(['"__proto__"', '""', '"c"'])}:${one(inputs)}}}` : `{"input":${one(inputs)}}`;
  const kind = upTo(10);
  if (kind < 5) return Buffer.from(whole);
  if (kind < 8) return damaged(whole);
  if (kind < 9) return Buffer.from(one(ODD));
  if (upTo(20) === 0) return Buffer.alloc(300_000, ' ');
  return Buffer.alloc(upTo(2_000), one(['{', '[', '"', ' ', '\u0000', '{"input":']));
};

const SEGMENTS = [
  'verdict',
  'decision',
  'allow',
  'reasons',
  '0',
  '',
  '.',
  '..',
  '%2F',
  '%00',
  '%zz',
  '%ff',
  '%c3%a4',
  'a%20b',
  '__proto__',
  'constructor',
  'x'.repeat(300),
  '%25',
  ';',
  '*',
];
const path = (): string => {
  if (upTo(2) === 0) return one(['/v1/data/verdict/decision', '/v1/data/verdict/decision/allow', '/v1/batch/data/verdict/decision', '/', '/v1/data']);
  const root = one([
    '/v1/data',
    '/v1/data',
    '/v1/data',
    '/v1/batch/data',
    '/v1/batch/data',
    '/v1/data/verdict',
    '/v1/data/verdict/decision',
    '',
    '/v1/database',
    '/health',
  ]);
  return `${root}/${Array.from({ length: upTo(5) }, () => one(SEGMENTS)).join('/')}`;
};

const PARAMETERS = [
  'pretty=true',
  'pretty',
  'provenance=true',
  'metrics=true',
  'explain=full',
  'instrument=x',
  '%',
  '&&=',
  'input={}',
  'input=%7B',
  'input=%ff',
  'input=&input=7',
];
const query = (): string => {
  const kind = upTo(4);
  if (kind > 1) return '';
  return kind === 0 ? `?${one(PARAMETERS)}&${one(PARAMETERS)}` : `?input=${encodeURIComponent(damaged(misshapen()).toString('latin1').slice(0, 3_000))}`;
};

const HEADERS: readonly Readonly<Record<string, string>>[] = [
  { 'content-type': 'text/plain' },
  { 'content-type': 'application/x-yaml' },
  { 'content-encoding': 'gzip' },
  { 'content-encoding': 'identity' },
  { 'x-request-id': '\t bad id ' },
  { authorization: 'Bearer' },
  { authorization: 'Basic dXNyOnB3' },
  { authorization: `Bearer ${'x'.repeat(4_000)}` },
  { accept: 'text/html' },
];

type Sent = { readonly status: number; readonly body: string; readonly decision?: string };

/** Requests that are no HTTP, or say two things at once: whatever comes back comes back, or the connection ends. */
const RAW: readonly ((head: string, bytes: Buffer) => string)[] = [
  (head) => `POST /v1/data/verdict/decision HTTP/1.1\r\n${head}Content-Length: 10\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  (head) => `POST /v1/data/verdict/decision HTTP/1.1\r\n${head}Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n`,
  (head) => `POST /v1/data/verdict/decision HTTP/1.1\r\n${head}Content-Length: -1\r\n\r\n{}`,
  (head) => `POST /v1/data/verdict/decision HTTP/1.1\r\n${head}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}`,
  (head) => `POST /v1/data/\u0001 HTTP/1.1\r\n${head}\r\n`,
  (head) => `post /v1/data/verdict/decision HTTP/1.1\r\n${head}\r\n`,
  (head) => `POST http://elsewhere/v1/data/verdict/decision HTTP/1.1\r\n${head}Content-Length: 2\r\n\r\n{}`,
  (head) => `POST * HTTP/1.1\r\n${head}\r\n`,
  (head) => `POST /v1/data/verdict/decision HTTP/9.9\r\n${head}\r\n`,
  (head, bytes) => `POST /v1/data/verdict/decision HTTP/1.1\r\n${head}Content-Length: ${bytes.length + 5}\r\n\r\n${bytes.toString('latin1')}`,
  (_, bytes) => bytes.toString('latin1'),
];

describe("OPA's paths under 10,000 malformed requests", () => {
  let node: RunningVerdict;
  let admin: ReturnType<typeof clientOf>;
  let key: string;

  beforeAll(async () => {
    node = await startVerdict({ env: { VERDICT_LOG_LEVEL: 'error' } });
    admin = clientOf(node);
    await admin.json('POST', '/v1/entities', [
      { op: 'put', type: 'account', id: ACCOUNT, properties: {} },
      { op: 'put', type: 'membership', id: `${ACCOUNT}:usr-owner`, properties: { role: 'owner' } },
      { op: 'put', type: 'instance', id: 'inst-1', account: ACCOUNT, properties: {} },
    ]);
    const { data } = await admin.json<{ data: { secret: string } }>('POST', '/v1/keys', {
      name: 'fuzz',
      accounts: [ACCOUNT],
      permissions: ['decision.evaluate'],
    });
    key = data.secret;
  });

  afterAll(async () => {
    admin?.close();
    expect(await node?.stop()).toBe(0);
    removeFolder(node.folder);
  });

  const send = (agent: Agent, method: string, target: string, bytes: Buffer | undefined, headers: Readonly<Record<string, string>>): Promise<Sent> =>
    new Promise((done, failed) => {
      const outgoing = request(`${node.url}/`, {
        method,
        agent,
        path: target,
        timeout: HANG_MS,
        headers: { authorization: `Bearer ${key}`, ...(bytes && { 'content-length': String(bytes.length) }), ...headers },
      });
      outgoing.on('response', (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () =>
          done({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString(), decision: String(response.headers['x-verdict-decision']) }),
        );
        response.on('error', failed);
      });
      outgoing.on('timeout', () => outgoing.destroy(new Error(`No answer within ${HANG_MS} ms.`)));
      outgoing.on('error', failed);
      outgoing.end(bytes);
    });

  const raw = (): Promise<Sent | undefined> =>
    new Promise((done, failed) => {
      const { hostname, port } = new URL(node.url);
      const socket = connect(Number(port), hostname);
      const timer = setTimeout(() => failed(new Error(`No answer within ${HANG_MS} ms.`)), HANG_MS);
      let heard = '';
      socket.on('data', (part: Buffer) => {
        heard += part.toString('latin1');
      });
      socket.on('error', () => undefined);
      socket.on('close', () => {
        clearTimeout(timer);
        const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(heard)?.[1] ?? Number.NaN);
        done(Number.isNaN(status) ? undefined : { status, body: heard.slice(heard.indexOf('\r\n\r\n') + 4) });
      });
      const head = `Host: verdict\r\nAuthorization: Bearer ${key}\r\nConnection: close\r\n`;
      // Half of a body, and then an end: the other side must let go too.
      socket.end(Buffer.from(one(RAW)(head, damaged(JSON.stringify({ input: question }))), 'latin1'));
    });

  it('none crashes it, hangs, fails, or is allowed without a record', { timeout: 120_000 }, async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
    const family = node.processes();
    const statuses = new Map<number, number>();
    const allowed = new Set<string>();
    const failures: string[] = [];

    const note = (what: string, sent: Sent | undefined): void => {
      if (!sent) return;
      statuses.set(sent.status, (statuses.get(sent.status) ?? 0) + 1);
      if (sent.status >= 500) failures.push(`${what} answered ${sent.status}: ${sent.body.slice(0, 300)}`);
      for (const [, id] of sent.body.matchAll(/"decision_id": ?"(evt-[^"]+)",\s*"result": ?(?:true|\{\s*"allow": ?true)/g)) allowed.add(id as string);
    };
    const shoot = async (): Promise<void> => {
      if (upTo(20) === 0) return note('a request that is no HTTP', await raw());
      const method = upTo(12) === 0 ? one(['PUT', 'DELETE', 'PATCH', 'OPTIONS', 'HEAD']) : one(['POST', 'POST', 'POST', 'GET']);
      const target = path();
      const isBatch = target.startsWith('/v1/batch');
      const bytes = target === '/' ? damaged(misshapen()) : body(isBatch);
      const asked = `${target}${query()}`;
      const sent = method === 'GET' || method === 'HEAD' ? undefined : bytes;
      const what = `${method} ${asked} ${bytes.toString('latin1').slice(0, 500)}`;
      const answer = await send(agent, method, asked, sent, upTo(6) === 0 ? one(HEADERS) : {}).catch((error: Error) => error);
      if (answer instanceof Error) return void failures.push(`${what}: ${answer.message}`);
      if (target === '/' && answer.status === 200 && /^(true|\{"allow":true)/.test(answer.body)) allowed.add(answer.decision ?? '');
      note(what, answer);
    };

    let left = REQUESTS;
    const worker = async (): Promise<void> => {
      while (left-- > 0) await shoot();
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    agent.destroy();

    expect(failures, `seed ${SEED}`).toEqual([]);
    expect(node.processes(), node.output()).toEqual(family);
    // Of each kind there were some: refused, answered, allowed.
    for (const status of [200, 400, 401, 405, 413]) expect(statuses.get(status), `answers with ${status}`).toBeGreaterThan(0);
    expect(allowed.size).toBeGreaterThan(50);

    const records = await until('the record of each allow', async () => {
      const found = new Map((await exportedDecisions(node)).map((line) => [line.id, line as unknown as { readonly result: string }]));
      return [...allowed].every((id) => found.has(id)) ? found : undefined;
    });
    for (const id of allowed) expect(records.get(id)?.result, id).toBe('allowed');
    expect((await admin.call('GET', '/healthz')).status).toBe(200);
  });
});
