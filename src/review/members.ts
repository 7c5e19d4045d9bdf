import type { Entity } from '../evaluate/directory/types.js';
import type { Json } from '../event/index.js';
import { timeOf } from './times.js';
import type { AccountEntities } from './types.js';

/** One who belongs to the account. */
export type Member = {
  /** `user/usr-2`. */
  readonly holder: string;
  readonly name: string | null;
  readonly membership: Entity;
  /** `membership/<account>:<id>`: what decisions name. */
  readonly key: string;
  readonly user: Entity | undefined;
  readonly groups: readonly string[];
  /** Names of IAM documents. */
  readonly documents: readonly string[];
  readonly ends: number | null | undefined;
};

export const text = (value: Json | undefined): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);

export const texts = (value: Json | undefined): readonly string[] =>
  Array.isArray(value) ? [...new Set(value.filter((one): one is string => typeof one === 'string'))] : [];

/** The holder of a membership: its id is `<account>:<id>`, its type what `subject_type` says. */
export const holderOf = ({ id, account = '', properties }: Entity): { readonly type: string; readonly id: string } => ({
  type: text(properties['subject_type']) ?? 'user',
  id: id.slice(account.length + 1),
});

/** The account's members by holder. */
export const membersOf = ({ memberships, users }: Pick<AccountEntities, 'memberships' | 'users'>): ReadonlyMap<string, Member> => {
  const people = new Map(users.map((user) => [user.id, user]));
  const member = (membership: Entity): Member => {
    const { type, id } = holderOf(membership);
    const user = type === 'user' ? people.get(id) : undefined;
    return {
      holder: `${type}/${id}`,
      name: text(user?.properties['email']) ?? text(user?.properties['name']) ?? null,
      membership,
      key: `membership/${membership.id}`,
      user,
      groups: texts(membership.properties['groups']),
      documents: texts(membership.properties['policies']),
      ends: timeOf(membership.properties['ends']),
    };
  };
  return new Map(memberships.map(member).map((one) => [one.holder, one]));
};
