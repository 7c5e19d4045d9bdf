import { readBody, readJson } from '../api/index.js';
import type { Caller } from '../caller/index.js';
import type { AskedBy, ItemOutcome, Question } from '../evaluate/index.js';
import { isObject, type Json, type JsonObject, SYSTEM_ACCOUNT, textWithoutSecrets } from '../event/index.js';
import { type EndUser, hasRepeatedMembers, isJsonType, questionPicks, questionsOf, type RouteRequest, unknownSentence, valueAt } from '../routes/index.js';
import { framingOf, hasBody, malformed } from './framing.js';
import { matchedAbout, unknownAbout } from './record.js';
import type { Refusal } from './reply.js';
import type { About, Act, Cleared, Exchange, GatewayDeps, RouteMatch } from './types.js';

/** A request that may go on, or what it is answered instead. */
export type Clearing = { readonly kind: 'cleared'; readonly cleared: Cleared } | ({ readonly kind: 'refused' } & Refusal);

/** Who asks: the gateway, on behalf of its end users. It asserts nothing, for what is in a question's context came from them. */
const GATEWAY: Caller = { id: 'gateway', name: 'gateway', accounts: 'all', permissions: new Set(['decision.evaluate']) };

const MOST_USER_AGENT = 1_024;
const MOST_NAMED = 100;

const refuse = (about: About, status: number, code: string, message: string, more: Pick<Refusal, 'extra' | 'retryAfter'> = {}): Clearing => ({
  kind: 'refused',
  about,
  status,
  code,
  message,
  ...more,
});

type Body = { readonly bytes: Buffer; readonly value: Json | undefined };
type BodyRead = { readonly ok: true; readonly body?: Body } | { readonly ok: false; readonly refusal: Clearing };

/** Reads what the route table needs of the body: whole, once, strictly. It goes on byte for byte. */
const readAsked = async (exchange: Exchange, about: About, deps: GatewayDeps): Promise<BodyRead> => {
  const { request, response } = exchange;
  const no = (status: number, code: string, message: string): BodyRead => ({ ok: false, refusal: refuse(about, status, code, message) });
  if (!hasBody(framingOf(request))) return { ok: true };
  if (!isJsonType(request.headers['content-type']))
    return no(
      415,
      'media_type.unsupported',
      'What is decided here depends on the body, which must be JSON in UTF-8: send it with Content-Type: application/json.',
    );
  if (Number(request.headers['content-length'] ?? 0) > deps.limits.body_bytes)
    return no(413, 'body.too_large', `What is decided here depends on the body, which may have ${deps.limits.body_bytes} bytes (gateway.body_bytes).`);
  if (exchange.expectsContinue) response.writeContinue();
  const idle = setTimeout(() => request.destroy(), deps.limits.idle_ms);
  const read = await readBody(request, deps.limits.body_bytes);
  clearTimeout(idle);
  if (!read.ok) return no(read.problem.status, read.problem.code, read.problem.detail);
  if (read.bytes.length === 0) return { ok: true };
  const json = readJson(read.bytes);
  if (!json.ok) return no(400, json.code, json.message);
  if (hasRepeatedMembers(read.bytes, json.value))
    return no(400, 'json.repeated', 'The body names a member of an object twice: readers differ in which they take.');
  return { ok: true, body: { bytes: read.bytes, value: json.value } };
};

/** Of a parameter that stands in the query twice, nobody knows which one the upstream takes. */
const repeatedParameter = ({ query }: RouteMatch): string | undefined => {
  const seen = new Set<string>();
  for (const name of query.keys()) {
    if (seen.has(name)) return name;
    seen.add(name);
  }
  return undefined;
};

/** Whether the table reads anything of the query: a repetition elsewhere is the upstream's own affair. */
const readsQuery = ({ route }: RouteMatch, name: string): boolean =>
  [...questionPicks(route), ...(route.entity?.id ?? []), ...(route.entity?.account ?? [])].some(
    (pick) => typeof pick !== 'string' && pick.from === 'query' && pick.path[0] === name,
  );

const accountOf = ({ resource, context }: Question, directory: GatewayDeps['directory']): string => {
  const known = resource.type === 'account' ? resource.id : directory.get(resource.type, resource.id)?.account;
  const found = known ?? resource.properties?.['account'] ?? context?.['account'];
  return typeof found === 'string' && found !== '' && found.length <= 128 ? found : SYSTEM_ACCOUNT;
};

type Pair = { readonly question: Question; readonly decision: string };

/** What was asked, account by account: each tenant's record tells of its own things alone. */
const actsOf = (pairs: readonly Pair[], directory: GatewayDeps['directory']): readonly Act[] => {
  const groups = new Map<string, Pair[]>();
  for (const pair of pairs) {
    const account = accountOf(pair.question, directory);
    const group = groups.get(account);
    if (group) group.push(pair);
    else groups.set(account, [pair]);
  }
  return [...groups].map(([account, group]) => {
    const { type, id } = (group[0] as Pair).question.resource;
    return {
      account,
      resource: { type, id: group.length === 1 ? textWithoutSecrets(id) : '*' },
      decisions: group.map(({ decision }) => decision),
      ...(group.length > 1 && { resources: group.slice(0, MOST_NAMED).map(({ question }) => textWithoutSecrets(question.resource.id)) }),
    };
  });
};

const personOf = (about: About, { subject, email }: EndUser): About => ({
  ...about,
  actor: { ...about.actor, type: subject.type, id: textWithoutSecrets(subject.id), ...(email !== undefined && { email }) },
});

/** A login is known before anybody is: by the name that was given. */
const loginAbout = (about: About, match: RouteMatch, request: RouteRequest): About => {
  const { login } = match.route;
  if (!login) return about;
  const email = valueAt(login.subject, { match, request });
  const named = typeof email === 'string' && email !== '' ? { email: textWithoutSecrets(email).slice(0, 320) } : {};
  return { ...about, action: 'auth.login', actor: { ...about.actor, type: 'user', id: 'unknown', ...named } };
};

const withUserAgent = (question: Question, userAgent: string | undefined): Question =>
  userAgent === undefined ? question : { ...question, context: { ...question.context, user_agent: userAgent.slice(0, MOST_USER_AGENT) } };

const outcomesOf = async (questions: readonly Question[], by: AskedBy, { decide }: GatewayDeps): Promise<readonly ItemOutcome[]> =>
  questions.length === 1
    ? [await decide.evaluate(questions[0] as Question, by)]
    : decide.evaluations(
        questions.map((question) => ({ question })),
        'execute_all',
        by,
      );

/** The first of the outcomes that isn't an allow, said as it is answered. */
const denialOf = (about: About, questions: readonly Question[], outcomes: readonly ItemOutcome[]): Clearing | undefined => {
  for (const [index, outcome] of outcomes.entries()) {
    if (outcome.kind === 'too_large') return refuse(about, 413, 'question.too_large', outcome.message);
    if (outcome.kind === 'forbidden') return refuse(about, 403, outcome.code, outcome.message);
    if (outcome.kind === 'invalid') return refuse(about, 400, 'question.invalid', outcome.message);
    if (outcome.decision) continue;
    const { id, reasons } = outcome.context;
    const extra: JsonObject = { decision: id, reasons, ...(questions.length > 1 && { resource: questions[index]?.resource.id as string }) };
    return refuse(about, 403, 'decision.denied', reasons[0]?.message ?? 'The policy does not allow this.', { extra });
  }
  return undefined;
};

const ask = async (exchange: Exchange, cleared: Omit<Cleared, 'decisions'>, user: EndUser, asked: RouteRequest, deps: GatewayDeps): Promise<Clearing> => {
  const { match, about } = cleared;
  const read = questionsOf(match, asked, user);
  if (!read.ok) return refuse(about, read.status, read.code, read.message);
  const unknown = deps.unknownOf(match, read.questions);
  if (unknown !== undefined) return refuse(about, 403, 'resource.unknown', unknownSentence(unknown));
  const userAgent = exchange.request.headers['user-agent'];
  const questions = read.questions.map((question) => withUserAgent(question, userAgent));
  const outcomes = await outcomesOf(questions, { caller: GATEWAY, address: exchange.address, requestId: exchange.id }, deps);
  const pairs = outcomes.flatMap((outcome, index): readonly Pair[] =>
    outcome.kind === 'decided' ? [{ question: questions[index] as Question, decision: outcome.context.id }] : [],
  );
  const [first, ...rest] = actsOf(pairs, deps.directory);
  const known: About = { ...about, action: (questions[0] as Question).action.name, acts: first ? [first, ...rest] : about.acts };
  const denial = denialOf(known, questions, outcomes);
  return denial ?? { kind: 'cleared', cleared: { ...cleared, about: known, user, decisions: pairs.map(({ decision }) => decision) } };
};

/**
 * Says whether a request may go on to the upstream: its form, its route, who asks, what it asks, and what the policy
 * says. Every decision is on disk when this resolves. Rejects with JournalUnavailable.
 */
export const clear = async (exchange: Exchange, deps: GatewayDeps): Promise<Clearing> => {
  const { request, method, target } = exchange;
  const unknown = unknownAbout(exchange);
  const fault = malformed(request, exchange.isUpgrade);
  if (fault) return refuse(unknown, fault.status, fault.code, fault.message);
  const match = deps.table.match(method, target);
  if (match.kind === 'refused') return refuse(unknown, 400, match.code, match.message);
  const isOpen = match.kind === 'route' && match.route.isPublic;
  const identified = isOpen ? undefined : await deps.identify(request.headers, deps.now());
  const person = identified?.ok ? personOf(unknown, identified.user) : unknown;
  if (match.kind === 'none') return refuse(person, 403, 'route.unknown', `${method} ${match.path.slice(0, 256)} is in no route of the gateway's table.`);
  const about = matchedAbout(person, match);
  if (identified && !identified.ok) return refuse(about, identified.code === 'credential.unverified' ? 503 : 401, identified.code, identified.message);
  const repeated = repeatedParameter(match);
  if (repeated !== undefined && readsQuery(match, repeated))
    return refuse(about, 400, 'query.repeated', `The parameter ${repeated.slice(0, 64)} stands in the query more than once.`);
  const read = deps.table.needsBody(match.route) ? await readAsked(exchange, about, deps) : ({ ok: true } as const);
  if (!read.ok) return read.refusal;
  const body = 'body' in read ? read.body : undefined;
  const asked: RouteRequest = { method, target, headers: request.headers, ...(body?.value !== undefined && { body: body.value }) };
  const named = loginAbout(about, match, asked);
  if (match.route.login && !isObject(asked.body)) return refuse(named, 400, 'login.invalid', 'A login needs a JSON object as its body.');
  const cleared = { match, about: named, ...(body && { body }) };
  if (!identified) return { kind: 'cleared', cleared: { ...cleared, decisions: [] } };
  return ask(exchange, cleared, identified.user, asked, deps);
};
