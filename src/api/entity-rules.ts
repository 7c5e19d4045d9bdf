import type { Caller, Guard } from '../caller/types.js';
import type { Entity, EntityChange } from '../evaluate/directory/types.js';

/** The account an entity would belong to, or why it can't be written so. */
export type Placed =
  | { readonly ok: true; readonly account: string | undefined }
  | { readonly ok: false; readonly status: 400 | 403 | 409; readonly code: string; readonly detail: string; readonly account?: string };

/** Types of entities that Verdict keeps for itself. */
export const isReservedType = (type: string): boolean => type === 'verdict' || type.startsWith('verdict.');

/** Whether the caller may see an entity at all: what belongs to no account is for those who reach every one. */
export const maySee = (caller: Caller, entity: Entity): boolean =>
  caller.accounts === 'all' || (entity.account !== undefined && caller.accounts.includes(entity.account));

const refuse = (status: 400 | 403 | 409, code: string, detail: string, account?: string): Placed => ({
  ok: false,
  status,
  code,
  detail,
  ...(account !== undefined && { account }),
});

/**
 * Finds the account of an entity to be written. An account belongs to itself, a membership (`<account>:<user>`) to its
 * account; everything else to the account that is named, else where it is, else the caller's only one.
 */
export const placeOf = (
  wish: { readonly type: string; readonly id: string; readonly account?: string },
  current: Entity | undefined,
  caller: Caller,
  guard: Guard,
): Placed => {
  if (current && !maySee(caller, current))
    return refuse(409, 'entity.account', `${wish.type}/${wish.id} belongs elsewhere; choose another id.`, current.account);
  const fixed = fixedAccountOf(wish.type, wish.id);
  if (fixed === null)
    return refuse(400, 'entity.id', `The id of ${wish.type}/${wish.id} is not possible: an account's has no colon, a membership's is <account>:<user>.`);
  if (fixed !== undefined && wish.account !== undefined && wish.account !== fixed)
    return refuse(400, 'entity.account', `${wish.type}/${wish.id} belongs to account ${fixed} by its id; it can't be given to ${wish.account}.`);
  const account = wish.account ?? fixed ?? (current ? current.account : onlyAccountOf(caller));
  if (account === undefined && caller.accounts !== 'all')
    return refuse(403, 'entity.account', 'This credential may only write entities of its accounts: name one in "account".');
  const refusal = account === undefined ? undefined : guard(caller, 'entity.write', account);
  if (refusal) return refuse(403, refusal.code, refusal.message, account);
  if (current && current.account !== account)
    return refuse(
      409,
      'entity.account',
      `${wish.type}/${wish.id} belongs to ${current.account ?? 'no account'}; an entity is never moved. Delete it and make another.`,
    );
  return { ok: true, account };
};

const KEEPING = ['tier', 'retention_days'] as const;

/**
 * Why a change may not be made although its account is the caller's: how long an account's events are kept is the
 * platform's to say, or whoever may write entities could have the record of it taken away.
 */
export const keepingFault = (caller: Caller, current: Entity | undefined, change: EntityChange): string | undefined => {
  if (change.type !== 'account' || caller.accounts === 'all') return undefined;
  if (change.op === 'delete') return 'An account is taken away by a credential of all accounts only: how long its events are kept hangs on it.';
  const moved = KEEPING.find((name) => change.properties[name] !== current?.properties[name]);
  return moved && `"${moved}" says how long an account's events are kept; only a credential of all accounts may set it.`;
};

/** What the id itself says about the account; null if such an id can't be. */
const fixedAccountOf = (type: string, id: string): string | undefined | null => {
  if (type === 'account') return id.includes(':') ? null : id;
  if (type !== 'membership') return undefined;
  const colon = id.indexOf(':');
  return colon > 0 && colon < id.length - 1 ? id.slice(0, colon) : null;
};

const onlyAccountOf = (caller: Caller): string | undefined => (caller.accounts !== 'all' && caller.accounts.length === 1 ? caller.accounts[0] : undefined);
