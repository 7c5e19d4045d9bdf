import { type Caller, holds, type Permission, reaches } from './types.js';

/** What a credential opens: accounts and permissions. */
export type Grant = { readonly accounts: 'all' | readonly string[]; readonly permissions: readonly Permission[] };

export type GrantAnswer =
  | { readonly ok: true }
  | { readonly ok: false; readonly code: 'caller.account' | 'caller.permission'; readonly message: string; readonly account?: string };

/** Whether the caller reaches every account that the grant names; `all` is only for those who reach all. */
export const reachesAll = (caller: Caller, accounts: Grant['accounts']): boolean =>
  caller.accounts === 'all' || (accounts !== 'all' && accounts.every((account) => reaches(caller, account)));

/** Nobody gives more than they hold: the grant's accounts and permissions must be among the caller's own. */
export const mayGrant = (caller: Caller, grant: Grant): GrantAnswer => {
  if (!reachesAll(caller, grant.accounts)) {
    if (grant.accounts === 'all') return { ok: false, code: 'caller.account', message: 'Only a credential for all accounts can make one for all accounts.' };
    const account = grant.accounts.find((one) => !reaches(caller, one)) as string;
    return { ok: false, code: 'caller.account', account, message: `This credential can't give access to account ${account}: it has none itself.` };
  }
  const missing = grant.permissions.find((permission) => !holds(caller, permission));
  if (missing === undefined) return { ok: true };
  return { ok: false, code: 'caller.permission', message: `This credential can't give the permission ${missing}: it lacks it itself.` };
};
