import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { guard } from '../../test/peers/guard.js';
import { type Caller, PERMISSIONS, type RefusedRequest } from '../caller/index.js';
import { createDecide, fixedDirectory } from '../evaluate/index.js';
import { readInput } from '../evaluate/input-json.js';
import type { EventDraft } from '../event/index.js';
import { JournalUnavailable } from '../ingest/index.js';
import { identify, loadRoutes } from '../routes/index.js';
import { type AuthorizeDeps, authorizer } from './authorize.js';
import type { Proxied, ProxiedBody } from './types.js';

const TABLE = `
version: 1
routes:
  - { method: GET, path: /health, public: true, record: false }
  - { method: POST, path: /login, public: true, login: { subject: body.email } }
  - { method: GET, path: '/things/{id}', action: read.thing, resource: { type: thing, id: '{params.id}' } }
  - { method: DELETE, path: '/things/{id}', action: delete.thing, resource: { type: thing, id: '{params.id}' } }
  - { method: POST, path: /things, action: read.new, resource: { type: thing, id: '*' }, properties: { size: body.size } }
  - { method: PUT, path: '/things/{id}', action: read.put, resource: { type: thing, id: '{params.id}' }, name: body.name }
  - { method: POST, path: /bulk, action: read.each, resource: { type: thing, id: '*' }, each: body.ids }
`;
const SECRET = 'the-end-users-token';
const directory = fixedDirectory([
  { type: 'token', id: 'tok-1', account: 'acc-1', properties: { owner: 'usr-1', hash: createHash('sha256').update(SECRET).digest('hex') } },
  { type: 'thing', id: 'a', account: 'acc-1', properties: {} },
  { type: 'thing', id: 'b', account: 'acc-1', properties: {} },
  { type: 'thing', id: 'other', account: 'acc-2', properties: {} },
]);
const proxy: Caller = { id: 'key:edge', name: 'edge', accounts: 'all', permissions: new Set(['decision.evaluate']) };

const rig = (change: Partial<AuthorizeDeps> = {}) => {
  const recorded: EventDraft[] = [];
  const refusals: (RefusedRequest & { readonly by: string | undefined })[] = [];
  const append: AuthorizeDeps['append'] = async (drafts) => void recorded.push(...drafts);
  const policy = () => ({
    revision: 'r1',
    entrypoints: [],
    decide: (input: Parameters<typeof readInput>[0]) => {
      const allow = readInput(input).action.name.startsWith('read');
      return { allow, reasons: allow ? [] : [{ code: 'role', message: 'Only reading is allowed here.' }], advice: [{ ask: 'an admin' }] };
    },
    query: () => undefined,
    actions: [],
  });
  const authorize = authorizer({
    table: loadRoutes(TABLE, 'routes.yaml'),
    identify: identify({ issuers: [], cookie: '', cache_seconds: 60 }, { directory, warn: () => undefined }),
    decide: createDecide({ guard, policy, directory, append: change.append ?? append, maxStalenessMs: 1000, region: '' }),
    guard,
    append,
    directory,
    refused: async (by, call) => void refusals.push({ ...call, by: by?.id }),
    region: 'lagos-1',
    ...change,
  });
  const ask = (
    method: string,
    target: string,
    more: { readonly token?: string | null; readonly body?: ProxiedBody; readonly by?: Caller; readonly header?: string } = {},
  ) => {
    const headers = {
      ...(more.header !== undefined && { [more.header]: 'forged' }),
      ...(more.token !== null && { authorization: `Bearer ${more.token ?? SECRET}` }),
      'content-type': 'application/json',
    };
    const proxied: Proxied = { method, target, headers, takesRemovals: false, body: async () => more.body, address: '192.0.2.7', requestId: 'req-1' };
    return authorize(proxied, more.by ?? proxy);
  };
  return { ask, recorded, refusals };
};
const json = (value: unknown): ProxiedBody => ({ bytes: Buffer.from(JSON.stringify(value)), isPartial: false });

describe('a request that a proxy asks about', () => {
  it('is allowed as the policy allows, with one decision recorded in the words of the route', async () => {
    const { ask, recorded } = rig();
    const ruling = await ask('GET', '/things/a');
    expect(ruling).toMatchObject({ kind: 'allowed', event: recorded[0]?.id, subject: 'token/tok-1', account: 'acc-1' });
    expect(recorded).toMatchObject([
      {
        kind: 'decision',
        action: 'read.thing',
        result: 'allowed',
        resource: { type: 'thing', id: 'a' },
        details: { caller: 'key:edge' },
        actor: { ip: '192.0.2.7' },
      },
    ]);
  });

  it('is denied with reasons and advice', async () => {
    const { ask, recorded } = rig();
    expect(await ask('DELETE', '/things/a')).toEqual({
      kind: 'denied',
      status: 403,
      code: 'decision.denied',
      message: 'Only reading is allowed here.',
      event: recorded[0]?.id,
      reasons: [{ code: 'role', message: 'Only reading is allowed here.' }],
      advice: [{ ask: 'an admin' }],
    });
  });

  it('is denied and recorded where no route knows it, or its path can be read in two ways', async () => {
    const { ask, recorded } = rig();
    expect(await ask('GET', '/nothing?key=secret-of-mine')).toMatchObject({ status: 403, code: 'route.unknown' });
    expect(await ask('GET', '/things/..%2fa', { token: null })).toMatchObject({ status: 400, code: 'path.encoded_slash' });
    expect(recorded).toMatchObject([
      {
        kind: 'activity',
        action: 'proxy.request',
        result: 'failure',
        account: 'acc-1',
        actor: { type: 'token', id: 'tok-1', ip: '192.0.2.7' },
        resource: { type: 'route', id: 'GET /nothing' },
        request: { id: 'req-1', method: 'GET', path: '/nothing?key=…' },
        details: { code: 'route.unknown' },
        region: 'lagos-1',
      },
      { account: 'verdict', actor: { type: 'anonymous' }, details: { code: 'path.encoded_slash' } },
    ]);
  });

  it('is denied where it spells a header of Verdict’s so that the proxy can’t take it off', async () => {
    const { ask, recorded } = rig();
    for (const header of ['x_verdict_subject', 'x-verdict_account', 'x_http_method_override'])
      expect(await ask('GET', '/health', { header })).toMatchObject({ status: 400, code: 'header.reserved' });
    for (const header of ['x-verdict-subject', 'x_anything']) expect(await ask('GET', '/health', { header })).toMatchObject({ kind: 'allowed' });
    expect(recorded).toMatchObject([{ result: 'failure' }, { result: 'failure' }, { result: 'failure' }]);
  });

  it('is let through on a public route, and recorded unless the route says otherwise', async () => {
    const { ask, recorded } = rig();
    expect(await ask('GET', '/health', { token: null })).toEqual({ kind: 'allowed', event: undefined, subject: '', account: '' });
    expect(recorded).toEqual([]);
    expect(await ask('POST', '/login', { token: null })).toMatchObject({ kind: 'allowed', event: expect.stringMatching(/^evt-/) });
    expect(recorded).toMatchObject([{ action: 'proxy.request', result: 'success', details: { code: 'route.public' }, resource: { id: 'POST /login' } }]);
  });

  it('needs an end user: who brings no credential, or an unknown one, is counted', async () => {
    const { ask, recorded, refusals } = rig();
    expect(await ask('GET', '/things/a', { token: null })).toMatchObject({ status: 401, code: 'credential.missing' });
    expect(await ask('GET', '/things/a', { token: 'unknown' })).toMatchObject({ status: 401, code: 'credential.invalid' });
    expect(refusals).toMatchObject([{ by: undefined, address: '192.0.2.7' }, { by: undefined }]);
    expect(recorded).toEqual([]);
  });

  it('needs the body only where the question is made of it', async () => {
    const { ask, recorded } = rig();
    expect(await ask('POST', '/things')).toMatchObject({ status: 403, code: 'route.body_unavailable' });
    expect(await ask('POST', '/things', { body: { ...json({ size: 1 }), isPartial: true } })).toMatchObject({ code: 'route.body_partial' });
    expect(await ask('POST', '/things', { body: json({ size: 1 }) })).toMatchObject({ kind: 'allowed' });
    expect(await ask('PUT', '/things/a')).toMatchObject({ kind: 'allowed' });
    expect(recorded.map(({ result }) => result)).toEqual(['failure', 'failure', 'allowed', 'allowed']);
  });

  it('is allowed in bulk only as a whole', async () => {
    const { ask, recorded } = rig();
    expect(await ask('POST', '/bulk', { body: json({ ids: ['a', 'b'] }) })).toMatchObject({ kind: 'allowed' });
    expect(await ask('POST', '/bulk', { body: json({ ids: ['a', 'other'] }) })).toMatchObject({ status: 403, code: 'decision.denied' });
    expect(recorded.map(({ result }) => result)).toEqual(['allowed', 'allowed', 'allowed', 'denied']);
    for (const ids of [[], 'a', undefined]) expect(await ask('POST', '/bulk', { body: json({ ids }) })).toMatchObject({ kind: 'denied', status: 400 });
  });

  it('is denied where the proxy’s credential may not ask, and that is recorded', async () => {
    const { ask, recorded, refusals } = rig();
    for (const target of ['/health', '/things/a', '/nothing'])
      expect(await ask('GET', target, { by: { ...proxy, permissions: new Set(['entity.read']) } })).toMatchObject({ status: 403, code: 'caller.permission' });
    expect(await ask('GET', '/things/other', { by: { ...proxy, accounts: ['acc-1'] } })).toMatchObject({ kind: 'denied', status: 403 });
    expect(refusals.slice(0, 3)).toMatchObject([{ by: 'key:edge', code: 'caller.permission' }, { by: 'key:edge' }, { by: 'key:edge' }]);
    expect(recorded.filter(({ result }) => result === 'allowed' || result === 'success')).toEqual([]);
  });

  it('puts nothing of another account’s end users into the log of theirs', async () => {
    const { ask, recorded } = rig();
    await ask('GET', '/nothing', { by: { ...proxy, accounts: ['acc-2'] } });
    expect(recorded).toMatchObject([{ account: 'verdict' }]);
  });

  it('is denied where it can’t be recorded, on every route', async () => {
    const append = async (): Promise<never> => {
      throw new JournalUnavailable('journal.full', 'The journal is full.');
    };
    const { ask } = rig({ append });
    for (const [method, target] of [
      ['GET', '/things/a'],
      ['GET', '/nothing'],
      ['POST', '/login'],
      ['GET', '/things//a'],
    ] as const)
      expect(await ask(method, target)).toMatchObject({ kind: 'denied', status: 503, code: 'journal.full' });
  });

  it('is denied where there is no route table', async () => {
    const { ask } = rig({ table: undefined });
    expect(await ask('GET', '/health', { by: { ...proxy, permissions: new Set(PERMISSIONS) } })).toMatchObject({ status: 503, code: 'routes.missing' });
  });
});
