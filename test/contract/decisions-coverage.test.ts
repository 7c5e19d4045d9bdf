import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import type { WrittenEntity } from '../../src/evaluate/index.js';
import { type BatchCase, type DecisionCase, readCases } from '../../src/evaluate/tools/index.js';
import { type JsonObject, SECRET_LOOKS } from '../../src/event/index.js';

/** That no promise about access lost its case: what fixtures/decisions asks, held against the promises and the policies' data. */

const root = fileURLToPath(new URL('../..', import.meta.url));
const data = (folder: string): unknown => parse(readFileSync(`${root}/policies/platform/${folder}/data.yaml`, 'utf8'));
const files = await readCases(`${root}/fixtures/decisions`);

type Action = { readonly module: string; readonly permission: string; readonly scope: string };
const { actions } = data('catalogue') as { readonly actions: Readonly<Record<string, Action>> };
const { permissions } = data('roles') as { readonly permissions: Readonly<Record<string, readonly string[]>> };
const guardrails = data('guardrails') as { readonly defaults: object; readonly database_ports: Readonly<Record<string, string>> };
const managed = data('managed') as { readonly policies: object };

type Asked = DecisionCase & { readonly file: string; readonly known: (type: string, id: string) => JsonObject | undefined };
const asked: readonly Asked[] = files.flatMap(({ file, directory, cases }) => {
  const entities = new Map(directory.map(({ type, id, properties }: WrittenEntity) => [`${type}/${id}`, properties]));
  return cases.map((one) => ({ ...one, file: basename(file), known: (type: string, id: string) => entities.get(`${type}/${id}`) }));
});

const codes = ({ answer }: Asked): readonly unknown[] => [...answer.reasons, ...(answer.advice ?? [])].map(({ code }) => code);
const accountOf = ({ event }: Asked): string => String(event?.['account']);
const roleOf = (one: Asked): unknown => one.known('membership', `${accountOf(one)}:${one.question.subject.id}`)?.['role'];
const missing = (wanted: readonly string[], found: readonly string[]): readonly string[] => wanted.filter((one) => !found.includes(one));

/** Platform A's table in product.md, cell by cell. */
const TABLE = `
view_resources         | owner admin developer viewer
create_instances       | owner admin developer
delete_instances       | owner admin developer
manage_ssh_keys        | owner admin developer
configure_firewalls    | owner admin developer
view_billing           | owner admin
manage_payment_methods | owner
invite_team_members    | owner admin
delete_account         | owner`;
const ROLES = ['owner', 'admin', 'developer', 'viewer'];
const byRole = asked.filter((one) => one.file !== 'claims.yaml' && one.answer.reasons.every(({ code }) => code === 'rbac.role'));
const cells = byRole.map((one) => `${actions[one.question.action.name]?.permission}: ${roleOf(one)} ${one.answer.allow ? 'may' : 'may not'}`);

describe('fixtures/decisions holds a case for', () => {
  test.each(TABLE.trim().split('\n'))('each cell of platform A’s table: %s', (row) => {
    const [permission = '', may = ''] = row.split('|').map((part) => part.trim());
    const wanted = ROLES.map((role) => `${permission}: ${role} ${may.split(' ').includes(role) ? 'may' : 'may not'}`);
    expect(missing(wanted, cells)).toEqual([]);
  });

  test('each permission that a role has or lacks beyond the table', () => {
    const all = Object.keys(permissions).flatMap((permission) => ROLES.map((role) => `${permission}: ${role}`));
    const found = cells.map((cell) => cell.replace(/ may.*/, ''));
    expect(missing(all, found)).toEqual([]);
  });

  test('each scope of a token, each kind of action and each role of its owner', () => {
    const found = asked.flatMap((one) => {
      const token = one.known('token', String(one.question.context?.['token']));
      return token ? [`${token['scope'] ?? 'none'} ${actions[one.question.action.name]?.scope} ${roleOf(one)}`] : [];
    });
    const kinds = ['read', 'write', 'admin'];
    const wanted = [...kinds, 'none'].flatMap((scope) => kinds.flatMap((kind) => ROLES.map((role) => `${scope} ${kind} ${role}`)));
    expect(missing(wanted, found)).toEqual([]);
  });

  test('each module of the catalogue, allowed and denied', () => {
    const found = asked.map(({ question, answer }) => `${actions[question.action.name]?.module} ${answer.allow}`);
    const modules = [...new Set(Object.values(actions).map(({ module }) => module))];
    expect(
      missing(
        modules.flatMap((module) => [`${module} true`, `${module} false`]),
        found,
      ),
    ).toEqual([]);
  });

  test.each([
    'accounting sees billing and can’t touch servers or networks',
    'a junior administrator starts and stops servers and creates or deletes nothing',
    'a senior administrator manages everything except billing',
    'operations has firewall policies and networks, not servers',
    'a team has full access to the servers with its tag and to nothing else',
  ])('platform B’s example, on both sides: %s', (words) => {
    const answers = asked.filter(({ name }) => name.startsWith(`${words}: `)).map(({ answer }) => answer.allow);
    expect(new Set(answers)).toEqual(new Set([true, false]));
  });

  test('each managed policy, allowed and denied', () => {
    const wanted = Object.keys(managed.policies).flatMap((name) => [`CloudNx${name} allows`, `CloudNx${name} does not allow`]);
    expect(wanted.filter((words) => !asked.some(({ name }) => name.startsWith(words)))).toEqual([]);
  });

  test('each guardrail at each level', () => {
    const CODES: Readonly<Record<string, string>> = {
      ssh_key: 'ssh_key.rejected',
      residency: 'residency.region',
      user_data: 'user_data.secret',
      duties: 'duties.same_person',
    };
    const found = asked.flatMap((one) => {
      const levels = (one.known('account', accountOf(one))?.['guardrails'] ?? guardrails.defaults) as Readonly<Record<string, string>>;
      return Object.entries(levels).map(([name, level]) => {
        const code = CODES[name] ?? name;
        const isDenied = one.answer.reasons.some((reason) => reason.code === code);
        return `${name} ${level}: ${isDenied ? 'denied' : codes(one).includes(code) ? 'advised' : 'silent'}`;
      });
    });
    const wanted = Object.keys(guardrails.defaults).flatMap((name) => [`${name} off: silent`, `${name} warn: advised`, `${name} deny: denied`]);
    expect(missing(wanted, found)).toEqual([]);
    const never = Object.keys(guardrails.defaults).flatMap((name) => [`${name} off: denied`, `${name} off: advised`, `${name} warn: denied`]);
    expect(found.filter((one) => never.includes(one))).toEqual([]);
  });

  test('each database port, and each kind of secret in user data', () => {
    const said = asked.flatMap(({ answer }) => answer.reasons.map(({ message = '' }) => message)).join('\n');
    expect(Object.entries(guardrails.database_ports).filter(([port, whose]) => !said.includes(`the database port ${port} (${whose})`))).toEqual([]);
    expect(SECRET_LOOKS.filter(({ kind }) => !said.includes(`${kind} in line `))).toEqual([]);
  });

  test('each reason’s code', () => {
    const found = asked.flatMap(codes).map(String);
    expect(missing(CODES, found)).toEqual([]);
  });
});

const CODES = `action.unknown account.unknown account.mismatch caller.account caller.permission
rbac.role rbac.no_membership acl.module acl.resource acl.tag acl.read_only acl.none iam.allow iam.deny iam.none auditor.scope auditor.ended
token.unknown token.owner token.revoked token.expired token.not_yet_valid token.invalid token.scope token.service token.rotate
mfa.overdue mfa.required mfa.sms mfa.missing mfa.enrol ip.not_allowed ip.unknown root.billing_only root.billing root.break_glass
firewall.all_ports firewall.database_port firewall.ssh firewall.egress firewall.unreadable ssh_key.rejected ssh_key.no_passphrase
residency.region user_data.secret duties.same_person`.split(/\s+/);

/** Who asked and what came of it, short enough to tell two cases apart. */
const outcome = ({ question, answer }: Asked): string => `${question.subject.id} ${answer.allow} ${(answer.advice ?? []).map(({ code }) => code)}`;

type Deadline = { readonly what: string; readonly file: string; readonly of: (entity: WrittenEntity) => unknown; readonly days?: number };
const property =
  (type: string, name: string): Deadline['of'] =>
  (entity) =>
    entity.type === type ? entity.properties[name] : undefined;
const condition =
  (name: string): Deadline['of'] =>
  ({ type, properties }) =>
    type === 'iam_policy' ? new RegExp(`"${name}":"([^"]*)"`).exec(JSON.stringify(properties))?.[1] : undefined;
const DEADLINES: readonly Deadline[] = [
  { what: 'a token’s expiry', file: 'token-validity.yaml', of: property('token', 'expires') },
  { what: 'a token’s beginning', file: 'token-validity.yaml', of: property('token', 'not_before') },
  { what: '90 days after a token was made', file: 'token-validity.yaml', of: property('token', 'created'), days: 90 },
  { what: 'an ACL entry’s end', file: 'acl.yaml', of: property('acl', 'ends') },
  { what: 'an auditor’s end', file: 'auditor.yaml', of: property('membership', 'ends') },
  { what: 'a membership’s end', file: 'no-grant.yaml', of: property('membership', 'ends') },
  { what: 'the beginning of an IAM statement', file: 'iam-conditions.yaml', of: condition('after') },
  { what: 'the end of an IAM statement', file: 'iam-conditions.yaml', of: condition('before') },
  { what: '7 days after 2FA was required', file: 'two-factor.yaml', of: ({ properties }) => (properties['require_2fa'] as JsonObject)?.['since'], days: 7 },
];

test.each(DEADLINES)('one second before and one second after $what come out differently', ({ file, of, days = 0 }) => {
  const directory = files.find((one) => basename(one.file) === file)?.directory ?? [];
  const moments = [...new Set(directory.map((entity) => Date.parse(String(of(entity))) + days * 86_400_000))].filter((moment) => !Number.isNaN(moment));
  const at = (moment: number): readonly string[] => asked.filter((one) => one.file === file && Date.parse(String(one.now)) === moment).map(outcome);
  const told = moments.filter((moment) => {
    const [before, after] = [at(moment - 1000), at(moment + 1000)];
    return before.length > 0 && after.some((one) => !before.includes(one));
  });
  expect(told).not.toEqual([]);
});

describe.each(files.map((one) => [basename(one.file), one] as const))('%s', (_name, { file, cases, batches = [] }) => {
  test('says on top which promise it keeps', () => {
    expect(readFileSync(file, 'utf8').split('\n\n')[0]).toMatch(/^# .*\bplatforms? [A-E]\b/is);
  });

  test('says of each decision what is recorded', () => {
    const isRefused = ({ answer }: DecisionCase): boolean => answer.reasons.some(({ code }) => code.startsWith('caller.'));
    expect(cases.filter((one) => !one.event && !isRefused(one)).map(({ name }) => name)).toEqual([]);
    expect(batches.filter(({ events }: BatchCase) => !events).map(({ name }) => name)).toEqual([]);
  });
});
