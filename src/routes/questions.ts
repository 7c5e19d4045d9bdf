import type { Question } from '../evaluate/index.js';
import type { Json } from '../event/index.js';
import type { EndUser, Pick, Route, RouteMatch, RouteRequest, Template } from './types.js';
import { connectionOptions, filled, type Sources, sayPick, valueAt } from './values.js';

/** The questions that a request asks, in order; or what was missing in it. */
export type Asked =
  | { readonly ok: true; readonly questions: readonly Question[] }
  | { readonly ok: false; readonly status: 400; readonly code: 'route.value_missing' | 'route.value_invalid'; readonly message: string };

/** The most questions of one request, as many as a batch of AuthZEN's may have. */
export const MOST_QUESTIONS = 1_000;
const ACTION = /^[a-z0-9_.-]{1,128}$/;
/** What an event can carry as an id and as an account's name (src/event/schema.ts). */
const ID = /^[^\p{Cc}\p{Surrogate}]{1,256}$/u;
const ACCOUNT = /^[^\p{Cc}\p{Surrogate}]{1,128}$/u;

const missing = (pick: Pick, what: string): Asked => ({
  ok: false,
  status: 400,
  code: 'route.value_missing',
  message: `The ${what} is read from ${sayPick(pick)}, which this request does not have.`,
});
const invalid = (message: string): Asked => ({ ok: false, status: 400, code: 'route.value_invalid', message });

const inTemplate = (template: Template = []): readonly Pick[] => template.filter((piece) => typeof piece !== 'string');

/** Everything that the question of a route is made of; what is only recorded later isn't among it. */
export const questionPicks = (route: Route): readonly Pick[] => [
  ...inTemplate(route.action),
  ...(route.each ? [route.each] : inTemplate(route.resource?.id)),
  ...inTemplate(route.account),
  ...Object.values(route.properties),
  ...Object.values(route.context),
];

/**
 * Whether a service might see another value under a picked header than the one decided on: a second spelling, for what
 * reads `_` as `-` (RFC 3875, section 4.1.18), or its name in Connection, by which it goes no further than one hop.
 */
const headerFault = (pick: Pick, { headers }: RouteRequest): Asked | undefined => {
  const [name] = pick.path as [string];
  const twin = Object.keys(headers).find((other) => other !== name && other.replaceAll('_', '-') === name.replaceAll('_', '-'));
  if (twin !== undefined) return invalid(`The header ${twin} could be read as ${name}, which is what this request is decided by: leave it out.`);
  if (!connectionOptions(headers.connection).includes(name)) return undefined;
  return invalid(`Connection names ${name}, which is what this request is decided by: take it out of Connection.`);
};

/** What no record could hold, or what nobody knows how the upstream reads: the first of it, said in a sentence. */
const unreadable = (sources: Sources): Asked | undefined => {
  const { match } = sources;
  for (const pick of questionPicks(match.route)) {
    const [name] = pick.path as [string];
    if (pick.from === 'query' && match.query.getAll(name).length > 1)
      return invalid(`${sayPick(pick)} stands in the query more than once: readers differ in which one they take.`);
    const fault = pick.from === 'header' ? headerFault(pick, sources.request) : undefined;
    if (fault) return fault;
    const value = pick.from === 'query' || pick.from === 'header' ? valueAt(pick, sources) : undefined;
    if (typeof value === 'string' && value.includes('\u0000')) return invalid(`${sayPick(pick)} has a NUL character in it.`);
  }
  return undefined;
};

const pickedInto = (picks: { readonly [name: string]: Pick }, sources: Sources): { readonly [name: string]: Json } => {
  const values: Record<string, Json> = {};
  for (const [name, pick] of Object.entries(picks)) {
    const value = valueAt(pick, sources);
    if (value !== undefined) values[name] = value;
  }
  return values;
};

/** The ids that the question is asked about, one by one. */
const idsOf = (match: RouteMatch, sources: Sources): Asked | readonly string[] => {
  const { each, resource } = match.route;
  if (!each) {
    const id = filled(resource?.id ?? [], sources);
    return 'missing' in id ? missing(id.missing, 'id of the resource') : [id.text];
  }
  const list = valueAt(each, sources);
  if (list === undefined) return missing(each, 'list of resources');
  if (!Array.isArray(list) || list.length === 0 || list.length > MOST_QUESTIONS)
    return invalid(`${sayPick(each)} must be a list of 1 to ${MOST_QUESTIONS} ids.`);
  if (!list.every((id) => typeof id === 'string' && id !== '')) return invalid(`${sayPick(each)} must be a list of ids, each a text that is not empty.`);
  return list as readonly string[];
};

/** The questions that a matched request asks on behalf of its end user. The match must not be of a public route. */
export const questionsOf = (match: RouteMatch, request: RouteRequest, user: EndUser): Asked => {
  const { route } = match;
  const sources: Sources = { match, request };
  const fault = unreadable(sources);
  if (fault) return fault;
  const action = filled(route.action ?? [], sources);
  if ('missing' in action) return missing(action.missing, 'action');
  if (!ACTION.test(action.text))
    return invalid(`The action would be "${action.text.slice(0, 64)}", but actions are made of a-z, 0-9, dot, dash and underscore.`);
  const account = route.account && filled(route.account, sources);
  if (account && 'missing' in account) return missing(account.missing, 'account');
  const ids = idsOf(match, sources);
  if ('ok' in ids) return ids;
  if (!ids.every((id) => ID.test(id))) return invalid('An id of a resource is longer than 256 characters, or has control characters in it.');
  if (account && !ACCOUNT.test(account.text)) return invalid('The account is longer than 128 characters, or has control characters in it.');
  const properties = pickedInto(route.properties, sources);
  const claimed = account?.text ?? user.account;
  const context = {
    ...pickedInto(route.context, sources),
    ...(claimed !== undefined && { account: claimed }),
    ...(user.token !== undefined && { token: user.token }),
  };
  const { type } = route.resource as NonNullable<typeof route.resource>;
  return { ok: true, questions: ids.map((id) => ({ subject: user.subject, action: { name: action.text }, resource: { type, id, properties }, context })) };
};
