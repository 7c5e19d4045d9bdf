import type { Entity } from '../evaluate/directory/types.js';
import type { Json } from '../event/index.js';
import { type Member, texts } from './members.js';
import { finding, grantOf, offFindings, type Situation } from './situation.js';
import type { Finding, Grant } from './types.js';

/** The documents that ship with the policy, which are no entities; a platform may put its own prefix before the name. */
const SHIPPED = ['ReadOnlyAccess', 'StorageFullAccess', 'ComputeFullAccess', 'BillingAccess', 'SecurityAudit'] as const;
const MOST = 160;

export const isShipped = (name: string): boolean => SHIPPED.some((shipped) => name.endsWith(shipped));

const statementOf = (statement: Json): string | undefined => {
  if (typeof statement !== 'object' || statement === null || Array.isArray(statement)) return undefined;
  const { effect, actions, resources, conditions } = statement as { readonly [name: string]: Json };
  if (effect !== 'allow' && effect !== 'deny') return undefined;
  return `${effect} ${texts(actions).join(', ')} on ${texts(resources).join(', ')}${conditions === undefined ? '' : ' (conditions)'}`;
};

/** `Deployers: allow instance.* on *; deny instance.delete on *`, cut where it is long. */
const whatOf = (name: string, entity: Entity | undefined): string => {
  const document = entity?.properties['document'];
  const statements = typeof document === 'object' && document !== null && 'statements' in document ? document['statements'] : undefined;
  const said = Array.isArray(statements) ? statements.map((one: Json) => statementOf(one) ?? 'unreadable').join('; ') : '';
  const whole = said === '' ? name : `${name}: ${said}`;
  return whole.length > MOST ? `${whole.slice(0, MOST)} …` : whole;
};

const documentFindings = (name: string, entity: Entity | undefined): readonly Finding[] =>
  entity || isShipped(name) ? [] : [finding('grant.dangling', `There is no IAM document ${name}; take the name off the membership.`)];

const attached = (situation: Situation, member: Member, name: string, entity: Entity | undefined): Grant =>
  grantOf(situation, {
    holder: member.holder,
    kind: 'iam',
    what: whatOf(name, entity),
    via: `iam_policy/${situation.account}:${name}`,
    since: Date.parse(member.membership.updated),
    last_used: situation.lastUse(`iam_policy/${situation.account}:${name}`, member.key),
    findings: [...documentFindings(name, entity), ...offFindings(situation, 'iam', 'document')],
  });

const unattached = (situation: Situation, name: string, entity: Entity): Grant =>
  grantOf(situation, {
    holder: null,
    kind: 'iam',
    what: whatOf(name, entity),
    via: `iam_policy/${entity.id}`,
    since: Date.parse(entity.updated),
    last_used: situation.lastUse(`iam_policy/${entity.id}`),
    findings: [finding('grant.dangling', 'It is attached to no member. Delete the document, or attach it.'), ...offFindings(situation, 'iam', 'document')],
  });

/** One row for each document on each membership, and one for each document that is on none. */
export const iamGrants = (situation: Situation, policies: readonly Entity[]): readonly Grant[] => {
  const own = new Map(policies.map((entity) => [entity.id.slice(situation.account.length + 1), entity]));
  const members = [...situation.members.values()];
  const used = new Set(members.flatMap(({ documents }) => documents));
  return [
    ...members.flatMap((member) => member.documents.map((name) => attached(situation, member, name, own.get(name)))),
    ...[...own].filter(([name]) => !used.has(name)).map(([name, entity]) => unattached(situation, name, entity)),
  ];
};
