import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { type VerdictClientConfig, VerdictError, verdictClient } from './index.js';

const question = { subject: { type: 'user', id: 'usr-1' }, action: { name: 'instance.get' }, resource: { type: 'instance', id: 'inst-1' } };
const answer = (decision: boolean, policy = 'r1') => ({ decision, context: { id: 'evt-1', reasons: [{ code: 'role', message: 'Why.' }], advice: [], policy } });
const event = { actor: { type: 'user', id: 'usr-1' }, action: 'instance.get', resource: { type: 'instance', id: 'inst-1' }, result: 'success' } as const;

type Behaviour = (request: IncomingMessage, response: ServerResponse, body: string) => unknown;
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** A server that answers as each request in turn is to be answered; the last one's way stays. What was asked is kept. */
const serverOf = async (...turns: readonly Behaviour[]) => {
  const asked: { readonly path: string; readonly body: string; readonly headers: IncomingMessage['headers'] }[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString();
      asked.push({ path: request.url ?? '', body, headers: request.headers });
      turns[Math.min(asked.length, turns.length) - 1]?.(request, response, body);
    });
  });
  server.on('connection', (socket) => sockets.add(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(async () => {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked, sockets };
};

const json =
  (value: unknown, status = 200, headers: Record<string, string> = {}): Behaviour =>
  (_, response) =>
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value));
const reset: Behaviour = (request) => request.socket.destroy();
const silence: Behaviour = () => undefined;
const unavailable = json({ code: 'journal.full', detail: 'The journal is full.' }, 503, { 'retry-after': '0' });

const clientOf = (url: string, more: Partial<VerdictClientConfig> = {}) => {
  const client = verdictClient({ url, token: 'key', ...more });
  closing.push(client.close);
  return client;
};

describe('a question', () => {
  it('is answered with reasons, the record’s id and the policy’s revision', async () => {
    const { url, asked } = await serverOf(json(answer(true)));
    const decision = await clientOf(url).evaluate(question, { requestId: 'req-1' });
    expect(decision).toEqual({ decision: true, reasons: [{ code: 'role', message: 'Why.' }], advice: [], id: 'evt-1', policy: 'r1', cached: false });
    expect(asked).toMatchObject([
      { path: '/access/v1/evaluation', headers: { authorization: 'Bearer key', 'content-type': 'application/json', 'x-request-id': 'req-1' } },
    ]);
    expect(JSON.parse(asked[0]?.body ?? '')).toEqual(question);
  });

  it('is asked over a kept connection, under the path of the address', async () => {
    const { url, asked, sockets } = await serverOf(json(answer(true)));
    const client = clientOf(`${url}/verdict/`);
    for (let index = 0; index < 5; index++) await client.evaluate(question);
    expect(asked.map(({ path }) => path)).toEqual(Array.from({ length: 5 }, () => '/verdict/access/v1/evaluation'));
    expect(sockets.size).toBe(1);
  });

  it('takes the token anew for each request where a function gives it', async () => {
    const { url, asked } = await serverOf(json(answer(true)));
    let turn = 0;
    const client = clientOf(url, { token: async () => `token-${++turn}` });
    await client.evaluate(question);
    await client.evaluate(question);
    expect(asked.map(({ headers }) => headers.authorization)).toEqual(['Bearer token-1', 'Bearer token-2']);
  });
});

describe('what is no answer', () => {
  const denies: readonly (readonly [what: string, code: string, turn: Behaviour])[] = [
    ['silence', 'client.timeout', silence],
    [
      'half an answer',
      'client.unreachable',
      (_, response) => response.writeHead(200, { 'content-length': '100' }).write('{"decision":true', () => response.destroy()),
    ],
    ['a page of a proxy', 'client.answer', (_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>')],
    ['a redirection', 'client.answer', (_, response) => response.writeHead(302, { location: '/elsewhere' }).end()],
    ['nothing', 'client.answer', (_, response) => response.writeHead(204).end()],
    ['a decision that is text', 'client.answer', json({ decision: 'true' })],
    ['a decision that is a number', 'client.answer', json({ decision: 1 })],
    ['a list', 'client.answer', json([answer(true)])],
    ['null', 'client.answer', json(null)],
    ['a refused credential', 'credential.invalid', json({ code: 'credential.invalid', detail: 'It is not known.' }, 401)],
    ['a failure with an allow in it', 'client.answer', json(answer(true), 500)],
    ['an error within the answer', 'question.refused', json({ decision: true, context: { error: { status: 403, message: 'Not yours.' } } })],
  ];
  it.each(denies)('%s is a deny that says why', async (_, code, turn) => {
    const { url } = await serverOf(turn);
    const decision = await clientOf(url, { timeoutMs: 300 }).evaluate(question);
    expect(decision).toMatchObject({ decision: false, reasons: [{ code }], cached: false, error: { code } });
  });

  it('a Verdict that is not there is a deny', async () => {
    const { url } = await serverOf(json(answer(true)));
    await closing.pop()?.();
    expect(await clientOf(url).evaluate(question)).toMatchObject({ decision: false, reasons: [{ code: 'client.unreachable' }] });
  });

  it('a token that can not be had is a deny, and nothing is sent', async () => {
    const { url, asked } = await serverOf(json(answer(true)));
    const token = (): string => {
      throw new Error('the vault is sealed');
    };
    expect(await clientOf(url, { token }).evaluate(question)).toMatchObject({ decision: false, reasons: [{ code: 'client.token' }] });
    expect(asked).toEqual([]);
  });

  it('is an exception where that is asked for, and never an allow', async () => {
    const { url } = await serverOf(json({ code: 'credential.invalid', detail: 'It is not known.' }, 401));
    const asked = clientOf(url, { onError: 'throw' }).evaluate(question);
    await expect(asked).rejects.toMatchObject({ name: 'VerdictError', code: 'credential.invalid', status: 401, message: 'It is not known.' });
  });

  it('a caller that gives up is a deny', async () => {
    const { url } = await serverOf(silence);
    const stop = new AbortController();
    const asked = clientOf(url).evaluate(question, { signal: stop.signal });
    stop.abort();
    expect(await asked).toMatchObject({ decision: false, reasons: [{ code: 'client.aborted' }] });
  });
});

describe('asking again', () => {
  it('a connection that broke before an answer is tried again', async () => {
    const { url, asked } = await serverOf(reset, reset, json(answer(true)));
    expect((await clientOf(url).evaluate(question)).decision).toBe(true);
    expect(asked).toHaveLength(3);
  });

  it('a 503 that says when to come back is tried again', async () => {
    const { url, asked } = await serverOf(unavailable, json(answer(true)));
    expect((await clientOf(url).evaluate(question)).decision).toBe(true);
    expect(asked).toHaveLength(2);
  });

  it('has an end', async () => {
    const { url, asked } = await serverOf(unavailable);
    expect(await clientOf(url, { retries: 4 }).evaluate(question)).toMatchObject({ decision: false, reasons: [{ code: 'journal.full' }] });
    expect(asked).toHaveLength(5);
  });

  it('does not wait where the pause would outlast the time-out', async () => {
    const { url, asked } = await serverOf(json({ code: 'journal.full', detail: 'Full.' }, 503, { 'retry-after': '60' }));
    expect(await clientOf(url).evaluate(question)).toMatchObject({ reasons: [{ code: 'journal.full' }] });
    expect(asked).toHaveLength(1);
  });

  it.each([400, 403, 500, 503])('a %i that asks for nothing of the kind is not tried again', async (status) => {
    const { url, asked } = await serverOf(json({ code: 'some.code', detail: 'Why.' }, status));
    expect((await clientOf(url).evaluate(question)).decision).toBe(false);
    expect(asked).toHaveLength(1);
  });
});

describe('several questions', () => {
  const questions = { subject: question.subject, action: question.action, evaluations: [{ resource: question.resource }, { resource: question.resource }] };

  it('are answered in order', async () => {
    const { url } = await serverOf(json({ evaluations: [answer(true), answer(false)] }));
    expect((await clientOf(url).evaluations(questions)).map(({ decision }) => decision)).toEqual([true, false]);
  });

  it.each([
    ['more answers than questions', { evaluations: [answer(true), answer(true), answer(true)] }],
    ['fewer', { evaluations: [answer(true)] }],
    ['one for all', answer(true)],
  ])('%s is a deny for each', async (_, given) => {
    const { url } = await serverOf(json(given));
    expect((await clientOf(url).evaluations(questions)).map(({ decision }) => decision)).toEqual([false, false]);
  });

  it('may end early where a semantic says so', async () => {
    const { url } = await serverOf(json({ evaluations: [answer(false)] }));
    const found = await clientOf(url).evaluations({ ...questions, options: { evaluations_semantic: 'deny_on_first_deny' } });
    expect(found).toHaveLength(1);
  });

  it('none are not asked', async () => {
    const { url, asked } = await serverOf(json({ evaluations: [] }));
    expect(await clientOf(url).evaluations({ ...questions, evaluations: [] })).toEqual([]);
    expect(asked).toEqual([]);
  });
});

describe('the cache', () => {
  it('is off unless told', async () => {
    const { url, asked } = await serverOf(json(answer(true)));
    const client = clientOf(url);
    await client.evaluate(question);
    expect(await client.evaluate(question)).toMatchObject({ cached: false });
    expect(asked).toHaveLength(2);
  });

  it('gives an answer again, and says so', async () => {
    const { url, asked } = await serverOf(json(answer(true)));
    const client = clientOf(url, { cache: { ttlMs: 60_000 } });
    await client.evaluate(question);
    const again = { resource: question.resource, action: question.action, subject: { id: 'usr-1', type: 'user' } };
    expect(await client.evaluate(again)).toMatchObject({ decision: true, cached: true, id: 'evt-1' });
    expect(asked).toHaveLength(1);
  });

  it('forgets every answer when one names another revision of the policy', async () => {
    const { url, asked } = await serverOf(json(answer(true, 'r1')), json(answer(true, 'r2')), json(answer(false, 'r2')));
    const client = clientOf(url, { cache: { ttlMs: 60_000 } });
    await client.evaluate(question);
    await client.evaluate({ ...question, resource: { type: 'instance', id: 'inst-2' } });
    expect(await client.evaluate(question)).toMatchObject({ decision: false, cached: false });
    expect(asked).toHaveLength(3);
  });

  it('forgets every answer when one among several names another revision', async () => {
    const several = json({ evaluations: [{ decision: false, context: { id: 'evt-2', reasons: [], advice: [], policy: 'r2' } }] });
    const { url, asked } = await serverOf(json(answer(true, 'r1')), several, json(answer(false, 'r2')));
    const client = clientOf(url, { cache: { ttlMs: 60_000 } });
    await client.evaluate(question);
    await client.evaluations({ ...question, evaluations: [{ action: { name: 'instance.get' } }] });
    expect(await client.evaluate(question)).toMatchObject({ decision: false, cached: false });
    expect(asked).toHaveLength(3);
  });

  it('keeps no error', async () => {
    const { url } = await serverOf(json({}, 500), json(answer(true)));
    const client = clientOf(url, { cache: { ttlMs: 60_000 } });
    expect((await client.evaluate(question)).decision).toBe(false);
    expect((await client.evaluate(question)).decision).toBe(true);
  });
});

describe('a search', () => {
  const search = { subject: { type: 'user' }, action: { name: 'instance.get' }, resource: question.resource };
  const page = (from: number, next: string) =>
    json({ results: [0, 1].map((index) => ({ type: 'user', id: `usr-${from + index}` })), page: { next_token: next } });

  it('reads page after page, as far as it is read', async () => {
    const { url, asked } = await serverOf(page(0, 'a'), page(2, 'b'), page(4, ''));
    const ids: string[] = [];
    for await (const { id } of clientOf(url).search.subjects(search, { limit: 2 })) ids.push(id);
    expect(ids).toEqual(['usr-0', 'usr-1', 'usr-2', 'usr-3', 'usr-4', 'usr-5']);
    expect(asked.map(({ body }) => (JSON.parse(body) as { page: unknown }).page)).toEqual([{ limit: 2 }, { token: 'a', limit: 2 }, { token: 'b', limit: 2 }]);
    for await (const { id } of clientOf(url).search.subjects(search)) if (id === 'usr-4') break;
    expect(asked).toHaveLength(4);
  });

  it('finds actions by name', async () => {
    const { url, asked } = await serverOf(json({ results: [{ name: 'instance.get' }, { name: 'instance.stop' }] }));
    const names: string[] = [];
    for await (const { name } of clientOf(url).search.actions({ subject: question.subject, resource: question.resource })) names.push(name);
    expect(names).toEqual(['instance.get', 'instance.stop']);
    expect(asked[0]?.path).toBe('/access/v1/search/action');
  });

  it.each([
    ['a page that leads back to itself', [page(0, 'a'), page(2, 'a')]],
    ['a page without results', [json({ page: {} })]],
    ['a result without an id', [json({ results: [{ type: 'user' }] })]],
    ['a refusal', [json({ code: 'caller.permission', detail: 'No.' }, 403)]],
  ])('%s is an exception', async (_, turns) => {
    const { url } = await serverOf(...turns);
    const read = async (): Promise<void> => {
      for await (const one of clientOf(url).search.subjects(search)) expect(one.type).toBe('user');
    };
    await expect(read()).rejects.toBeInstanceOf(VerdictError);
  });
});

describe('recording events', () => {
  const recorded = json({ data: { events: [{ index: 0, id: 'evt-1', log: '01J', seq: 1, recorded: '2026-11-22T04:03:48.501Z' }] } });

  it('says where each stands', async () => {
    const { url } = await serverOf(recorded);
    expect(await clientOf(url).recordEvents([event])).toMatchObject([{ id: 'evt-1', seq: 1 }]);
  });

  it('a connection that broke is tried again with events that count once, and with no others', async () => {
    const { url, asked } = await serverOf(reset, recorded, reset, recorded);
    expect(await clientOf(url).recordEvents([{ ...event, id: 'mine-1', timestamp: '2026-11-22T04:03:48.501Z' }])).toHaveLength(1);
    expect(asked).toHaveLength(2);
    await expect(clientOf(url).recordEvents([event])).rejects.toMatchObject({ code: 'client.unreachable' });
    expect(asked).toHaveLength(3);
  });

  it('is an exception where it did not come about', async () => {
    const { url } = await serverOf(json({ code: 'event.invalid', detail: 'No actor.' }, 422));
    await expect(clientOf(url).recordEvents([event])).rejects.toMatchObject({ code: 'event.invalid', status: 422 });
  });
});
