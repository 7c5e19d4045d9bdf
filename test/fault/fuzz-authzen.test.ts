import { randomInt } from 'node:crypto';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clientOf, type RunningVerdict, removeFolder, startVerdict, until } from '../peers/verdict.js';

/**
 * 10,000 malformed requests to each of AuthZEN's paths. `SEED=<number>` repeats a run. They go in pipelines over a few
 * connections, as raw bytes: no client library stands between what is sent and what is read.
 */
const SEED = Number(process.env['SEED'] ?? randomInt(2 ** 31));
const REQUESTS = 10_000;
const AT_ONCE = 100;
const CONNECTIONS = 4;
const ACCOUNT = 'acc-fuzz';

const good: Readonly<Record<string, object>> = {
  '/access/v1/evaluation': question('usr-1', 'instance.get', 'inst-1'),
  '/access/v1/evaluations': {
    ...question('usr-1', 'instance.get', 'inst-1'),
    evaluations: [{}, { action: { name: 'instance.delete' } }],
    options: { evaluations_semantic: 'execute_all' },
  },
  '/access/v1/search/subject': { ...question('', 'instance.get', 'inst-1'), page: { limit: 5 } },
  '/access/v1/search/resource': { ...question('usr-1', 'instance.get', ''), page: { token: '', limit: 5 } },
  '/access/v1/search/action': { ...question('usr-1', '', 'inst-1'), page: { limit: 1 } },
};

function question(subject: string, action: string, resource: string): object {
  return {
    subject: { type: 'user', ...(subject && { id: subject }), properties: { department: 'x' } },
    ...(action && { action: { name: action, properties: { a: [1, { b: null }] } } }),
    resource: { type: 'instance', ...(resource && { id: resource }), properties: { size: 2 } },
    context: { time: '2026-11-22T12:00-07:00', account: ACCOUNT },
  };
}

/** Small, fast, and the same for the same seed (mulberry32). */
const dice = (seed: number) => {
  let state = seed >>> 0;
  const roll = (sides: number): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % sides;
  };
  return { roll, pick: <T>(from: readonly T[]): T => from[roll(from.length)] as T };
};
type Dice = ReturnType<typeof dice>;

const ODD: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1.5,
  1e300,
  '',
  ' ',
  'x',
  '*',
  '../..',
  '\u202e',
  'é'.repeat(300),
  [],
  [[]],
  [null],
  {},
  { a: {} },
  { toString: 1 },
  { constructor: {} },
  { length: 1e9 },
];

/** The value with one part of it replaced, left out, doubled or named otherwise. */
const spoilt = (value: unknown, { roll, pick }: Dice, depth = 0): unknown => {
  if (typeof value !== 'object' || value === null || roll(4) === 0 || depth > 3) return pick(ODD);
  if (Array.isArray(value)) return roll(3) === 0 ? [...value, pick(ODD)] : value.map((one, at) => (at === 0 ? spoilt(one, { roll, pick }, depth + 1) : one));
  const names = Object.keys(value);
  const name = pick(names.length > 0 ? names : ['none']);
  const { [name]: part, ...rest } = value as Record<string, unknown>;
  const change = roll(5);
  if (change === 0) return rest;
  if (change === 1) return { ...rest, [pick(['', 'ID', 'subject', 'page', 'x'.repeat(500), 'properties', 'type'])]: part };
  return { ...rest, [name]: spoilt(part, { roll, pick }, depth + 1) };
};

const TEXTS: readonly string[] = [
  '\\ud800',
  '\\u0000',
  '"__proto__":{},',
  '[[[[',
  '9007199254740993',
  '1e999',
  '{',
  '}',
  ',',
  '"',
  '\\',
  '\u00ff',
  '\t',
  'null',
  '{}{}',
  '\ufeff',
  '//',
];

/** The text cut, with something in it, or with a byte turned over. */
const torn = (text: string, { roll, pick }: Dice): Buffer => {
  const bytes = Buffer.from(text);
  const at = roll(bytes.length + 1);
  switch (roll(4)) {
    case 0:
      return bytes.subarray(0, at);
    case 1:
      return Buffer.concat([bytes.subarray(0, at), Buffer.from(pick(TEXTS)), bytes.subarray(at)]);
    case 2: {
      const turned = Buffer.from(bytes);
      turned[Math.min(at, bytes.length - 1)] = roll(256);
      return turned;
    }
    default:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.min(bytes.length, at + 1 + roll(9)))]);
  }
};

const DEEP = Buffer.from(`${'{"a":'.repeat(2_000)}1${'}'.repeat(2_000)}`);
const TYPES = ['text/plain', '', 'application/json;', 'application/json; charset="utf-8', 'APPLICATION/JSON', 'application/x-www-form-urlencoded', ';', '/'];
const IDS = ['', 'x'.repeat(3_000), '\u00ff\u00fe', 'a, b', "'; drop --", '{"a":1}', '\t', '%00'];

const bodyOf = (whole: object, random: Dice): Buffer => {
  const kind = random.roll(20);
  if (kind === 0) return DEEP;
  if (kind === 1) return Buffer.from(JSON.stringify(random.pick(ODD)));
  if (kind === 2) return Buffer.alloc(random.roll(64), random.roll(256));
  if (kind < 9) return Buffer.from(JSON.stringify(spoilt(whole, random)));
  return torn(JSON.stringify(whole), random);
};

const requestOf = (path: string, token: string, random: Dice): Buffer => {
  const { roll, pick } = random;
  const whole = good[path];
  // Actions are searched for among a hundred and more: mostly of somebody who may do none of them, and of whom none is asked.
  const whose = path.endsWith('/action') && roll(8) !== 0 ? { ...whole, subject: { type: 'user', id: 'usr-9' } } : whole;
  const body = whose ? bodyOf(whose, random) : Buffer.alloc(0);
  const method =
    body.length === 0 && path.startsWith('/.well-known')
      ? pick(['GET', 'POST', 'HEAD', 'PUT', 'OPTIONS', 'DELETE'])
      : roll(50) === 0
        ? pick(['GET', 'PUT', 'PATCH', 'DELETE'])
        : 'POST';
  const target = roll(12) === 0 ? `${path}${pick(['?', '?a=1', '?%00', '/', '//', '/../', '%2e', '?token=x&token=y', '#x', ';a'])}` : path;
  const headers = [
    `${method} ${target} HTTP/1.1`,
    'Host: localhost',
    roll(25) === 0
      ? `Authorization: ${pick(['Bearer', 'Bearer ', 'Basic eDp5', `Bearer ${'y'.repeat(4_000)}`, `${token}`])}`
      : `Authorization: Bearer ${token}`,
    `Content-Type: ${roll(8) === 0 ? pick(TYPES) : 'application/json'}`,
    ...(roll(6) === 0 ? [`X-Request-ID: ${pick(IDS)}`] : []),
    ...(roll(40) === 0 ? [`Content-Encoding: ${pick(['gzip', 'br', 'identity', '?'])}`] : []),
    ...(roll(40) === 0 ? [`X-Forwarded-For: ${pick(['::1', 'nobody', '1.2.3.4, 5', 'x'.repeat(500)])}`] : []),
    `Content-Length: ${body.length}`,
  ];
  return Buffer.concat([Buffer.from(`${headers.join('\r\n')}\r\n\r\n`, 'latin1'), body]);
};

type Reply = { readonly status: number; readonly body: string };

/** The answers in a connection's bytes, and what is left over. `isHead` says which of them have a length and no body. */
const repliesIn = (bytes: Buffer, isHead: (at: number) => boolean, from: number): { readonly replies: Reply[]; readonly rest: Buffer } => {
  const replies: Reply[] = [];
  let rest = bytes;
  for (;;) {
    const end = rest.indexOf('\r\n\r\n');
    if (end < 0) return { replies, rest };
    const head = rest.toString('latin1', 0, end);
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1]);
    if (!status) throw new Error(`That is no answer: ${head.slice(0, 200)}`);
    const chunked = /^transfer-encoding: chunked/im.test(head);
    const length = chunked || isHead(from + replies.length) ? 0 : Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0);
    if (chunked) throw new Error(`An answer whose length nobody knows: ${head}`);
    if (rest.length < end + 4 + length) return { replies, rest };
    replies.push({ status, body: rest.toString('utf8', end + 4, end + 4 + length) });
    rest = rest.subarray(end + 4 + length);
  }
};

/** Sends requests in one pipeline; a connection that the server closes is opened again for those without an answer. */
const pipeline = async (url: URL, requests: readonly Buffer[]): Promise<readonly Reply[]> => {
  const replies: Reply[] = [];
  const isHead = (at: number): boolean => requests[at]?.toString('latin1', 0, 5) === 'HEAD ';
  while (replies.length < requests.length) {
    const before = replies.length;
    await new Promise<void>((done, failed) => {
      const socket = connect(Number(url.port), url.hostname);
      let rest: Buffer = Buffer.alloc(0);
      socket.setTimeout(15_000, () =>
        failed(new Error(`A request has no answer after 15 s (seed ${SEED}):\n${requests[replies.length]?.toString('latin1').slice(0, 2_000)}`)),
      );
      socket.on('data', (data: Buffer) => {
        const found = repliesIn(Buffer.concat([rest, data]), isHead, replies.length);
        replies.push(...found.replies);
        rest = found.rest;
        if (replies.length >= requests.length) socket.end();
      });
      socket.on('error', () => undefined);
      socket.on('close', () => done());
      socket.write(Buffer.concat(requests.slice(replies.length)));
    });
    if (replies.length === before)
      throw new Error(`A request ends its connection and gets no answer (seed ${SEED}):\n${requests[before]?.toString('latin1').slice(0, 2_000)}`);
  }
  return replies;
};

let node: RunningVerdict;
let client: ReturnType<typeof clientOf>;
let family: readonly number[];

beforeAll(async () => {
  node = await startVerdict({ env: { VERDICT_LOG_LEVEL: 'silent' } });
  client = clientOf(node);
  family = node.processes();
  const entities = [
    { type: 'account', id: ACCOUNT },
    { type: 'user', id: 'usr-1' },
    { type: 'membership', id: `${ACCOUNT}:usr-1`, properties: { role: 'developer' } },
    ...Array.from({ length: 8 }, (_, at) => ({ type: 'instance', id: `inst-${at}`, account: ACCOUNT })),
  ];
  await client.json(
    'POST',
    '/v1/entities',
    entities.map((entity) => ({ op: 'put', properties: {}, ...entity })),
  );
});

afterAll(async () => {
  client.close();
  expect(await node.stop()).toBe(0);
  removeFolder(node.folder);
});

/** The ids of the events that an answer rests on, where it allows something: a decision, or results. */
const allowedBy = (body: string): readonly string[] => {
  type Answer = {
    readonly decision?: boolean;
    readonly context?: { readonly id?: string };
    readonly results?: readonly unknown[];
    readonly evaluations?: readonly Answer[];
  };
  const idsOf = ({ decision, context, results, evaluations }: Answer): readonly string[] => {
    const own = decision === true || (results !== undefined && results.length > 0) ? [String(context?.id)] : [];
    return [...own, ...(evaluations ?? []).flatMap(idsOf)];
  };
  return idsOf(JSON.parse(body) as Answer);
};

describe(`Malformed requests (seed ${SEED})`, () => {
  const paths = [...Object.keys(good), '/.well-known/authzen-configuration'];
  const allowed = new Set<string>();

  it.each(paths)('10,000 to %s: each is answered, none with a fault of Verdict’s own', { timeout: 120_000 }, async (path) => {
    const random = dice(SEED + paths.indexOf(path));
    const requests = Array.from({ length: REQUESTS }, () => requestOf(path, node.token, random));
    const batches = Array.from({ length: Math.ceil(REQUESTS / AT_ONCE) }, (_, at) => requests.slice(at * AT_ONCE, (at + 1) * AT_ONCE));
    const statuses = new Map<number, number>();
    const work = async (): Promise<void> => {
      for (let batch = batches.pop(); batch; batch = batches.pop()) {
        const replies = await pipeline(new URL(node.url), batch);
        for (const [at, { status, body }] of replies.entries()) {
          statuses.set(status, (statuses.get(status) ?? 0) + 1);
          if (status >= 500) throw new Error(`${status} ${body} (seed ${SEED}) to:\n${batch[at]?.toString('latin1').slice(0, 2_000)}`);
          if (status === 200 && path.startsWith('/access')) for (const id of allowedBy(body)) allowed.add(id);
        }
      }
    };
    await Promise.all(Array.from({ length: CONNECTIONS }, work));
    expect([...statuses.values()].reduce((sum, count) => sum + count, 0)).toBe(REQUESTS);
    // Otherwise nothing was malformed, or nothing got as far as a policy.
    const refused = [...statuses].filter(([status]) => status >= 400).reduce((sum, [, count]) => sum + count, 0);
    expect(refused).toBeGreaterThan(REQUESTS / 3);
    if (path.startsWith('/access')) expect(statuses.get(200)).toBeGreaterThan(REQUESTS / 50);
  });

  it('end no process, and leave no allow without its record', { timeout: 60_000 }, async () => {
    expect(node.processes()).toEqual(family);
    expect(allowed.size).toBeGreaterThan(100);
    const last = await client.json<{ context: { id: string } }>('POST', '/access/v1/evaluation', good['/access/v1/evaluation']);
    await until('the last decision in the store', async () =>
      (await client.call('GET', `/v1/audit-logs/${last.context.id}`)).status === 200 ? true : undefined,
    );
    const { body } = await client.call('GET', '/v1/audit-logs/export?format=jsonl');
    const found = new Set(
      body
        .split('\n')
        .filter(Boolean)
        .map((line) => (JSON.parse(line) as { id: string }).id),
    );
    expect([...allowed].filter((id) => !found.has(id))).toEqual([]);
  });
});
