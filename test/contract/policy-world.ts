import fc from 'fast-check';
import type { Question, WrittenEntity } from '../../src/evaluate/index.js';
import type { CaseCaller } from '../../src/evaluate/tools/index.js';
import type { Json, JsonObject } from '../../src/event/index.js';

/** Random directories and questions that policy-properties.test.ts tries, such that about one question in six is allowed. */

const ACTIONS = ['instance.get', 'instance.start', 'instance.create', 'volume.delete', 'billing.view', 'account.update', 'account.delete', 'token.create'];
const MORE_ACTIONS = ['firewall.add_rule', 'ssh_key.create', 'change.approve', 'audit_log.list', 'two_factor.enable', 'team.invite', 'instance.explode'];
const PEOPLE = ['usr-1', 'usr-2', 'usr-3'];

const one = fc.constantFrom;
const some = <T>(...values: readonly T[]): fc.Arbitrary<T[]> => fc.subarray([...values], { minLength: 1 });
/** Records in which each field is there one time in so many: where everything limits, nothing is ever allowed. */
const sparse = (oneIn: number, shape: Readonly<Record<string, fc.Arbitrary<Json>>>): fc.Arbitrary<JsonObject> =>
  fc
    .record(Object.fromEntries(Object.entries(shape).map(([name, value]) => [name, fc.oneof({ weight: oneIn - 1, arbitrary: one(undefined) }, value)])))
    .map((fields) => JSON.parse(JSON.stringify(fields)) as JsonObject);
const past = one('2026-11-01T00:00:00Z', '2026-11-20T00:00:00Z', '2026-11-22T11:59:59Z');
const future = one('2026-11-22T12:00:01Z', '2026-12-01T00:00:00Z', '2027-01-01T00:00:00Z');
const times = fc.oneof(past, { weight: 3, arbitrary: future });

export const GUARDRAILS = ['firewall.all_ports', 'firewall.database_port', 'firewall.ssh', 'firewall.egress', 'ssh_key', 'residency', 'user_data', 'duties'];
const levels = fc.dictionary(one(...GUARDRAILS), one('off', 'warn', 'deny'), { maxKeys: 4 });
const accountOf = sparse(5, {
  access_models: fc.subarray(['roles', 'acl', 'iam'], { minLength: 2 }),
  require_2fa: fc.record({ since: past }),
  ip_allowlist: one(['203.0.113.0/24'], ['0.0.0.0/0', '::/0']),
  regions: some('lagos-1', 'london-1'),
  guardrails: levels,
});
const ROLES = ['owner', 'admin', 'developer', 'viewer', 'auditor', 'root'];
const POLICIES = ['own', 'CloudNxReadOnlyAccess', 'ComputeFullAccess'];
const member = fc
  .tuple(one('', 'owner', 'owner', ...ROLES), sparse(2, { groups: some('ops', 'blue'), policies: some(...POLICIES), joined: past }), sparse(8, { ends: times }))
  .map(([role, holds, ends]) => ({ ...(role !== '' && { role }), ...holds, ...ends }));
const tokenOf = fc
  .tuple(
    one('usr-1', 'usr-1', 'usr-2'),
    sparse(4, { scope: one('read', 'write', 'admin'), created: past, expires: times, services: some('compute', 'billing') }),
  )
  .map(([owner, more]) => ({ owner, ...more }));
const target = one<JsonObject>({ module: '*' }, { module: 'servers' }, { module: '*', except: ['billing'] }, { resource: 'instance/inst-1' }, { tag: 'blue' });
const entry = fc
  .tuple(sparse(3, { verbs: some('start', 'get'), ends: times }), one('user/usr-1', 'group/ops', 'group/blue'), target, one('read-only', 'read-write'))
  .map(([more, grantee, on, access]) => ({ ...more, grantee, target: on, access }));
const conditions = sparse(4, { ip: fc.constant(['203.0.113.0/24']), mfa: fc.boolean(), tags: fc.constant(['blue']), after: times, before: times });
const statement = fc.record({
  effect: one('allow', 'allow', 'deny'),
  actions: some('*', 'instance.*', '*.get', 'billing.*'),
  resources: some('*', 'instance/*'),
  conditions,
});

export const entity = (type: string, id: string, account: string, properties: JsonObject): WrittenEntity => ({ type, id, account, properties });
/** All that one account holds; ids of its own begin with its name or end with it. */
const accountWorld = (account: string): fc.Arbitrary<readonly WrittenEntity[]> =>
  fc
    .tuple(
      accountOf,
      fc.array(member, { minLength: 3, maxLength: 3 }),
      tokenOf,
      fc.array(entry, { maxLength: 3 }),
      fc.array(statement, { minLength: 1, maxLength: 3 }),
    )
    .map(([settings, members, token, entries, statements]) => [
      entity('account', account, account, settings),
      ...members.map((properties, index) => entity('membership', `${account}:${PEOPLE[index]}`, account, properties)),
      entity('token', `tok-${account}`, account, token),
      ...entries.map((properties, index) => entity('acl', `${account}:${index}`, account, properties)),
      entity('iam_policy', `${account}:own`, account, { document: { version: '2026-11-01', statements: statements as unknown as Json } }),
      entity('instance', account === 'acc-1' ? 'inst-1' : 'inst-2', account, { tags: ['blue'], region: 'lagos-1' }),
      entity('change', `chg-${account}`, account, { requested_by: 'usr-1' }),
    ]);
const people = fc
  .array(sparse(2, { two_factor: fc.record({ methods: some('totp', 'sms') }) }), { minLength: 3, maxLength: 3 })
  .map((all) => all.map((properties, index): WrittenEntity => ({ type: 'user', id: PEOPLE[index] as string, properties })));
/** Two accounts, `acc-1` and `acc-2`, that hold things of the same names, and three people who may be members of both. */
export const worlds = fc.tuple(accountWorld('acc-1'), accountWorld('acc-2'), people).map((parts) => parts.flat());

const claims = sparse(5, {
  role: one('owner', 'root'),
  groups: some('ops', 'blue'),
  policies: some(...POLICIES),
  tags: some('blue', 'red'),
  region: one('lagos-1', 'frankfurt-1'),
  requested_by: one(...PEOPLE),
  two_factor: fc.constant({ methods: ['totp'] }),
  access_models: some('roles', 'acl', 'iam'),
  rules: one([{ direction: 'inbound', port: 22, source: '0.0.0.0/0' }], [{ direction: 'outbound', destination: '0.0.0.0/0' }]),
  membership: fc.constant({ properties: { role: 'owner' } }),
  directory: fc.constant({ membership: { properties: { role: 'owner' } } }),
  user_data: one('true', 'true', 'true', `export AWS_ACCESS_KEY_ID=${'AKIA'}IOSFODNN7EXAMPLE`),
});
/** Where a question may say which account it is about. */
const placed = sparse(12, { account: one('acc-1', 'acc-2', 'acc-9') });
const asserted = sparse(3, {
  ip: one('203.0.113.7', '203.0.113.7', '198.51.100.7'),
  mfa: one<Json>(true, false, 'sms', 'totp'),
  break_glass: fc.constant({ ticket: 'INC-1' }),
});
const shown = sparse(5, { token: one('tok-acc-1', 'tok-acc-1', 'tok-acc-1', 'tok-acc-2', 'tok-none') });
const thing = (type: string, ...ids: readonly string[]): fc.Arbitrary<{ readonly type: string; readonly id: string }> =>
  one(...ids).map((id) => ({ type, id }));
const subjects = fc.oneof(
  { weight: 8, arbitrary: thing('user', 'usr-1', ...PEOPLE) },
  { weight: 2, arbitrary: thing('token', 'tok-acc-1', 'tok-acc-1', 'tok-acc-2') },
  thing('service', 'usr-1'),
);
const resources = fc.oneof(
  { weight: 3, arbitrary: thing('account', 'acc-1', 'acc-1', 'acc-2') },
  { weight: 3, arbitrary: thing('instance', 'inst-1', 'inst-1', 'inst-1', 'inst-1', 'inst-2', 'inst-new') },
  thing('change', 'chg-acc-1', 'chg-acc-1', 'chg-acc-2'),
);
/** Questions about them, with claims in every place that a question has. */
export const questions: fc.Arbitrary<Question> = fc
  .tuple(
    subjects,
    one(...ACTIONS, ...ACTIONS, ...MORE_ACTIONS),
    resources,
    fc.tuple(claims, claims, fc.tuple(claims, placed), fc.tuple(claims, placed, asserted, shown)),
  )
  .map(([subject, name, resource, [about, doing, on, around]]) => ({
    subject: { ...subject, properties: about },
    action: { name, properties: doing },
    resource: { ...resource, properties: Object.assign({}, ...on) as JsonObject },
    context: Object.assign({}, ...around) as JsonObject,
  }));
/** The platform's own credential, one that may assert nothing, and one of the two accounts. */
export const callers = one<CaseCaller>(
  {},
  { permissions: ['decision.evaluate'] },
  { accounts: ['acc-1', 'acc-2'], permissions: ['decision.evaluate', 'decision.assert'] },
);
