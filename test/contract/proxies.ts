import { afterAll, beforeAll, expect, it } from 'vitest';
import { type RawAnswer, type RunningProxy, type Scene, sendRaw, startScene } from '../peers/proxied.js';
import { until } from '../peers/verdict.js';

/** What differs between proxies. */
export type ProxyKind = {
  /** Starts the proxy with the configuration of its guide. */
  readonly start: (scene: Scene) => Promise<RunningProxy>;
  readonly sendsBody: boolean;
  /** The client's address as the proxy tells it. */
  readonly address: RegExp;
  /** Passes headers with underscores on, so that Verdict denies those that look like its own. */
  readonly passesUnderscores?: boolean;
  /** Makes one slash of two before it asks, and forwards that. */
  readonly cleansSlashes?: boolean;
  /** What a client gets while Verdict is away. */
  readonly away: number;
};

const MISSPELLED = ['X_Verdict_Subject: user/forged', 'X-Verdict_Account: acc-forged', 'X_HTTP_Method_Override: DELETE'];
const FORGED = [
  'X-Verdict-Decision: evt-forged',
  'X-Verdict-Subject: user/forged',
  'X-Verdict-Account: acc-forged',
  'X-Verdict-Key: forged',
  'X-HTTP-Method-Override: DELETE',
  'X-Original-URL: /v1/forged',
  'X-Original-Method: GET',
  'X-Original-URI: /forged',
  'X-Forwarded-Method: GET',
  'X-Forwarded-Uri: /forged',
  'X-Forwarded-For: 203.0.113.9',
  'x-envoy-auth-headers-to-remove: x-verdict-subject',
];

const TRICKS = [
  '/v1/instances/inst-1%2f..%2finst-other',
  '/v1/instances/..%2finst-1',
  '/v1/instances/%2e%2e/instances/inst-1%5c',
  '/v1/instances//inst-1',
  '//v1/instances/inst-1',
  '/health%2f..%2fv1%2finstances%2finst-1',
  '/health/..%2fv1/instances/inst-1',
  '/health/%252e%252e/v1/instances/inst-1',
  '/health/..;/v1/instances/inst-1',
  '/v1/instances/inst-1%00',
  '/v1/instances/%zz',
  '/v1/instances/%c0%af',
];

type Problem = {
  readonly code: string;
  readonly status: number;
  readonly decision?: string;
  readonly reasons?: readonly { readonly code: string; readonly message: string }[];
};

/** What every proxy keeps, with the configuration of its guide, before a real node and a real service. */
export const proxyContract = (kind: ProxyKind): void => {
  let scene: Scene;
  let proxy: RunningProxy;
  beforeAll(async () => {
    scene = await startScene();
    proxy = await kind.start(scene);
  });
  afterAll(async () => {
    await proxy?.stop();
    await scene?.stop();
  });

  const send = (method: string, target: string, token?: string, headers: readonly string[] = [], body = ''): Promise<RawAnswer> =>
    sendRaw(proxy.port, method, target, [...(token === undefined ? [] : [`Authorization: Bearer ${token}`]), ...headers], body);
  const problemIn = (answer: RawAnswer): Problem => {
    expect(answer.head.toLowerCase(), answer.body).toContain('content-type: application/problem+json');
    return JSON.parse(/\{.*\}/s.exec(answer.body)?.[0] ?? '') as Problem;
  };
  type Recorded = { readonly kind: string; readonly action: string; readonly result: string; readonly actor: { readonly id: string; readonly ip?: string } };
  const eventOf = (id: string): Promise<Recorded> =>
    until(`event ${id}`, async () => {
      const answer = await scene.client.call('GET', `/v1/audit-logs/${id}`);
      return answer.status === 200 ? (JSON.parse(answer.body) as { data: Recorded }).data : undefined;
    });

  it('lets through what the policy allows, and tells the service who asked', async () => {
    const answer = await send('GET', '/v1/instances/inst-1?page=2', scene.owner);
    expect(answer.status, answer.body).toBe(200);
    const seen = scene.service.reached.at(-1);
    expect(seen).toMatchObject({ method: 'GET', url: '/v1/instances/inst-1?page=2' });
    expect(seen?.headers).toMatchObject({ 'x-verdict-subject': 'token/tok-owner', 'x-verdict-account': 'acc-1' });
    const event = await eventOf(String(seen?.headers['x-verdict-decision']));
    expect(event).toMatchObject({
      kind: 'decision',
      action: 'instance.get',
      result: 'allowed',
      actor: { id: 'tok-owner', ip: expect.stringMatching(kind.address) },
    });
  });

  it('answers what the policy denies with its reasons, and the service never sees it', async () => {
    const before = scene.service.reached.length;
    const answer = await send('DELETE', '/v1/instances/inst-1', scene.viewer);
    expect(answer.status, answer.body).toBe(403);
    const problem = problemIn(answer);
    expect(problem.code).toBe('decision.denied');
    expect(problem.reasons?.length).toBeGreaterThan(0);
    for (const reason of problem.reasons ?? []) expect(reason).toEqual({ code: expect.any(String), message: expect.any(String) });
    expect(await eventOf(problem.decision ?? '')).toMatchObject({ kind: 'decision', action: 'instance.delete', result: 'denied', actor: { id: 'tok-viewer' } });
    expect(scene.service.reached.length).toBe(before);
  });

  it("denies another account's resource, and a token that is revoked, by the policy", async () => {
    expect((await send('GET', '/v1/instances/inst-other', scene.owner)).status).toBe(403);
    const revoked = await send('GET', '/v1/instances/inst-1', scene.revoked);
    expect(revoked.status).toBe(403);
    expect(problemIn(revoked).reasons?.map(({ code }) => code)).toEqual([expect.stringMatching(/token/)]);
  });

  it('denies a route that is not in the table, and records it', async () => {
    const answer = await send('GET', '/v1/secrets', scene.owner);
    expect(answer.status).toBe(403);
    const problem = problemIn(answer);
    expect(problem.code).toBe('route.unknown');
    expect(await eventOf(problem.decision ?? '')).toMatchObject({ kind: 'activity', action: 'proxy.request', result: 'failure', actor: { id: 'tok-owner' } });
  });

  it('asks for a credential where there is none, or one that nobody knows', async () => {
    for (const token of [undefined, 'nobody-knows-this']) {
      const answer = await send('GET', '/v1/instances/inst-1', token);
      expect(answer.status).toBe(401);
      expect(answer.head.toLowerCase()).toContain('www-authenticate: bearer');
      expect(problemIn(answer).code).toBe(token === undefined ? 'credential.missing' : 'credential.invalid');
    }
  });

  it('lets anybody see a public route', async () => {
    expect((await send('GET', '/health')).status).toBe(200);
    for (const name of ['x-verdict-decision', 'x-verdict-subject']) expect(scene.service.reached.at(-1)?.headers[name] ?? '', name).toBe('');
    expect((await send('POST', '/login', undefined, ['Content-Type: application/json'], '{"email":"a@b.example"}')).status).toBe(200);
    expect(scene.service.reached.at(-1)).toMatchObject({ method: 'POST', url: '/login', body: '{"email":"a@b.example"}' });
    const event = await eventOf(String(scene.service.reached.at(-1)?.headers['x-verdict-decision']));
    expect(event).toMatchObject({ action: 'proxy.request', result: 'success', actor: { id: 'anonymous' } });
  });

  it('decides on the method that the client sent', async () => {
    expect((await send('POST', '/v1/instances/inst-1/actions/start', scene.owner)).status).toBe(200);
    expect(scene.service.reached.at(-1)).toMatchObject({ method: 'POST', url: '/v1/instances/inst-1/actions/start' });
    expect((await send('POST', '/v1/instances/inst-1/actions/start', scene.viewer)).status).toBe(403);
    expect((await send('POST', '/v1/instances/inst-1', scene.owner)).status).toBe(403);
  });

  it('takes off whatever a client says in its name, or about its method and path', async () => {
    const allowed = await send('GET', '/v1/instances/inst-1', scene.owner, FORGED);
    expect(allowed.status, allowed.body).toBe(200);
    const seen = scene.service.reached.at(-1);
    expect(seen?.headers).toMatchObject({ 'x-verdict-subject': 'token/tok-owner', 'x-verdict-account': 'acc-1' });
    expect(seen?.headers['x-verdict-decision']).toMatch(/^evt-[0-9A-Z]{26}$/);
    for (const name of ['x-verdict-key', 'x-http-method-override', 'x-original-url']) expect(seen?.headers[name] ?? '', name).toBe('');
    expect((await eventOf(String(seen?.headers['x-verdict-decision']))).actor.ip).toMatch(kind.address);
    expect((await send('GET', '/health', undefined, FORGED)).status).toBe(200);
    const open = scene.service.reached.at(-1)?.headers;
    for (const name of ['x-verdict-decision', 'x-verdict-subject', 'x-verdict-account']) expect(open?.[name] ?? '', name).toBe('');
    expect((await send('DELETE', '/v1/instances/inst-1', scene.viewer, FORGED)).status).toBe(403);
    expect((await send('GET', '/v1/instances/inst-1', undefined, FORGED)).status).toBe(401);
  });

  it.each(MISSPELLED)('takes off, or denies, a header that some servers read as another: %s', async (header) => {
    const before = scene.service.reached.length;
    const answer = await send('GET', '/v1/instances/inst-1', scene.owner, [header]);
    const name = (header.split(':')[0] as string).toLowerCase();
    if (answer.status === 400) {
      expect(problemIn(answer).code).toBe('header.reserved');
      expect(scene.service.reached.length).toBe(before);
    } else {
      expect(answer.status).toBe(kind.passesUnderscores ? 400 : 200);
      expect(Object.keys(scene.service.reached.at(-1)?.headers ?? {})).not.toContain(name);
    }
  });

  it.each(TRICKS)('lets no path through that two servers could read in two ways: %s', async (target) => {
    const before = scene.service.reached.length;
    const answer = await send('GET', target, scene.owner);
    if (kind.cleansSlashes && target.includes('//') && answer.status === 200) {
      expect(scene.service.reached.at(-1)?.url).toBe('/v1/instances/inst-1');
      expect(scene.service.reached.at(-1)?.headers).toMatchObject({ 'x-verdict-subject': 'token/tok-owner' });
      return;
    }
    expect([400, 403], answer.body).toContain(answer.status);
    expect(scene.service.reached.length).toBe(before);
  });

  it('decides on dot segments as they are forwarded, or not at all', async () => {
    for (const target of ['/health/../v1/instances/inst-other', '/v1/instances/%2e%2e/instances/inst-other', '/v1/./instances/inst-other']) {
      const before = scene.service.reached.length;
      expect((await send('GET', target, scene.owner)).status).toBeGreaterThanOrEqual(400);
      expect(scene.service.reached.length, target).toBe(before);
    }
  });

  it(kind.sendsBody ? 'decides on the body where the route picks from it' : 'denies a route that picks from the body, for it is never sent', async () => {
    const act = (token: string, body: string, type = 'application/json') =>
      send('POST', '/v1/instances/inst-1/actions', token, [`Content-Type: ${type}`], body);
    const codeOf = async (answer: Promise<RawAnswer>): Promise<string> => problemIn(await answer).code;
    if (!kind.sendsBody) return expect(await codeOf(act(scene.owner, '{"action":"start"}'))).toBe('route.body_unavailable');
    expect((await act(scene.owner, '{"action":"start"}')).status).toBe(200);
    expect(scene.service.reached.at(-1)).toMatchObject({ method: 'POST', body: '{"action":"start"}' });
    expect(await codeOf(act(scene.viewer, '{"action":"start"}'))).toBe('decision.denied');
    expect(await codeOf(act(scene.owner, '{"action":"get","action":"delete"}'))).toBe('json.repeated');
    expect(await codeOf(act(scene.owner, '{"action":"start"}', 'text/plain'))).toBe('route.body_unreadable');
    expect(await codeOf(act(scene.owner, '{"action":'))).toBe('json.invalid');
    expect(await codeOf(act(scene.owner, `{"action":"start","long":"${'x'.repeat(100_000)}"}`))).toBe('route.body_partial');
    expect(await codeOf(send('POST', '/v1/instances/inst-1/actions', scene.owner, ['Content-Length: 0']))).toBe('route.body_unavailable');
    const bulk = (ids: readonly string[]) => send('POST', '/v1/instances/bulk-start', scene.owner, ['Content-Type: application/json'], JSON.stringify({ ids }));
    expect((await bulk(['inst-1', 'inst-2'])).status).toBe(200);
    expect((await bulk(['inst-1', 'inst-other'])).status).toBe(403);
  });

  it('passes a body on whole that nothing is picked from', async () => {
    const body = 'x'.repeat(300_000);
    expect((await send('PUT', '/v1/files/a/b.bin', scene.owner, ['Content-Type: application/octet-stream'], body)).status).toBe(200);
    expect(scene.service.reached.at(-1)?.body.length).toBe(body.length);
  });

  it('lets nothing through while Verdict is away, and everything again afterwards', { timeout: 60_000 }, async () => {
    await scene.node.stop();
    const before = scene.service.reached.length;
    for (const [method, target] of [
      ['GET', '/v1/instances/inst-1'],
      ['GET', '/health'],
      ['GET', '/v1/unknown'],
    ] as const)
      expect((await send(method, target, scene.owner)).status, target).toBe(kind.away);
    expect(scene.service.reached.length).toBe(before);
    await scene.restart();
    await until('the first allow', async () => ((await send('GET', '/v1/instances/inst-1', scene.owner)).status === 200 ? true : undefined));
  });
};
