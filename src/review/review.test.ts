import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Entity } from '../evaluate/directory/types.js';
import type { JsonObject } from '../event/index.js';
import type { LastUseRow } from '../store/index.js';
import { reviewCsv } from './csv.js';
import { reviewOf } from './review.js';
import { type AccountEntities, FINDING_CODES, type Grant, type Review } from './types.js';

const NOW = Date.parse('2026-11-22T12:00:00.000Z');
const DAY = 86_400_000;
const ago = (days: number): string => new Date(NOW - days * DAY).toISOString();

const entity = (type: string, id: string, properties: JsonObject, updated = ago(10)): Entity => ({
  type,
  id,
  account: 'acc-1',
  properties,
  version: 1,
  updated,
});
const member = (id: string, properties: JsonObject): Entity => entity('membership', `acc-1:${id}`, properties);
const user = (id: string, methods: readonly string[], more: JsonObject = {}): Entity => ({
  ...entity('user', id, { email: `${id}@acme.example`, two_factor: { methods: [...methods] }, ...more }),
});
const token = (id: string, properties: JsonObject): Entity => entity('token', id, { owner: 'usr-1', created: ago(5), ...properties });
const acl = (name: string, properties: JsonObject): Entity =>
  entity('acl', `acc-1:${name}`, { target: { module: 'servers' }, access: 'read-only', ...properties });
const key = (id: string, more: JsonObject = {}): Entity =>
  entity('verdict.key', id, {
    name: 'ci',
    hash: 'a'.repeat(64),
    accounts: ['acc-1'],
    permissions: ['decision.evaluate'],
    created: ago(5),
    created_by: 'admin',
    ...more,
  });

const MODELS = { access_models: ['roles', 'acl', 'iam'] };
const reviewed = (entities: Partial<AccountEntities>, rows: readonly LastUseRow[] = [], models: JsonObject = MODELS): Review => {
  const whole: AccountEntities = {
    account: 'acc-1',
    entity: entity('account', 'acc-1', models),
    memberships: [],
    users: [],
    tokens: [],
    acl: [],
    policies: [],
    keys: [],
    withheld: 0,
    ...entities,
  };
  return reviewOf(whole, { from: NOW - 90 * DAY, rows }, NOW);
};

const codesOf = ({ findings }: Grant): readonly string[] => findings.map(({ code }) => code);
/** Everything but `never_used`, which a grant without a use has. */
const others = (grant: Grant): readonly string[] => codesOf(grant).filter((code) => code !== 'never_used');
const one = (review: Review): Grant => {
  expect(review.grants).toHaveLength(1);
  return review.grants[0] as Grant;
};
const used = (grant: string, who: string, days: number): LastUseRow => ({ grant, who, last_used: NOW - days * DAY });
const USR_1 = 'membership/acc-1:usr-1';
const strong = { memberships: [member('usr-1', { role: 'owner' })], users: [user('usr-1', ['totp'])] };

describe('a role', () => {
  it('is held by its member, since they joined, and was last used as the store says', () => {
    const memberships = [member('usr-1', { role: 'admin', joined: ago(40) })];
    expect(one(reviewed({ ...strong, memberships }, [used(USR_1, USR_1, 3), used(USR_1, USR_1, 8)]))).toEqual({
      holder: 'user/usr-1',
      name: 'usr-1@acme.example',
      kind: 'role',
      what: 'admin',
      via: USR_1,
      since: ago(40),
      ends: null,
      last_used: ago(3),
      findings: [],
    });
  });

  it('that was not used says since when', () => {
    const grant = one(reviewed(strong));
    expect(grant).toMatchObject({ last_used: null, since: ago(10) });
    expect(grant.findings).toEqual([{ code: 'never_used', message: `No allowed decision has rested on it since ${ago(90)}.` }]);
  });

  it.each<readonly [readonly string[] | undefined, readonly string[]]>([
    [['totp'], []],
    [['hardware_key'], []],
    [['sms', 'totp'], []],
    [['sms'], ['mfa.missing']],
    [[], ['mfa.missing']],
    [undefined, ['mfa.missing']],
  ])('of somebody with the second factors %j brings %j', (methods, expected) => {
    const users = methods ? [user('usr-1', methods)] : [];
    expect(others(one(reviewed({ ...strong, users })))).toEqual(expected);
  });

  it('of a service asks for no second factor, and is not a user’s', () => {
    const memberships = [member('usr-1', { role: 'viewer', subject_type: 'service' })];
    expect(one(reviewed({ memberships, users: [user('usr-1', [])] }))).toMatchObject({
      holder: 'service/usr-1',
      name: null,
      findings: [{ code: 'never_used' }],
    });
  });

  it.each([
    ['a second before', -1000, []],
    ['at', 0, ['membership.ended']],
    ['a second after', 1000, ['membership.ended']],
  ])('is over %s the membership’s end as the policy has it', (_when, late, expected) => {
    const ends = new Date(NOW - late).toISOString();
    const grant = one(reviewed({ ...strong, memberships: [member('usr-1', { role: 'owner', ends })] }));
    expect(grant.ends).toBe(ends);
    expect(others(grant)).toEqual(expected);
  });

  it('with an end that is no time counts as over', () => {
    const grant = one(reviewed({ ...strong, memberships: [member('usr-1', { role: 'owner', ends: 'soon' })] }));
    expect(grant).toMatchObject({ ends: null, findings: [{ code: 'membership.ended', message: expect.stringContaining('no time') }, {}] });
  });

  it('of a third-party auditor takes an end', () => {
    const auditor = (more: JsonObject): Grant => one(reviewed({ ...strong, memberships: [member('usr-1', { role: 'auditor', ...more })] }));
    expect(auditor({ ends: ago(-30) })).toMatchObject({ kind: 'auditor', ends: ago(-30) });
    expect(others(auditor({ ends: ago(-30) }))).toEqual([]);
    expect(others(auditor({}))).toEqual(['auditor.no_end']);
    expect(others(auditor({ ends: ago(1) }))).toEqual(['membership.ended']);
  });

  it('grants nothing where the account uses no roles; an auditor’s and root’s do', () => {
    const of = (role: string): readonly string[] =>
      others(one(reviewed({ ...strong, memberships: [member('usr-1', { role, ends: ago(-1) })] }, [], { access_models: ['acl'] })));
    expect([of('owner'), of('auditor'), of('root')]).toEqual([['grant.off'], [], []]);
    expect(others(one(reviewed(strong, [], {})))).toEqual([]);
  });

  it('may be missing: then the member is shown as one', () => {
    const grant = one(reviewed({ ...strong, memberships: [member('usr-1', {})] }, [used('acl/acc-1:gone', USR_1, 4)]));
    expect(grant).toMatchObject({ kind: 'membership', what: 'member without a role', last_used: ago(4), findings: [] });
  });
});

describe('an ACL entry', () => {
  const team = {
    memberships: [member('usr-1', { role: 'viewer', groups: ['ops'] }), member('usr-2', { role: 'viewer', groups: ['ops', 'web'] })],
    users: [user('usr-1', ['totp']), user('usr-2', ['totp'])],
  };
  const entries = (list: readonly Entity[], rows: readonly LastUseRow[] = [], models = MODELS): readonly Grant[] =>
    reviewed({ ...team, acl: list }, rows, models).grants.filter(({ kind }) => kind === 'acl');

  it('of a group is held by each of its members, each with their own last use', () => {
    const rows = [used('acl/acc-1:fw', 'membership/acc-1:usr-2', 7)];
    expect(entries([acl('fw', { grantee: 'group/ops' })], rows)).toMatchObject([
      { holder: 'user/usr-1', via: 'acl/acc-1:fw (group/ops)', last_used: null, findings: [{ code: 'never_used' }] },
      { holder: 'user/usr-2', via: 'acl/acc-1:fw (group/ops)', last_used: ago(7), findings: [] },
    ]);
  });

  it.each<readonly [string, JsonObject]>([
    ['read-only on the module servers', {}],
    ['read-write on every module but billing', { target: { module: '*', except: ['billing'] }, access: 'read-write' }],
    ['read-write on instance/inst-1, writing only start, stop', { target: { resource: 'instance/inst-1' }, access: 'read-write', verbs: ['start', 'stop'] }],
    ['read-only on what carries the tag team-blue', { target: { tag: 'team-blue' }, verbs: ['start'] }],
  ])('says what it allows: %s', (what, properties) => {
    expect(entries([acl('a', { grantee: 'user/usr-1', ...properties })])[0]).toMatchObject({ what, findings: [{ code: 'never_used' }] });
  });

  it.each<readonly [string, string | undefined, string | null]>([
    ['somebody who is no member', 'user/usr-9', 'user/usr-9'],
    ['a group that nobody is in', 'group/none', null],
    ['nobody', undefined, null],
    ['a service that has only a member’s id', 'service/usr-1', 'service/usr-1'],
  ])('for %s dangles', (_whom, grantee, holder) => {
    const [grant] = entries([acl('a', grantee === undefined ? {} : { grantee })]);
    expect(grant).toMatchObject({ holder, name: null });
    expect(others(grant as Grant)).toEqual(['grant.dangling']);
  });

  it('that dangles still shows its last use', () => {
    expect(entries([acl('a', { grantee: 'user/usr-9' })], [used('acl/acc-1:a', 'user/usr-9', 2)])[0]).toMatchObject({ last_used: ago(2) });
  });

  it('is told where it is over, can’t be read or does not count', () => {
    const only = (properties: JsonObject, models = MODELS) => others(entries([acl('a', { grantee: 'user/usr-1', ...properties })], [], models)[0] as Grant);
    expect(only({ ends: ago(1) })).toEqual(['grant.ended']);
    expect(only({ ends: ago(-1) })).toEqual([]);
    expect(only({ ends: '2026' })).toEqual(['grant.ended']);
    for (const target of ['servers', null, [], {}, { modul: 'servers' }]) expect(only({ target })).toEqual(['grant.unreadable']);
    expect(only({}, { access_models: ['roles'] })).toEqual(['grant.off']);
  });

  it('of a member who has left says so', () => {
    const memberships = [member('usr-1', { role: 'viewer', ends: ago(1) })];
    const [, grant] = reviewed({ ...team, memberships, acl: [acl('a', { grantee: 'user/usr-1' })] }).grants;
    expect(others(grant as Grant)).toEqual(['membership.ended']);
  });
});

describe('an IAM document', () => {
  const statements = [
    { effect: 'allow', actions: ['instance.*'], resources: ['*'] },
    { effect: 'deny', actions: ['instance.delete'], resources: ['instance/db-*'], conditions: { mfa: true } },
  ];
  const own = entity('iam_policy', 'acc-1:deployers', { document: { version: '2026-11-01', statements } });
  const documents = (policies: readonly string[], rows: readonly LastUseRow[] = [], models = MODELS): readonly Grant[] =>
    reviewed({ ...strong, memberships: [member('usr-1', { policies: [...policies] })], policies: [own] }, rows, models).grants.filter(
      ({ kind }) => kind === 'iam',
    );

  it('is held by whom it is attached to, its statements in words', () => {
    expect(documents(['deployers'], [used('iam_policy/acc-1:deployers', USR_1, 1)])).toMatchObject([
      {
        holder: 'user/usr-1',
        what: 'deployers: allow instance.* on *; deny instance.delete on instance/db-* (conditions)',
        via: 'iam_policy/acc-1:deployers',
        last_used: ago(1),
        findings: [],
      },
    ]);
  });

  it('that ships is no entity, and no less held; one that is neither dangles', () => {
    const [shipped, unknown] = documents(['CloudNxReadOnlyAccess', 'deployers', 'elsewhere'])
      .filter(({ via }) => !via.endsWith('deployers'))
      .map((grant) => [grant.what, ...others(grant)]);
    expect(shipped).toEqual(['CloudNxReadOnlyAccess']);
    expect(unknown).toEqual(['elsewhere', 'grant.dangling']);
  });

  it('on no membership dangles; where the account uses none, it does not count', () => {
    expect(documents([]).map((grant) => [grant.holder, ...others(grant)])).toEqual([[null, 'grant.dangling']]);
    expect(documents(['deployers'], [], { access_models: ['roles'] }).map(others)).toEqual([['grant.off']]);
  });

  it('that can’t be read, or is long, is still one cell', () => {
    const long = entity('iam_policy', 'acc-1:deployers', {
      document: { statements: [7, { effect: 'allow', actions: Array.from({ length: 99 }, (_, n) => `instance.list${n}`), resources: ['*'] }] },
    });
    const memberships = [member('usr-1', { policies: ['deployers', 7] })];
    const what = reviewed({ ...strong, memberships, policies: [long] }).grants.find(({ kind }) => kind === 'iam')?.what ?? '';
    expect(what).toMatch(/^deployers: unreadable; allow instance\.list0, .* …$/);
    expect(what.length).toBeLessThan(170);
  });
});

describe('a token', () => {
  const of = (properties: JsonObject, rows: readonly LastUseRow[] = []): Grant =>
    reviewed({ ...strong, tokens: [token('tok-1', properties)] }, rows).grants.find(({ kind }) => kind === 'token') as Grant;

  it('is its owner’s, with scope and services, used by whomever it was used', () => {
    expect(of({ scope: 'admin', services: ['compute', 'billing'], expires: ago(-7) }, [used('token/tok-1', 'user/x', 6)])).toEqual({
      holder: 'user/usr-1',
      name: 'usr-1@acme.example',
      kind: 'token',
      what: 'scope admin, services compute, billing',
      via: 'token/tok-1',
      since: ago(5),
      ends: ago(-7),
      last_used: ago(6),
      findings: [],
    });
    expect(of({}).what).toBe('scope write, all services');
  });

  it.each<readonly [string, JsonObject, readonly string[]]>([
    ['made 90 days ago', { created: ago(90) }, []],
    ['made 90 days and a second ago', { created: new Date(NOW - 90 * DAY - 1000).toISOString() }, ['token.rotate']],
    ['revoked', { revoked: true, created: ago(200) }, ['token.revoked']],
    ['not revoked', { revoked: false }, []],
    ['that expires in a second', { expires: new Date(NOW + 1000).toISOString() }, []],
    ['that expires now', { expires: new Date(NOW).toISOString() }, ['token.expired']],
    ['revoked and expired', { revoked: true, expires: ago(1) }, ['token.revoked', 'token.expired']],
    ['whose times can’t be read', { expires: '7d', created: 'x' }, ['token.invalid']],
    ['of somebody who is no member', { owner: 'usr-9' }, ['grant.dangling']],
    ['of nobody', { owner: '' }, ['token.owner']],
  ])('%s brings what is to be done', (_what, properties, expected) => {
    expect(others(of(properties))).toEqual(expected);
  });

  it('without a note of when it was made is as old as its last change', () => {
    const old = { ...token('tok-1', {}), properties: { owner: 'usr-1' }, updated: ago(91) };
    expect(others(reviewed({ ...strong, tokens: [old] }).grants[1] as Grant)).toEqual(['token.rotate']);
  });
});

describe('an API key of Verdict', () => {
  it('is shown with its permissions, without its hash', () => {
    const grant = one(reviewed({ keys: [key('01JD')] }, [used('verdict.key/01JD', '', 2)]));
    expect(grant).toMatchObject({
      holder: 'key:01JD',
      name: 'ci',
      kind: 'key',
      what: 'decision.evaluate',
      via: 'verdict.key/01JD',
      last_used: ago(2),
      findings: [],
    });
    expect(JSON.stringify(grant)).not.toContain('aaaa');
  });

  it.each<readonly [JsonObject, readonly string[]]>([
    [{ created: ago(91) }, ['key.rotate']],
    [{ created: ago(91), revoked: ago(1) }, ['key.revoked']],
    [{ expires: ago(1) }, ['key.expired']],
    [{ expires: ago(-1) }, []],
  ])('with %j brings %j', (more, expected) => {
    expect(others(one(reviewed({ keys: [key('01JD', more)] })))).toEqual(expected);
  });

  it('that reaches further than the reviewer is counted, and not named', () => {
    expect(one(reviewed({ withheld: 2 }))).toMatchObject({
      holder: null,
      name: null,
      what: '2 API keys of the platform',
      findings: [{ code: 'key.withheld' }],
    });
  });
});

describe('a review', () => {
  it('goes by holder, keys and what nobody holds last', () => {
    const memberships = [member('usr-2', { role: 'viewer' }), member('usr-1', { role: 'owner', groups: ['ops'], policies: ['ReadOnlyAccess'] })];
    const parts = {
      memberships,
      acl: [acl('b', { grantee: 'group/none' }), acl('a', { grantee: 'group/ops' })],
      tokens: [token('tok-1', {})],
      keys: [key('01JD')],
    };
    expect(reviewed(parts).grants.map(({ holder, kind }) => `${holder} ${kind}`)).toEqual([
      'user/usr-1 role',
      'user/usr-1 acl',
      'user/usr-1 iam',
      'user/usr-1 token',
      'user/usr-2 role',
      'key:01JD key',
      'null acl',
    ]);
  });

  it('of properties of any form is a review, and its findings are known ones', () => {
    const anything = fc.object({
      key: fc.constantFrom('role', 'ends', 'groups', 'policies', 'grantee', 'target', 'document', 'owner', 'created', 'two_factor', 'services', 'joined'),
    });
    fc.assert(
      fc.property(anything, (found) => {
        const properties = found as JsonObject;
        const review = reviewed({
          memberships: [member('usr-1', properties)],
          users: [{ ...user('usr-1', []), properties }],
          tokens: [{ ...token('tok-1', {}), properties }],
          acl: [{ ...acl('a', {}), properties }],
          policies: [entity('iam_policy', 'acc-1:own', properties)],
          keys: [{ ...key('01JD'), properties }],
        });
        expect(review.grants.length).toBeGreaterThanOrEqual(4);
        for (const grant of review.grants) for (const code of codesOf(grant)) expect(FINDING_CODES).toContain(code);
        expect(reviewCsv(review).split('\r\n').length).toBeGreaterThan(4);
      }),
    );
  });

  it('as CSV has a row for each grant, and no formulas', () => {
    const users = [user('usr-1', ['totp'], { email: '=cmd|calc' })];
    const review = reviewed({ ...strong, users, memberships: [member('usr-1', { role: '@SUM(A1),"x"' })] });
    expect(reviewCsv(review)).toBe(
      'account,reviewed,used_since,holder,name,kind,what,via,since,ends,last_used,findings,explanations\r\n' +
        `acc-1,2026-11-22T12:00:00.000Z,${ago(90)},user/usr-1,'=cmd|calc,role,"'@SUM(A1),""x""",membership/acc-1:usr-1,${ago(10)},,,` +
        `never_used,No allowed decision has rested on it since ${ago(90)}.\r\n`,
    );
  });
});
