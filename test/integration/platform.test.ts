import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { describeWithLibvirt, type RunningLibvirt, startLibvirt } from '../peers/libvirt.js';
import { PLATFORM_ROUTES, type RunningPlatform, seedPlatform, startPlatform, type Tokens } from '../peers/platform.js';
import { clientOf, type RunningVerdict, startVerdict, until } from '../peers/verdict.js';

type Shown = {
  readonly id: string;
  readonly kind: string;
  readonly account: string;
  readonly action: string;
  readonly result: string;
  readonly source: string;
  readonly actor: { readonly type: string; readonly id: string; readonly email?: string };
  readonly resource: { readonly type: string; readonly id: string; readonly name?: string };
  readonly details: Readonly<Record<string, unknown>>;
  readonly caused_by?: string;
};
type Instance = { readonly id: string; readonly name: string; readonly status: string; readonly account: string };
type Answered<T> = { readonly status: number; readonly body: { readonly data: T; readonly code?: string; readonly error?: { readonly message: string } } };

describeWithLibvirt('The example platform behind the gateway', () => {
  // Domains start in emulation, and reports are judged in their order.
  vi.setConfig({ testTimeout: 120_000 });

  let libvirt: RunningLibvirt;
  let platform: RunningPlatform;
  let verdict: RunningVerdict;
  let gateway: string;
  let tokens: Tokens & { readonly output: string };
  let audit: ReturnType<typeof clientOf>;

  beforeAll(async () => {
    libvirt = await startLibvirt();
    platform = await startPlatform(libvirt.uri);
    verdict = await startVerdict({
      command: 'gateway',
      args: ['--upstream', platform.url, '--routes', PLATFORM_ROUTES, '--collect', 'libvirt'],
      env: {
        VERDICT_GATEWAY_PORT: '0',
        VERDICT_COLLECT_LIBVIRT_URI: libvirt.uri,
        VERDICT_COLLECT_LIBVIRT_RECONCILE_SECONDS: '2',
        VERDICT_COLLECT_LIBVIRT_ACCOUNT_WAIT_SECONDS: '10',
        VERDICT_GROUND_TRUTH_GRACE_SECONDS: '1',
      },
    });
    gateway = /The gateway listens on (\S+)/.exec(verdict.output())?.[1] as string;
    audit = clientOf(verdict);
    tokens = await seedPlatform(platform.url, verdict);
    await until('the node is ready and the collector watches', async () => {
      const { status, body } = await audit.call('GET', '/readyz');
      const { parts } = JSON.parse(body) as { readonly parts: readonly { readonly name: string; readonly message?: string }[] };
      return status === 200 && parts.some(({ name, message }) => name === 'collector libvirt' && message === undefined) ? true : undefined;
    });
  });

  afterAll(async () => {
    audit?.close();
    await verdict?.stop();
    await platform?.stop();
    await libvirt?.stop();
  });

  const call = async <T>(token: string | undefined, method: string, path: string, body?: unknown): Promise<Answered<T>> => {
    const answer = await fetch(`${gateway}${path}`, {
      method,
      headers: { ...(token !== undefined && { authorization: `Bearer ${token}` }), ...(body !== undefined && { 'content-type': 'application/json' }) },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    return { status: answer.status, body: (text === '' ? {} : JSON.parse(text)) as Answered<T>['body'] };
  };
  const events = async (query: string): Promise<readonly Shown[]> =>
    (await audit.json<{ readonly data: { readonly events: readonly Shown[] } }>('GET', `/v1/audit-logs?limit=200&${query}`)).data.events;
  const found = (what: string, query: string, is: (event: Shown) => boolean): Promise<Shown> => until(what, async () => (await events(query)).find(is));
  const domains = async (): Promise<readonly string[]> => (await libvirt.virsh('list', '--all', '--name')).split('\n').filter(Boolean);
  const make = async (name: string): Promise<Instance> => {
    const answer = await call<Instance>(tokens.developer, 'POST', '/v1/instances', { name, tags: ['web'] });
    expect(answer.status, JSON.stringify(answer.body)).toBe(201);
    return answer.body.data;
  };

  it('shows each token once, and gives Verdict nothing but its hash', async () => {
    const listed = await call<readonly Record<string, unknown>[]>(tokens.developer, 'GET', '/v1/tokens');
    expect(listed.body.data).toHaveLength(4);
    expect(JSON.stringify(listed.body)).not.toContain(tokens.developer);
    expect(JSON.stringify(await events('event=entity.create'))).not.toContain(tokens.developer);
  });

  it('lets nobody in whom it does not know, nor anybody to a route that is not in the table', async () => {
    expect((await call(undefined, 'GET', '/v1/instances')).status).toBe(401);
    expect((await call('plat_made-up', 'GET', '/v1/instances')).status).toBe(401);
    expect((await call(tokens.owner, 'POST', '/setup', {})).status).toBe(403);
  });

  it('creates a real domain for a developer, and the audit log has every step of it', async () => {
    const { id, status } = await make('web-1 <"&\'>');
    expect(status).toBe('running');
    expect((await libvirt.virsh('domstate', id)).trim()).toBe('running');
    expect((await libvirt.virsh('desc', id, '--title')).trim()).toBe('web-1 <"&\'>');
    const activity = await found('the request', `resource=${id}&event=instance.create`, ({ source }) => source === 'gateway');
    expect(activity).toMatchObject({
      account: 'acc-1',
      kind: 'activity',
      result: 'success',
      actor: { email: 'dayo@example.com' },
      resource: { name: 'web-1 <"&\'>' },
    });
    const decision = await found('its decision', 'event=instance.create&kind=decision', (event) => event.id === activity.caused_by);
    expect(decision).toMatchObject({ account: 'acc-1', result: 'allowed' });
    await found('the entity', `resource=${id}&event=entity.create`, ({ account }) => account === 'acc-1');
    const started = await found('the start', `resource=${id}&event=instance.start`, ({ source }) => source === 'libvirt');
    expect(started).toMatchObject({ account: 'acc-1', details: { domain: id } });
  });

  it('denies a viewer what the domain then has not suffered', async () => {
    const { id } = await make('kept');
    const before = (await domains()).length;
    expect((await call(tokens.viewer, 'GET', `/v1/instances/${id}`)).status).toBe(200);
    expect((await call(tokens.viewer, 'POST', '/v1/instances', { name: 'not mine' })).status).toBe(403);
    expect((await call(tokens.viewer, 'DELETE', `/v1/instances/${id}`)).status).toBe(403);
    expect((await call(tokens.viewer, 'POST', `/v1/instances/${id}/actions`, { action: 'stop' })).status).toBe(403);
    expect((await libvirt.virsh('domstate', id)).trim()).toBe('running');
    expect((await domains()).length).toBe(before);
    await found('the denial', `resource=${id}&event=instance.delete&kind=decision`, ({ result }) => result === 'denied');
    await found('the request', `resource=${id}&event=instance.delete`, ({ source, result }) => source === 'gateway' && result === 'failure');
  });

  it('stops, starts, reboots and deletes it for a developer; the directory forgets it, and nothing of it is called unauthorised', async () => {
    const { id } = await make('short-lived');
    for (const action of ['stop', 'start', 'reboot']) {
      const done = await call<Instance>(tokens.developer, 'POST', `/v1/instances/${id}/actions`, { action });
      expect(done.status, action).toBe(200);
      expect(done.body.data.status).toBe(action === 'stop' ? 'shut off' : 'running');
    }
    expect((await call(tokens.developer, 'DELETE', `/v1/instances/${id}`)).status).toBe(204);
    expect(await domains()).not.toContain(id);
    await found('the deletion, by libvirt', `resource=${id}&event=instance.delete`, ({ source, account }) => source === 'libvirt' && account === 'acc-1');
    await found('the deletion, by the gateway', `resource=${id}&event=instance.delete`, ({ source, result }) => source === 'gateway' && result === 'success');
    expect((await audit.call('GET', `/v1/entities/instance/${id}`)).status).toBe(404);
    // Reports are judged in their order: when this later one is found out, all of the others' were judged.
    const { id: other } = await make('other');
    await libvirt.virsh('destroy', other);
    await found('the bypass', `resource=${other}&event=platform.unauthorised_change`, () => true);
    expect(await events(`resource=${id}&event=platform.unauthorised_change`)).toEqual([]);
  });

  it('finds out a domain that is started behind its back', async () => {
    const { id } = await make('quiet');
    expect((await call(tokens.developer, 'POST', `/v1/instances/${id}/actions`, { action: 'stop' })).status).toBe(200);
    await libvirt.define('inst-of-nobody');
    await libvirt.virsh('start', 'inst-of-nobody');
    const bypass = await found(
      'the bypass',
      'resource=inst-of-nobody&event=platform.unauthorised_change',
      ({ details }) => details['change'] === 'instance.start',
    );
    const evidence = bypass.details['evidence'] as { readonly id: string };
    expect(await found('its evidence', 'resource=inst-of-nobody&event=instance.start', (event) => event.id === evidence.id)).toMatchObject({
      source: 'libvirt',
    });
    expect(await events(`resource=${id}&event=platform.unauthorised_change`)).toEqual([]);
  });

  it('asks once for each server of a bulk request, and clones none where one is denied', async () => {
    const { id } = await make('original');
    const before = (await domains()).length;
    await audit.json('PUT', '/v1/entities/instance/inst-foreign', { account: 'acc-2', properties: {} });
    const denied = await call(tokens.developer, 'POST', '/v1/instances/bulk/clone', { ids: [id, 'inst-foreign'] });
    expect(denied.status, JSON.stringify(denied.body)).toBe(403);
    expect((await domains()).length).toBe(before);
    const cloned = await call<readonly Instance[]>(tokens.developer, 'POST', '/v1/instances/bulk/clone', { ids: [id, id], tags: ['copy'] });
    expect(cloned.status, JSON.stringify(cloned.body)).toBe(201);
    expect((await domains()).length).toBe(before + 2);
    // Each clone is somebody's from now on: what nobody knows would be anybody's who asks.
    for (const clone of cloned.body.data) {
      const entity = await audit.json<object>('GET', `/v1/entities/instance/${clone.id}`);
      expect(entity).toMatchObject({ account: 'acc-1', properties: { tags: ['web', 'copy'] } });
    }
    await until('a decision for each', async () => {
      const decisions = await events(`resource=${id}&event=instance.clone&kind=decision`);
      return decisions.filter(({ result }) => result === 'allowed').length === 3 ? true : undefined;
    });
  });

  it('works with a token that was made through it, until that is revoked', async () => {
    const made = await call<{ readonly id: string; readonly secret: string }>(tokens.admin, 'POST', '/v1/tokens', { name: 'ci', scope: 'read', expires: '7d' });
    expect(made.status, JSON.stringify(made.body)).toBe(201);
    const { id, secret } = made.body.data;
    expect((await call(secret, 'GET', '/v1/instances')).status).toBe(200);
    expect((await call(secret, 'POST', '/v1/instances', { name: 'beyond its scope' })).status).toBe(403);
    expect((await call(tokens.admin, 'DELETE', `/v1/tokens/${id}`)).status).toBe(200);
    expect((await call(secret, 'GET', '/v1/instances')).status).toBe(403);
    expect(JSON.stringify(await events('kind=activity'))).not.toContain(secret);
  });

  it('records logins as such, the failed ones too, and never the password', async () => {
    const [, email, password] = /^(vera@\S+) (\S+)$/m.exec(tokens.output) as unknown as readonly [string, string, string];
    expect((await call(undefined, 'POST', '/v1/auth/login', { email, password: `${password}!` })).status).toBe(401);
    const login = await call<{ readonly secret: string }>(undefined, 'POST', '/v1/auth/login', { email, password });
    expect(login.status).toBe(200);
    await found('the failure', 'event=auth.login', ({ result, actor }) => result === 'failure' && actor.email === email);
    await found('the success', 'event=auth.login', ({ result, actor }) => result === 'success' && actor.email === email);
    expect((await call(login.body.data.secret, 'GET', '/v1/instances')).status).toBe(200);
    expect(JSON.stringify(await events('kind=activity'))).not.toContain(password);
  });
});
