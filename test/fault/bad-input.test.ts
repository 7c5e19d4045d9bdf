import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { percentile, startLoad } from '../peers/load.js';
import { clientOf, type RunningVerdict, removeFolder, startVerdict, until } from '../peers/verdict.js';

const KIB = 1024;
const ACCOUNT = 'acc-bad';
const event = {
  account: ACCOUNT,
  actor: { type: 'user', id: 'usr-1' },
  action: 'instance.start',
  resource: { type: 'instance', id: 'inst-1' },
  result: 'success',
};
const question = {
  subject: { type: 'user', id: 'usr-1' },
  action: { name: 'instance.get' },
  resource: { type: 'instance', id: 'inst-1', properties: { account: ACCOUNT } },
};
const text = JSON.stringify;
const deep = `{"a":`.repeat(10_000) + 1 + '}'.repeat(10_000);
const within = (whole: object, part: string): string => text(whole).replace(/}$/, `,${part}}`);

/** What no route takes, whatever it is for: a body, or a body with its own headers. */
const malformed: readonly (readonly [string, string, Record<string, string>?])[] = [
  ['an empty body', ''],
  ['half an object', '{"subject":'],
  ['two objects', '{}{}'],
  ['a number', '7'],
  ['null', 'null'],
  ['text', '"text"'],
  ['nesting 10,000 deep', deep],
  ['an array 10,000 deep', '['.repeat(10_000) + ']'.repeat(10_000)],
  ['bytes that are no UTF-8', '\u00ff{"a":"\\ud800"}'],
  ['another content type', '{}', { 'content-type': 'text/plain' }],
  ['a compressed body', '{}', { 'content-encoding': 'gzip' }],
];

const spoilt = (good: object): readonly (readonly [string, string])[] => [
  ['a lone surrogate', within(good, '"context":{"a":"\\ud800"},"properties":{"a":"\\ud800"},"details":{"a":"\\ud800"}')],
  ['a NUL', within(good, '"context":{"a":"\\u0000"},"properties":{"a":"\\u0000"},"details":{"a":"\\u0000"}')],
  ['a key __proto__', within(good, '"__proto__":{"isAdmin":true}')],
  ['a number that JSON.parse would change', within(good, '"context":{"a":9007199254740993},"properties":{"a":1e400},"details":{"a":1e400}')],
];

const badQuestions: readonly (readonly [string, string])[] = [
  ...spoilt(question),
  ['no subject', text({ ...question, subject: undefined })],
  ['a subject that is text', text({ ...question, subject: 'usr-1' })],
  ['an action without a name', text({ ...question, action: {} })],
  ['a resource whose id is a number', text({ ...question, resource: { type: 'instance', id: 7 } })],
  ['a context that is a list', text({ ...question, context: [] })],
  ['257 KiB', text({ ...question, context: { long: 'x'.repeat(257 * KIB) } })],
];

const badEvents: readonly (readonly [string, string])[] = [
  ...spoilt(event),
  ['an unknown field', text({ ...event, extra: 1 })],
  ['an actor that is text', text({ ...event, actor: 'usr-1' })],
  ['a result of no kind', text({ ...event, result: 'maybe' })],
  ['the year 9999', text({ ...event, id: 'mine-1', timestamp: '9999-12-31T23:59:59Z' })],
  ['the year -1', text({ ...event, id: 'mine-2', timestamp: '-000001-01-01T00:00:00Z' })],
  ['a decision', text({ ...event, kind: 'decision' })],
  ['a place in a log', text({ ...event, log: '01JD0000000000000000000000', seq: 1 })],
  ['another source', text({ ...event, source: 'pdp' })],
  ['an id without a timestamp', text({ ...event, id: 'mine-3' })],
  ['good events before a bad one', text([event, event, { ...event, kind: 'decision' }])],
  ['good events before half of one', `[${text(event)},${text(event)},{"account":`],
  ['no events', '[]'],
  ['1,001 events', text(Array.from({ length: 1_001 }, () => event))],
];

const badEntities: readonly (readonly [string, string])[] = [
  ...spoilt({ account: ACCOUNT, properties: {} }),
  ['an unknown field', text({ account: ACCOUNT, properties: {}, extra: 1 })],
  ['properties that are a list', text({ account: ACCOUNT, properties: [] })],
  ['an account that is a number', text({ account: 7, properties: {} })],
  ['257 KiB', text({ account: ACCOUNT, properties: { long: 'x'.repeat(257 * KIB) } })],
];

/** A node's own numbers and times differ from answer to answer; what was said does not. */
const said = (body: string): unknown =>
  JSON.parse(body, (name, value: unknown) => (name === 'id' && typeof value === 'string' && value.startsWith('evt-') ? 'evt' : value));

let node: RunningVerdict;
let client: ReturnType<typeof clientOf>;
let family: readonly number[];

beforeAll(async () => {
  node = await startVerdict({ env: { VERDICT_LOG_LEVEL: 'silent' } });
  client = clientOf(node);
  family = node.processes();
});

afterAll(async () => {
  client.close();
  expect(await node.stop()).toBe(0);
  removeFolder(node.folder);
});

const send = (method: string, path: string, body: string, headers: Record<string, string> = {}) =>
  client.call(method, path, body, { 'x-request-id': 'bad-input', ...headers });

const PROBLEM = {
  status: expect.any(Number),
  title: expect.any(String),
  detail: expect.stringMatching(/\.$/),
  code: expect.stringMatching(/^[a-z_]+\.[a-z_]+$/),
};

/** A 4xx that says what was wrong, in the form that every answer has. */
const isRefused = async (method: string, path: string, body: string, headers?: Record<string, string>): Promise<void> => {
  const answer = await send(method, path, body, headers);
  expect(answer.status, answer.body).toBeGreaterThanOrEqual(400);
  expect(answer.status, answer.body).toBeLessThan(500);
  expect(JSON.parse(answer.body), answer.body).toMatchObject({ ...PROBLEM, status: answer.status });
  expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
};

const ways: readonly (readonly [string, string, string])[] = [
  ['one question', 'POST', '/access/v1/evaluation'],
  ['several questions', 'POST', '/access/v1/evaluations'],
  ['events', 'POST', '/v1/events'],
  ['an entity', 'PUT', '/v1/entities/instance/inst-bad'],
  ['entities', 'POST', '/v1/entities'],
];

describe.each(ways)('%s, sent malformed', (_, method, path) => {
  for (const [name, body, headers] of malformed) it(name, () => isRefused(method, path, body, headers));
});

describe('what each route does not take', () => {
  it.each(badQuestions)('a question with %s', (_, body) => isRefused('POST', '/access/v1/evaluation', body));
  it.each(badEvents)('an event with %s', (_, body) => isRefused('POST', '/v1/events', body));
  it.each(badEntities)('an entity with %s', (_, body) => isRefused('PUT', '/v1/entities/instance/inst-bad', body));

  it('a body of 41 MiB of events', async () => {
    await isRefused('POST', '/v1/events', ' '.repeat(41 * KIB * KIB));
  });

  it('on the standard’s paths, fields that it does not know are ignored', async () => {
    expect(await send('POST', '/access/v1/evaluation', text({ ...question, extra: { deep: [1] } }))).toMatchObject({ status: 200 });
  });
});

describe('the fast way and the router answer alike', () => {
  const bodies: readonly (readonly [string, string, Record<string, string>?])[] = [
    ['a good question', text(question)],
    ['an array of questions', text({ ...question, evaluations: [{}, { action: { name: 'instance.delete' } }, { subject: 7 }] })],
    ...malformed,
    ...badQuestions,
  ];

  it.each(['/access/v1/evaluation', '/access/v1/evaluations'])('%s', async (path) => {
    for (const [name, body, headers] of bodies) {
      const fast = await send('POST', path, body, headers);
      const routed = await send('POST', `${path}?`, body, headers);
      expect({ status: routed.status, body: said(routed.body) }, name).toEqual({ status: fast.status, body: said(fast.body) });
      expect(routed.headers['content-type'], name).toBe(fast.headers['content-type']);
    }
  });
});

describe('all of it at once', () => {
  it('slows nobody down, ends no process, and records nothing halfway', { timeout: 120_000 }, async () => {
    const load = startLoad(node, 4);
    const end = Date.now() + 5_000;
    while (Date.now() < end)
      await Promise.all([
        ...ways.flatMap(([, method, path]) => malformed.map(([, body, headers]) => send(method, path, body, headers))),
        ...badQuestions.map(([, body]) => send('POST', '/access/v1/evaluation', body)),
        ...badEvents.map(([, body]) => send('POST', '/v1/events', body)),
        ...badEntities.map(([, body]) => send('PUT', '/v1/entities/instance/inst-bad', body)),
      ]);
    await load.stop();
    expect(load.refused).toEqual(new Map());
    expect(load.latencies.length).toBeGreaterThan(100);
    expect(percentile(load.latencies, 1)).toBeLessThan(5_000);
    expect(node.processes()).toEqual(family);

    const marker = await client.json<{ data: { events: readonly { id: string }[] } }>('POST', '/v1/events', { ...event, account: 'acc-marker' });
    const id = marker.data.events[0]?.id as string;
    await until('the event after them', async () => ((await client.call('GET', `/v1/audit-logs/${id}`)).status === 200 ? true : undefined));
    const export_ = await client.call('GET', `/v1/audit-logs/export?format=jsonl&account=${ACCOUNT}`);
    const kinds = export_.body
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as { kind: string; action: string })
      .map(({ kind, action }) => `${kind} ${action}`);
    expect(new Set(kinds)).toEqual(new Set(['decision instance.get', 'decision instance.delete']));
    expect((await client.call('GET', '/v1/entities/instance/inst-bad')).status).toBe(404);
  });
});

describe('a body over the limit that does not say how long it is', () => {
  it.each(['/access/v1/evaluation', '/v1/events'])('%s: is refused, and its connection answers the next request', { timeout: 60_000 }, async (path) => {
    const { hostname, port } = new URL(node.url);
    const socket = connect(Number(port), hostname);
    let heard = '';
    socket.on('data', (part: Buffer) => {
      heard += part.toString();
    });
    const head = (line: string, more: string): string => `${line} HTTP/1.1\r\nHost: verdict\r\nAuthorization: Bearer ${node.token}\r\n${more}\r\n`;
    socket.write(head(`POST ${path}`, 'Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n'));
    const piece = ' '.repeat(64 * KIB);
    const pieces = path === '/v1/events' ? 650 : 8;
    for (let index = 0; index < pieces; index++) socket.write(`${piece.length.toString(16)}\r\n${piece}\r\n`);
    socket.write('0\r\n\r\n');
    await until('the refusal', () => (heard.startsWith('HTTP/1.1 413') ? true : undefined));
    socket.write(head('GET /healthz', ''));
    await until('the next answer', () => (heard.includes('HTTP/1.1 200') ? true : undefined));
    socket.destroy();
  });
});

describe('what stands before the request itself', () => {
  it.each([
    ['no Host', 'GET /healthz HTTP/1.1\r\n\r\n', 400, 'request.invalid'],
    ['an expectation that nobody knows', 'GET /healthz HTTP/1.1\r\nHost: verdict\r\nExpect: a-miracle\r\n\r\n', 417, 'expectation.failed'],
    ['no HTTP', 'good morning\r\n\r\n', 400, 'request.invalid'],
    ['headers without end', `GET /healthz HTTP/1.1\r\nHost: verdict\r\nX-Long: ${'x'.repeat(20 * KIB)}\r\n\r\n`, 431, 'headers.too_large'],
  ])('%s: gets a problem that says so', { timeout: 30_000 }, async (_name, text, status, code) => {
    const { hostname, port } = new URL(node.url);
    const socket = connect(Number(port), hostname);
    let heard = '';
    socket.on('data', (part: Buffer) => {
      heard += part.toString();
    });
    socket.write(text);
    await until('the answer', () => (heard.includes(code) ? true : undefined));
    expect(heard.startsWith(`HTTP/1.1 ${status} `)).toBe(true);
    expect(heard).toContain('application/problem+json');
    socket.destroy();
  });
});
