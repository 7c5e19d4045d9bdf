import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newUlid } from '../../../src/event/index.js';
import { type Rig, startRig } from './rig.js';

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
  const put = (type: string, id: string, account?: string) =>
    ({ change: newUlid(), op: 'put', type, id, properties: {}, ...(account !== undefined && { account }) }) as const;
  await rig.directory.apply([
    ...['acc-1', 'acc-2'].flatMap((account) => [
      put('account', account, account),
      put('membership', `${account}:usr-1`, account),
      put('membership', `${account}:usr-${account}`, account),
      ...[1, 2, 3].map((at) => put('instance', `${account}-inst-${at}`, account)),
      put('action', `read.${account}`, account),
    ]),
    put('user', 'usr-1'),
    put('user', 'usr-of-nobody'),
    put('action', 'read.shared'),
  ]);
});
afterAll(() => rig.stop());

const question = { subject: { type: 'user', id: 'usr-1' }, action: { name: 'read.it' }, resource: { type: 'instance', id: 'acc-1-inst-1' } };
const search = (kind: string, body: unknown, as = 'acme') => rig.call('POST', `/access/v1/search/${kind}`, { as, body });
const idsOf = async (kind: string, body: unknown, as = 'acme'): Promise<readonly string[]> => {
  const found = await search(kind, body, as);
  expect(found.status, found.text).toBe(200);
  return found.json.results.map((one: { id?: string; name?: string }) => one.id ?? one.name);
};

describe('POST /access/v1/search/{subject,resource,action}', () => {
  it('answers with what may be, and has recorded it as one event', async () => {
    const before = rig.recorded.length;
    const found = await search('resource', question);
    expect(found.json).toEqual({
      page: { next_token: '', count: 3 },
      context: { id: expect.stringMatching(/^evt-/), policy: 'r1' },
      results: [1, 2, 3].map((at) => ({ type: 'instance', id: `acc-1-inst-${at}` })),
    });
    // The page comes first, so that a client can show how much follows.
    expect(found.text.startsWith('{"page":')).toBe(true);
    expect(rig.recorded.slice(before)).toMatchObject([
      {
        id: found.json.context.id,
        account: 'acc-1',
        kind: 'activity',
        action: 'search.resource',
        result: 'success',
        actor: { type: 'credential', id: 'key:acme' },
        details: { candidates: 3, results: 3 },
      },
    ]);
    expect(await idsOf('resource', { ...question, action: { name: 'write.it' } })).toEqual([]);
    expect(rig.recorded.at(-1)).toMatchObject({ details: { candidates: 3, results: 0 } });
  });

  it('tells a credential of one account nothing of another', async () => {
    expect(await idsOf('subject', question)).toEqual(['usr-1', 'usr-acc-1']);
    expect(await idsOf('resource', question)).toEqual(['acc-1-inst-1', 'acc-1-inst-2', 'acc-1-inst-3']);
    expect(await idsOf('action', question)).toEqual(['read.acc-1', 'read.instance', 'read.shared']);
    expect(await idsOf('resource', { ...question, resource: { type: 'account' } })).toEqual(['acc-1']);
    expect(await idsOf('subject', question, 'admin')).toEqual(['usr-1', 'usr-acc-1', 'usr-of-nobody']);
  });

  it('goes through all accounts that the credential reaches, or the one that is named', async () => {
    const both = ['acc-1-inst-1', 'acc-1-inst-2', 'acc-1-inst-3', 'acc-2-inst-1', 'acc-2-inst-2', 'acc-2-inst-3'];
    expect(await idsOf('resource', question, 'both')).toEqual(both);
    expect(await idsOf('resource', question, 'admin')).toEqual(both);
    for (const named of [{ context: { account: 'acc-2' } }, { resource: { type: 'instance', properties: { account: 'acc-2' } } }])
      for (const as of ['both', 'admin']) expect(await idsOf('resource', { ...question, ...named }, as)).toEqual(both.slice(3));
  });

  it('refuses, and records that it refused, what an evaluation would be refused', async () => {
    const before = rig.recorded.length;
    expect(await search('resource', { ...question, context: { account: 'acc-2' } })).toMatchObject({ status: 403, json: { code: 'caller.account' } });
    expect(rig.refusals.at(-1)).toMatchObject({ code: 'caller.account', account: 'acc-2', path: '/access/v1/search/resource' });
    for (const kind of ['subject', 'action'])
      expect(await search(kind, { ...question, resource: { type: 'instance', id: 'acc-2-inst-1' } })).toMatchObject({ status: 403 });
    expect(await search('subject', question, 'nothing')).toMatchObject({ status: 403, json: { code: 'caller.permission' } });
    expect(await search('subject', question, 'nobody')).toMatchObject({ status: 401 });
    expect(await search('subject', { ...question, context: { long: 'x'.repeat(60_000) } })).toMatchObject({
      status: 413,
      json: { code: 'question.too_large' },
    });
    expect(rig.recorded).toHaveLength(before);
  });

  it('goes on, page by page, for the credential and the search that it began with', async () => {
    const first = await search('resource', { ...question, page: { limit: 2 } }, 'both');
    expect(first.json.page.count).toBe(2);
    const token = first.json.page.next_token;
    const rest = await search('resource', { ...question, page: { token } }, 'both');
    expect(rest.json.results.map((one: { id: string }) => one.id)).toEqual(['acc-1-inst-3', 'acc-2-inst-1']);
    // The same JSON in another order, and an id that is ignored, are the same search.
    const turned = {
      page: { token, limit: 2 },
      resource: { id: 'ignored', type: 'instance' },
      action: question.action,
      subject: { id: 'usr-1', type: 'user' },
    };
    expect((await search('resource', turned, 'both')).json.results).toEqual(rest.json.results);
    for (const [body, as] of [
      [{ ...question, page: { token } }, 'admin'],
      [{ ...question, page: { token } }, 'acme'],
      [{ ...question, subject: { type: 'user', id: 'usr-2' }, page: { token } }, 'both'],
      [{ ...question, page: { token, limit: 3 } }, 'both'],
      [{ ...question, page: { token: `${token}A` } }, 'both'],
      [{ ...question, page: { token: Buffer.from('[1,"x",2,"",""]').toString('base64url') } }, 'both'],
      [{ ...question, page: { token: Buffer.from(JSON.stringify([1, 'x', 2, '\u0000', 'y'.repeat(5_000)])).toString('base64url') } }, 'both'],
    ] as const)
      expect(await search('resource', body, as), JSON.stringify(body)).toMatchObject({ status: 400, json: { code: 'page.token' } });
  });

  it('gives no more than it has, and no more than asked', async () => {
    expect((await search('resource', { ...question, page: { limit: 1e9 } })).json.page).toEqual({ next_token: '', count: 3 });
    const none = await search('resource', { ...question, page: { limit: 0 } });
    expect(none.json.results).toEqual([]);
    expect(none.json.page.next_token).not.toBe('');
    // The token of the last answer is that of none.
    expect((await search('resource', { ...question, page: { token: '' } })).json.page.count).toBe(3);
  });
});
