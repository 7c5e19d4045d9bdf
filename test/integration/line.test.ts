import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startKafka } from '../peers/kafka.js';
import { clientOf, type RunningVerdict, removeFolder, startVerdict, temporaryFolder, until } from '../peers/verdict.js';

type Decision = {
  readonly decision: boolean;
  readonly context: { readonly id: string; readonly reasons: readonly { readonly code: string }[]; readonly policy: string };
};
type Found = {
  readonly id: string;
  readonly action: string;
  readonly account: string;
  readonly source: string;
  readonly result: string;
  readonly log: string;
  readonly seq: number;
  readonly decision?: { readonly facts: Record<string, number> };
  readonly details: Record<string, unknown>;
};
type Page = { readonly data: { readonly events: readonly Found[]; readonly next_cursor?: string } };

let stopKafka: () => Promise<unknown> = () => Promise.resolve();
const onKafka = async (more: Record<string, string>): Promise<Record<string, string>> => {
  const { brokers, stop } = await startKafka({ brokers: 1 });
  stopKafka = stop;
  return { VERDICT_KAFKA_BROKERS: brokers.join(','), VERDICT_KAFKA_TOPIC_PREFIX: `line-${process.pid}-${Date.now()}`, VERDICT_KAFKA_PARTITIONS: '4', ...more };
};

const streams: readonly { readonly name: string; readonly env: () => Promise<Record<string, string>> }[] = [
  { name: 'the journal', env: async () => ({}) },
  { name: 'Kafka', env: () => onKafka({}) },
  { name: 'Kafka, answered when the brokers have it', env: () => onKafka({ VERDICT_JOURNAL_DURABILITY: 'kafka' }) },
];

describe.each(streams)('the whole line over $name', ({ env }) => {
  const folder = temporaryFolder();
  let settings: Record<string, string>;
  let node: RunningVerdict;
  let client: ReturnType<typeof clientOf>;

  const page = async (query: string, count: number): Promise<readonly Found[]> =>
    until(`${count} events for ${query}`, async () => {
      const answer = await client.call('GET', `/v1/audit-logs?${query}`);
      if (answer.status !== 200) return undefined;
      const { events } = (JSON.parse(answer.body) as Page).data;
      return events.length >= count ? events : undefined;
    });

  beforeAll(async () => {
    settings = await env();
    node = await startVerdict({ folder, env: settings });
    client = clientOf(node);
    await until('readiness', async () => ((await client.call('GET', '/readyz')).status === 200 ? true : undefined), 60_000);
  }, 120_000);

  afterAll(async () => {
    client.close();
    await node.stop();
    removeFolder(folder);
    await stopKafka();
    stopKafka = () => Promise.resolve();
  }, 60_000);

  it('keeps what it is told about an account, its members and its servers, and records each change', async () => {
    const put = (path: string, body: object) => client.json<{ version: number }>('PUT', `/v1/entities/${path}`, body);
    expect((await put('account/acc-1', { account: 'acc-1', properties: { name: 'One', tier: 'standard' } })).version).toBe(1);
    await put('user/usr-dev', { properties: { email: 'dev@example.com' } });
    await put('membership/acc-1:usr-dev', { account: 'acc-1', properties: { role: 'developer' } });
    await put('user/usr-view', { properties: { email: 'view@example.com' } });
    await put('membership/acc-1:usr-view', { account: 'acc-1', properties: { role: 'viewer' } });
    await put('instance/inst-1', { account: 'acc-1', properties: { name: 'web-1' } });
    const events = await page('event=entity.create&limit=50', 6);
    expect(events.map((event) => event.details['version'])).toEqual([1, 1, 1, 1, 1, 1]);
  });

  it('answers by the role in the directory, and the record says which versions it rested on', async () => {
    const ask = (id: string, properties: object = {}) =>
      client.json<Decision>('POST', '/access/v1/evaluation', {
        subject: { type: 'user', id, properties },
        action: { name: 'instance.delete' },
        resource: { type: 'instance', id: 'inst-1' },
      });
    const allowed = await ask('usr-dev');
    expect(allowed.decision).toBe(true);
    const denied = await ask('usr-view', { role: 'owner' });
    expect(denied.decision).toBe(false);
    expect(denied.context.reasons[0]?.code).toBe('rbac.role');
    const [event] = await page(`user=dev@example.com&kind=decision`, 1);
    expect(event).toMatchObject({ id: allowed.context.id, account: 'acc-1', source: 'pdp', result: 'allowed' });
    expect(event?.decision?.facts).toEqual({ 'instance/inst-1': 1, 'user/usr-dev': 1, 'account/acc-1': 1, 'membership/acc-1:usr-dev': 1 });
    const one = await client.json<{ data: Found }>('GET', `/v1/audit-logs/${denied.context.id}`);
    expect(one.data.id).toBe(denied.context.id);
    expect(JSON.stringify(one)).not.toContain('salts');
  });

  it('answers twenty questions in order, each recorded', async () => {
    const evaluations = Array.from({ length: 20 }, (_, index) => ({ action: { name: index % 2 === 0 ? 'instance.get' : 'payment_method.update' } }));
    const answer = await client.json<{ evaluations: readonly Decision[] }>('POST', '/access/v1/evaluations', {
      subject: { type: 'user', id: 'usr-dev' },
      resource: { type: 'instance', id: 'inst-1' },
      evaluations,
    });
    expect(answer.evaluations.map((one) => one.decision)).toEqual(evaluations.map((_, index) => index % 2 === 0));
    const found = await page('event=payment_method.update&kind=decision&limit=20', 10);
    expect(found.map((event) => event.id).sort()).toEqual(
      answer.evaluations
        .filter((one) => !one.decision)
        .map((one) => one.context.id)
        .sort(),
    );
  });

  it('takes a batch of events, names a bad one, and answers a retry with the first record', async () => {
    const event = (id: string, action: string) => ({
      id,
      timestamp: new Date().toISOString(),
      account: 'acc-1',
      actor: { type: 'user', id: 'usr-dev', ip: '198.51.100.7' },
      action,
      resource: { type: 'session', id: 's-1' },
      result: 'failure',
      details: { 'quote"s': 'line\nbreak ✓', empty: {}, nothing: null },
    });
    const good = event('login-1', 'auth.login');
    const first = await client.json<{ data: { events: readonly { id: string; log: string; seq: number }[] } }>('POST', '/v1/events', [
      good,
      event('login-2', 'auth.login'),
    ]);
    const again = await client.json<{ data: { events: readonly { id: string; log: string; seq: number }[] } }>('POST', '/v1/events', good);
    expect(again.data.events[0]).toMatchObject({ id: 'login-1', log: first.data.events[0]?.log, seq: first.data.events[0]?.seq });
    const conflict = await client.call('POST', '/v1/events', { ...good, action: 'auth.logout' });
    expect(conflict.status).toBe(409);
    expect(JSON.parse(conflict.body)).toMatchObject({ code: 'id.conflict' });
    const bad = await client.call('POST', '/v1/events', [event('login-3', 'auth.login'), { ...event('login-4', 'auth.login'), kind: 'decision' }]);
    expect(bad.status).toBeGreaterThanOrEqual(400);
    expect(bad.body).toContain('"index":1');
    const found = await page('event=auth.login&ip=198.51.100.7', 2);
    expect(found.map((one) => one.id).sort()).toEqual(['login-1', 'login-2']);
    expect(found[0]?.details).toEqual(good.details);
  });

  it('exports what it found, complete, in each format', async () => {
    for (const format of ['json', 'jsonl', 'csv', 'syslog']) {
      const answer = await client.call('GET', `/v1/audit-logs/export?format=${format}&event=auth.login`);
      expect(answer.status).toBe(200);
      expect(answer.body).toContain('login-1');
      expect(answer.body).toContain('login-2');
      expect(answer.body).not.toContain('login-3');
    }
  });

  it('has no gap, and goes on where it was after a restart', { timeout: 120_000 }, async () => {
    const before = await page('event=auth.login', 2);
    expect(await node.stop()).toBe(0);
    client.close();
    node = await startVerdict({ folder, env: settings });
    client = clientOf(node);
    await until('readiness', async () => ((await client.call('GET', '/readyz')).status === 200 ? true : undefined), 60_000);
    expect(await page('event=auth.login', 2)).toEqual(before);
    const closed = await page('event=log.closed&account=verdict', 1);
    expect(closed.length).toBeGreaterThan(0);
    await until('no gaps', async () => {
      const { data } = await client.json<{ data: { gaps: readonly unknown[] } }>('GET', '/v1/audit-logs/gaps');
      return data.gaps.length === 0 ? true : undefined;
    });
  });
});
