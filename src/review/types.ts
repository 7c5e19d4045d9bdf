import type { Entity } from '../evaluate/directory/types.js';

/** By what somebody may do something. `membership`: a member without a role; `key`: an API key of Verdict's own. */
export type GrantKind = 'role' | 'auditor' | 'membership' | 'acl' | 'iam' | 'token' | 'key';

/** Something that a reviewer should look at: a stable code, and a sentence that says what is wrong and what to do. */
export type Finding = { readonly code: FindingCode; readonly message: string };

export const FINDING_CODES = [
  'never_used',
  'membership.ended',
  'auditor.no_end',
  'mfa.missing',
  'grant.dangling',
  'grant.ended',
  'grant.off',
  'grant.unreadable',
  'token.owner',
  'token.revoked',
  'token.expired',
  'token.invalid',
  'token.rotate',
  'key.revoked',
  'key.expired',
  'key.rotate',
  'key.withheld',
] as const;
export type FindingCode = (typeof FINDING_CODES)[number];

/** One thing that one holder may do by one grant. Times are RFC 3339, UTC. */
export type Grant = {
  /** `user/usr-2`, `service/svc-1`, `key:<id>`; null where nobody holds it. */
  readonly holder: string | null;
  /** The holder's e-mail address or name, where the directory has one. */
  readonly name: string | null;
  readonly kind: GrantKind;
  /** What it allows, in words: `owner`, `read-write on the module servers`, `scope write, services compute`. */
  readonly what: string;
  /** The entity it rests on, and the group where it is held through one: `acl/acc-1:ops (group/ops)`. */
  readonly via: string;
  /** Since when it stands there as it is; null where that isn't known. */
  readonly since: string | null;
  readonly ends: string | null;
  /** The last allowed decision that rested on it; null where there is none in the range. */
  readonly last_used: string | null;
  readonly findings: readonly Finding[];
};

/** One account's access, as it stood at `reviewed`. */
export type Review = {
  readonly account: string;
  readonly reviewed: string;
  /** How far back uses were looked for. */
  readonly used_since: string;
  /** By holder, and what nobody holds at the end. */
  readonly grants: readonly Grant[];
};

/** What the directory has of one account. */
export type AccountEntities = {
  readonly account: string;
  /** The account's own entity, where there is one. */
  readonly entity: Entity | undefined;
  readonly memberships: readonly Entity[];
  /** The people of the memberships. */
  readonly users: readonly Entity[];
  readonly tokens: readonly Entity[];
  readonly acl: readonly Entity[];
  readonly policies: readonly Entity[];
  /** Verdict's own API keys that reach the account and that the reviewer may see. */
  readonly keys: readonly Entity[];
  /** How many more reach it. */
  readonly withheld: number;
};
