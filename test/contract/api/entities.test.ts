import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { newUlid } from '../../../src/event/index.js';
import { type Rig, startRig } from './rig.js';

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
});
afterAll(() => rig.stop());

let count = 0;
let path: string;
beforeEach(() => {
  count += 1;
  path = `/v1/entities/instance/inst-${count}`;
});
const put = (properties: object, options: Parameters<Rig['call']>[2] = {}, account?: string) =>
  rig.call('PUT', path, { as: 'acme', body: { properties, ...(account && { account }) }, ...options });

describe('One entity', () => {
  it('is made, read, replaced, patched and deleted, each change a version', async () => {
    expect(await put({ plan: 'small', tags: ['a'] })).toMatchObject({ status: 201, headers: { etag: '"1"' }, json: { account: 'acc-1', version: 1 } });
    expect(await put({ plan: 'large', tags: ['a'] })).toMatchObject({ status: 200, headers: { etag: '"2"' } });
    const patched = await rig.call('PATCH', path, {
      as: 'acme',
      body: { properties: { tags: null, owner: { id: 'x' } } },
      headers: { 'content-type': 'application/merge-patch+json' },
    });
    expect(patched).toMatchObject({ status: 200, json: { version: 3, properties: { plan: 'large', owner: { id: 'x' } } } });
    expect(await rig.call('GET', path, { as: 'acme' })).toMatchObject({ status: 200, json: patched.json });
    expect(await rig.call('DELETE', path, { as: 'acme' })).toMatchObject({ status: 204, text: '' });
    expect(await rig.call('GET', path, { as: 'acme' })).toMatchObject({ status: 404 });
    expect(await rig.call('DELETE', path, { as: 'acme' })).toMatchObject({ status: 404 });
    expect(await rig.call('PATCH', path, { as: 'acme', body: {} })).toMatchObject({ status: 404 });
  });

  it('changes only from the version that the caller knows', async () => {
    const none = { 'if-none-match': '*' };
    expect(await put({}, { headers: none })).toMatchObject({ status: 201 });
    expect(await put({}, { headers: none })).toMatchObject({ status: 412, json: { code: 'entity.version', version: 1 } });
    expect(await put({ a: 1 }, { headers: { 'if-match': '"1"' } })).toMatchObject({ status: 200 });
    expect(await put({ a: 2 }, { headers: { 'if-match': '"1"' } })).toMatchObject({ status: 412 });
    expect(await put({ a: 2 }, { headers: { 'if-match': '*' } })).toMatchObject({ status: 200 });
    expect(await rig.call('PATCH', path, { as: 'acme', body: {}, headers: { 'if-match': '"1"' } })).toMatchObject({ status: 412 });
    expect(await rig.call('DELETE', path, { as: 'acme', headers: { 'if-match': '"1"' } })).toMatchObject({ status: 412 });
    expect(await rig.call('DELETE', path, { as: 'acme', headers: { 'if-match': '"3"' } })).toMatchObject({ status: 204 });
    expect(await put({}, { headers: { 'if-match': '*' } })).toMatchObject({ status: 412 });
    for (const headers of [{ 'if-match': 'W/"1"' }, { 'if-match': '1' }, { 'if-none-match': '"1"' }, { 'if-match': '"1"', 'if-none-match': '*' }])
      expect(await put({}, { headers })).toMatchObject({ status: 400, json: { code: 'condition.invalid' } });
  });

  it('patched by many at once loses no patch', async () => {
    await put({});
    const names = Array.from({ length: 40 }, (_, index) => `p${index}`);
    const free = (name: string) => (name === 'p7' ? { 'if-match': '*' } : {});
    const patches = await Promise.all(names.map((name) => rig.call('PATCH', path, { as: 'acme', body: { properties: { [name]: 1 } }, headers: free(name) })));
    expect(patches.map((one) => one.status)).toEqual(names.map(() => 200));
    expect((await rig.call('GET', path, { as: 'acme' })).json).toMatchObject({ version: 41, properties: Object.fromEntries(names.map((name) => [name, 1])) });
  });

  it('patched while another process keeps changing it succeeds in the end', async () => {
    const other = { type: 'instance', id: `inst-${count}`, op: 'put', account: 'acc-1' } as const;
    const tries: string[] = [];
    const meddled = await startRig(({ writeEntities }) => ({
      writeEntities: async (caller, changes, meta) => {
        const isEarly = tries.push('write') <= 12;
        if (isEarly) await meddled.directory.apply([{ ...other, change: newUlid(), properties: { times: tries.length } }]);
        return writeEntities(caller, changes, meta);
      },
    }));
    await meddled.directory.apply([{ ...other, change: newUlid(), properties: {} }]);
    expect(await meddled.call('PATCH', path, { as: 'acme', body: { properties: { mine: 1 } } })).toMatchObject({
      status: 200,
      json: { properties: { times: 12, mine: 1 } },
    });
    await meddled.stop();
  });

  it('that others never leave alone is 503, to be tried again, and not 412', async () => {
    const began = performance.now.bind(performance);
    let later = 0;
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => began() + later);
    const meddled = await startRig(() => ({
      writeEntities: async () => {
        later += 4_000;
        return [{ outcome: 'version_mismatch', current: undefined }];
      },
    }));
    await meddled.directory.apply([{ change: newUlid(), op: 'put', type: 'instance', id: `inst-${count}`, properties: {}, account: 'acc-1' }]);
    const refused = await meddled.call('PATCH', path, { as: 'acme', body: {} });
    expect(refused).toMatchObject({ status: 503, headers: { 'retry-after': '1' }, json: { code: 'entity.busy' } });
    clock.mockRestore();
    await meddled.stop();
  });

  it('stays in its account, and out of sight of others', async () => {
    expect(await put({}, { as: 'both' }, 'acc-2')).toMatchObject({ status: 201 });
    expect(await put({}, { as: 'both' }, 'acc-1')).toMatchObject({ status: 409, json: { code: 'entity.account' } });
    expect(await put({}, { as: 'both' })).toMatchObject({ status: 200, json: { account: 'acc-2' } });
    const taken = await put({});
    expect(taken).toMatchObject({ status: 409, json: { code: 'entity.account' } });
    expect(taken.text).not.toContain('acc-2');
    for (const method of ['GET', 'DELETE'])
      expect(await rig.call(method, path, { as: 'acme' })).toMatchObject({ status: 404, json: { code: 'entity.unknown' } });
    expect(await rig.call('PATCH', path, { as: 'acme', body: { properties: { owner: 'me' } } })).toMatchObject({ status: 404 });
    expect(rig.refusals.at(-1)).toMatchObject({ caller: 'key:acme', account: 'acc-2' });
    expect(rig.directory.get('instance', `inst-${count}`)?.version).toBe(2);
  });

  it('is written by those who may, in accounts they reach', async () => {
    expect(await put({}, {}, 'acc-2')).toMatchObject({ status: 403, json: { code: 'caller.account' } });
    expect(await put({}, { as: 'both' })).toMatchObject({ status: 403, json: { code: 'entity.account' } });
    expect(await put({}, { as: 'nothing' })).toMatchObject({ status: 403, json: { code: 'caller.permission' } });
    expect(await rig.call('PUT', path, { body: { properties: {} } })).toMatchObject({ status: 401, json: { code: 'credential.missing' } });
    expect(await put({}, { as: 'admin' })).toMatchObject({ status: 201 });
    expect(await rig.call('GET', path, { as: 'acme' })).toMatchObject({ status: 404 });
  });

  it('of Verdict’s own types can not be touched here', async () => {
    for (const method of ['GET', 'DELETE'])
      expect(await rig.call(method, '/v1/entities/verdict.key/k1', { as: 'admin' })).toMatchObject({ status: 403, json: { code: 'entity.reserved' } });
    expect(await rig.call('PUT', '/v1/entities/verdict.key/k1', { as: 'admin', body: { properties: {} } })).toMatchObject({ status: 403 });
    expect(await rig.call('GET', '/v1/entities/verdict.key', { as: 'admin' })).toMatchObject({ status: 403 });
    expect(await rig.call('POST', '/v1/entities', { as: 'admin', body: [{ type: 'verdict.key', id: 'k', properties: {} }] })).toMatchObject({
      json: { data: { entities: [{ status: 403 }] } },
    });
  });

  it('that grants something is of the account that its id names', async () => {
    const membership = (id: string, account?: string, as = 'acme') =>
      rig.call('PUT', `/v1/entities/membership/${id}`, { as, body: { properties: { role: 'owner' }, ...(account && { account }) } });
    expect(await membership('acc-1:usr-1')).toMatchObject({ status: 201, json: { account: 'acc-1' } });
    expect(await membership('acc-2:usr-1')).toMatchObject({ status: 403, json: { code: 'caller.account' } });
    expect(await membership('acc-2:usr-1', 'acc-1')).toMatchObject({ status: 400, json: { code: 'entity.account' } });
    expect(await membership('usr-1')).toMatchObject({ status: 400, json: { code: 'entity.id' } });
    expect(await rig.call('PUT', '/v1/entities/account/acc-2', { as: 'acme', body: { properties: {} } })).toMatchObject({ status: 403 });
    expect(await rig.call('PUT', '/v1/entities/account/a:b', { as: 'admin', body: { properties: {} } })).toMatchObject({
      status: 400,
      json: { code: 'entity.id' },
    });
    expect(await rig.call('PUT', '/v1/entities/account/acc-1', { as: 'acme', body: { properties: {} } })).toMatchObject({
      status: 201,
      json: { account: 'acc-1' },
    });
  });

  it('has an id of any sign, and a body of the right form', async () => {
    const odd = `/v1/entities/object/${encodeURIComponent('a/b ?#%ü')}`;
    expect(await rig.call('PUT', odd, { as: 'acme', body: { properties: {} } })).toMatchObject({ status: 201, json: { id: 'a/b ?#%ü' } });
    expect(await rig.call('GET', odd, { as: 'acme' })).toMatchObject({ status: 200 });
    for (const body of [{}, [], { properties: 1 }, { properties: {}, version: 3 }, { properties: {}, account: '' }])
      expect(await rig.call('PUT', path, { as: 'acme', body })).toMatchObject({ status: 400, json: { code: 'body.invalid' } });
    expect(await rig.call('PUT', path, { as: 'acme', raw: '{"properties":{"__proto__":{"a":1}}}' })).toMatchObject({ status: 400, json: { code: 'json.key' } });
    expect(await rig.call('PUT', `/v1/entities/instance/${'x'.repeat(257)}`, { as: 'acme', body: { properties: {} } })).toMatchObject({
      status: 400,
      json: { code: 'parameter.invalid' },
    });
    expect(await rig.call('PUT', '/v1/entities/instance/a%00b', { as: 'acme', body: { properties: {} } })).toMatchObject({ status: 400 });
  });
});

describe('Many entities', () => {
  it('are written in one request, each answered by itself', async () => {
    const body = [
      { type: 'disk', id: 'd-1', properties: { size: 1 } },
      { type: 'disk', id: 'd-1', properties: { size: 2 }, if_version: 1 },
      { type: 'disk', id: 'd-1', properties: { size: 3 }, if_version: 1 },
      { type: 'disk', id: 'd-2', properties: {}, account: 'acc-2' },
      { type: 'disk', properties: {} },
      { type: 'disk', id: 'd-3', op: 'delete' },
      { type: 'disk', id: 'd-1', op: 'delete', if_version: 2 },
    ];
    const done = await rig.call('POST', '/v1/entities', { as: 'acme', body });
    expect(done.json.data.entities.map((one: { status: number }) => one.status)).toEqual([201, 200, 412, 403, 422, 404, 204]);
    expect(rig.refusals.at(-1)).toMatchObject({ code: 'caller.account', caller: 'key:acme' });
    const raw = '{"type":"disk","id":"d-9","properties":{}}\n{broken\n';
    expect(await rig.call('POST', '/v1/entities', { as: 'acme', raw, headers: { 'content-type': 'application/x-ndjson' } })).toMatchObject({
      json: { data: { entities: [{ status: 201 }, { status: 400, code: 'json.invalid' }] } },
    });
  });

  it('are listed in order of id, page by page, within the caller’s accounts', async () => {
    const body = ['c', 'a', 'b'].flatMap((id) => [
      { type: 'net', id: `n-${id}`, account: 'acc-1', properties: {} },
      { type: 'net', id: `n-${id}2`, account: 'acc-2', properties: {} },
    ]);
    await rig.call('POST', '/v1/entities', { as: 'both', body });
    const idsOf = async (as: string, query: string) => {
      const page = await rig.call('GET', `/v1/entities/net${query}`, { as });
      return { ids: page.json.data.entities.map((one: { id: string }) => one.id), next: page.json.data.next_cursor };
    };
    expect(await idsOf('acme', '')).toEqual({ ids: ['n-a', 'n-b', 'n-c'], next: undefined });
    const first = await idsOf('both', '?limit=4');
    expect(first.ids).toEqual(['n-a', 'n-a2', 'n-b', 'n-b2']);
    expect(await idsOf('both', `?limit=4&cursor=${first.next}`)).toEqual({ ids: ['n-c', 'n-c2'], next: undefined });
    expect(await idsOf('both', '?account=acc-2')).toMatchObject({ ids: ['n-a2', 'n-b2', 'n-c2'] });
    expect(await rig.call('GET', '/v1/entities/net?account=acc-2', { as: 'acme' })).toMatchObject({ status: 403, json: { code: 'caller.account' } });
    expect(await rig.call('GET', '/v1/entities/net?limit=0', { as: 'acme' })).toMatchObject({ status: 400 });
  });
});
