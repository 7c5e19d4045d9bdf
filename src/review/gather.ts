import { setImmediate as turn } from 'node:timers/promises';
import { type Caller, KEY_TYPE, reachesAll, readKey } from '../caller/index.js';
import type { Directory, Entity } from '../evaluate/directory/types.js';
import { isShipped } from './iam.js';
import { holderOf, text, texts } from './members.js';
import type { AccountEntities } from './types.js';

const PAGE = 200;

type Reads = Pick<Directory, 'get' | 'list'>;

/** All entities of a type, of one account or of any. Between the pages other work of this process gets its turn. */
async function* entitiesOf(directory: Reads, type: string, account?: string): AsyncGenerator<Entity, void, void> {
  for (let after: string | undefined; ; ) {
    const page = directory.list(type, { limit: PAGE, ...(account !== undefined && { account }), ...(after !== undefined && { after }) });
    yield* page;
    if (page.length < PAGE) return;
    after = page.at(-1)?.id;
    await turn();
  }
}

const all = async (directory: Reads, type: string, account: string): Promise<readonly Entity[]> => {
  const found: Entity[] = [];
  for await (const entity of entitiesOf(directory, type, account)) found.push(entity);
  return found;
};

/** The person of a membership, as far as the account may know of it: its own, or one of no account. */
const userOf = (directory: Reads, membership: Entity): Entity | undefined => {
  const { type, id } = holderOf(membership);
  const user = type === 'user' ? directory.get('user', id) : undefined;
  return user?.account === undefined || user.account === membership.account ? user : undefined;
};

const membersIn = async (directory: Reads, account: string): Promise<Pick<AccountEntities, 'memberships' | 'users'>> => {
  const memberships: Entity[] = [];
  const users: Entity[] = [];
  for await (const membership of entitiesOf(directory, 'membership', account)) {
    memberships.push(membership);
    const user = userOf(directory, membership);
    if (user) users.push(user);
  }
  return { memberships, users };
};

const keysFor = async (directory: Reads, account: string, reviewer: Caller): Promise<Pick<AccountEntities, 'keys' | 'withheld'>> => {
  const keys: Entity[] = [];
  let withheld = 0;
  for await (const entity of entitiesOf(directory, KEY_TYPE)) {
    const key = readKey(entity);
    if (!key || (key.accounts !== 'all' && !key.accounts.includes(account))) continue;
    if (reachesAll(reviewer, key.accounts)) keys.push(entity);
    else withheld += 1;
  }
  return { keys, withheld };
};

/**
 * The account's tokens, and, for who may see what belongs to no account, those of its members that belong to none: the
 * directory has no list of these, so all tokens are looked at.
 */
const tokensFor = async (directory: Reads, account: string, reviewer: Caller, members: ReadonlySet<string>): Promise<readonly Entity[]> => {
  if (reviewer.accounts !== 'all') return all(directory, 'token', account);
  const isTheirs = ({ account: own, properties }: Entity): boolean => own === account || (own === undefined && members.has(text(properties['owner']) ?? ''));
  const found: Entity[] = [];
  for await (const token of entitiesOf(directory, 'token')) if (isTheirs(token)) found.push(token);
  return found;
};

/** What the directory has of an account, as far as the reviewer may see it; that it reaches the account is checked before. */
export const gatherAccount = async (directory: Reads, account: string, reviewer: Caller): Promise<AccountEntities> => {
  const members = await membersIn(directory, account);
  const people = new Set(members.memberships.map(holderOf).flatMap(({ type, id }) => (type === 'user' ? [id] : [])));
  return {
    account,
    entity: directory.get('account', account),
    ...members,
    tokens: await tokensFor(directory, account, reviewer, people),
    acl: await all(directory, 'acl', account),
    policies: await all(directory, 'iam_policy', account),
    ...(await keysFor(directory, account, reviewer)),
  };
};

/** Whether the directory has nothing that is the account's own. */
export const isNothing = ({ entity, memberships, tokens, acl, policies }: AccountEntities): boolean =>
  entity === undefined && [memberships, tokens, acl, policies].every((list) => list.length === 0);

/** Names of shipped IAM documents on the account's memberships: what the store must be asked for by name. */
export const shippedDocuments = ({ memberships }: AccountEntities): readonly string[] => [
  ...new Set(memberships.flatMap(({ properties }) => texts(properties['policies'])).filter(isShipped)),
];
