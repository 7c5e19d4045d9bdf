import type { Caller, Guard, Refusal } from '../caller/types.js';
import type { Json, JsonObject } from '../event/index.js';
import { type AccountFound, accountOf } from './account.js';
import { type AclEntry, aclFor } from './acl.js';
import type { Directory, Entity } from './directory/types.js';
import { type AskedFacts, askedFacts, type Facts, factsOf, tagsOf, timeOf } from './facts/index.js';
import { type Attached, attachedTo } from './iam/attached.js';
import type { Question } from './question.js';

/** What the front knows of the request that a question came in. */
export type AskedBy = {
  readonly caller: Caller;
  /** The client's address, as Verdict sees it. */
  readonly address: string;
  readonly requestId: string;
};

/** The caller may not ask this: `account` is the one it asked about. Nothing was evaluated. */
export type Forbidden = Refusal & { readonly kind: 'forbidden'; readonly account: string | undefined };

/** What the policy is given. `directory` and `facts.directory_tags` come from the directory alone: only they may grant. */
export type Input = {
  readonly subject: { readonly type: string; readonly id: string; readonly properties: JsonObject };
  readonly action: Question['action'];
  readonly resource: { readonly type: string; readonly id: string; readonly properties: JsonObject };
  readonly context: JsonObject;
  readonly directory: {
    readonly account: JsonObject | null;
    readonly membership: JsonObject | null;
    readonly token: JsonObject | null;
    readonly subject: JsonObject | null;
    readonly resource: JsonObject | null;
    readonly acl?: readonly AclEntry[];
    readonly policies?: readonly Attached[];
  };
  readonly facts: Facts;
};

/** A question made ready for the policy, with all that its record needs. */
export type Built = {
  readonly kind: 'built';
  readonly input: Input;
  readonly found: AccountFound;
  readonly account: string | undefined;
  /** Everything of the directory that the input rests on. */
  readonly entities: readonly Entity[];
  readonly resource: Entity | undefined;
  readonly person: Entity | undefined;
  readonly token: Entity | undefined;
  readonly asked: AskedFacts | undefined;
  /** Names of claims in the question's context that did not count. */
  readonly ignored: readonly string[];
};

/** The time by Verdict's own clock, in milliseconds since 1970 and as RFC 3339. */
export type Clock = { readonly ms: number; readonly text: string };

/** Claims about the world that only a trusted caller may make. */
const ASSERTED = ['time', 'mfa', 'ip', 'break_glass'] as const;

const views = new WeakMap<Entity, JsonObject>();

/** An entity as the policy is given it: one object for each version, so that its JSON is made once. */
const shown = (entity: Entity | undefined): JsonObject | null => {
  if (!entity) return null;
  const known = views.get(entity);
  if (known) return known;
  const { type, id, account = null, properties, version } = entity;
  const view = { type, id, account, properties, version };
  views.set(entity, view);
  return view;
};

const overlay = (asked: JsonObject | undefined, known: Entity | undefined): JsonObject => {
  if (!known) return asked ?? {};
  return asked ? { ...asked, ...known.properties } : known.properties;
};

/** What counts of a context. */
export type Situation = { readonly context: JsonObject; readonly now: number; readonly ignored: readonly string[] };

const NONE: readonly string[] = [];

/** The context that counts, and the time: a caller's own claims only where it may make them, and a time only if it is one. */
export const situationOf = (question: Pick<Question, 'context'>, by: AskedBy, clock: Clock, guard: Guard): Situation => {
  const asked = question.context ?? {};
  if (!guard(by.caller, 'decision.assert')) {
    const claimed = asked['time'] === undefined ? null : timeOf(asked['time']);
    if (claimed !== null) return { context: asked, now: claimed, ignored: NONE };
    return { context: { ...asked, time: clock.text }, now: clock.ms, ignored: asked['time'] === undefined ? NONE : ['time'] };
  }
  const context: Record<string, Json> = { ...asked };
  for (const name of ASSERTED) delete context[name];
  const ignored = question.context ? ASSERTED.filter((name) => asked[name] !== undefined) : NONE;
  return { context: { ...context, time: clock.text, ip: by.address }, now: clock.ms, ignored };
};

const label = (value: Json | undefined): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);

type Person = { readonly type: string; readonly id: string };

/**
 * A membership's id joins two ids by a colon, which ids may contain too: only the account in the entity itself counts.
 * It is a user's, unless it names another `subject_type`: a service with a user's id gains nothing.
 */
const membershipOf = (directory: Pick<Directory, 'get'>, account: string, person: Person): Entity | undefined => {
  const membership = directory.get('membership', `${account}:${person.id}`);
  const isTheirs = membership?.account === account && (membership.properties['subject_type'] ?? 'user') === person.type;
  return isTheirs ? membership : undefined;
};

/**
 * An entity as far as a question may rest on it: the account's own, or, where the caller may know of it, one of no
 * account (a person in several). Another account's is as good as unknown: its record would tell of it.
 */
export const visible = (entity: Entity | undefined, account: string | undefined, mayKnow: boolean): Entity | undefined => {
  if (entity?.account === undefined) return mayKnow ? entity : undefined;
  return entity.account === account ? entity : undefined;
};

/** Entities that only Verdict writes and reads: its API keys. */
export const isVerdictsOwn = (type: string): boolean => type.startsWith('verdict.');

/** Whose the resource is, is not for this caller to learn. */
const NOT_THEIRS = 'This credential may not ask about this: it belongs to an account that the credential is not granted.';

export const isMember = (directory: Pick<Directory, 'get'>, account: string | undefined, person: Person): boolean =>
  account !== undefined && membershipOf(directory, account, person) !== undefined;

type Asking = { readonly person: Person | undefined; readonly token: Entity | undefined };

/** Who asks, and with which token: a token that asks itself asks as its owner, and another that the context names is no matter. */
const askingOf = (directory: Pick<Directory, 'get'>, { subject, context }: Question, account: string | undefined, knowsAll: boolean): Asking => {
  const id = subject.type === 'token' ? subject.id : label(context?.['token']);
  const token = id === undefined ? undefined : visible(directory.get('token', id), account, knowsAll);
  if (subject.type !== 'token') return { person: subject, token };
  const owner = label(token?.properties['owner']);
  return { person: owner === undefined ? undefined : { type: 'user', id: owner }, token };
};

const uses = (account: Entity | undefined, model: string): boolean => {
  const models = account?.properties['access_models'];
  return Array.isArray(models) && models.includes(model);
};

type Grants = { readonly acl?: readonly AclEntry[]; readonly policies?: readonly Attached[]; readonly entities: readonly Entity[] };

const NO_GRANTS: Grants = { entities: [] };

type Known = {
  readonly account: Entity | undefined;
  readonly membership: Entity | undefined;
  readonly token: Entity | undefined;
  readonly subject: Entity | undefined;
  readonly resource: Entity | undefined;
};

/** The ACL entries and IAM documents that the question could rest on, where the account uses such. */
const grantsOf = (directory: Directory, question: Question, known: Known, person: Person | undefined): Grants => {
  const { account, membership } = known;
  if (!account || account.properties['access_models'] === undefined || !person) return NO_GRANTS;
  const resource = `${question.resource.type}/${question.resource.id}`;
  const wanted = { account: account.id, subject: person, membership, resource, tags: tagsOf(known.resource) };
  const listed = uses(account, 'acl') ? aclFor(directory, wanted) : undefined;
  const attached = uses(account, 'iam') ? attachedTo(directory, account.id, membership, question.action.name) : undefined;
  return {
    ...(listed && { acl: listed.acl }),
    ...(attached && { policies: attached.policies }),
    entities: [...(listed?.entities ?? []), ...(attached?.entities ?? [])],
  };
};

const inputOf = (question: Question, known: Known, grants: Grants, { context, now }: Situation, asked: AskedFacts | undefined): Input => {
  const { subject, action, resource } = question;
  const { entities: _entities, ...granted } = grants;
  return {
    subject: { type: subject.type, id: subject.id, properties: overlay(subject.properties, subject.type === 'token' ? known.token : known.subject) },
    action,
    resource: { type: resource.type, id: resource.id, properties: overlay(resource.properties, known.resource) },
    context,
    directory: {
      account: shown(known.account),
      membership: shown(known.membership),
      token: shown(known.token),
      subject: shown(known.subject),
      resource: shown(known.resource),
      ...granted,
    },
    facts: factsOf(question, known, now, asked),
  };
};

const knownOf = (directory: Directory, account: string | undefined, asking: Asking, resource: Entity | undefined, knowsAll: boolean): Known => {
  const { person, token } = asking;
  const membership = account === undefined || !person ? undefined : membershipOf(directory, account, person);
  const subject = person && visible(directory.get(person.type, person.id), account, membership !== undefined || knowsAll);
  return { account: account === undefined ? undefined : directory.get('account', account), membership, token, subject, resource };
};

type Place = { readonly there: Entity | undefined; readonly found: AccountFound; readonly account: string | undefined };

/** Which account a question is about, and the resource as the directory has it, whoever's it is. */
export const placeOf = (directory: Pick<Directory, 'get'>, question: Question, caller: Caller): Place => {
  const { type, id } = question.resource;
  const there = isVerdictsOwn(type) ? undefined : directory.get(type, id);
  const found = accountOf(question, there, caller.accounts);
  return { there, found, account: found.found === 'none' ? undefined : found.account };
};

/** Why a caller may not ask about an account (undefined: about none in particular); undefined where it may. */
export const forbiddenTo = (guard: Guard, caller: Caller, account: string | undefined): Forbidden | undefined => {
  const refusal = guard(caller, 'decision.evaluate', account);
  if (!refusal) return undefined;
  if (refusal.code === 'caller.account') return { kind: 'forbidden', account, code: refusal.code, message: NOT_THEIRS };
  return { kind: 'forbidden', account: undefined, ...refusal };
};

export type InputDeps = { readonly directory: Directory /** Verdict's own policy: what the caller may ask and claim. */; readonly guard: Guard };

/**
 * Makes a question ready for the policy from what the directory knows, by the caller's rights and the clock. `recorded`
 * are the facts of a question that is asked again from its record, whose secrets are gone.
 */
export const buildInput = ({ directory, guard }: InputDeps, question: Question, by: AskedBy, clock: Clock, recorded?: AskedFacts): Built | Forbidden => {
  const { there, found, account } = placeOf(directory, question, by.caller);
  const forbidden = forbiddenTo(guard, by.caller, account);
  if (forbidden) return forbidden;
  const knowsAll = by.caller.accounts === 'all';
  const resource = visible(there, account, knowsAll || isMember(directory, account, question.resource));
  const asking = askingOf(directory, question, account, knowsAll);
  const known = knownOf(directory, account, asking, resource, knowsAll);
  const grants = grantsOf(directory, question, known, asking.person);
  const asked = recorded ?? askedFacts(question);
  const situation = situationOf(question, by, clock, guard);
  const entities = [known.resource, known.subject, known.account, known.membership, known.token].filter((entity) => entity !== undefined);
  return {
    kind: 'built',
    input: inputOf(question, known, grants, situation, asked),
    found,
    account,
    entities: grants.entities.length > 0 ? [...entities, ...grants.entities] : entities,
    resource,
    person: known.subject,
    token: known.token,
    asked,
    ignored: situation.ignored,
  };
};
