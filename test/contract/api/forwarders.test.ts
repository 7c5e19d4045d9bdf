import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DESTINATIONS } from '../../../src/destinations.js';
import { readForwarder, redactForwarder } from '../../../src/forward/index.js';
import { isSealed } from '../../../src/outbound/index.js';
import { destinationTo, type Receiver, startReceiver } from '../../peers/receiver.js';
import { type Rig, startRig } from './rig.js';

describe('the API of forwarders', () => {
  let rig: Rig;
  let receiver: Receiver;
  beforeAll(async () => {
    rig = await startRig();
    receiver = await startReceiver();
  });
  afterAll(async () => {
    await receiver.down();
    await rig.stop();
  });

  const wish = (more: object = {}) => ({ name: 'siem', destination: destinationTo(receiver, { authorization: 'hunter2-of-the-siem' }), ...more });
  const create = async (as: string, more: object = {}) => rig.call('POST', '/v1/forwarders', { as, body: wish(more) });
  const made = async (as: string, more: object = {}): Promise<string> => {
    const reply = await create(as, more);
    expect(reply.status, reply.text).toBe(201);
    return reply.json.data.forwarder.id;
  };
  const remove = (id: string) => rig.call('DELETE', `/v1/forwarders/${id}`, { as: 'admin' });
  const entityOf = (id: string) => rig.directory.get('verdict.forwarder', id) as NonNullable<ReturnType<Rig['directory']['get']>>;

  const tokenOf = (id: string): unknown => (readForwarder(entityOf(id))?.destination as { readonly authorization?: string } | undefined)?.authorization;

  it('makes, shows, lists, changes and removes one', async () => {
    const id = await made('admin', { filter: { actions: ['instance.*'] }, region: 'eu-1' });
    const shown = (await rig.call('GET', `/v1/forwarders/${id}`, { as: 'admin' })).json.data.forwarder;
    expect(shown).toMatchObject({
      id,
      name: 'siem',
      accounts: 'all',
      filter: { actions: ['instance.*'] },
      format: 'json',
      region: 'eu-1',
      state: 'waiting',
      sent: 0,
    });
    expect((await rig.call('GET', '/v1/forwarders', { as: 'admin' })).json.data.forwarders).toEqual([shown]);
    const changed = await rig.call('PATCH', `/v1/forwarders/${id}`, { as: 'admin', body: { filter: {}, format: 'ocsf', region: null } });
    expect(changed.json.data.forwarder).toMatchObject({ filter: {}, format: 'ocsf', destination: shown.destination });
    expect(changed.json.data.forwarder.region).toBeUndefined();
    expect((await rig.call('POST', `/v1/forwarders/${id}/pause`, { as: 'admin' })).json.data.forwarder.state).toBe('paused');
    expect((await rig.call('POST', `/v1/forwarders/${id}/resume`, { as: 'admin' })).json.data.forwarder).toMatchObject({ paused: false, state: 'waiting' });
    expect((await remove(id)).status).toBe(204);
    expect((await rig.call('GET', `/v1/forwarders/${id}`, { as: 'admin' })).status).toBe(404);
    expect((await remove(id)).json.code).toBe('forwarder.unknown');
  });

  it('keeps secrets encrypted, and shows them nowhere', async () => {
    const reply = await create('admin');
    const id = reply.json.data.forwarder.id;
    expect(reply.json.data.forwarder.destination).toMatchObject(destinationTo(receiver, { authorization: '********' }));
    expect(isSealed(tokenOf(id))).toBe(true);
    const texts = [reply.text, (await rig.call('GET', '/v1/forwarders', { as: 'admin' })).text, JSON.stringify(redactForwarder(entityOf(id), DESTINATIONS))];
    // Also where the kind of destination is not known any more.
    texts.push(JSON.stringify(redactForwarder(entityOf(id), new Map())));
    for (const text of texts) {
      expect(text).not.toContain('hunter2');
      expect(text).not.toContain('sealed:');
    }
    await remove(id);
  });

  it('keeps a secret where its mask is given back, and no one else can have it', async () => {
    const id = await made('admin');
    const before = tokenOf(id);
    const patch = (destination: object) =>
      rig.call('PATCH', `/v1/forwarders/${id}`, { as: 'admin', body: { destination: destinationTo(receiver, destination) } });
    expect((await patch({ authorization: '********' })).status).toBe(200);
    expect(tokenOf(id)).toBe(before);
    // Or whoever may change the address could have the secret sent to himself.
    const moved = await patch({ url: 'https://elsewhere.example/', authorization: '********' });
    expect([moved.status, moved.json.code]).toEqual([422, 'forwarder.secrets']);
    expect((await patch({ url: 'https://elsewhere.example/', authorization: 'another' })).status).toBe(200);
    expect(tokenOf(id)).not.toBe(before);
    // A sealed text of another forwarder opens nothing here.
    const stolen = await create('acme', { destination: destinationTo(receiver, { authorization: before }) });
    expect([stolen.status, stolen.json.code]).toEqual([422, 'secrets.damaged']);
    await remove(id);
  });

  it('is for the accounts that the caller has, and hides what is of others', async () => {
    const own = await made('acme');
    expect(readForwarder(entityOf(own))?.accounts).toEqual(['acc-1']);
    expect(entityOf(own).account).toBe('acc-1');
    for (const [as, accounts] of [
      ['acme', ['acc-2']],
      ['acme', 'all'],
      ['both', ['acc-1', 'acc-3']],
    ] as const) {
      const refused = await create(as, { accounts });
      expect([refused.status, refused.json.code]).toEqual([403, 'caller.account']);
      expect(rig.refusals.at(-1)).toMatchObject({ caller: `key:${as}`, code: 'caller.account', permission: 'forwarder.manage' });
    }
    expect((await create('both')).json.code).toBe('forwarder.accounts');
    const wide = await made('admin');
    const two = await made('both', { accounts: ['acc-1', 'acc-2'] });
    const seen = async (as: string): Promise<readonly string[]> =>
      (await rig.call('GET', '/v1/forwarders', { as })).json.data.forwarders.map((one: { id: string }) => one.id);
    expect(await seen('acme')).toEqual([own]);
    expect(await seen('both')).toEqual([own, two]);
    for (const id of [wide, two])
      for (const [method, path, body] of [
        ['GET', '', undefined],
        ['PATCH', '', { name: 'mine' }],
        ['DELETE', '', undefined],
        ['POST', '/pause', undefined],
        ['POST', '/resume', undefined],
        ['POST', '/test', undefined],
        ['POST', '/replay', { from: '2026-01-01', to: '2026-01-02' }],
      ] as const)
        expect((await rig.call(method, `/v1/forwarders/${id}${path}`, { as: 'acme', ...(body && { body }) })).status).toBe(404);
    // Not widened to what the caller hasn't, nor moved.
    expect((await rig.call('PATCH', `/v1/forwarders/${own}`, { as: 'acme', body: { accounts: 'all' } })).status).toBe(403);
    expect((await rig.call('PATCH', `/v1/forwarders/${own}`, { as: 'admin', body: { accounts: ['acc-2'] } })).json.code).toBe('forwarder.account');
    expect((await rig.call('GET', '/v1/forwarders', { as: 'nothing' })).status).toBe(403);
    for (const id of [own, wide, two]) await remove(id);
  });

  it('says of a wrong wish what is wrong with it', async () => {
    for (const [more, code] of [
      [{ destination: { type: 'carrier-pigeon' } }, 'forwarder.destination'],
      [{ destination: { type: 'https' } }, 'forwarder.destination'],
      [{ destination: { type: 'https', url: 'no url' } }, 'forwarder.destination'],
      [{ destination: { type: 'https', url: 'https://127.0.0.1/', extra: 1 } }, 'forwarder.destination'],
      [{ destination: { type: 'https', url: 'http://127.0.0.1/' } }, 'forwarder.destination'],
      [{ destination: { type: 'syslog', protocol: 'tls', host: 'siem.example' } }, 'forwarder.destination'],
      [{ destination: { type: 'syslog', protocol: 'tls', host: 'siem.example', port: 6514, tls: { cert: 'x' } } }, 'forwarder.destination'],
      [{ format: 'morse' }, 'forwarder.format'],
      [{ since: 'yesterday' }, 'forwarder.since'],
    ] as const) {
      const reply = await create('admin', more);
      expect([reply.status, reply.json.code]).toEqual([422, code]);
      expect(reply.json.detail.length).toBeGreaterThan(10);
    }
    for (const body of [
      {},
      { name: 'x' },
      { ...wish(), filter: { actions: [] } },
      { ...wish(), filter: { result: 'x' } },
      { ...wish(), accounts: [] },
      { ...wish(), paused: true },
    ])
      expect((await rig.call('POST', '/v1/forwarders', { as: 'admin', body })).status).toBe(400);
    const id = await made('admin');
    for (const body of [
      { from: '2026-02-01', to: '2026-01-01' },
      { from: 'x', to: 'y' },
      { from: '2999-01-01', to: '2999-01-02' },
    ])
      expect((await rig.call('POST', `/v1/forwarders/${id}/replay`, { as: 'admin', body })).json.code).toBe('forwarder.range');
    await remove(id);
  });

  it('names the destination and the format that were probably meant', async () => {
    const said = async (more: object): Promise<string> => (await create('admin', more)).json.detail;
    expect(await said({ format: 'cloudevent' })).toBe(
      'https takes the formats json, ocsf, cloudevents, ecs, cef, leef, not "cloudevent". Did you mean "cloudevents"?',
    );
    expect(await said({ destination: { type: 'sylog' } })).toContain('Did you mean "syslog"?');
    const syslog = { type: 'syslog', protocol: 'tls', host: 'siem.example', port: 6514 };
    expect(await said({ destination: syslog, format: 'rfc5242' })).toContain('Did you mean "rfc5424"?');
  });

  it('takes every destination that is shipped, in each of its formats', async () => {
    const configs: Record<string, object> = {
      syslog: { protocol: 'relp', host: 'siem.example', port: 2514 },
      splunk: { url: 'https://splunk.example:8088', token: 't' },
      datadog: { api_key: 'k' },
      elastic: { url: 'https://elastic.example', index: 'logs-verdict-default', api_key: 'k' },
      'sumo-logic': { url: 'https://sumo.example/receiver/v1/http/secret' },
      https: { url: 'https://siem.example/' },
      kafka: { brokers: ['kafka.example:9092'], topic: 'audit' },
      s3: { bucket: 'audit', access_key_id: 'a', secret_access_key: 's' },
    };
    expect(Object.keys(configs)).toEqual([...DESTINATIONS.keys()]);
    for (const [type, { formats }] of DESTINATIONS)
      for (const format of formats) {
        const reply = await create('admin', { format, destination: { type, ...configs[type] } });
        expect([type, format, reply.status, reply.text]).toEqual([type, format, 201, reply.text]);
        await remove(reply.json.data.forwarder.id);
      }
  });

  it('takes no more than there may be', async () => {
    const ids = [];
    for (let count = 0; count < 5; count += 1) ids.push(await made('admin'));
    expect((await create('admin')).json.code).toBe('forwarder.limit');
    for (const id of ids) await remove(id);
  });

  it('notes a replay that is wished for, with the last day whole', async () => {
    const id = await made('admin');
    const reply = await rig.call('POST', `/v1/forwarders/${id}/replay`, { as: 'admin', body: { from: '2026-02-01', to: '2026-02-28' } });
    expect(reply.status).toBe(202);
    expect(reply.json.data.forwarder.replays).toMatchObject([{ from: '2026-02-01T00:00:00.000Z', to: '2026-03-01T00:00:00.000Z', state: 'waiting', sent: 0 }]);
    await remove(id);
  });

  it('sends one marked event as a trial, and says what each step did', async () => {
    const id = await made('acme');
    const reply = await rig.call('POST', `/v1/forwarders/${id}/test`, { as: 'acme' });
    expect(reply.json.data).toMatchObject({
      ok: true,
      steps: [
        { step: 'connect', ok: true },
        { step: 'send', ok: true },
        { step: 'accepted', ok: true },
      ],
    });
    const [trial] = rig.recorded.filter(({ action }) => action === 'forwarder.test');
    expect(receiver.events.find((event) => event.id === trial?.id)).toMatchObject({ account: 'acc-1', action: 'forwarder.test', details: { test: true } });
    receiver.answer((_, response) => {
      response.writeHead(403).end('no');
      return true;
    });
    expect((await rig.call('POST', `/v1/forwarders/${id}/test`, { as: 'acme' })).json.data).toMatchObject({ ok: false });
    receiver.answer(undefined);
    await remove(id);
  });

  it('sends nothing to a guarded address', async () => {
    const id = await made('admin', { destination: destinationTo({ url: 'http://169.254.169.254/latest' }) });
    const { data } = (await rig.call('POST', `/v1/forwarders/${id}/test`, { as: 'admin' })).json;
    expect(data).toMatchObject({ ok: false });
    expect(data.steps[0].detail).toContain('169.254.169.254');
    await remove(id);
  });
});

describe('forwarders of a node without a key', () => {
  it('are refused where they bring a secret, with what to do, and made where they bring none', async () => {
    const { forwarderDesk } = await import('../../../src/forward/index.js');
    const { addressGuard, guardedDial, openSecrets } = await import('../../../src/outbound/index.js');
    const rig = await startRig((base) => ({
      forwarders: forwarderDesk({
        destinations: DESTINATIONS,
        secrets: openSecrets({ key: '', old_keys: [] }),
        dial: guardedDial(addressGuard([])),
        directory: rig0(base),
        write: (_caller, changes) => rig0(base).apply(changes),
        append: base.journal.append,
        statuses: async () => () => undefined,
        node: 'node-1',
        most: 5,
      }),
    }));
    const post = (destination: object) =>
      rig.call('POST', '/v1/forwarders', { as: 'admin', body: { name: 'x', destination: { type: 'https', ...destination } } });
    const refused = await post({ url: 'https://siem.example/', authorization: 't' });
    expect([refused.status, refused.json.code]).toEqual([422, 'secrets.no_key']);
    expect(refused.json.detail).toContain('VERDICT_SECRETS_KEY');
    expect((await post({ url: 'https://siem.example/' })).status).toBe(201);
    await rig.stop();
  });
});

/** The rig's directory is a whole one. */
const rig0 = (base: { readonly directory: unknown }) => base.directory as Rig['directory'];
