import { isReservedType, placeOf, shapeFault, thereIn } from '../api/index.js';
import type { Caller } from '../caller/index.js';
import type { EntityChange, EntityOutcome } from '../evaluate/index.js';
import { type Json, type JsonObject, newUlid, SYSTEM_ACCOUNT, textWithoutSecrets } from '../event/index.js';
import { type EntityRule, filled, MOST_QUESTIONS, type Route, type RouteRequest, type Sources, sayPick, valueAt } from '../routes/index.js';
import type { About, Cleared, Exchange, GatewayDeps } from './types.js';

/** What an answer said of an entity, and whether the directory has it now. */
export type Followed =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'written'; readonly account: string | undefined; readonly type: string; readonly id: string }
  /** Each of a list. */
  | { readonly kind: 'all_written' }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string };

const failed = (code: string, message: string): Followed => ({ kind: 'failed', code, message });

const ATTEMPTS = 3;

/** Whose account it is, is the API's rule; that the gateway may write there needs no asking. */
const WRITER: Caller = { id: 'gateway', name: 'gateway', accounts: 'all', permissions: new Set(['entity.write']) };
const allowed = (): undefined => undefined;

const sourcesOf = (exchange: Exchange, { match, body }: Cleared, response: Json): Sources => {
  const request: RouteRequest = {
    method: exchange.method,
    target: exchange.target,
    headers: exchange.request.headers,
    ...(body?.value !== undefined && { body: body.value }),
  };
  return { match, request, response };
};

const said = (outcome: EntityOutcome, type: string, id: string, account: string | undefined): Followed => {
  switch (outcome.outcome) {
    case 'applied':
      return { kind: 'written', account: outcome.entity.account, type, id };
    case 'deleted':
      return { kind: 'written', account: outcome.entity.account, type, id };
    case 'not_found':
      return { kind: 'written', account, type, id };
    case 'account_mismatch':
      return failed('entity.account', `${type}/${id} belongs to another account in the directory than the answer says; it stays there.`);
    case 'version_mismatch':
      return failed('entity.version', `${type}/${id} was changed by somebody else at the same time, again and again.`);
    case 'unavailable':
      return failed('entity.unavailable', outcome.reason);
  }
};

type Wish = { readonly ok: true; readonly change: EntityChange } | { readonly ok: false; readonly followed: Followed };

/** The change that a rule comes to, by the same rules as one that comes through the API. */
const wishOf = (cleared: Cleared, sources: Sources, id: string, owner: string | undefined, { directory }: GatewayDeps): Wish => {
  const rule = cleared.match.route.entity as EntityRule;
  const base = { change: newUlid(), type: rule.type, id };
  if (isReservedType(rule.type)) return { ok: false, followed: failed('entity.reserved', `Entities of type ${rule.type} are Verdict's own.`) };
  if (rule.on === 'deleted') return { ok: true, change: { ...base, op: 'delete' } };
  const current = directory.get(rule.type, id);
  const placed = placeOf({ type: rule.type, id, ...(owner !== undefined && { account: owner }) }, current, WRITER, allowed);
  if (!placed.ok) return { ok: false, followed: failed(placed.code, placed.detail) };
  const { account } = placed;
  const properties = { ...(rule.on === 'changed' && current?.properties), ...pickedOf(rule, sources) };
  const fault = shapeFault({ type: rule.type, id, account, properties }, thereIn(directory));
  if (fault) return { ok: false, followed: failed('entity.shape', `${rule.type}/${id}${fault.pointer}: ${fault.detail}`) };
  const expected = rule.on === 'changed' && current ? { expected: current.version } : {};
  return { ok: true, change: { ...base, op: 'put', ...expected, ...(account !== undefined && { account }), properties } };
};

const pickedOf = (rule: EntityRule, sources: Sources): JsonObject =>
  Object.fromEntries(
    Object.entries(rule.properties).flatMap(([name, pick]) => {
      const value = valueAt(pick, sources);
      return value === undefined ? [] : [[name, value] as const];
    }),
  );

/** The account that the answer names; else the one that was asked in, for a thing is made where its maker acts. */
const ownerOf = (cleared: Cleared, sources: Sources): string | undefined => {
  const rule = cleared.match.route.entity;
  const named = rule?.account && filled(rule.account, sources);
  if (named && 'text' in named) return named.text;
  const [act] = cleared.about.acts;
  return rule?.on === 'created' && act.account !== SYSTEM_ACCOUNT ? act.account : undefined;
};

const followOne = async (exchange: Exchange, cleared: Cleared, response: Json, deps: GatewayDeps): Promise<Followed> => {
  const rule = cleared.match.route.entity as EntityRule;
  const sources = sourcesOf(exchange, cleared, response);
  const id = filled(rule.id, sources);
  if ('missing' in id) return failed('entity.id', `The entity's id is read from ${sayPick(id.missing)}, which the answer does not have.`);
  const account = ownerOf(cleared, sources);
  const meta = { requestId: exchange.id, address: exchange.address };
  for (let attempt = 1; ; attempt++) {
    try {
      const wish = wishOf(cleared, sources, id.text, account, deps);
      if (!wish.ok) return wish.followed;
      const [outcome] = await deps.writeEntities([wish.change], meta);
      if (outcome?.outcome === 'version_mismatch' && attempt < ATTEMPTS) continue;
      return said(outcome as EntityOutcome, rule.type, id.text, account);
    } catch (error) {
      // EntityRefused: what the answer says is no entity that a directory holds. The journal's failure is the caller's.
      if ((error as Error).name !== 'EntityRefused') throw error;
      return failed((error as Error & { readonly code: string }).code, (error as Error).message);
    }
  }
};

/** One after the other, so that of an id that stands there twice the later element counts. What can't be written keeps no other from it. */
const followEach = async (exchange: Exchange, cleared: Cleared, list: Json | undefined, deps: GatewayDeps): Promise<Followed> => {
  if (!Array.isArray(list)) return failed('entity.each', 'The list of entities is not in the answer, or is none.');
  if (list.length > MOST_QUESTIONS) return failed('entity.each', `The answer lists ${list.length} entities; ${MOST_QUESTIONS} can be followed.`);
  let first: Extract<Followed, { kind: 'failed' }> | undefined;
  let missed = 0;
  for (const element of list as readonly Json[]) {
    const followed = await followOne(exchange, cleared, element, deps);
    if (followed.kind !== 'failed') continue;
    first ??= followed;
    missed += 1;
  }
  return first ? failed(first.code, `${missed} of ${list.length} entities could not follow. ${first.message}`) : { kind: 'all_written' };
};

/**
 * Writes into the directory what a successful answer says of an entity, or of each in a list, by the route's rule;
 * resolves when the next question knows of it. Never rejects but with JournalUnavailable.
 */
export const follow = async (exchange: Exchange, cleared: Cleared, response: Json, deps: GatewayDeps): Promise<Followed> => {
  const rule = cleared.match.route.entity;
  if (!rule) return { kind: 'nothing' };
  if (!rule.each) return followOne(exchange, cleared, response, deps);
  return followEach(exchange, cleared, valueAt(rule.each, sourcesOf(exchange, cleared, response)), deps);
};

/** What is known of a request once its answer was read: which thing it made, and that thing's name. */
export const answeredAbout = (exchange: Exchange, cleared: Cleared, response: Json, followed: Followed): About => {
  const { about, match } = cleared;
  const [first, ...rest] = about.acts;
  if (rest.length > 0) return about;
  const made = followed.kind === 'written' && followed.type === first.resource.type ? { id: textWithoutSecrets(followed.id) } : {};
  const name = match.route.resourceName && valueAt(match.route.resourceName, sourcesOf(exchange, cleared, response));
  const named = typeof name === 'string' && name !== '' ? { name: textWithoutSecrets(name).slice(0, 256) } : {};
  const account = first.account === SYSTEM_ACCOUNT && followed.kind === 'written' && followed.account !== undefined ? followed.account : first.account;
  return { ...about, acts: [{ ...first, account, resource: { ...first.resource, ...made, ...named } }] };
};

const reading = new WeakMap<Route, boolean>();

const picksAnswer = ({ entity, resourceName }: Route): boolean => {
  const picks = [
    ...(entity?.each ? [entity.each] : []),
    ...(entity?.id ?? []),
    ...(entity?.account ?? []),
    ...Object.values(entity?.properties ?? {}),
    ...(resourceName ? [resourceName] : []),
  ];
  return picks.some((pick) => typeof pick !== 'string' && pick.from === 'response');
};

/** Whether the answer's body must be read for this route. */
export const readsAnswer = ({ match: { route } }: Pick<Cleared, 'match'>): boolean => {
  const known = reading.get(route) ?? picksAnswer(route);
  reading.set(route, known);
  return known;
};
