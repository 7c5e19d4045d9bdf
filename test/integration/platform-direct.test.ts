import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWithLibvirt } from '../peers/libvirt.js';
import { type RunningPlatform, startPlatform } from '../peers/platform.js';

type Thing = {
  readonly id: string;
  readonly status: string;
  readonly tags: readonly string[];
  readonly secret: string;
  readonly hash: string;
  readonly expires: string;
  readonly revoked: boolean;
};

describeWithLibvirt("The example platform by itself, on libvirt's test driver", () => {
  let platform: RunningPlatform;
  beforeAll(async () => {
    platform = await startPlatform('test:///default');
  });
  afterAll(() => platform?.stop());

  const call = async <T = Thing>(method: string, path: string, body?: unknown, headers: Record<string, string> = { 'x-verdict-account': 'acc-1' }) => {
    const answer = await fetch(`${platform.url}${path}`, {
      method,
      headers,
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await answer.text();
    return { status: answer.status, body: (text === '' ? {} : JSON.parse(text)) as { readonly data: T; readonly error?: { readonly message: string } } };
  };

  it('listens on loopback only', () => {
    expect(new URL(platform.url).hostname).toBe('127.0.0.1');
    expect(platform.output()).toContain('test domains at test:///default');
  });

  it('wants to be asked on somebody’s behalf', async () => {
    expect(await call('GET', '/v1/instances', undefined, {})).toMatchObject({ status: 400, body: { error: { message: expect.stringContaining('gateway') } } });
  });

  it('keeps its domains from one request to the next, whatever they are called', async () => {
    const made = await call('POST', '/v1/instances', { name: `<a> & "b" 'c' ]]> \u0000\n`, tags: ['web'] });
    expect(made).toMatchObject({ status: 201, body: { data: { status: 'running', account: 'acc-1' } } });
    const { id } = made.body.data;
    expect((await call('POST', `/v1/instances/${id}/actions`, { action: 'start' })).status).toBe(409);
    expect((await call('POST', `/v1/instances/${id}/actions`, { action: 'stop' })).body.data.status).toBe('shut off');
    const cloned = await call<readonly Thing[]>('POST', '/v1/instances/bulk/clone', { ids: [id, id], tags: ['copy'], start: true });
    expect(cloned.body.data.map(({ status, tags }) => [status, tags])).toEqual([
      ['running', ['web', 'copy']],
      ['running', ['web', 'copy']],
    ]);
    expect((await call('DELETE', `/v1/instances/${id}`)).status).toBe(204);
    expect((await call('GET', `/v1/instances/${id}`)).status).toBe(404);
    expect((await call<readonly Thing[]>('GET', '/v1/instances')).body.data).toHaveLength(2);
    expect((await call('GET', '/v1/instances', undefined, { 'x-verdict-account': 'acc-2' })).body.data).toEqual([]);
  });

  it.each([
    ['no JSON', 'POST', '/v1/instances', '{'],
    ['a list', 'POST', '/v1/instances', []],
    ['no name', 'POST', '/v1/instances', {}],
    ['a made-up plan', 'POST', '/v1/instances', { name: 'a', plan: '../x' }],
    ['tags that are none', 'POST', '/v1/instances', { name: 'a', tags: ['a b'] }],
    ['an action that nobody may name', 'POST', '/v1/instances/inst-0/actions', { action: 'constructor' }],
    ['a volume of no size', 'POST', '/v1/volumes', { name: 'v', size_gb: -1 }],
    ['a role that is none', 'POST', '/v1/team/invitations', { email: 'x@example.com', role: 'god' }],
    ['a prototype as an id', 'GET', '/v1/instances/__proto__', undefined],
  ])('answers %s with what is wrong', async (_what, method, path, body) => {
    const answer = await call(method, path, body);
    expect([400, 404]).toContain(answer.status);
    expect(answer.body.error?.message).toMatch(/\S/);
  });

  it('never shows a token again', async () => {
    const made = await call('POST', '/v1/tokens', { name: 'ci', expires: '7d' });
    const { id, secret, hash, expires } = made.body.data;
    expect(secret).toMatch(/^plat_[\w-]{43}$/);
    expect(Date.parse(expires) - Date.now()).toBeGreaterThan(6.9 * 86_400_000);
    const listed = await call<readonly Thing[]>('GET', '/v1/tokens');
    expect(listed.body.data.map((token) => token.id)).toContain(id);
    expect(JSON.stringify(listed.body)).not.toContain(secret);
    expect(JSON.stringify(listed.body)).not.toContain(hash);
    const rotated = await call('POST', `/v1/tokens/${id}/rotate`);
    expect(rotated.body.data).toMatchObject({ rotated_from: id, revoked: false });
    expect(rotated.body.data.secret).not.toBe(secret);
    expect((await call('DELETE', `/v1/tokens/${id}`)).body.data.revoked).toBe(true);
  });
});
