import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { guard } from '../../test/peers/guard.js';
import type { Caller } from '../caller/types.js';
import type { Json, JsonObject } from '../event/index.js';
import { fixedDirectory, type WrittenEntity } from './directory/fixed.js';
import { type Built, buildInput } from './input.js';
import { inputJson } from './input-json.js';
import type { Question } from './question.js';

const clock = { ms: 1_795_320_228_496, text: '2026-11-22T04:03:48.496Z' };
const caller = (accounts: Caller['accounts'], ...permissions: readonly string[]): Caller => ({
  id: 'key:x',
  name: 'x',
  accounts,
  permissions: new Set(['decision.evaluate', ...permissions]) as Caller['permissions'],
});
const platform = caller('all', 'decision.assert');
const acme = caller(['acc-1']);
const by = (who: Caller) => ({ caller: who, address: '192.0.2.7', requestId: '' });

const statement = { effect: 'allow', actions: ['instance.*'], resources: ['*'] };
const acl = (id: string, account: string, grantee: string, target: JsonObject, more: JsonObject = {}): WrittenEntity => ({
  type: 'acl',
  id,
  account,
  properties: { grantee, target, access: 'read-write', ...more },
});
const own = (type: string, id: string, properties: JsonObject = {}, account = 'acc-1'): WrittenEntity => ({ type, id, account, properties });

const directory = fixedDirectory([
  own('account', 'acc-1', { access_models: ['roles', 'acl', 'iam'], require_2fa: { since: '2026-11-01T00:00:00Z' } }),
  own('account', 'acc-2', { access_models: ['roles', 'acl', 'iam'] }, 'acc-2'),
  own('account', 'acc-3', {}, 'acc-3'),
  { type: 'user', id: 'usr-1', properties: { email: 'a@example.com', two_factor: { methods: ['totp'] } } },
  own('membership', 'acc-1:usr-1', { role: 'developer', groups: ['ops'], policies: ['ops', 'ReadOnlyAccess'], joined: '2026-10-01T00:00:00Z' }),
  own('membership', 'acc-2:usr-1', { role: 'owner', groups: ['root'], policies: ['ops'] }, 'acc-2'),
  own('token', 'tok-1', { owner: 'usr-1', scope: 'read', expires: '2026-12-01T00:00:00Z' }),
  own('token', 'tok-2', { owner: 'usr-1', scope: 'admin' }, 'acc-2'),
  own('instance', 'inst-1', { tags: ['blue'], region: 'lagos-1' }),
  own('instance', 'inst-2', { tags: { team: 'red' } }, 'acc-2'),
  own('volume', 'vol-3', {}, 'acc-3'),
  acl('acc-1:all', 'acc-1', 'user/usr-1', { module: 'servers' }),
  acl('acc-1:ops', 'acc-1', 'group/ops', { module: '*', except: ['billing'] }, { ends: '2026-12-01T00:00:00Z' }),
  acl('acc-1:one', 'acc-1', 'user/usr-1', { resource: 'instance/inst-1' }),
  acl('acc-1:two', 'acc-1', 'user/usr-1', { resource: 'instance/inst-9' }),
  acl('acc-1:blue', 'acc-1', 'group/ops', { tag: 'blue' }, { ends: 'never' }),
  acl('acc-1:red', 'acc-1', 'group/ops', { tag: 'red' }),
  acl('acc-1:root', 'acc-1', 'group/root', { module: '*' }),
  acl('acc-1:other', 'acc-1', 'user/usr-2', { module: '*' }),
  acl('acc-2:all', 'acc-2', 'user/usr-1', { module: '*' }),
  own('iam_policy', 'acc-1:ops', { document: { version: '2026-11-01', statements: [statement, { ...statement, actions: ['drive.*'] }] } }),
  own('iam_policy', 'acc-2:ops', { document: { version: '2026-11-01', statements: [{ ...statement, actions: ['*'] }] } }, 'acc-2'),
]);

const ask = (change: Partial<Question> = {}): Question => ({
  subject: { type: 'user', id: 'usr-1' },
  action: { name: 'instance.start' },
  resource: { type: 'instance', id: 'inst-1' },
  ...change,
});
const built = (question: Question, who: Caller = platform): Built => {
  const found = buildInput({ directory, guard }, question, by(who), clock);
  if (found.kind !== 'built') throw new Error(found.message);
  return found;
};
const idsIn = (list: unknown): readonly string[] => (list as readonly { readonly id: string }[]).map(({ id }) => id);

describe('The input of a question', () => {
  it('holds what the directory knows of it, and the entities that it rests on', () => {
    const { input, entities } = built(ask());
    expect(input.directory).toMatchObject({
      account: { id: 'acc-1', version: 1 },
      membership: { id: 'acc-1:usr-1', account: 'acc-1' },
      subject: { id: 'usr-1', account: null },
      resource: { id: 'inst-1' },
      token: null,
    });
    expect(idsIn(input.directory['acl'])).toEqual(['acc-1:all', 'acc-1:one', 'acc-1:blue', 'acc-1:ops']);
    expect(input.directory['policies']).toEqual([{ id: 'acc-1:ops', name: 'ops', statements: [statement] }]);
    expect(input.facts).toEqual({
      now: clock.ms,
      times: { required_since: Date.UTC(2026, 10), joined: Date.UTC(2026, 9) },
      tags: ['blue'],
      directory_tags: ['blue'],
      region: 'lagos-1',
    });
    const own = ['instance/inst-1', 'user/usr-1', 'account/acc-1', 'membership/acc-1:usr-1', 'iam_policy/acc-1:ops'];
    const listed = ['acc-1:all', 'acc-1:one', 'acc-1:blue', 'acc-1:ops'].map((id) => `acl/${id}`);
    expect(entities.map(({ type, id }) => `${type}/${id}`).sort()).toEqual([...own, ...listed].sort());
  });

  it('has an entry’s end in milliseconds, null where it is no time', () => {
    const entries = built(ask()).input.directory['acl'] as readonly { readonly id: string; readonly ends_ms?: number }[];
    expect(entries.map(({ id, ends_ms }) => [id, ends_ms])).toEqual([
      ['acc-1:all', undefined],
      ['acc-1:one', undefined],
      ['acc-1:blue', null],
      ['acc-1:ops', Date.UTC(2026, 11)],
    ]);
  });

  it('has neither entries nor documents where the account uses none', () => {
    const { input } = built(ask({ resource: { type: 'volume', id: 'vol-3' } }));
    expect(input.directory).toEqual({ account: expect.anything(), membership: null, subject: expect.anything(), resource: expect.anything(), token: null });
    expect(input.facts).toEqual({ now: clock.ms });
  });

  it('of a token is that of its owner, under the token', () => {
    const { input, person } = built(ask({ subject: { type: 'token', id: 'tok-1' } }), acme);
    expect(input.subject).toEqual({ type: 'token', id: 'tok-1', properties: { owner: 'usr-1', scope: 'read', expires: '2026-12-01T00:00:00Z' } });
    expect(input.directory).toMatchObject({ token: { id: 'tok-1' }, membership: { id: 'acc-1:usr-1' }, subject: { id: 'usr-1' } });
    expect(input.facts.times).toMatchObject({ token_expires: Date.UTC(2026, 11) });
    expect(person?.id).toBe('usr-1');
    const owned = built(ask());
    expect(input.directory['acl']).toEqual(owned.input.directory['acl']);
  });

  it('of a token that nobody knows, or another account’s, has nobody in it', () => {
    for (const id of ['tok-9', 'tok-2']) {
      const { input } = built(ask({ subject: { type: 'token', id } }));
      expect(input.directory).toMatchObject({ token: null, membership: null, subject: null });
      expect(input.directory).not.toHaveProperty('acl');
    }
  });

  it('is of the time that a trusted caller says, if it is one', () => {
    const at = (time: Json, who: Caller) => {
      const { input, ignored } = built(ask({ context: { time } }), who);
      return [input.facts.now, input.context['time'], ignored];
    };
    expect(at('2026-11-22T05:00:00+01:00', platform)).toEqual([Date.UTC(2026, 10, 22, 4), '2026-11-22T05:00:00+01:00', []]);
    for (const time of ['yesterday', 7, null, {}]) expect(at(time, platform)).toEqual([clock.ms, clock.text, ['time']]);
    expect(at('2026-11-22T05:00:00Z', acme)).toEqual([clock.ms, clock.text, ['time']]);
    expect(built(ask()).ignored).toEqual([]);
  });

  it('has the facts of the question’s own words, or those recorded of it', () => {
    const question = ask({
      action: { name: 'firewall.update', properties: { target_region: 'london-1' } },
      resource: { type: 'firewall', id: 'fw-1', properties: { account: 'acc-1', rules: [{ port: 22, source: 'any' }], public_key: 'none' } },
      context: { user_data: `AKIA${'Q'.repeat(16)}` },
    });
    const { asked, input } = built(question);
    expect(asked).toMatchObject({
      firewall: { rules: [{ from: 22, anywhere: true }], unreadable: [] },
      ssh_key: { valid: false },
      user_data: { findings: [{ kind: 'AWS access key id', line: 1 }] },
      target_regions: ['london-1'],
    });
    expect(input.facts).toMatchObject(asked as object);
    expect(built(ask({ ...question, action: { name: 'instance.start' }, resource: { ...question.resource, type: 'x' } })).asked).not.toHaveProperty('firewall');
    const again = buildInput({ directory, guard }, ask(), by(platform), clock, asked);
    expect(again.kind === 'built' && again.input.facts).toMatchObject(asked as object);
    const twice = { ...question, action: { name: 'x', properties: { public_key: 'other' } } };
    expect(built(twice).asked?.ssh_key).toMatchObject({ message: expect.stringContaining('twice') });
  });
});

/** Names that a policy looks for, and any others. */
const names = fc.constantFrom(
  ...['role', 'roles', 'groups', 'policies', 'membership', 'directory', 'facts', 'directory_tags', 'tags', 'region', 'owner', 'access_models', 'scope', 'acl'],
  ...['subject', 'subject_type', 'type', 'id', 'properties', 'mfa', 'ip', 'break_glass', 'time', 'user_data', 'public_key', 'rules', 'version', '__proto__'],
);
const words = fc.constantFrom<Json>('owner', 'root', 'ops', 'acc-1', 'acc-2', 'inst-2', 'tok-2', 'usr-2', 'blue', 'red', 'team:red', true, 7, null, [
  'ops',
  'root',
  'red',
]);
const value = fc.letrec<{ json: Json }>((tie) => ({
  json: fc.oneof({ depthSize: 'small' }, words, fc.array(tie('json'), { maxLength: 3 }), fc.dictionary(names, tie('json'), { maxKeys: 3 })),
})).json;
const claims: fc.Arbitrary<JsonObject> = fc.dictionary(fc.oneof(names, fc.string({ maxLength: 8 })), value, { maxKeys: 6 });
const askers = fc.constantFrom(platform, acme, caller(['acc-1', 'acc-2']), caller(['acc-1'], 'decision.assert'));

const withClaims = (question: Question, [subject, action, resource, context]: readonly JsonObject[]): Question =>
  ({
    subject: { ...question.subject, properties: subject },
    action: { ...question.action, properties: action },
    resource: { ...question.resource, properties: resource },
    context,
  }) as Question;

/** Everything under `directory` that says whose it is. */
const accountsIn = (part: unknown): readonly unknown[] => {
  if (typeof part !== 'object' || part === null) return [];
  if (Array.isArray(part)) return part.flatMap(accountsIn);
  const entity = part as { readonly account?: unknown };
  return 'version' in entity ? [entity.account ?? null] : [];
};

describe('Whatever a question claims', () => {
  it('the directory in the input, and the tags that grant, stay as they are', () => {
    const subjects = fc.constantFrom({ type: 'user', id: 'usr-1' }, { type: 'token', id: 'tok-1' }, { type: 'service', id: 'usr-1' });
    const four = fc.tuple(claims, claims, claims, claims);
    fc.assert(
      fc.property(subjects, four, askers, (subject, claimed, who) => {
        // Which token, and which account, is asked about is the question's to say: they are names, not claims.
        const [about, doing, thing, around] = claimed.map(({ token: _token, account: _account, ...rest }) => rest) as unknown as readonly [
          JsonObject,
          JsonObject,
          JsonObject,
          JsonObject,
        ];
        const plain = built(ask({ subject }), who);
        const claiming = built(withClaims(ask({ subject }), [about, doing, thing, around]), who);
        expect(claiming.input.directory).toEqual(plain.input.directory);
        for (const { input } of [claiming, plain]) expect(JSON.parse(new TextDecoder().decode(inputJson(input)))).toEqual(JSON.parse(JSON.stringify(input)));
        expect(claiming.input.facts.directory_tags).toEqual(plain.input.facts.directory_tags);
        expect(claiming.input.facts.times).toEqual(plain.input.facts.times);
        expect(claiming.entities).toEqual(plain.entities);
      }),
      { numRuns: 500 },
    );
  });

  it('nothing of another account is in the directory of the input, and its tags do not grant', () => {
    const types = fc.constantFrom('user', 'token', 'instance', 'membership', 'account', 'acl', 'iam_policy', 'volume');
    const ids = fc.constantFrom(
      'usr-1',
      'tok-1',
      'tok-2',
      'inst-1',
      'inst-2',
      'acc-1',
      'acc-2',
      'acc-2:usr-1',
      'acc-1:usr-1',
      'acc-2:all',
      'acc-2:ops',
      'vol-3',
      'new',
    );
    const thing = fc.record({ type: types, id: ids });
    const accounts = fc.constantFrom<Json>('acc-1', 'acc-2', 'acc-9', '', 7);
    const more = fc.record({ account: accounts, token: ids }, { requiredKeys: [] });
    fc.assert(
      fc.property(thing, thing, claims, more, askers, (subject, resource, claimed, context, who) => {
        const question = withClaims(ask({ subject, resource }), [claimed, claimed, { ...claimed, ...context }, { ...claimed, ...context } as JsonObject]);
        const found = buildInput({ directory, guard }, question, by(who), clock);
        if (found.kind !== 'built') return;
        const { account, input, entities } = found;
        const seen = Object.values(input.directory).flatMap(accountsIn);
        for (const one of [...seen, ...entities.map((entity) => entity.account ?? null)]) expect([account, null]).toContain(one);
        const known = directory.get(resource.type, resource.id);
        if (known?.account !== account) expect(input.facts.directory_tags).toBeUndefined();
      }),
      { numRuns: 1000 },
    );
  });
});
