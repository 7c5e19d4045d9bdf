import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Rig, startRig } from './rig.js';

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
});
afterAll(() => rig.stop());

const statement = { effect: 'allow', actions: ['instance.*'], resources: ['*'] };
const document = { version: '2026-11-01', statements: [statement] };
const put = (path: string, properties: object) => rig.call('PUT', `/v1/entities/${path}`, { as: 'acme', body: { properties } });

describe('What the policy would read of an entity', () => {
  it('is refused where it is of the wrong shape, with the place and the word that was meant', async () => {
    const refused = await put('iam_policy/acc-1:ops', { document: { ...document, statements: [statement, { ...statement, effect: 'denny' }] } });
    expect(refused).toMatchObject({ status: 422, json: { code: 'entity.invalid', pointer: '/properties/document/statements/1/effect' } });
    expect(refused.json.detail).toContain('Did you mean "deny"?');
    expect(await put('token/tok-1', { scope: 'full' })).toMatchObject({ status: 422, json: { pointer: '/properties/scope' } });
    expect(await put('acl/acc-1:a', { grantee: 'ops' })).toMatchObject({ status: 422 });
    expect(rig.directory.get('iam_policy', 'acc-1:ops')).toBeUndefined();
  });

  it('is held against the whole entity where it is patched', async () => {
    expect(await put('token/tok-2', { scope: 'read', note: 'x' })).toMatchObject({ status: 201 });
    const patch = (properties: object) => rig.call('PATCH', '/v1/entities/token/tok-2', { as: 'acme', body: { properties } });
    expect(await patch({ expires: 'tomorrow' })).toMatchObject({ status: 422, json: { pointer: '/properties/expires' } });
    expect(await patch({ scope: null, expires: '2027-01-01T00:00:00Z' })).toMatchObject({ status: 200 });
  });

  it('says how long an account’s events are kept in values that are kept', async () => {
    const path = '/v1/entities/account/acc-2';
    const admin = { as: 'admin' } as const;
    const wrong = [{ retention_days: 1000 }, { retention_days: 0 }, { retention_days: '30' }, { tier: 'gold' }];
    expect(await rig.call('PUT', path, { ...admin, body: { properties: { tier: 'enterprise', retention_days: 30 } } })).toMatchObject({ status: 201 });
    for (const properties of wrong) {
      const pointer = `/properties/${Object.keys(properties)[0]}`;
      const refused = { status: 422, json: { code: 'entity.invalid', pointer, detail: expect.stringMatching(/from 1 to 730|"standard", "enterprise"/) } };
      for (const method of ['PUT', 'PATCH']) expect(await rig.call(method, path, { ...admin, body: { properties } })).toMatchObject(refused);
      const bulk = await rig.call('POST', '/v1/entities', { ...admin, body: [{ type: 'account', id: 'acc-2', properties }] });
      expect(bulk.json.data.entities).toMatchObject([{ status: 422, pointer }]);
    }
    expect(rig.directory.get('account', 'acc-2')?.properties).toEqual({ tier: 'enterprise', retention_days: 30 });
  });

  it('names documents that are there, or come in the same request', async () => {
    const membership = { policies: ['ops', 'AcmeReadOnlyAccess'] };
    expect(await put('membership/acc-1:usr-1', membership)).toMatchObject({ status: 422, json: { pointer: '/properties/policies/0' } });
    const bulk = (body: readonly object[]) => rig.call('POST', '/v1/entities', { as: 'acme', body });
    const attach = { type: 'membership', id: 'acc-1:usr-1', properties: membership };
    const done = await bulk([attach, { type: 'iam_policy', id: 'acc-1:ops', properties: { document } }, attach]);
    expect(done.json.data.entities).toMatchObject([
      { status: 422, code: 'entity.invalid', pointer: '/properties/policies/0' },
      { status: 201 },
      { status: 201 },
    ]);
    const gone = await bulk([{ type: 'iam_policy', id: 'acc-1:ops', op: 'delete' }, attach]);
    expect(gone.json.data.entities).toMatchObject([{ status: 204 }, { status: 422 }]);
  });

  it('may stand beside anything else', async () => {
    expect(await put('account/acc-1', { guardrails: { duties: 'warn' }, plan: { seats: 3 } })).toMatchObject({ status: 201 });
    expect(await put('instance/inst-1', { role: 7, document: 'x', tags: { a: 'b' } })).toMatchObject({ status: 201 });
  });
});
