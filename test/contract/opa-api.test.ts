import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { OPAClient } from '@open-policy-agent/opa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeWithOpa, fixtureBundle, fixturePolicies } from '../peers/opa.js';
import { type RunningOpa, startOpaServer } from '../peers/opa-server.js';
import { clientOf, type RunningVerdict, removeFolder, startVerdict, temporaryFolder, until } from '../peers/verdict.js';

const PATHS = ['allow', 'sometimes', 'profile', 'kinds', 'nothing', 'conflict', 'obligations', 'long', 'seen', 'granted'];
const ENTRYPOINTS = ['verdict/decision', ...PATHS.map((name) => `app/authz/${name}`)];
const ACCOUNT = 'acc-1';
const OTHER = 'acc-2';

const question = {
  subject: { type: 'user', id: 'usr-1' },
  action: { name: 'instance.get' },
  resource: { type: 'instance', id: 'inst-1' },
};

type Event = {
  readonly id: string;
  readonly account: string;
  readonly kind: string;
  readonly result: string;
  readonly action: string;
  readonly actor: Readonly<Record<string, string>>;
  readonly resource: Readonly<Record<string, string>>;
  readonly details: Readonly<Record<string, unknown>>;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into it.
  readonly decision: any;
  readonly request: { readonly id: string };
};
type Told = { readonly result?: unknown; readonly decision_id: string; readonly [more: string]: unknown };

await describeWithOpa("OPA's REST API", (opa) => {
  let node: RunningVerdict;
  let peer: RunningOpa;
  let admin: ReturnType<typeof clientOf>;
  let caller: ReturnType<typeof clientOf>;
  let plain: { readonly token: string };

  const newKey = async (permissions: readonly string[], accounts: readonly string[] = [ACCOUNT]): Promise<string> => {
    const { data } = await admin.json<{ data: { secret: string } }>('POST', '/v1/keys', { name: 'platform', accounts, permissions });
    return data.secret;
  };

  beforeAll(async () => {
    const folder = temporaryFolder();
    const bundle = join(folder, 'bundle.tar.gz');
    writeFileSync(bundle, await fixtureBundle(opa, 'opa-api', ENTRYPOINTS));
    node = await startVerdict({ folder, env: { VERDICT_POLICY_BUNDLE: bundle } });
    peer = await startOpaServer(opa, join(fixturePolicies, 'opa-api'));
    admin = clientOf(node);
    await admin.json('POST', '/v1/entities', [
      { op: 'put', type: 'account', id: ACCOUNT, properties: {} },
      { op: 'put', type: 'account', id: OTHER, properties: {} },
      { op: 'put', type: 'user', id: 'usr-1', properties: { email: 'ada@example.com' } },
      { op: 'put', type: 'membership', id: `${ACCOUNT}:usr-1`, properties: { role: 'developer' } },
      { op: 'put', type: 'instance', id: 'inst-1', account: ACCOUNT, properties: { name: 'web-1' } },
      { op: 'put', type: 'instance', id: 'inst-2', account: OTHER, properties: {} },
    ]);
    plain = { token: await newKey(['decision.evaluate']) };
    caller = clientOf({ url: node.url, token: plain.token });
  });

  afterAll(async () => {
    admin?.close();
    caller?.close();
    await peer?.stop();
    expect(await node?.stop()).toBe(0);
    removeFolder(node.folder);
  });

  const ask = (path: string, input: unknown): Promise<Told> => caller.json<Told>('POST', `/v1/data/${path}`, { input });
  const recorded = (id: string): Promise<Event> =>
    until(`the event ${id}`, async () => {
      const answer = await admin.call('GET', `/v1/audit-logs/${id}`);
      return answer.status === 200 ? (JSON.parse(answer.body) as { data: Event }).data : undefined;
    });

  describe('beside the real OPA server with the same sources', () => {
    const told = async (url: string, headers: Record<string, string>, method: string, path: string, body?: string) => {
      const answer = await fetch(`${url}${path}`, {
        method,
        headers: { 'content-type': 'application/json', ...headers },
        redirect: 'manual',
        ...(body !== undefined && { body }),
      });
      const text = await answer.text();
      return { status: answer.status, type: answer.headers.get('content-type')?.split(';')[0], body: text.startsWith('{') ? JSON.parse(text) : text };
    };
    const both = async (method: string, path: string, body?: string) => ({
      ours: await told(node.url, { authorization: `Bearer ${plain.token}` }, method, path, body),
      theirs: await told(peer.url, {}, method, path, body),
    });
    const withoutId = (body: unknown): unknown => {
      if (typeof body !== 'object' || body === null) return body;
      const { decision_id: _id, ...rest } = body as Record<string, unknown>;
      return rest;
    };

    const inputs: readonly (readonly [path: string, input: unknown])[] = [
      ['allow', { user: 'alice' }],
      ['allow', { user: 'eve' }],
      ['allow', {}],
      ['allow', 'text'],
      ['allow', false],
      ['allow', 0],
      ['allow', []],
      ['sometimes', { user: 'bob' }],
      ['sometimes', { user: 'eve' }],
      ['profile', { user: 'ünïcode ✓' }],
      ['profile', {}],
      ['profile/name', { user: 'alice' }],
      ['profile/roles', { user: 'alice' }],
      ['profile/roles/1', { user: 'alice' }],
      ['profile/roles/01', { user: 'alice' }],
      ['kinds', { numbers: [3, 1, 2, 3] }],
      ['nothing', {}],
      ['obligations', { user: 'alice' }],
      ['obligations', { user: 'eve' }],
      ['long', { count: 500 }],
      ['seen', { a: [1, { b: null }], c: 'd', subject: { type: 'user' }, e: 1.5, f: -0.001 }],
      ['seen', ['a', 1, true, null]],
      ['seen/a/1', { a: [1, 2] }],
      ['seen/a/2', { a: [1, 2] }],
      ['seen/a/b', { a: [1, 2] }],
      ['seen/b', { a: [1, 2] }],
      ['seen/constructor', { a: [1, 2] }],
      ['seen/a/length', { a: 'text' }],
      ['seen', 7],
      ['seen', ''],
      ['unknown', { user: 'alice' }],
    ];
    it.each(inputs)('%s of %j is the same', async (path, input) => {
      const { ours, theirs } = await both('POST', `/v1/data/app/authz/${path}`, JSON.stringify({ input }));
      expect(theirs.status).toBe(200);
      expect({ ...ours, body: withoutId(ours.body) }).toEqual(theirs);
      expect(ours.body.decision_id).toMatch(/^evt-/);
      const query = `?input=${encodeURIComponent(JSON.stringify(input))}`;
      const parameter = await both('GET', `/v1/data/app/authz/${path}${query}`);
      expect({ ...parameter.ours, body: withoutId(parameter.ours.body) }).toEqual(parameter.theirs);
    });

    it.each(['profile/roles/2', 'profile/constructor', 'allow/deeper'])(
      '%s, which no input could define: OPA’s type check fails, and here it is undefined',
      async (path) => {
        const { ours, theirs } = await both('POST', `/v1/data/app/authz/${path}`, '{"input":{"user":"alice"}}');
        expect(theirs.status).toBe(500);
        expect({ status: ours.status, body: withoutId(ours.body) }).toEqual({ status: 200, body: {} });
      },
    );

    const requests: readonly (readonly [what: string, method: string, path: string, body: string | undefined])[] = [
      ['no body', 'POST', '/v1/data/app/authz/allow', ''],
      ['null', 'POST', '/v1/data/app/authz/allow', 'null'],
      ['no input', 'POST', '/v1/data/app/authz/allow', '{}'],
      ['an input of null', 'POST', '/v1/data/app/authz/allow', '{"input":null}'],
      ['another member', 'POST', '/v1/data/app/authz/allow', '{"user":"alice"}'],
      ['no parameter', 'GET', '/v1/data/app/authz/allow', undefined],
      ['an unknown package', 'POST', '/v1/data/nowhere/at/all', '{"input":{}}'],
      ['an escaped slash', 'POST', '/v1/data/app%2Fauthz%2Fallow', '{"input":{"user":"alice"}}'],
      ['an escaped letter', 'POST', '/v1/data/app/authz/%61llow', '{"input":{"user":"alice"}}'],
      ['parameters of a client', 'POST', '/v1/data/app/authz/allow?explain=off&strict-builtin-errors=true&other=1', '{"input":{"user":"alice"}}'],
      ['a default decision', 'POST', '/', '{"user":"alice"}'],
      ['a default decision for people', 'POST', '/?pretty=true', '{"user":"alice"}'],
      ['health', 'GET', '/health', undefined],
      ['health with parameters', 'GET', '/health?bundles&plugins', undefined],
    ];
    it.each(requests)('%s: the same answer', async (_, method, path, body) => {
      const { ours, theirs } = await both(method, path, body);
      expect(theirs.status).toBe(200);
      expect({ ...ours, body: withoutId(ours.body) }).toEqual(theirs);
    });

    const malformed: readonly (readonly [what: string, method: string, path: string, body: string | undefined])[] = [
      ['half an object', 'POST', '/v1/data/app/authz/allow', '{"input":'],
      ['an array', 'POST', '/v1/data/app/authz/allow', '[]'],
      ['a number', 'POST', '/v1/data/app/authz/allow', '7'],
      ['text', 'POST', '/v1/data/app/authz/allow', '"text"'],
      ['no JSON', 'POST', '/v1/data/app/authz/allow', 'input'],
      ['a parameter that is no JSON', 'GET', '/v1/data/app/authz/allow?input=%7B', undefined],
      ['an empty parameter', 'GET', '/v1/data/app/authz/allow?input=', undefined],
      ['half an object for the default decision', 'POST', '/', '{"user":'],
    ];
    it.each(malformed)('%s: both refuse it with 400, invalid_parameter', async (_, method, path, body) => {
      const { ours, theirs } = await both(method, path, body);
      expect(theirs).toMatchObject({ status: 400, type: 'application/json', body: { code: 'invalid_parameter' } });
      expect(ours).toMatchObject({ status: 400, type: 'application/json', body: { code: 'invalid_parameter', message: expect.any(String) } });
    });

    it('a policy that fails is a 500, internal_error, on both', async () => {
      const { ours, theirs } = await both('POST', '/v1/data/app/authz/conflict', '{"input":{"a":1,"b":1}}');
      const failed = { status: 500, type: 'application/json', body: { code: 'internal_error', message: 'error(s) occurred while evaluating query' } };
      expect(theirs).toMatchObject(failed);
      expect(ours).toMatchObject({ ...failed, body: { ...failed.body, errors: [{ code: 'policy.error' }], decision_id: expect.stringMatching(/^evt-/) } });
      expect(await recorded(ours.body.decision_id)).toMatchObject({ result: 'denied', decision: { allow: false, reasons: [{ code: 'policy.error' }] } });
    });
  });

  describe('the official client from npm, unchanged', () => {
    const client = (token = plain.token): OPAClient => new OPAClient(node.url, { headers: { authorization: `Bearer ${token}` } });

    it('evaluates a path, with an input of any kind, and with none', async () => {
      expect(await client().evaluate('app/authz/allow', { user: 'alice' })).toBe(true);
      expect(await client().evaluate('app/authz/allow', { user: 'eve' })).toBe(false);
      expect(await client().evaluate('app/authz/allow')).toBe(false);
      expect(await client().evaluate('app/authz/seen', 'text')).toBe('text');
      expect(await client().evaluate('app/authz/sometimes', { user: 'eve' })).toBeUndefined();
      expect(await client().evaluate('app/authz/profile', { user: 'alice' }, { fromResult: (found) => (found as { name: string }).name })).toBe('alice');
    });

    it('evaluates a question by the directory', async () => {
      expect(await client().evaluate('verdict/decision/allow', question)).toBe(true);
      expect(await client().evaluate('verdict/decision', question)).toMatchObject({ allow: true, reasons: [{ code: 'role.developer' }] });
    });

    it('evaluates the default decision', async () => {
      expect(await client().evaluateDefault(question)).toMatchObject({ allow: true });
      expect(await client().evaluateDefault()).toMatchObject({ allow: false });
    });

    it('evaluates a batch', async () => {
      const found = await client().evaluateBatch('app/authz/allow', { a: { user: 'alice' }, b: { user: 'eve' } });
      expect(found).toEqual({ a: true, b: false });
      expect(await client().evaluateBatch('app/authz/sometimes', { 'a/b "c"': { user: 'bob' }, none: {} })).toEqual({ 'a/b "c"': 'yes', none: undefined });
      expect(await client().evaluateBatch('app/authz/allow', {})).toEqual({});
    });

    it('gets mixed results one by one, or rejects them all', async () => {
      const inputs = { good: { a: 1 }, bad: { a: 1, b: 1 } };
      const found = await client().evaluateBatch('app/authz/conflict', inputs);
      expect(found).toMatchObject({ good: 1, bad: { code: 'internal_error', httpStatusCode: '500', decisionId: expect.stringMatching(/^evt-/) } });
      await expect(client().evaluateBatch('app/authz/conflict', inputs, { rejectMixed: true })).rejects.toMatchObject({ code: 'internal_error' });
      await expect(client().evaluateBatch('app/authz/conflict', { a: { a: 1, b: 1 } })).rejects.toMatchObject({ name: 'BatchServerError' });
    });

    it('falls back to one question after another where a proxy hides the batch', async () => {
      const asked: string[] = [];
      const proxy: Server = createServer((request, response) => {
        asked.push(request.url ?? '');
        if (request.url?.startsWith('/v1/batch/')) return response.writeHead(404).end('404 page not found\n');
        const chunks: Buffer[] = [];
        request
          .on('data', (chunk: Buffer) => chunks.push(chunk))
          .on('end', async () => {
            const answer = await caller.call('POST', request.url ?? '', Buffer.concat(chunks).toString());
            response.writeHead(answer.status, { 'content-type': 'application/json' }).end(answer.body);
          });
      });
      await new Promise<void>((done) => proxy.listen(0, '127.0.0.1', done));
      try {
        const behind = new OPAClient(`http://127.0.0.1:${(proxy.address() as AddressInfo).port}`);
        const inputs = { good: { a: 1 }, bad: { a: 1, b: 1 } };
        const found = await behind.evaluateBatch('app/authz/conflict', inputs, { fallback: true });
        expect(found).toMatchObject({ good: 1, bad: { code: 'internal_error', httpStatusCode: '500' } });
        expect(asked).toEqual(['/v1/batch/data/app/authz/conflict', '/v1/data/app/authz/conflict', '/v1/data/app/authz/conflict']);
      } finally {
        proxy.closeAllConnections();
        await new Promise((done) => proxy.close(done));
      }
    });

    it('is told its own errors as OPA tells them', async () => {
      await expect(client().evaluate('app/authz/conflict', { a: 1, b: 1 })).rejects.toMatchObject({ name: 'ServerError', code: 'internal_error' });
      await expect(client().evaluate('app//authz', { a: 1 })).rejects.toMatchObject({ name: 'ClientError', code: 'invalid_parameter' });
      await expect(new OPAClient(node.url).evaluate('app/authz/allow', {})).rejects.toThrow(/401/);
      await expect(client(await newKey(['audit.read'])).evaluate('app/authz/allow', { user: 'alice' })).rejects.toThrow(/403/);
    });
  });

  describe('the record', () => {
    it('of a question is that of an AuthZEN evaluation', async () => {
      const told = await ask('verdict/decision', { ...question, context: { user_agent: 'curl' } });
      const answer = await caller.json<{ context: { id: string } }>('POST', '/access/v1/evaluation', { ...question, context: { user_agent: 'curl' } });
      const [ours, authzen] = [await recorded(told.decision_id), await recorded(answer.context.id)];
      const same = ({ action, actor, resource, account, kind, result, decision }: Event) => {
        const { duration_us: _d, question: asked, ...rest } = decision;
        return { action, actor, resource, account, kind, result, ...rest, question: { ...asked, context: { ...asked.context, time: '' } } };
      };
      expect(same(ours)).toEqual(same(authzen));
      expect(ours.details).toEqual({ caller: authzen.details['caller'], path: 'verdict/decision' });
      expect(ours).toMatchObject({ actor: { id: 'usr-1', email: 'ada@example.com' }, action: 'instance.get', resource: { id: 'inst-1', name: 'web-1' } });
    });

    it('of another input names the caller, opa.query and the path; the input stands where personal data may', async () => {
      const told = await ask('app/authz/allow', { user: 'alice', password: 'correct horse' });
      expect(told.result).toBe(true);
      const event = await recorded(told.decision_id);
      expect(event).toMatchObject({
        kind: 'decision',
        account: ACCOUNT,
        action: 'opa.query',
        actor: { type: 'credential', id: expect.stringMatching(/^key:/) },
        resource: { type: 'policy', id: 'app/authz/allow' },
        result: 'allowed',
        decision: { allow: true, reasons: [] },
      });
      expect(event.decision.question.personal.input).toEqual({ user: 'alice', password: { sha256: expect.stringMatching(/^[0-9a-f]{64}$/) } });
    });

    it.each([
      ['profile', { user: 'alice' }, 'denied', 'policy.document'],
      ['sometimes', { user: 'eve' }, 'denied', 'policy.undefined'],
      ['unknown', { user: 'alice' }, 'denied', 'policy.undefined'],
      ['nothing', {}, 'denied', 'policy.document'],
    ])('of %s of %j says that it allows nothing', async (path, input, result, code) => {
      const told = await ask(`app/authz/${path}`, input);
      expect(await recorded(told.decision_id)).toMatchObject({ result, decision: { allow: false, reasons: [{ code }] } });
    });

    it('of a document has its SHA-256 and length, and not the document', async () => {
      const told = await ask('app/authz/obligations', { user: 'alice' });
      const event = await recorded(told.decision_id);
      expect(event).toMatchObject({ result: 'allowed', details: { document: { bytes: JSON.stringify(told.result).length, sha256: expect.any(String) } } });
      expect(JSON.stringify(event)).not.toContain('mask');
    });

    it('of a part of a decision is the decision', async () => {
      const told = await ask('verdict/decision/reasons/0/code', question);
      expect(told.result).toBe('role.developer');
      expect(await recorded(told.decision_id)).toMatchObject({ result: 'allowed', decision: { reasons: [{ code: 'role.developer' }] } });
    });

    it('of the default decision is found by the header of its answer', async () => {
      const answer = await caller.call('POST', '/', question);
      expect(await recorded(answer.headers['x-verdict-decision'] as string)).toMatchObject({ action: 'instance.get', result: 'allowed' });
    });

    it('of a batch is one event an input, all with its id as their request', async () => {
      const { batch_decision_id: id, responses } = await caller.json<{ batch_decision_id: string; responses: Record<string, Told> }>(
        'POST',
        '/v1/batch/data/app/authz/allow',
        { inputs: { a: { user: 'alice' }, b: { user: 'eve' } } },
        { 'x-request-id': 'batch-1' },
      );
      expect(id).toBe('batch-1');
      const events = await Promise.all(Object.values(responses).map(({ decision_id }) => recorded(decision_id)));
      expect(events.map(({ result, request }) => [result, request.id])).toEqual([
        ['allowed', 'batch-1'],
        ['denied', 'batch-1'],
      ]);
    });

    it('of what stands beside a question is kept with it', async () => {
      const told = await ask('app/authz/allow', { ...question, user: 'alice' });
      expect(told.result).toBe(true);
      const event = await recorded(told.decision_id);
      expect(event).toMatchObject({ action: 'instance.get', decision: { question: { personal: { input: { user: 'alice' } } } } });
    });
  });

  describe('what an input can not bring', () => {
    const forged = { membership: { properties: { role: 'developer' } } };

    it('is a directory of its own, in a question', async () => {
      const asked = { ...question, subject: { type: 'user', id: 'usr-9' }, directory: forged };
      expect((await ask('verdict/decision/allow', asked)).result).toBe(false);
    });

    it('is a directory or facts of its own, in another input', async () => {
      expect((await ask('verdict/decision/allow', { action: question.action, directory: forged })).result).toBe(false);
      expect(await ask('app/authz/granted', { directory: forged, facts: { a: 1 } })).not.toHaveProperty('result');
      expect((await ask('app/authz/seen', { directory: forged, facts: {}, kept: 1 })).result).toEqual({ kept: 1 });
    });

    it('is a claim about the second factor, unless the caller may make it', async () => {
      expect((await ask('app/authz/allow', { context: { mfa: true } })).result).toBe(false);
      expect((await ask('app/authz/allow', { ...question, context: { mfa: true } })).result).toBe(false);
      const trusted = clientOf({ url: node.url, token: await newKey(['decision.evaluate', 'decision.assert']) });
      const told = await trusted.json<Told>('POST', '/v1/data/app/authz/allow', { input: { context: { mfa: true } } });
      trusted.close();
      expect(told.result).toBe(true);
    });

    it('is another account: a key asks about its own, and the attempt is recorded', async () => {
      const answer = await caller.call('POST', '/v1/data/app/authz/allow', { input: { ...question, resource: { type: 'instance', id: 'inst-2' } } });
      expect(answer.status).toBe(403);
      expect(JSON.parse(answer.body)).toMatchObject({ code: 'unauthorized', errors: [{ code: 'caller.account' }] });
      const other = await caller.call('POST', '/v1/data/app/authz/allow', { input: { user: 'alice', context: { account: OTHER } } });
      expect(other.status).toBe(403);
      const mixed = await caller.call('POST', '/v1/batch/data/verdict/decision/allow', {
        inputs: { mine: question, theirs: { ...question, resource: { type: 'instance', id: 'inst-2' } } },
      });
      expect(mixed.status).toBe(207);
      expect(JSON.parse(mixed.body)).toMatchObject({
        responses: { mine: { http_status_code: '200', result: true }, theirs: { http_status_code: '500', code: 'unauthorized' } },
      });
    });

    it('is a resource of one account that it calls another’s', async () => {
      const input = { ...question, resource: { ...question.resource, properties: { account: OTHER } } };
      const answer = await admin.call('POST', '/v1/data/app/authz/allow', { input: { ...input, user: 'alice' } });
      expect(answer.status).toBe(400);
      const told = JSON.parse(answer.body) as Told;
      expect(told).toMatchObject({ code: 'invalid_parameter', errors: [{ code: 'account.mismatch' }] });
      expect(await recorded(told.decision_id)).toMatchObject({ result: 'denied', decision: { reasons: [{ code: 'account.mismatch' }] } });
    });
  });

  describe('its bounds', () => {
    it('a result over a MiB is an error, and a deny', async () => {
      const answer = await caller.call('POST', '/v1/data/app/authz/long', { input: { count: 250_000 } });
      expect(answer.status).toBe(500);
      expect(await recorded((JSON.parse(answer.body) as Told).decision_id)).toMatchObject({ result: 'denied' });
    });

    it('an input that no record can hold is not answered', async () => {
      const answer = await caller.call('POST', '/v1/data/app/authz/allow', { input: { user: 'alice', long: 'x'.repeat(60_000) } });
      expect(answer.status).toBe(413);
      expect(JSON.parse(answer.body)).toMatchObject({ code: 'invalid_parameter' });
    });

    it('health needs no credential; everything else does', async () => {
      expect(await (await fetch(`${node.url}/health`)).text()).toBe('{}');
      for (const path of ['/v1/data/app/authz/allow', '/v1/batch/data/app/authz/allow', '/']) {
        const answer = await fetch(`${node.url}${path}`, { method: 'POST', body: '{"input":{"user":"alice"}}' });
        expect(answer.status).toBe(401);
        expect(answer.headers.get('www-authenticate')).toBe('Bearer');
        expect(await answer.json()).toMatchObject({ code: 'unauthorized', errors: [{ code: 'credential.missing' }] });
      }
    });

    it('other methods are refused in OPA’s form, and the API’s description names all paths', async () => {
      for (const method of ['PUT', 'PATCH', 'DELETE']) expect((await admin.call(method, '/v1/data/app', '{}')).status).toBe(405);
      const { paths } = await admin.json<{ paths: Record<string, object> }>('GET', '/openapi.json');
      expect(Object.keys(paths)).toEqual(expect.arrayContaining(['/v1/data/{path}', '/v1/batch/data/{path}', '/', '/health']));
      expect(Object.keys(paths['/v1/data/{path}'] as object).sort()).toEqual(['get', 'post']);
    });
  });
});
