import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { resolve } from 'node:path';
import { serve } from '@hono/node-server';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { controlPlane as onExpress } from '../../examples/clients/express.js';
import { controlPlane as onFastify } from '../../examples/clients/fastify.js';
import { controlPlane as onHono } from '../../examples/clients/hono.js';
import { type VerdictClient, verdictClient } from '../../src/client/index.js';
import { clientOf, type RunningVerdict, removeFolder, startVerdict, until } from '../peers/verdict.js';

const ROOT = resolve(import.meta.dirname, '../..');
const ACCOUNT = 'acc-1';

const ask = (user: string, action: string, id = 'inst-1') => ({
  subject: { type: 'user', id: user },
  action: { name: action },
  resource: { type: 'instance', id },
});

type Served = { readonly url: string; readonly stop: () => Promise<unknown> };
type Event = { readonly id: string; readonly result: string; readonly action: string; readonly caused_by?: string; readonly request?: { readonly id: string } };

const urlOf = (address: unknown): string => `http://127.0.0.1:${(address as AddressInfo).port}`;

/** The same control plane on each framework, as its own server serves it. */
const servers: readonly (readonly [name: string, start: (client: VerdictClient) => Promise<Served>])[] = [
  [
    'Hono',
    async (client) => {
      const server = serve({ fetch: onHono(client).fetch, port: 0, hostname: '127.0.0.1' });
      await once(server, 'listening');
      return { url: urlOf(server.address()), stop: () => new Promise((done) => server.close(done)) };
    },
  ],
  [
    'Express',
    async (client) => {
      const server = createServer(onExpress(client)).listen(0, '127.0.0.1');
      await once(server, 'listening');
      return { url: urlOf(server.address()), stop: () => new Promise((done) => server.close(done)) };
    },
  ],
  [
    'Fastify',
    async (client) => {
      const app = onFastify(client);
      await app.listen({ port: 0, host: '127.0.0.1' });
      return { url: urlOf(app.server.address()), stop: () => app.close() };
    },
  ],
];

describe('the client in code', () => {
  let node: RunningVerdict;
  let admin: ReturnType<typeof clientOf>;
  let client: VerdictClient;
  let key: string;

  beforeAll(async () => {
    node = await startVerdict();
    admin = clientOf(node);
    await admin.json('POST', '/v1/entities', [
      { op: 'put', type: 'account', id: ACCOUNT, properties: {} },
      ...['owner', 'viewer'].flatMap((role) => [
        { op: 'put', type: 'user', id: `usr-${role}`, properties: {} },
        { op: 'put', type: 'membership', id: `${ACCOUNT}:usr-${role}`, properties: { role } },
      ]),
      { op: 'put', type: 'instance', id: 'inst-1', account: ACCOUNT, properties: { name: 'web-1' } },
    ]);
    const wish = { name: 'platform', accounts: [ACCOUNT], permissions: ['decision.evaluate', 'event.record'] };
    key = (await admin.json<{ data: { secret: string } }>('POST', '/v1/keys', wish)).data.secret;
    client = verdictClient({ url: node.url, token: key, timeoutMs: 10_000 });
  });

  afterAll(async () => {
    client?.close();
    admin?.close();
    expect(await node?.stop()).toBe(0);
    removeFolder(node.folder);
  });

  const recorded = (id: string): Promise<Event> =>
    until(`the event ${id}`, async () => {
      const answer = await admin.call('GET', `/v1/audit-logs/${id}`);
      return answer.status === 200 ? (JSON.parse(answer.body) as { data: Event }).data : undefined;
    });

  it('asks one question, and its record is found by the answer’s id', async () => {
    const decision = await client.evaluate(ask('usr-owner', 'instance.delete'), { requestId: 'req-of-the-platform' });
    expect(decision).toMatchObject({ decision: true, policy: expect.stringMatching(/^[0-9a-f]{64}$/), cached: false });
    expect(decision.reasons.length).toBeGreaterThan(0);
    expect(await recorded(decision.id ?? '')).toMatchObject({ result: 'allowed', request: { id: 'req-of-the-platform' } });
  });

  it('asks several, an error in the place of one that is none', async () => {
    const found = await client.evaluations({
      subject: { type: 'user', id: 'usr-viewer' },
      resource: { type: 'instance', id: 'inst-1' },
      evaluations: [{ action: { name: 'instance.get' } }, { action: { name: 'instance.delete' } }, {}],
    });
    expect(found.map(({ decision, error }) => [decision, error?.status])).toEqual([
      [true, undefined],
      [false, undefined],
      [false, 400],
    ]);
  });

  it('records what became of a decision, once, however often it is sent', async () => {
    const decision = await client.evaluate(ask('usr-owner', 'instance.delete'));
    const event = { ...ask('usr-owner', 'instance.delete'), result: 'success' as const, id: 'platform-1', timestamp: new Date().toISOString() };
    const { subject: actor, action, ...rest } = event;
    const events = [{ ...rest, actor, action: action.name, ...(decision.id !== undefined && { caused_by: decision.id }) }];
    const [first] = await client.recordEvents(events);
    expect(await client.recordEvents(events)).toMatchObject([{ id: first?.id, seq: first?.seq, duplicate: true }]);
    expect(await recorded('platform-1')).toMatchObject({ action: 'instance.delete', result: 'success', caused_by: decision.id });
  });

  it('a key that is not known, and a question that is none, are denies that say why', async () => {
    const stranger = verdictClient({ url: node.url, token: 'vk_unknown' });
    expect(await stranger.evaluate(ask('usr-owner', 'instance.get'))).toMatchObject({ decision: false, error: { status: 401 } });
    stranger.close();
    expect(await client.evaluate({ ...ask('usr-owner', 'instance.get'), subject: { type: 'user', id: '' } })).toMatchObject({
      decision: false,
      reasons: [{ code: 'evaluation.invalid' }],
      error: { status: 400 },
    });
  });

  it('an answer from the cache has no record of its own', async () => {
    const cached = verdictClient({ url: node.url, token: key, cache: { ttlMs: 60_000 } });
    const first = await cached.evaluate(ask('usr-owner', 'instance.get'));
    const again = await cached.evaluate(ask('usr-owner', 'instance.get'));
    cached.close();
    expect(again).toEqual({ ...first, cached: true });
  });

  it('is what the package gives by its name', () => {
    const names =
      "import('verdict/client').then(async (it) => [it.verdictClient, ...await Promise.all(['hono', 'express', 'fastify'].map(async (name) => (await import('verdict/client/' + name)).verdict))])";
    const script = `${names}.then((found) => console.log(found.map((one) => typeof one).join(' ')))`;
    expect(execFileSync(process.execPath, ['-e', script], { cwd: ROOT }).toString().trim()).toBe('function function function function');
  });

  describe.each(servers)('before a control plane on %s', (_, start) => {
    const call = (url: string, method: string, user?: string) =>
      fetch(`${url}/v1/instances/inst-1`, { method, ...(user !== undefined && { headers: { 'x-user': user } }) });

    it('lets pass what is allowed, and refuses the rest with the reasons; both name their record', async () => {
      const served = await start(client);
      try {
        const read = await call(served.url, 'GET', 'usr-viewer');
        expect([read.status, await read.json()]).toEqual([200, { id: 'inst-1' }]);
        expect(await recorded(read.headers.get('x-verdict-decision') ?? '')).toMatchObject({ action: 'instance.get', result: 'allowed' });

        const deleted = await call(served.url, 'DELETE', 'usr-owner');
        expect(deleted.status).toBe(204);

        const refused = await call(served.url, 'DELETE', 'usr-viewer');
        expect(refused.status).toBe(403);
        expect(refused.headers.get('content-type')).toMatch(/^application\/problem\+json/);
        const id = refused.headers.get('x-verdict-decision') ?? '';
        expect(await refused.json()).toMatchObject({
          status: 403,
          code: 'decision.denied',
          decision: id,
          reasons: [{ code: expect.any(String), message: expect.any(String) }],
        });
        expect(await recorded(id)).toMatchObject({ action: 'instance.delete', result: 'denied' });

        expect((await call(served.url, 'GET')).status).toBe(403);
      } finally {
        await served.stop();
      }
    });

    it('refuses everything while Verdict is away', async () => {
      const away = verdictClient({ url: 'http://127.0.0.1:1', token: key });
      const served = await start(away);
      try {
        const refused = await call(served.url, 'GET', 'usr-viewer');
        expect(refused.status).toBe(503);
        expect(refused.headers.has('x-verdict-decision')).toBe(false);
        expect(await refused.json()).toMatchObject({ reasons: [{ code: 'client.unreachable' }] });
      } finally {
        away.close();
        await served.stop();
      }
    });

    it('fails with the exception where errors are to be thrown', async () => {
      const away = verdictClient({ url: 'http://127.0.0.1:1', token: key, onError: 'throw' });
      const served = await start(away);
      try {
        expect((await call(served.url, 'DELETE', 'usr-owner')).status).toBe(500);
      } finally {
        away.close();
        await served.stop();
      }
    });
  });
});
