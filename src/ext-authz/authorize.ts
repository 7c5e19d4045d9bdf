import type { Caller, Guard, RefusedRequest } from '../caller/index.js';
import type { AskedBy, Decide, Directory, ItemOutcome, Question } from '../evaluate/index.js';
import type { EventDraft } from '../event/index.js';
import { JournalUnavailable } from '../ingest/index.js';
import {
  type EndUser,
  type Identify,
  questionPicks,
  questionsOf,
  type RouteMatch,
  type RouteTable,
  unknownResource,
  unknownSentence,
} from '../routes/index.js';
import { bodyValue } from './body.js';
import { misspelled } from './headers.js';
import { type Told, toldDraft } from './record.js';
import { type Allowed, type Denied, denied, type Proxied, type Ruling } from './types.js';

export type AuthorizeDeps = {
  /** Undefined where routes.file names none: then everything is denied. */
  readonly table: RouteTable | undefined;
  readonly identify: Identify;
  readonly decide: Decide;
  readonly directory: Pick<Directory, 'get'>;
  /** Verdict's own policy: whether the proxy's credential may ask at all. */
  readonly guard: Guard;
  readonly append: (drafts: readonly EventDraft[]) => Promise<unknown>;
  /** Resolves when a known caller's refusal is recorded; of nobody's at once. */
  readonly refused: (caller: Caller | undefined, call: RefusedRequest) => Promise<void>;
  readonly region: string;
  readonly now?: () => number;
};

/** Rules on a request that a proxy holds back. Whatever it rules is durable before it resolves; it never rejects for what a client can send. */
export type Authorize = (proxied: Proxied, caller: Caller) => Promise<Ruling>;

const NO_TABLE = denied(503, 'routes.missing', 'Verdict has no route table, so it can not tell what this request asks: set routes.file.');
const MOST_PATH = 256;
const MOST_NAME = 64;

const isNoAllow = (outcome: ItemOutcome): boolean => outcome.kind !== 'decided' || !outcome.decision;

/** What is answered for questions that are asked: allowed only where each of them is. */
const rulingOf = (questions: readonly Question[], outcomes: readonly ItemOutcome[]): Ruling => {
  const found = outcomes.find(isNoAllow);
  const [first] = outcomes;
  if (found?.kind === 'decided') {
    const { id, reasons, advice } = found.context;
    return { ...denied(403, 'decision.denied', reasons[0]?.message ?? 'The policy does not allow this.'), event: id, reasons, advice };
  }
  if (found?.kind === 'forbidden') return denied(403, found.code, found.message);
  if (found?.kind === 'too_large') return denied(413, 'question.too_large', found.message);
  // An answer that isn't there for each question is none.
  if (found || first?.kind !== 'decided' || outcomes.length !== questions.length) return denied(400, 'question.invalid', 'The request asks nothing.');
  const { subject, context } = questions[0] as Question;
  const account = context?.['account'];
  return { kind: 'allowed', event: first.context.id, subject: `${subject.type}/${subject.id}`, account: typeof account === 'string' ? account : '' };
};

/** Makes {@link Authorize} of the route table, the end users' credentials and the policy. */
export const authorizer = (deps: AuthorizeDeps): Authorize => {
  const now = deps.now ?? Date.now;
  const unknownOf = deps.table && unknownResource(deps.table, deps.directory);
  const needingBody = new Set(deps.table?.routes.filter((route) => questionPicks(route).some(({ from }) => from === 'body')));

  /** Records what the table alone decided; its event's id. */
  const tell = async (proxied: Proxied, caller: Caller, told: Told): Promise<string> => {
    const draft = toldDraft(proxied, told, { caller, region: deps.region, now: now() });
    await deps.append([draft]);
    return draft.id;
  };

  const turnAway = async (proxied: Proxied, caller: Caller, ruling: Denied, about: Pick<Told, 'route' | 'user'> = {}): Promise<Denied> => {
    const { code, message } = ruling;
    return { ...ruling, event: await tell(proxied, caller, { allow: false, code, message, ...about }) };
  };

  const letThrough = async (proxied: Proxied, caller: Caller, { route }: RouteMatch): Promise<Allowed> => {
    const told = { allow: true, code: 'route.public', message: 'The route is public: nobody is asked about it.', route: route.name };
    return { kind: 'allowed', event: route.isRecorded ? await tell(proxied, caller, told) : undefined, subject: '', account: '' };
  };

  const noteRefusal = async (outcomes: readonly ItemOutcome[], { target, address, requestId }: Proxied, caller: Caller): Promise<void> => {
    for (const outcome of outcomes)
      if (outcome.kind === 'forbidden') {
        const account = outcome.account === undefined ? {} : { account: outcome.account };
        await deps.refused(caller, { address, requestId, code: outcome.code, path: target, permission: 'decision.evaluate', ...account });
      }
  };

  const ask = async (proxied: Proxied, questions: readonly Question[], by: AskedBy): Promise<Ruling> => {
    const items = questions.map((question) => ({ question }));
    const outcomes: readonly ItemOutcome[] =
      questions.length === 1 ? [await deps.decide.evaluate(questions[0] as Question, by)] : await deps.decide.evaluations(items, 'deny_on_first_deny', by);
    await noteRefusal(outcomes, proxied, by.caller);
    return rulingOf(questions, outcomes);
  };

  /** The questions of a request whose route and end user are known; or why there are none. */
  const readQuestions = async (proxied: Proxied, match: RouteMatch, user: EndUser): Promise<readonly Question[] | Denied> => {
    const { method, target, headers } = proxied;
    const body = needingBody.has(match.route) ? bodyValue(await proxied.body(), headers) : undefined;
    if (body && !body.ok) return body.denied;
    const read = questionsOf(match, { method, target, headers, ...(body && { body: body.value }) }, user);
    if (!read.ok) return denied(read.status, read.code, read.message);
    const unknown = unknownOf?.(match, read.questions);
    return unknown === undefined ? read.questions : denied(403, 'resource.unknown', unknownSentence(unknown));
  };

  const askFor = async (proxied: Proxied, caller: Caller, match: RouteMatch): Promise<Ruling> => {
    const { address, requestId, target } = proxied;
    const who = await deps.identify(proxied.headers, now());
    if (!who.ok) {
      await deps.refused(undefined, { address, requestId, code: who.code, path: target });
      return denied(who.code === 'credential.unverified' ? 503 : 401, who.code, who.message);
    }
    const questions = await readQuestions(proxied, match, who.user);
    if ('kind' in questions) return turnAway(proxied, caller, questions, { route: match.route.name, user: who.user });
    return ask(proxied, questions, { caller, address, requestId });
  };

  const rule = async (proxied: Proxied, caller: Caller): Promise<Ruling> => {
    const refusal = deps.guard(caller, 'decision.evaluate');
    if (refusal?.code === 'caller.permission') {
      const { address, requestId, target } = proxied;
      await deps.refused(caller, { address, requestId, code: refusal.code, path: target, permission: 'decision.evaluate' });
      return denied(403, refusal.code, refusal.message);
    }
    if (!deps.table) return NO_TABLE;
    const reserved = proxied.takesRemovals ? undefined : misspelled(proxied.headers);
    if (reserved !== undefined) {
      const why = `The header ${reserved.slice(0, MOST_NAME)} could be read as one that only Verdict sets, or that changes what is asked.`;
      return turnAway(proxied, caller, denied(400, 'header.reserved', why));
    }
    const match = deps.table.match(proxied.method, proxied.target);
    if (match.kind === 'refused') return turnAway(proxied, caller, denied(400, match.code, match.message));
    if (match.kind === 'none') {
      const who = await deps.identify(proxied.headers, now());
      const unknown = denied(403, 'route.unknown', `${match.method} ${match.path.slice(0, MOST_PATH)} is no route of the table.`);
      return turnAway(proxied, caller, unknown, who.ok ? { user: who.user } : {});
    }
    return match.route.isPublic ? letThrough(proxied, caller, match) : askFor(proxied, caller, match);
  };

  return async (proxied, caller) => {
    try {
      return await rule(proxied, caller);
    } catch (error) {
      if (error instanceof JournalUnavailable) return denied(503, error.code, error.message);
      throw error;
    }
  };
};
