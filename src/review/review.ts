import type { LastUses } from '../store/index.js';
import { aclGrants } from './acl.js';
import { iamGrants } from './iam.js';
import { keyGrants } from './keys.js';
import { roleGrants } from './roles.js';
import { situationOf } from './situation.js';
import { tokenGrants } from './tokens.js';
import type { AccountEntities, Grant, GrantKind, Review } from './types.js';

const ORDER: readonly GrantKind[] = ['role', 'auditor', 'membership', 'acl', 'iam', 'token', 'key'];

/** People and services by name, then API keys, then what nobody holds. */
const rank = ({ holder, kind }: Grant): number => (holder === null ? 2 : kind === 'key' ? 1 : 0);

const compare = (left: string, right: string): number => (left < right ? -1 : left > right ? 1 : 0);

const byHolder = (left: Grant, right: Grant): number =>
  rank(left) - rank(right) ||
  compare(left.holder ?? '', right.holder ?? '') ||
  ORDER.indexOf(left.kind) - ORDER.indexOf(right.kind) ||
  compare(left.via, right.via);

/**
 * The quarterly access review of one account: who holds what by which grant, when it was last used, and what is to be
 * looked at. Pure: it asks nobody. `now` is milliseconds since the epoch.
 */
export const reviewOf = (entities: AccountEntities, uses: LastUses, now: number): Review => {
  const situation = situationOf(entities, uses, now);
  const grants = [
    ...roleGrants(situation),
    ...aclGrants(situation, entities.acl),
    ...iamGrants(situation, entities.policies),
    ...tokenGrants(situation, entities.tokens),
    ...keyGrants(situation, entities.keys, entities.withheld),
  ];
  return {
    account: entities.account,
    reviewed: new Date(now).toISOString(),
    used_since: new Date(uses.from).toISOString(),
    grants: grants.sort(byHolder),
  };
};
