import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Rig, startRig } from './rig.js';

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
});
afterAll(() => rig.stop());

const event = { actor: { type: 'user', id: 'usr-1' }, action: 'instance.start', resource: { type: 'instance', id: 'inst-1' }, result: 'success' } as const;
const now = () => new Date().toISOString();
const post = (body: unknown, options: Parameters<Rig['call']>[2] = {}, query = '') => rig.call('POST', `/v1/events${query}`, { as: 'acme', body, ...options });
const lines = (...values: unknown[]) => values.map((value) => (typeof value === 'string' ? value : JSON.stringify(value))).join('\n');
const ndjson = { 'content-type': 'application/x-ndjson' };

describe('POST /v1/events', () => {
  it('records one event, an array, and NDJSON, and says where each stands', async () => {
    const one = await post(event);
    expect(one).toMatchObject({ status: 200, json: { data: { events: [{ index: 0, log: rig.journal.log }] } } });
    expect(rig.recorded.at(-1)).toMatchObject({ ...event, account: 'acc-1', source: 'acme', id: one.json.data.events[0].id, seq: one.json.data.events[0].seq });
    const many = await post([event, { ...event, action: 'b' }]);
    expect(many.json.data.events.map((at: { index: number }) => at.index)).toEqual([0, 1]);
    const read = await post(undefined, { raw: `${lines(event, event)}\n\n`, headers: ndjson });
    expect(read.json.data.events).toHaveLength(2);
  });

  it('records CloudEvents: structured, in batches, and binary', async () => {
    const cloud = {
      specversion: '1.0',
      id: 'ce-1',
      source: '/host-7',
      type: 'instance.stop',
      time: now(),
      subject: 'instance/i',
      data: { actor: event.actor, result: 'success' },
    };
    const structured = await post(cloud, { headers: { 'content-type': 'application/cloudevents+json; charset=utf-8' } });
    expect(structured).toMatchObject({ status: 200, json: { data: { events: [{ id: 'ce-1' }] } } });
    expect(rig.recorded.at(-1)).toMatchObject({ action: 'instance.stop', resource: { type: 'instance', id: 'i' }, details: { ce_source: '/host-7' } });
    const batch = await post([cloud, { ...cloud, id: 'ce-2' }], { headers: { 'content-type': 'application/cloudevents-batch+json' } });
    expect(batch.json.data.events).toMatchObject([{ id: 'ce-1', duplicate: true }, { id: 'ce-2' }]);
    const headers = { 'ce-specversion': '1.0', 'ce-id': 'ce-3', 'ce-source': '/host-7', 'ce-type': 'instance.stop', 'ce-time': now() };
    expect(await post({ actor: event.actor, resource: event.resource, result: 'error' }, { headers })).toMatchObject({
      status: 200,
      json: { data: { events: [{ id: 'ce-3' }] } },
    });
    expect(await post({ ...cloud, specversion: '2.0' }, { headers: { 'content-type': 'application/cloudevents+json' } })).toMatchObject({
      status: 422,
      json: { code: 'cloudevent.invalid' },
    });
  });

  it('answers a retry with the first record, and a contradiction with 409', async () => {
    const mine = { ...event, id: 'mine-1', timestamp: now() };
    const first = await post(mine);
    const again = await post(mine);
    expect(again.json.data.events[0]).toEqual({ ...first.json.data.events[0], duplicate: true });
    const before = rig.recorded.length;
    expect(await post({ ...mine, result: 'failure' })).toMatchObject({ status: 409, json: { code: 'id.conflict', errors: [{ index: 0 }] } });
    expect(rig.recorded).toHaveLength(before);
  });

  it('records nothing of a batch with a bad event, and names each one', async () => {
    const before = rig.recorded.length;
    const refused = await post([event, { ...event, kind: 'decision' }, { ...event, seq: 7 }]);
    expect(refused).toMatchObject({
      status: 422,
      json: {
        code: 'events.invalid',
        errors: [
          { index: 1, code: 'event.kind' },
          { index: 2, code: 'event.reserved' },
        ],
      },
    });
    expect(rig.recorded).toHaveLength(before);
  });

  it('skips bad events where the caller asks for it', async () => {
    const raw = lines(event, '{"broken', { ...event, account: 'acc-2' }, event);
    const before = rig.refusals.length;
    const some = await post(undefined, { raw, headers: ndjson }, '?on_error=skip');
    expect(some).toMatchObject({ status: 200 });
    expect(some.json.data.events.map((at: { index: number }) => at.index)).toEqual([0, 3]);
    expect(some.json.data.errors).toMatchObject([
      { index: 1, code: 'json.invalid' },
      { index: 2, code: 'caller.account' },
    ]);
    expect(rig.refusals.slice(before)).toMatchObject([{ code: 'caller.account', account: 'acc-2', caller: 'key:acme' }]);
  });

  it('refuses events of an account that is not the caller’s, and records the refusal', async () => {
    const before = rig.recorded.length;
    expect(await post({ ...event, account: 'acc-2' })).toMatchObject({ status: 403, json: { code: 'caller.account' } });
    expect(rig.refusals.at(-1)).toMatchObject({ code: 'caller.account', account: 'acc-2', permission: 'event.record' });
    expect(await post({ ...event, account: 'verdict' }, { as: 'admin' })).toMatchObject({ status: 403, json: { code: 'account.reserved' } });
    expect(await post({ ...event, account: 'acc-1' }, { as: 'pdp' })).toMatchObject({ status: 403, json: { code: 'source.reserved' } });
    expect(await post(event, { as: 'nothing' })).toMatchObject({ status: 403, json: { code: 'caller.permission' } });
    expect(await post(event, { as: 'nobody' })).toMatchObject({ status: 401, headers: { 'www-authenticate': expect.stringContaining('Bearer') } });
    expect(rig.recorded).toHaveLength(before);
  });

  it('keeps to the clock, unless the credential may fill in the past', async () => {
    const old = { ...event, account: 'acc-1', timestamp: '2020-01-01T00:00:00Z' };
    expect(await post(old)).toMatchObject({ status: 422, json: { code: 'timestamp.range' } });
    expect(await post(old, { as: 'both' })).toMatchObject({ status: 200 });
    for (const timestamp of ['9999-12-31T23:59:59Z', '-0001-01-01T00:00:00Z', '-1'])
      expect((await post({ ...old, timestamp }, { as: 'both' })).status).toBe(422);
  });

  it('refuses what no record should be made of', async () => {
    const before = rig.recorded.length;
    const deep = `{"actor":${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}}`;
    const cases: readonly [string, number, string][] = [
      ['', 400, 'json.invalid'],
      ['{', 400, 'json.invalid'],
      [`[${JSON.stringify(event)}`, 400, 'json.invalid'],
      [`[${JSON.stringify(event)},]`, 400, 'json.invalid'],
      ['[]', 400, 'batch.empty'],
      [deep, 400, 'json.depth'],
      [`[${JSON.stringify(event)},${deep}]`, 400, 'json.depth'],
      [JSON.stringify({ ...event, details: { text: '\ud800' } }), 400, 'json.text'],
      [JSON.stringify({ ...event, details: { text: 'a\u0000b' } }), 400, 'json.text'],
      [JSON.stringify(event).replace('}', ',"__proto__":{"id":"x"}}'), 400, 'json.key'],
      [JSON.stringify({ ...event, extra: true }), 422, 'event.invalid'],
      ['null', 422, 'event.invalid'],
      [JSON.stringify({ ...event, details: { long: 'x'.repeat(49_152) } }), 413, 'event.too_large'],
      [JSON.stringify({ ...event, details: { long: 'x'.repeat(400_000) } }), 413, 'item.too_large'],
      [JSON.stringify([event, { ...event, details: { long: 'x'.repeat(400_000) } }]), 413, 'item.too_large'],
      [JSON.stringify(Array.from({ length: 1001 }, () => event)), 413, 'batch.too_many'],
    ];
    for (const [raw, status, code] of cases)
      expect(await post(undefined, { raw }), `${code} for ${raw.slice(0, 60)}`).toMatchObject({ status, json: { code } });
    expect(await post(event, { headers: { 'content-type': 'text/plain' } })).toMatchObject({ status: 415 });
    expect(await post(event, { headers: { 'content-encoding': 'gzip' } })).toMatchObject({ status: 415, json: { code: 'body.encoding' } });
    expect(await post(event, {}, '?on_error=ignore')).toMatchObject({ status: 400, json: { code: 'parameter.invalid' } });
    expect(rig.recorded).toHaveLength(before);
  });

  it('takes a thousand events at once, and no body over 40 MiB however it is sent', async () => {
    const thousand = await post(Array.from({ length: 1000 }, (_, index) => ({ ...event, action: `a.${index}` })));
    expect(thousand.json.data.events).toHaveLength(1000);
    const raw = Buffer.alloc(40 * 1024 * 1024 + 1, 0x20);
    expect(await post(undefined, { raw })).toMatchObject({ status: 413, json: { code: 'body.too_large' } });
    expect(await post(undefined, { raw, chunked: true })).toMatchObject({ status: 413, json: { code: 'body.too_large' } });
  });

  it('says 503 where nothing can be recorded, and never 200', async () => {
    const closed = await startRig();
    await closed.journal.close();
    expect(await closed.call('POST', '/v1/events', { as: 'acme', body: event })).toMatchObject({
      status: 503,
      json: { code: 'journal.closed' },
      headers: { 'retry-after': '1' },
    });
    await closed.stop();
  });
});
