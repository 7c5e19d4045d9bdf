import type { Kind, Result } from '../../event/index.js';

/** What an audit query asks for. Every part narrows; an absent one doesn't. The values are already checked by the API's schemas. */
export type EventFilter = {
  /** A date (that whole day, UTC, is in) or an RFC 3339 time. */
  readonly start_date?: string;
  /** A date (that whole day, UTC, is in) or an RFC 3339 time (itself is in). */
  readonly end_date?: string;
  /** An action; `*` stands for any characters. */
  readonly event?: string;
  /** An actor's id or e-mail address. */
  readonly user?: string;
  readonly account?: string;
  /** A resource's id, `type/id`, or name. */
  readonly resource?: string;
  readonly result?: Result;
  readonly kind?: Kind;
  readonly ip?: string;
  readonly request_id?: string;
  /** Text that stands, in any case, in the action, an id, a name, the e-mail address or the details; or the whole id of the event, its request or its cause. */
  readonly q?: string;
};

/** The accounts whose events a caller may see. */
export type Reach = 'all' | readonly string[];

/** SQL conditions, joined by AND, with the parameters they name. */
export type Conditions = {
  readonly sql: readonly string[];
  readonly params: Readonly<Record<string, unknown>>;
  /** Of these, joined by OR, one must be true as well. They stand apart because each has an index of its own, which an OR in one query wouldn't use. */
  readonly either?: readonly string[];
};

const DAY_MS = 86_400_000;
const DATE = /^\d{4}-\d{2}-\d{2}$/;

/** The span of time a filter asks for, as `from <= timestamp < to` in milliseconds since the epoch. */
export const spanOf = (filter: EventFilter): { readonly from: number; readonly to: number } => ({
  from: filter.start_date === undefined ? Number.NEGATIVE_INFINITY : Date.parse(filter.start_date),
  to: filter.end_date === undefined ? Number.POSITIVE_INFINITY : Date.parse(filter.end_date) + (DATE.test(filter.end_date) ? DAY_MS : 1),
});

/** The accounts a query may look at: the caller's, narrowed to the one asked for. An empty list means: nothing can be found. */
export const accountsOf = (filter: EventFilter, reach: Reach): Reach => {
  if (filter.account === undefined) return reach;
  return reach === 'all' || reach.includes(filter.account) ? [filter.account] : [];
};

/** Text as a LIKE pattern that matches only itself. */
const plain = (text: string): string => text.replace(/[\\%_]/g, '\\$&');

const accountConditions = (accounts: Reach): Conditions => {
  if (accounts === 'all') return { sql: [], params: {} };
  // With one account the rows can be read in the order they are kept.
  if (accounts.length === 1) return { sql: ['account = {account:String}'], params: { account: accounts[0] } };
  return { sql: ['account IN {accounts:Array(String)}'], params: { accounts } };
};

const actionCondition = (event: string): Conditions =>
  event.includes('*')
    ? { sql: ['action LIKE {event:String}'], params: { event: event.split('*').map(plain).join('%') } }
    : { sql: ['action = {event:String}'], params: { event } };

/** The first condition of each pair is the expression that a skip index is made of; it lets the second be asked of few rows. */
const userConditions = (user: string): Conditions => ({
  sql: [
    'hasAny([actor_id, lower(actor_email)], [{user:String}, lower({user:String})])',
    '(actor_id = {user:String} OR lower(actor_email) = lower({user:String}))',
  ],
  params: { user },
});

const resourceConditions = (resource: string): Conditions => ({
  sql: ["has([resource_id, concat(resource_type, '/', resource_id), resource_name], {resource:String})"],
  params: { resource },
});

/** Text as it stands inside a JSON string. */
const escaped = (text: string): string => JSON.stringify(text).slice(1, -1);

const within = (text: string): string => `%${plain(text.toLowerCase())}%`;

/**
 * Text is looked for as it is, and as the details have it, which are kept as JSON; each with the index of its own. Ids
 * that are one event's alone are found whole: no part of them is worth searching for.
 */
const searchConditions = (q: string): Conditions => ({
  sql: [],
  params: { q, pattern: within(q), escaped: within(escaped(q)) },
  either: [
    'search LIKE {pattern:String}',
    ...(escaped(q) === q ? [] : ['search LIKE {escaped:String}']),
    'id = {q:String}',
    'request_id = {q:String}',
    'caused_by = {q:String}',
  ],
});

const equal = (column: string, name: string, value: string | undefined): Conditions =>
  value === undefined ? { sql: [], params: {} } : { sql: [`${column} = {${name}:String}`], params: { [name]: value } };

/** Several sets of conditions as one; at most one of them has an `either`. */
export const all = (...parts: readonly (Conditions | undefined)[]): Conditions => {
  const either = parts.find((part) => part?.either)?.either;
  return {
    sql: parts.flatMap((part) => part?.sql ?? []),
    params: Object.assign({}, ...parts.map((part) => part?.params ?? {})) as Record<string, unknown>,
    ...(either ? { either } : {}),
  };
};

/** The text behind WHERE. */
export const whereText = ({ sql, either }: Conditions): string => [...sql, ...(either ? [`(${either.join(' OR ')})`] : [])].join(' AND ') || 'true';

/** The same condition as alternatives that each stand for themselves; a row may fulfil several. */
export const alternatives = (conditions: Conditions): readonly string[] =>
  conditions.either ? conditions.either.map((one) => whereText({ ...conditions, either: [one] })) : [whereText(conditions)];

/** Everything a filter asks for but its time, for the accounts given (not an empty list). Expired rows are never shown. */
export const conditionsOf = (filter: EventFilter, accounts: Reach): Conditions =>
  all(
    accountConditions(accounts),
    { sql: ['expires > now()'], params: {} },
    filter.event === undefined ? undefined : actionCondition(filter.event),
    filter.user === undefined ? undefined : userConditions(filter.user),
    filter.resource === undefined ? undefined : resourceConditions(filter.resource),
    equal('result', 'result', filter.result),
    equal('kind', 'kind', filter.kind),
    equal('actor_ip', 'ip', filter.ip),
    equal('request_id', 'request_id', filter.request_id),
    filter.q === undefined || filter.q === '' ? undefined : searchConditions(filter.q),
  );
