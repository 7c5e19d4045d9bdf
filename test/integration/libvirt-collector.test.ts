import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { describeWithLibvirt, type RunningLibvirt, startLibvirt } from '../peers/libvirt.js';
import { clientOf, type RunningVerdict, startVerdict, until } from '../peers/verdict.js';

type Shown = {
  readonly id: string;
  readonly timestamp: string;
  readonly account: string;
  readonly action: string;
  readonly result: string;
  readonly source: string;
  readonly resource: { readonly type: string; readonly id: string; readonly name?: string };
  readonly details: Readonly<Record<string, unknown>>;
  readonly region?: string;
};
type Part = { readonly name: string; readonly ok: boolean; readonly message?: string };

describeWithLibvirt('A node that watches libvirt', () => {
  // Whole families start and stop, each with a store of its own.
  vi.setConfig({ testTimeout: 120_000 });

  let libvirt: RunningLibvirt;
  let verdict: RunningVerdict;
  let client: ReturnType<typeof clientOf>;

  beforeAll(async () => {
    libvirt = await startLibvirt();
    await libvirt.define('inst-before');
    verdict = await startVerdict({
      args: ['--collect', 'libvirt'],
      env: {
        VERDICT_COLLECT_LIBVIRT_URI: libvirt.uri,
        VERDICT_COLLECT_LIBVIRT_RECONCILE_SECONDS: '1',
        VERDICT_COLLECT_LIBVIRT_ACCOUNT_WAIT_SECONDS: '6',
        VERDICT_GROUND_TRUTH_GRACE_SECONDS: '1',
      },
    });
    client = clientOf(verdict);
    await know('inst-before', 'acc-1');
    await until('the node is ready and the collector watches', async () => {
      const [{ status }, part] = [await client.call('GET', '/readyz'), await collector()];
      return status === 200 && part && part.message === undefined ? true : undefined;
    });
  });

  afterAll(async () => {
    client?.close();
    await verdict?.stop();
    await libvirt?.stop();
  });

  const know = (id: string, account: string) => client.json('PUT', `/v1/entities/instance/${id}`, { account, properties: { region: 'lagos-1' } });
  const collector = async (): Promise<Part | undefined> => {
    const { parts } = JSON.parse((await client.call('GET', '/readyz')).body) as { readonly parts: readonly Part[] };
    return parts.find(({ name }) => name === 'collector libvirt');
  };
  const events = async (query: string): Promise<readonly Shown[]> =>
    (await client.json<{ readonly data: { readonly events: readonly Shown[] } }>('GET', `/v1/audit-logs?limit=100&${query}`)).data.events;
  const found = (query: string, is: (event: Shown) => boolean = () => true): Promise<Shown> =>
    until(`an event with ${query}`, async () => (await events(query)).find(is));

  const ask = (action: string, id: string) =>
    client.json<{ readonly decision: boolean }>('POST', '/access/v1/evaluation', {
      subject: { type: 'user', id: 'usr-dayo' },
      action: { name: action },
      resource: { type: 'instance', id },
    });

  it('took what was there before it for no change', async () => {
    expect(await events('resource=inst-before&event=instance.create')).toEqual([]);
  });

  it("records a start as the platform's, in the account and region of the instance", async () => {
    await libvirt.virsh('start', 'inst-before');
    const started = await found('resource=inst-before&event=instance.start');
    expect(started).toMatchObject({
      account: 'acc-1',
      region: 'lagos-1',
      source: 'libvirt',
      result: 'success',
      resource: { type: 'instance', id: 'inst-before', name: 'inst-before' },
      details: { domain: 'inst-before', what: 'Started', why: 'Booted' },
    });
    expect(Math.abs(Date.parse(started.timestamp) - Date.now())).toBeLessThan(20_000);
  });

  it('records that nobody was asked about it, with the event that proves it, once', async () => {
    const started = await found('resource=inst-before&event=instance.start');
    const bypass = await found('resource=inst-before&event=platform.unauthorised_change');
    expect(bypass).toMatchObject({
      account: 'acc-1',
      result: 'failure',
      source: 'verdict',
      timestamp: started.timestamp,
      details: { change: 'instance.start', evidence: { id: started.id, source: 'libvirt' } },
    });
  });

  it('says nothing of a change that was allowed before', async () => {
    await client.json('PUT', '/v1/entities/account/acc-1', { account: 'acc-1', properties: {} });
    await client.json('PUT', '/v1/entities/user/usr-dayo', { properties: {} });
    await client.json('PUT', '/v1/entities/membership/acc-1:usr-dayo', { account: 'acc-1', properties: { role: 'developer' } });
    expect((await ask('instance.stop', 'inst-before')).decision).toBe(true);
    await libvirt.virsh('destroy', 'inst-before');
    await found('resource=inst-before&event=instance.stop');
    // Behind it something that nobody allowed: when that is found, the stop was judged too.
    await libvirt.virsh('start', 'inst-before', '--paused');
    await libvirt.virsh('resume', 'inst-before');
    await found('resource=inst-before&event=platform.unauthorised_change', ({ details }) => details['change'] === 'instance.resume');
    const changes = (await events('resource=inst-before&event=platform.unauthorised_change')).map(({ details }) => details['change']);
    expect(changes).not.toContain('instance.stop');
  });

  it('records a domain that no instance is known for under the system account, as unknown', async () => {
    await libvirt.define("odd 'one': Started Booted");
    const made = await found('event=instance.create', ({ details }) => details['unknown'] === true);
    expect(made).toMatchObject({ account: 'verdict', resource: { id: "odd 'one': Started Booted" } });
    await found('event=platform.unauthorised_change', ({ resource }) => resource.id === "odd 'one': Started Booted");
  });

  it('waits for the instance of a new domain to become known', async () => {
    await libvirt.define('inst-new');
    await know('inst-new', 'acc-2');
    expect(await found('resource=inst-new&event=instance.create')).toMatchObject({ account: 'acc-2', region: 'lagos-1' });
  });

  it("goes on after libvirtd's restart, and says what it may have missed and what changed meanwhile", async () => {
    await libvirt.halt();
    const away = await until('the collector says that it is blind', async () => {
      const part = await collector();
      return part?.message === undefined ? undefined : part;
    });
    expect(away.ok).toBe(true);
    expect((await client.call('GET', '/readyz')).status).toBe(200);
    const before = Date.now();
    await libvirt.resume();
    const gap = await found('event=collector.gap');
    expect(gap).toMatchObject({ account: 'verdict', source: 'libvirt', result: 'failure', resource: { type: 'collector', id: 'libvirt' } });
    expect(Date.parse(String(gap.details['from']))).toBeLessThan(before);
    expect(Date.parse(String(gap.details['to']))).toBeGreaterThan(before);
    await libvirt.virsh('undefine', 'inst-new');
    // By its event, or by the next look where the new subscription didn't stand yet.
    expect(await found('resource=inst-new&event=instance.delete')).toMatchObject({ account: 'acc-2', result: 'success' });
    expect(await collector()).toEqual({ name: 'collector libvirt', ok: true });
  });

  it('finds by the list of domains what changed while it was not running, and loses nothing by kill -9', async () => {
    await verdict.stop();
    await libvirt.virsh('destroy', 'inst-before');
    await libvirt.define('inst-night');
    const env = {
      VERDICT_COLLECT_LIBVIRT_URI: libvirt.uri,
      VERDICT_COLLECT_SOURCES: 'libvirt',
      VERDICT_COLLECT_LIBVIRT_ACCOUNT_WAIT_SECONDS: '1',
      VERDICT_GROUND_TRUTH_GRACE_SECONDS: '1',
    };
    client.close();
    verdict = await startVerdict({ folder: verdict.folder, env });
    client = clientOf(verdict);
    const inferred = await found('resource=inst-before&event=instance.stop', ({ details }) => details['inferred'] === true);
    expect(inferred).toMatchObject({ account: 'acc-1', details: { gap: { from: expect.any(String) } } });
    // The whole family dies at once: what was noticed and not judged yet is judged by the next one.
    for (const pid of verdict.processes()) process.kill(pid, 'SIGKILL');
    client.close();
    verdict = await startVerdict({ folder: verdict.folder, env });
    client = clientOf(verdict);
    await found('resource=inst-night&event=platform.unauthorised_change');
    const made = await events('resource=inst-night&event=instance.create');
    expect(made).toHaveLength(1);
    expect(await events('resource=inst-night&event=platform.unauthorised_change')).toHaveLength(1);
  });
});
