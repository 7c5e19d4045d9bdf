import { describe, expect, it } from 'vitest';
import { guard } from '../../test/peers/guard.js';
import type { Caller } from '../caller/types.js';
import { type EventDraft, EventTooLarge, type Json, type JsonObject } from '../event/index.js';
import { PolicyError } from './bundle.js';
import { fixedDirectory } from './directory/index.js';
import { readInput } from './input-json.js';
import type { Policy } from './policy-types.js';
import { createQuery, type QueryInput } from './query.js';

const NOW = Date.parse('2026-11-22T04:03:48.496Z');
const question = { subject: { type: 'user', id: 'usr-1' }, action: { name: 'instance.get' }, resource: { type: 'instance', id: 'inst-1' } };
const raw = (input?: Json): QueryInput => ({ kind: 'raw', input });

const callerOf = (permissions: Caller['permissions'], accounts: Caller['accounts'] = ['acc-1']): Caller => ({
  id: 'key:1',
  name: 'platform',
  accounts,
  permissions,
});
const caller = callerOf(new Set(['decision.evaluate'] as const));

type Given = { readonly result?: (input: Json | undefined) => Json | undefined; readonly entrypoints?: readonly string[]; readonly staleness?: number };

const rig = ({ result = (input) => input, entrypoints = ['app/authz', 'app/authz/allow'], staleness = 0 }: Given = {}) => {
  const asked: { readonly entrypoint: string; readonly input: Json | undefined }[] = [];
  const commits: (readonly EventDraft[])[] = [];
  const policy: Policy = {
    revision: 'r1',
    entrypoints,
    actions: [],
    decide: () => ({ allow: false, reasons: [], advice: [] }),
    query: (entrypoint, given) => {
      const input = given instanceof ArrayBuffer ? (readInput(given) as unknown as Json) : given;
      asked.push({ entrypoint, input });
      return result(input);
    },
  };
  const query = createQuery({
    guard,
    policy: () => policy,
    directory: { ...fixedDirectory([{ type: 'instance', id: 'inst-1', account: 'acc-1', properties: {} }]), staleness: () => staleness },
    append: async (drafts) => {
      const index = drafts.findIndex((draft) => JSON.stringify(draft).includes('too large'));
      if (index >= 0) throw new EventTooLarge(index);
      commits.push(drafts);
    },
    maxStalenessMs: 1_000,
    region: '',
    now: () => NOW,
  });
  const one = (path: string, input: QueryInput, by = caller) => query.one({ path, asked: input }, { caller: by, address: '192.0.2.1', requestId: 'req-1' });
  return { query, one, asked, commits, drafts: () => commits.flat() };
};

describe('a query of a bundle', () => {
  it('is put to the longest entrypoint that its path goes on from', async () => {
    const { one, asked } = rig({ result: () => ({ allow: { x: [7] } }) });
    await one('app/authz/allow', raw());
    expect(await one('app/authz/other', raw())).toMatchObject({ json: undefined });
    expect(await one('app/authz/allow/allow/x/0', raw())).toMatchObject({ json: '7' });
    expect(asked.map(({ entrypoint }) => entrypoint)).toEqual(['app/authz/allow', 'app/authz', 'app/authz/allow']);
  });

  it.each(['app', 'app/authzed', 'nowhere', '/', 'constructor'])('of %s, which is no entrypoint, is undefined, and nothing is asked', async (path) => {
    const { one, asked, drafts } = rig();
    expect(await one(path, raw({}))).toMatchObject({ kind: 'answered', json: undefined });
    expect(asked).toEqual([]);
    expect(drafts()).toMatchObject([{ action: 'opa.query', resource: { type: 'policy', id: path }, result: 'denied', details: { path } }]);
  });

  it('has its record before its answer, with the same id', async () => {
    const { one, drafts } = rig({ result: () => true });
    const outcome = await one('app/authz', raw({ user: 'alice' }));
    expect(outcome).toMatchObject({ kind: 'answered', id: drafts()[0]?.id, json: 'true', policy: 'r1' });
    expect(drafts()).toMatchObject([
      {
        timestamp: '2026-11-22T04:03:48.496Z',
        account: 'acc-1',
        actor: { type: 'credential', id: 'key:1', ip: '192.0.2.1' },
        decision: { allow: true, question: { personal: { input: { user: 'alice' } } } },
        request: { id: 'req-1' },
      },
    ]);
  });

  const results: readonly (readonly [what: string, result: Json, allow: boolean, code?: string])[] = [
    ['true', true, true],
    ['false', false, false],
    ['an allow', { allow: true, reasons: [{ code: 'role', message: 'Why.' }], advice: [] }, true, 'role'],
    ['a deny', { allow: false }, false],
    ['the text "true"', 'true', false, 'policy.document'],
    ['1', 1, false, 'policy.document'],
    ['a list with true in it', [true], false, 'policy.document'],
    ['an object whose allow is text', { allow: 'yes' }, false, 'policy.document'],
    ['null', null, false, 'policy.document'],
  ];
  it.each(results)('that is answered with %s is recorded as what that is', async (_, result, allow, code) => {
    const { one, drafts } = rig({ result: () => result });
    expect(await one('app/authz', raw({}))).toMatchObject({ kind: 'answered', json: JSON.stringify(result) });
    expect(drafts()).toMatchObject([{ result: allow ? 'allowed' : 'denied', decision: { allow, reasons: code === undefined ? [] : [{ code }] } }]);
  });

  it('that is answered with an allow too large to record is no allow', async () => {
    const { one, drafts } = rig({ result: () => ({ allow: true, reasons: [{ code: 'a', message: 'x'.repeat(20_000) }] }) });
    expect(await one('app/authz', raw({}))).toMatchObject({ kind: 'failed', reason: { code: 'policy.error' } });
    expect(drafts()).toMatchObject([{ result: 'denied' }]);
  });

  it('whose policy fails is a recorded deny, and no result', async () => {
    const { one, drafts } = rig({
      result: () => {
        throw new PolicyError('The policy failed: it does not terminate.');
      },
    });
    expect(await one('app/authz', raw({}))).toMatchObject({
      kind: 'failed',
      reason: { code: 'policy.error', message: 'The policy failed: it does not terminate.' },
    });
    expect(drafts()).toMatchObject([{ result: 'denied', decision: { reasons: [{ code: 'policy.error' }] } }]);
  });

  it('on a directory that is too old is a recorded deny, and nothing is asked', async () => {
    const { one, asked, drafts } = rig({ staleness: 2_000 });
    for (const input of [raw({}), { kind: 'question', question } as const])
      expect(await one('app/authz', input)).toMatchObject({ kind: 'failed', reason: { code: 'directory.stale' } });
    expect(asked).toEqual([]);
    expect(drafts().map(({ result }) => result)).toEqual(['denied', 'denied']);
  });

  it('whose record would be too large is not answered', async () => {
    const { one } = rig({ result: () => true });
    expect(await one('app/authz', raw('too large'))).toMatchObject({ kind: 'too_large' });
  });

  it('advises of an alert as a question does', async () => {
    const { one, drafts } = rig({ result: () => ({ allow: true, advice: [{ alert: 'policy.odd' }] }) });
    const outcome = await one('app/authz', raw({}));
    expect(drafts()).toMatchObject([{ action: 'opa.query' }, { action: 'policy.odd', kind: 'activity', caused_by: (outcome as { id: string }).id }]);
  });
});

describe('what a policy is given', () => {
  it('of an input that is no question: all of it, but what only Verdict says', async () => {
    const { one, asked } = rig();
    await one('app/authz', raw({ user: 'alice', directory: { a: 1 }, facts: {}, context: { mfa: true, ip: '192.0.2.9', channel: 'api' } }));
    expect(asked[0]?.input).toEqual({ user: 'alice', context: { channel: 'api', time: '2026-11-22T04:03:48.496Z', ip: '192.0.2.1' } });
  });

  it('of a trusted caller: its claims too', async () => {
    const { one, asked } = rig();
    const context = { mfa: true, time: '2020-01-01T00:00:00Z' };
    await one('app/authz', raw({ context }), callerOf(new Set(['decision.evaluate', 'decision.assert'] as const)));
    expect(asked[0]?.input).toEqual({ context });
  });

  it.each([undefined, null, true, 0, 'text', [1, { directory: 1 }]])('of %j: just that', async (input) => {
    const { one, asked } = rig();
    await one('app/authz', raw(input));
    expect(asked[0]?.input).toEqual(input);
  });

  it('of a question: what an evaluation gives, and the members of its own beside it', async () => {
    const { one, asked, drafts } = rig();
    await one('app/authz', { kind: 'question', question, more: { user: 'alice', password: 'correct horse' } });
    expect(asked[0]?.input).toMatchObject({
      ...question,
      user: 'alice',
      directory: { resource: { account: 'acc-1' }, membership: null },
      context: { ip: '192.0.2.1' },
      facts: expect.any(Object),
    });
    const recorded = drafts()[0]?.decision?.question as JsonObject;
    expect(recorded).toMatchObject({ personal: { input: { user: 'alice', password: { sha256: expect.any(String) } } } });
  });
});

describe('who may ask', () => {
  it('is who holds decision.evaluate, on the account that the input names', async () => {
    const { one, asked, commits } = rig();
    expect(await one('app/authz', raw({}), callerOf(new Set()))).toMatchObject({ kind: 'forbidden', code: 'caller.permission' });
    expect(await one('app/authz', raw({ context: { account: 'acc-2' } }))).toMatchObject({ kind: 'forbidden', code: 'caller.account', account: 'acc-2' });
    expect([asked, commits]).toEqual([[], []]);
  });

  it('the record of a caller of several accounts, who names none, is under Verdict’s own', async () => {
    const { one, drafts } = rig();
    await one('app/authz', raw({}), callerOf(caller.permissions, ['acc-1', 'acc-2']));
    await one('app/authz', raw({ context: { account: 'acc-2' } }), callerOf(caller.permissions, 'all'));
    expect(drafts().map(({ account }) => account)).toEqual(['verdict', 'acc-2']);
  });
});

describe('several queries', () => {
  it('are answered in order and recorded in one commit, each with its own fault', async () => {
    const { query, commits } = rig({ result: (input) => input === 1 });
    const queries = [raw(1), raw('too large'), raw({ context: { account: 'acc-2' } }), raw(2)].map((asked) => ({ path: 'app/authz', asked }));
    const outcomes = await query.many(queries, { caller, address: '', requestId: '' });
    expect(outcomes.map(({ kind }) => kind)).toEqual(['answered', 'too_large', 'forbidden', 'answered']);
    expect(commits.map((drafts) => drafts.map(({ result }) => result))).toEqual([['allowed', 'denied']]);
  });
});
