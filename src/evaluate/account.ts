import type { Json } from '../event/index.js';
import type { Entity } from './directory/types.js';
import type { Question } from './question.js';

/** Which account a question is about, or why that can't be said. */
export type AccountFound =
  | { readonly found: 'one'; readonly account: string }
  | { readonly found: 'none' }
  | { readonly found: 'mismatch'; readonly account: string; readonly claimed: string };

const text = (value: Json | undefined): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);

/**
 * The directory's account for the resource (an account is its own, known or not); else the resource's own claim; else the context's; else the caller's only
 * account; else none. The first three must agree where they are given.
 */
export const accountOf = (question: Question, resource: Entity | undefined, callerAccounts: 'all' | readonly string[]): AccountFound => {
  const known = question.resource.type === 'account' ? question.resource.id : resource?.account;
  const claims = [known, text(question.resource.properties?.['account']), text(question.context?.['account'])].filter((one) => one !== undefined);
  const [first] = claims;
  if (first === undefined)
    return callerAccounts !== 'all' && callerAccounts.length === 1 ? { found: 'one', account: callerAccounts[0] as string } : { found: 'none' };
  const other = claims.find((one) => one !== first);
  return other === undefined ? { found: 'one', account: first } : { found: 'mismatch', account: first, claimed: other };
};
