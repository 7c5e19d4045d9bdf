import type { Caller } from '../caller/types.js';
import type { Directory } from './directory/types.js';
import { isVerdictsOwn, type placeOf } from './input.js';
import type { Search } from './search.js';
import { actionNames, entitiesOf, membersOf, namesFrom, type Stretch } from './search-candidates.js';

/** Where a search looks: all in which a question could be allowed, and nothing of which the caller may not know. */
export type Scope = {
  /** The one account that it is about, which its event belongs to. */
  readonly account: string | undefined;
  readonly stretches: (directory: Directory, actions: readonly string[]) => readonly Stretch[];
};

const NOWHERE: Scope['stretches'] = () => [];

/** Everybody or everything of a type that a question about this account may rest on; with no account, what belongs to none. */
const known = (directory: Directory, type: string, account: string | undefined, knowsAll: boolean): Stretch => ({
  name: account ?? '',
  sources: [
    ...(account === undefined ? [] : [entitiesOf(directory, type, account), membersOf(directory, type, account)]),
    ...(knowsAll ? [entitiesOf(directory, type, '')] : []),
  ],
});

/** The platform's actions, and the account's own: names alone, and those of no account are everybody's. */
const actionsOf = (directory: Directory, actions: readonly string[], account: string | undefined): Stretch => ({
  name: account ?? '',
  sources: [namesFrom(actions), entitiesOf(directory, 'action', ''), ...(account === undefined ? [] : [entitiesOf(directory, 'action', account)])].map(
    actionNames,
  ),
});

/** Resources whose account nobody named: each is asked about in its own, in all that the caller reaches. */
const everywhere = (directory: Directory, type: string, accounts: Caller['accounts']): readonly Stretch[] =>
  accounts === 'all'
    ? [{ name: '', sources: [entitiesOf(directory, type)] }]
    : [...new Set(accounts)].map((account) => ({ name: account, sources: [entitiesOf(directory, type, account)] }));

/** The scope of a search whose question is about what {@link placeOf} says. */
export const scopeOf = ({ kind, question }: Search, { found, account }: ReturnType<typeof placeOf>, { accounts }: Caller): Scope => {
  const type = kind === 'action' ? 'action' : question[kind].type;
  // Two accounts that don't agree are a deny for each candidate.
  if (found.found === 'mismatch' || isVerdictsOwn(type)) return { account, stretches: NOWHERE };
  const knowsAll = accounts === 'all';
  if (kind === 'action') return { account, stretches: (directory, actions) => [actionsOf(directory, actions, account)] };
  if (kind === 'resource' && account === undefined) return { account, stretches: (directory) => everywhere(directory, type, accounts) };
  return { account, stretches: (directory) => [known(directory, type, account, knowsAll)] };
};
