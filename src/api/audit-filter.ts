import type { Caller, Guard, Permission } from '../caller/types.js';
import { eventParts, type JsonObject, textWithoutSecrets } from '../event/index.js';
import { type EventFilter, type Reach, spanOf } from '../store/index.js';
import { type Problem, problem } from './problem.js';

const text = (maxLength: number, description: string) => ({ type: 'string', minLength: 1, maxLength, description }) as const;
const DATE = '^\\d{4}-\\d{2}-\\d{2}([Tt]\\d{2}:\\d{2}:\\d{2}(\\.\\d{1,9})?([Zz]|[+-]\\d{2}:\\d{2}))?$';
const date = (description: string) => ({ type: 'string', pattern: DATE, description }) as const;

/** What queries and exports are narrowed by; all of them together, each only once. */
export const filterParameters = {
  start_date: date('From here on: a day (UTC) or an instant (RFC 3339).'),
  end_date: date('Up to here: a day (UTC, the whole of it) or an instant (RFC 3339, included).'),
  event: text(128, 'The action, such as instance.delete; * stands for any characters.'),
  user: text(320, "The actor's id or email."),
  account: eventParts.account,
  resource: text(321, "The resource's id, <type>/<id>, or name."),
  result: { enum: ['allowed', 'denied', 'success', 'failure', 'error'] },
  kind: { enum: ['decision', 'activity'] },
  ip: text(64, "The actor's address."),
  request_id: text(256, 'The request it came with.'),
  q: text(256, 'Text in the action, ids, names, email or details; or, whole, the id of the event, of its request, or of the decision in caused_by.'),
} as const;

/** Filters whose values are personal data: they stand under `personal` where a read is recorded. */
const PERSONAL = new Set(['user', 'ip', 'q']);

export type FilterRead =
  | { readonly ok: true; readonly filter: EventFilter; readonly reach: Reach }
  | { readonly ok: false; readonly problem: Problem /** The account that isn't the caller's. */; readonly account?: string };

type Query = { readonly [name: string]: string };

/** The filter that a query's parameters ask for, and how far the caller reaches. */
export const readFilter = (query: Query, caller: Caller, permission: Permission, guard: Guard): FilterRead => {
  const { account } = query;
  const refusal = account === undefined ? undefined : guard(caller, permission, account);
  if (account !== undefined && refusal) return { ok: false, account, problem: problem(403, refusal.code, refusal.message) };
  const { start_date, end_date } = query;
  for (const [name, value] of Object.entries({ start_date, end_date }))
    if (value !== undefined && !isDate(value))
      return { ok: false, problem: problem(400, 'parameter.invalid', `query.${name} is no day or instant between 1970 and 2199: ${value}.`) };
  const filter = Object.fromEntries(Object.entries(query).filter(([name]) => Object.hasOwn(filterParameters, name))) as EventFilter;
  // As spans: an end day reaches to its last millisecond.
  const { from, to } = spanOf(filter);
  if (from >= to) return { ok: false, problem: problem(400, 'parameter.invalid', 'query.start_date must not lie after query.end_date.') };
  return { ok: true, filter, reach: account !== undefined ? [account] : caller.accounts };
};

/** True for a day or an instant that exists and that the store's columns hold. */
const isDate = (given: string): boolean => {
  const time = Date.parse(given);
  if (Number.isNaN(time) || time < 0 || time >= Date.UTC(2200, 0, 1)) return false;
  // Date.parse takes the 31st of a month of 30 days for the next month's 1st.
  return new Date(`${given.slice(0, 10)}T00:00:00Z`).toISOString().startsWith(given.slice(0, 10));
};

/** The filter as it is recorded with the read: what may be personal is set apart. */
export const filterRecord = (query: Query): JsonObject => {
  const entries = Object.entries(query)
    .filter(([name]) => name !== 'cursor')
    .map(([name, value]) => [name, textWithoutSecrets(value)] as const);
  const personal = Object.fromEntries(entries.filter(([name]) => PERSONAL.has(name)));
  const filter = Object.fromEntries(entries.filter(([name]) => !PERSONAL.has(name)));
  return { filter, ...(Object.keys(personal).length > 0 && { personal: { filter: personal } }) };
};

/** The account that a read is recorded under: the one that was read, or `fallback` where it was more than one. */
export const accountOfRead = (reach: Reach, fallback: string): string => (reach !== 'all' && reach.length === 1 ? (reach[0] as string) : fallback);
