import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { Caller, RefusedRequest } from '../caller/index.js';
import type { PolicyQuery, QueryOutcome } from '../evaluate/index.js';
import { JournalUnavailable } from '../ingest/index.js';
import { opaFront } from './front.js';

const caller: Caller = { id: 'key:1', name: 'platform', accounts: ['acc-1'], permissions: new Set(['decision.evaluate']) };
const answered = (json: string | undefined, id = 'evt-1'): QueryOutcome => ({ kind: 'answered', id, json, policy: 'r1', microseconds: 12 });
const forbidden = (account: string | undefined): QueryOutcome => ({ kind: 'forbidden', code: 'caller.account', message: 'Not yours.', account });

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** A front over an engine that answers as it is told, or throws. */
const startFront = async (outcome: (query: PolicyQuery) => QueryOutcome) => {
  const asked: PolicyQuery[] = [];
  const refusals: (RefusedRequest & { readonly by: string | undefined })[] = [];
  const logged: unknown[] = [];
  const statuses: number[] = [];
  const one = async (query: PolicyQuery): Promise<QueryOutcome> => {
    asked.push(query);
    return outcome(query);
  };
  const front = opaFront(
    { entrypoint: 'verdict/decision', version: '1.2.3' },
    {
      authenticate: (authorization) =>
        authorization === 'Bearer key' ? { ok: true, caller } : { ok: false, code: 'credential.missing', message: 'A credential is needed.' },
      query: { one, many: (queries) => Promise.all(queries.map(one)) },
      addressOf: () => '192.0.2.1',
      refused: async (by, refusal) => void refusals.push({ ...refusal, by: by?.id }),
      observe: (_, status) => statuses.push(status),
      log: { error: (...told: unknown[]) => logged.push(told) },
    },
    (_, response) => response.writeHead(418).end(),
  );
  const server = createServer(front).listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(async () => {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  });
  const { port } = server.address() as AddressInfo;
  const call = async (path: string, init: { readonly method?: string; readonly body?: string; readonly headers?: Record<string, string> } = {}) => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method: 'POST', ...init, headers: { authorization: 'Bearer key', ...init.headers } });
    const text = await answer.text();
    return { status: answer.status, headers: answer.headers, text, json: text.startsWith('{') ? JSON.parse(text) : undefined };
  };
  return { call, port, asked, refusals, logged, statuses };
};

describe("OPA's front", () => {
  it('answers no query whose record can not be written: 503, and when to come back', async () => {
    const { call, statuses } = await startFront(() => {
      throw new JournalUnavailable('journal.full', 'The journal is full.');
    });
    const answer = await call('/v1/data/app', { body: '{"input":{}}' });
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1']);
    expect(answer.json).toEqual({
      code: 'internal_error',
      message: 'The journal is full.',
      errors: [{ code: 'journal.full', message: 'The journal is full.' }],
    });
    expect(statuses).toEqual([503]);
  });

  it('says nothing of what went wrong within, and logs it', async () => {
    const { call, logged } = await startFront(() => {
      throw new Error('something secret');
    });
    const answer = await call('/v1/data/app', { body: '{"input":{}}', headers: { 'x-request-id': 'req-1' } });
    expect([answer.status, answer.json.code]).toEqual([500, 'internal_error']);
    expect(answer.text).not.toContain('something secret');
    expect(logged).toMatchObject([[{ request_id: 'req-1' }, expect.any(String)]]);
  });

  it('records who asks about an account that is not theirs, once for each account of a batch', async () => {
    const { call, refusals } = await startFront(({ asked }) => forbidden(asked.kind === 'raw' ? (asked.input as string) : undefined));
    await call('/v1/data/app', { body: '{"input":"acc-2"}' });
    await call('/v1/batch/data/app?pretty=true', { body: '{"inputs":{"a":"acc-2","b":"acc-2","c":"acc-3"}}' });
    expect(refusals.map(({ by, account, path, code, permission }) => [by, account, path, code, permission])).toEqual([
      ['key:1', 'acc-2', '/v1/data/app', 'caller.account', 'decision.evaluate'],
      ['key:1', 'acc-2', '/v1/batch/data/app', 'caller.account', 'decision.evaluate'],
      ['key:1', 'acc-3', '/v1/batch/data/app', 'caller.account', 'decision.evaluate'],
    ]);
  });

  it('asks nothing for who brings no credential, and notes it', async () => {
    const { call, asked, refusals } = await startFront(() => answered('true'));
    const answer = await call('/v1/data/app', { body: '{"input":{}}', headers: { authorization: '' } });
    expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
    expect([asked, refusals]).toMatchObject([[], [{ by: undefined, code: 'credential.missing' }]]);
  });

  it('a body that breaks off is asked of nobody', async () => {
    const { port, asked, statuses } = await startFront(() => answered('true'));
    const socket = connect(port, '127.0.0.1');
    socket.write('POST /v1/data/app HTTP/1.1\r\nHost: verdict\r\nAuthorization: Bearer key\r\nContent-Length: 100\r\n\r\n{"input":');
    socket.end();
    socket.resume();
    await once(socket, 'close');
    expect(asked).toEqual([]);
    expect(statuses.every((status) => status === 400)).toBe(true);
  });

  it('asks the configured entrypoint for the bare address, and names the record beside the bare result', async () => {
    const { call, asked } = await startFront(({ asked: { kind } }) => answered(kind === 'question' ? 'true' : undefined));
    const question = { subject: { type: 'user', id: 'a' }, action: { name: 'b' }, resource: { type: 'c', id: 'd' } };
    const found = await call('/', { body: JSON.stringify(question) });
    expect([found.status, found.text, found.headers.get('x-verdict-decision')]).toEqual([200, 'true', 'evt-1']);
    const none = await call('/', { body: '' });
    expect([none.status, none.json]).toEqual([404, { code: 'undefined_document', message: 'document undefined: data.verdict.decision' }]);
    expect(asked.map(({ path }) => path)).toEqual(['verdict/decision', 'verdict/decision']);
  });

  it('reads a question as one, with what stands beside it, and without what only Verdict says', async () => {
    const { call, asked } = await startFront(() => answered('true'));
    const question = { subject: { type: 'user', id: 'a' }, action: { name: 'b' }, resource: { type: 'c', id: 'd' } };
    await call('/v1/data/app', { body: JSON.stringify({ input: { ...question, directory: {}, facts: {} } }) });
    await call('/v1/data/app', { body: JSON.stringify({ input: { ...question, context: {}, directory: {}, more: 1 } }) });
    expect(asked.map(({ asked: { kind, ...rest } }) => [kind, 'more' in rest ? rest.more : undefined])).toEqual([
      ['question', undefined],
      ['question', { more: 1 }],
    ]);
  });

  it('tells the revision and the time where they are asked for, and lays it out for people', async () => {
    const { call } = await startFront(() => answered('{"a":1}'));
    const answer = await call('/v1/data/app?provenance=true&instrument=true&pretty=true&explain=full', { body: '{"input":1}' });
    expect(answer.text.split('\n').length).toBeGreaterThan(5);
    expect(answer.json).toEqual({
      decision_id: 'evt-1',
      result: { a: 1 },
      provenance: { version: '1.2.3', bundles: { verdict: { revision: 'r1' } } },
      metrics: { timer_rego_query_eval_ns: 12_000 },
    });
  });

  it.each([
    ['all answered', ['1', '2'], 200],
    ['some refused', ['1', 'forbidden'], 207],
    ['all refused, by no fault of the policy', ['forbidden', 'forbidden'], 207],
    ['the policy failed for some', ['1', 'failed'], 207],
    ['the policy failed for all', ['failed', 'failed'], 500],
  ])('a batch, %s, is answered with its status', async (_, kinds, status) => {
    const { call } = await startFront(({ asked }) => {
      const kind = asked.kind === 'raw' ? asked.input : '';
      if (kind === 'forbidden') return forbidden('acc-2');
      return kind === 'failed' ? { kind: 'failed', id: 'evt-2', reason: { code: 'policy.error', message: 'It failed.' } } : answered(String(kind));
    });
    const inputs = Object.fromEntries(kinds.map((kind, index) => [`in-${index}`, kind]));
    const answer = await call('/v1/batch/data/app', { body: JSON.stringify({ inputs }) });
    expect(answer.status).toBe(status);
    expect(Object.keys(answer.json.responses)).toEqual(Object.keys(inputs));
  });

  it('refuses more than a thousand inputs, and hands on what is none of its own', async () => {
    const { call, asked } = await startFront(() => answered('true'));
    const inputs = Object.fromEntries(Array.from({ length: 1_001 }, (_, index) => [String(index), 1]));
    expect((await call('/v1/batch/data/app', { body: JSON.stringify({ inputs }) })).json).toMatchObject({ errors: [{ code: 'batch.too_many' }] });
    expect((await call('/v1/events', { body: '{}' })).status).toBe(418);
    expect(asked).toEqual([]);
  });
});
