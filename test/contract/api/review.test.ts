import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Grant } from '../../../src/review/index.js';
import type { LastUsesAsked } from '../../../src/store/index.js';
import { type Rig, startRig } from './rig.js';

const NOW = Date.parse('2026-11-22T12:00:00.000Z');
const DAY = 86_400_000;
const asked: LastUsesAsked[] = [];
let isAway = false;
let rig: Rig;

const put = async (type: string, id: string, properties: object, account?: string): Promise<void> => {
  const { status } = await rig.call('PUT', `/v1/entities/${type}/${encodeURIComponent(id)}`, {
    as: 'admin',
    body: { properties, ...(account && { account }) },
  });
  expect(status).toBe(201);
};

beforeAll(async () => {
  rig = await startRig(({ audit }) => ({
    now: () => NOW,
    audit: {
      ...audit,
      lastUses: async (question) => {
        asked.push(question);
        if (isAway) throw new Error('The store on store-1.internal is away.');
        return { from: question.from, rows: [{ who: 'membership/acc-1:usr-1', grant: 'membership/acc-1:usr-1', last_used: NOW - DAY }] };
      },
    },
  }));
  await put('user', 'usr-1', { email: 'anna@example.com', two_factor: { methods: ['totp'] } });
  await put('user', 'usr-2', { email: 'bela@example.com' });
  for (const account of ['acc-1', 'acc-2']) {
    await put('account', account, { access_models: ['roles', 'acl', 'iam'], ...(account === 'acc-2' && { tier: 'enterprise' }) });
    await put('acl', `${account}:ops`, { grantee: 'group/ops', target: { module: 'firewalls' }, access: 'read-write' }, account);
    await put('token', `tok-${account}`, { owner: 'usr-1', created: new Date(NOW - 100 * DAY).toISOString() }, account);
  }
  await put('membership', 'acc-1:usr-1', { role: 'owner', groups: ['ops'], policies: ['CloudNxReadOnlyAccess'] });
  await put('membership', 'acc-2:usr-2', { role: 'owner' });
  await put('token', 'tok-none', { owner: 'usr-1', created: new Date(NOW - DAY).toISOString() });
  for (const accounts of [['acc-1'], ['acc-1', 'acc-2'], 'all'])
    await rig.call('POST', '/v1/keys', { as: 'admin', body: { name: `key ${accounts}`, accounts, permissions: ['decision.evaluate'] } });
});
afterAll(() => rig.stop());

const review = (query: string, as = 'acme') => rig.call('GET', `/v1/entities/review${query}`, { as });
const grantsOf = async (query: string, as?: string): Promise<readonly Grant[]> => (await review(query, as)).json.data.grants;

describe('GET /v1/entities/review', () => {
  it('says who holds what in the account, by which grant, and what is found of it', async () => {
    const { status, json } = await review('?account=acc-1');
    expect(status).toBe(200);
    expect(json.data).toMatchObject({ account: 'acc-1', reviewed: '2026-11-22T12:00:00.000Z', used_since: '2026-08-24T12:00:00.000Z' });
    const said = (json.data.grants as readonly Grant[]).map(({ holder, kind, via, findings }) => [holder, kind, via, ...findings.map(({ code }) => code)]);
    expect(said).toEqual([
      ['user/usr-1', 'role', 'membership/acc-1:usr-1'],
      ['user/usr-1', 'acl', 'acl/acc-1:ops (group/ops)', 'never_used'],
      ['user/usr-1', 'iam', 'iam_policy/acc-1:CloudNxReadOnlyAccess', 'never_used'],
      ['user/usr-1', 'token', 'token/tok-acc-1', 'token.rotate', 'never_used'],
      [expect.stringMatching(/^key:/), 'key', expect.stringMatching(/^verdict\.key\//), 'never_used'],
      [null, 'key', 'verdict.key', 'key.withheld'],
    ]);
  });

  it('asks the store for as long as the account’s events are kept, and by name for the documents that ship', async () => {
    await review('?account=acc-1');
    expect(asked.at(-1)).toEqual({ account: 'acc-1', from: NOW - 90 * DAY, documents: ['CloudNxReadOnlyAccess'] });
    await review('?account=acc-2', 'both');
    expect(asked.at(-1)).toEqual({ account: 'acc-2', from: NOW - 365 * DAY, documents: [] });
  });

  it('as CSV is a file with a row for each grant', async () => {
    const { status, headers, text } = await review('?account=acc-1&format=csv');
    expect([status, headers['content-type'], headers['content-disposition']]).toEqual([
      200,
      'text/csv; charset=utf-8; header=present',
      'attachment; filename="access-review-2026-11-22.csv"',
    ]);
    expect(text.split('\r\n')).toHaveLength((await grantsOf('?account=acc-1')).length + 2);
    expect(text).toContain('user/usr-1,anna@example.com,role,owner,membership/acc-1:usr-1');
  });

  it('is an event itself, with nobody’s name in it', async () => {
    await review('?account=acc-1&format=csv');
    const event = rig.recorded.at(-1);
    expect(event).toMatchObject({
      action: 'entity.review',
      account: 'acc-1',
      kind: 'activity',
      actor: { type: 'credential', id: 'key:acme' },
      resource: { type: 'account', id: 'acc-1' },
      result: 'success',
      details: { format: 'csv', grants: 6, findings: { never_used: 4, 'token.rotate': 1, 'key.withheld': 1 } },
    });
    expect(JSON.stringify(event)).not.toMatch(/anna|usr-1/);
  });

  it('shows no other account’s grants, and of keys those that the caller may see', async () => {
    expect(JSON.stringify(await grantsOf('?account=acc-1'))).not.toMatch(/acc-2|usr-2|tok-none|key acc-1,acc-2|key all/);
    const ofBoth = JSON.stringify(await grantsOf('?account=acc-1', 'both'));
    expect(ofBoth).toContain('key acc-1,acc-2');
    expect(ofBoth).not.toMatch(/key all|usr-2|tok-none|hash/);
    const ofAll = JSON.stringify(await grantsOf('?account=acc-1', 'admin'));
    for (const shown of ['key acc-1,acc-2', 'key all', 'tok-none']) expect(ofAll).toContain(shown);
    expect(ofAll).not.toMatch(/key.withheld|usr-2|tok-acc-2/);
  });

  it('is for those who may read the audit log of that account; who tries is recorded', async () => {
    const before = rig.recorded.length;
    expect(await review('?account=acc-2')).toMatchObject({ status: 403, json: { code: 'caller.account' } });
    expect(rig.refusals.at(-1)).toMatchObject({ account: 'acc-2', caller: 'key:acme', path: '/v1/entities/review' });
    expect(await review('?account=acc-1', 'nothing')).toMatchObject({ status: 403, json: { code: 'caller.permission' } });
    expect(rig.refusals.at(-1)).toMatchObject({ permission: 'audit.read', caller: 'key:nothing' });
    expect(await review('?account=acc-1', 'nobody')).toMatchObject({ status: 401 });
    expect(rig.recorded.length).toBe(before);
  });

  it('refuses what it does not understand', async () => {
    expect(await review('')).toMatchObject({ status: 400, json: { code: 'parameter.invalid', detail: expect.stringContaining('account') } });
    expect(await review('?acount=acc-1')).toMatchObject({ status: 400, json: { detail: expect.stringContaining('did you mean "account"?') } });
    expect(await review('?account=acc-1&format=xml')).toMatchObject({ status: 400, json: { code: 'parameter.invalid' } });
    expect(await review('?account=acc-9', 'admin')).toMatchObject({ status: 404, json: { code: 'account.unknown' } });
  });

  it('without the store is a 503 that tells nothing of it, and no review', async () => {
    isAway = true;
    const before = rig.recorded.length;
    const { status, json, text } = await review('?account=acc-1');
    isAway = false;
    expect([status, json.code, rig.recorded.length]).toEqual([503, 'store.unavailable', before]);
    expect(text).not.toContain('store-1');
  });
});
