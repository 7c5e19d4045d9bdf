import { turns } from '../caller/turns.js';
import { MAX_EVENT_BYTES } from '../event/index.js';
import { answerOf, type DecideDeps } from './decide.js';
import type { Directory } from './directory/types.js';
import {
  type AskedBy,
  type Built,
  buildInput,
  type Clock,
  type Forbidden,
  forbiddenTo,
  isMember,
  isVerdictsOwn,
  placeOf,
  situationOf,
  visible,
} from './input.js';
import type { Policy } from './policy-types.js';
import type { Question } from './question.js';
import { clockOf, recorder, TOO_LARGE, type TooLarge } from './recording.js';
import { type Candidates, candidatesOf, type Place } from './search-candidates.js';
import { type SearchTold, searchDraft } from './search-draft.js';
import { type Scope, scopeOf } from './search-scope.js';
import { searchTurns, type TurnsConfig } from './search-turns.js';

export type { Place } from './search-candidates.js';

/** What is searched for. */
export type SearchKind = 'subject' | 'resource' | 'action';

/**
 * Which subjects, resources or actions would a question be allowed with (AuthZEN 1.0, section 8)? `question` has any text
 * in the place of the searched-for id or name: it is ignored.
 */
export type Search = {
  readonly kind: SearchKind;
  readonly question: Question;
  /** The most results of the answer. */
  readonly limit: number;
  /** Where an earlier answer of the same search ended. */
  readonly from?: Place;
};

/** What was found, in no order that means anything: ids, or for actions names. `next` is where the search goes on; absent, there is no more. */
export type Found = {
  readonly kind: 'found';
  readonly ids: readonly string[];
  readonly next?: Place;
  /** The event's id, and the policy's revision. */
  readonly context: { readonly id: string; readonly policy: string };
};

/** Too many searches are under way here. Nothing was asked. */
export type Busy = { readonly kind: 'busy'; readonly message: string };

export type SearchOutcome = Found | Forbidden | TooLarge | Busy;

/** Answers one search; resolves when its record is durable. Rejects with JournalUnavailable when it can't be recorded. */
export type SearchFor = (search: Search, by: AskedBy) => Promise<SearchOutcome>;

/** How long searches keep others waiting at most, in milliseconds; a question itself is the watchdog's affair. */
const TURN_MS = 2;
/** How long they wait at most for decisions that are under way, after each of these. */
const DEFER_MS = 4;
/** When a page ends, whatever it holds by then: milliseconds, and questions put to the policy. */
const MAX_MS = 2_000;
const MAX_CANDIDATES = 50_000;
/** So many searches are under way at once, and so many wait for them to end: what was found is held until it is told. */
const AT_ONCE = 32;
const WAITING = 1_000;

const BUSY: Busy = { kind: 'busy', message: `${AT_ONCE} searches are under way in this worker, and ${WAITING} wait; ask again in a moment.` };

const filled: Readonly<Record<SearchKind, (question: Question, id: string) => Question>> = {
  subject: (question, id) => ({ ...question, subject: { ...question.subject, id } }),
  resource: (question, id) => ({ ...question, resource: { ...question.resource, id } }),
  action: (question, name) => ({ ...question, action: { name } }),
};

/** The question as far as its account goes. What is searched for has none yet: each candidate brings its own. */
const inGeneral = ({ kind, question }: Search): Question =>
  kind === 'resource' ? { ...question, resource: { ...question.resource, type: '', id: '' } } : filled[kind](question, '');

/** What the directory does not know is in no answer, whatever a policy says of it: searching is over what is known. */
const knowsSubject = ({ subject }: Question, { person, token, input }: Built): boolean => {
  if (isVerdictsOwn(subject.type)) return false;
  return subject.type === 'token' ? token !== undefined : person !== undefined || input.directory.membership !== null;
};

/** `*` stands for none in particular, as where one is to be made, and is known. */
const knowsResource = (directory: Directory, { type, id }: Question['resource'], account: string | undefined, by: AskedBy): boolean => {
  if (isVerdictsOwn(type)) return false;
  if (id === '*') return true;
  const member = isMember(directory, account, { type, id });
  return member || visible(directory.get(type, id), account, by.caller.accounts === 'all') !== undefined;
};

export type SearchDeps = DecideDeps & {
  /** Whether decisions are under way: searches let them go first. */
  readonly isBusy?: () => boolean;
};

type Walked = { readonly ids: readonly string[]; readonly asked: number; readonly next?: Place };

type Limits = TurnsConfig & { readonly maxMs: number; readonly maxCandidates: number };
const LIMITS: Limits = { turnMs: TURN_MS, deferMs: DEFER_MS, maxMs: MAX_MS, maxCandidates: MAX_CANDIDATES };

type Walk = { readonly candidates: Candidates; readonly limit: number; readonly isAllowed: (id: string) => boolean };

/**
 * Takes candidates until the answer is full and another one is found that belongs into it, so that an answer that is
 * not the last one is followed by one with something in it; or until it has taken long enough. Each call of what is
 * returned goes on until the time it is given; undefined: there is more to do.
 */
const walker = ({ candidates, limit, isAllowed }: Walk, { maxMs, maxCandidates }: Limits): ((until: number) => Walked | undefined) => {
  const ids: string[] = [];
  const start = candidates.place();
  /** A page that ended where it began would be followed by the same one for ever. */
  const hasMoved = ({ stretch, after }: Place): boolean => stretch !== start.stretch || after !== start.after;
  let asked = 0;
  let begun: number | undefined;
  return (until) => {
    begun ??= performance.now();
    for (let now = begun; now < until; now = performance.now()) {
      const before = candidates.place();
      const step = candidates.next();
      if (step.kind === 'end') return { ids, asked };
      if (step.kind === 'candidate') {
        asked += 1;
        const allowed = isAllowed(step.id);
        if (allowed && ids.length === limit) return { ids, asked, next: before };
        if (allowed) ids.push(step.id);
      }
      if ((asked >= maxCandidates || now - begun > maxMs) && hasMoved(candidates.place())) return { ids, asked, next: candidates.place() };
    }
    return undefined;
  };
};

/** Enumerates what the directory knows and puts a question to the policy for each. `limits` are for tests that can't wait for the real ones. */
export const createSearch = (deps: SearchDeps, limits: Partial<Limits> = {}): SearchFor => {
  const { directory, guard } = deps;
  const clock = clockOf(deps.now ?? Date.now);
  const record = recorder(deps.append);
  const bounds: Limits = { ...LIMITS, ...limits };
  const turn = searchTurns(bounds, deps.isBusy);
  const inLine = turns({ atOnce: AT_ONCE, waiting: WAITING });

  const allowedBy =
    ({ kind, question }: Search, by: AskedBy, policy: Policy, started: Clock): ((id: string) => boolean) =>
    (id) => {
      const one = filled[kind](question, id);
      const built = buildInput(deps, one, by, started);
      if (built.kind === 'forbidden' || !knowsSubject(one, built)) return false;
      return answerOf(built.input, built.found, policy, deps).allow;
    };

  /** The candidates, or none where a question could not be allowed whatever stood in the searched-for place. */
  const candidatesFor = (search: Search, scope: Scope, by: AskedBy, policy: Policy): Candidates => {
    const { kind, question } = search;
    const isKnown = kind === 'resource' || knowsResource(directory, question.resource, scope.account, by);
    return candidatesOf(isKnown ? scope.stretches(directory, policy.actions) : [], search.from);
  };

  const searchFor: SearchFor = async (search, by) => {
    const placed = placeOf(directory, inGeneral(search), by.caller);
    const forbidden = forbiddenTo(guard, by.caller, placed.account);
    if (forbidden) return forbidden;
    const policy = deps.policy();
    const started = clock();
    const scope = scopeOf(search, placed, by.caller);
    const begun = performance.now();
    const situation = situationOf(search.question, by, started, guard);
    const draftOf = (told: Omit<SearchTold, 'policy' | 'milliseconds'>) =>
      searchDraft(
        directory,
        search,
        by,
        { account: scope.account, situation },
        { ...told, policy: policy.revision, milliseconds: Math.round(performance.now() - begun) },
        { timestamp: started.text, region: deps.region },
      );
    // What could not be recorded is not asked a thousand times first.
    if (Buffer.byteLength(JSON.stringify(draftOf({ candidates: 0, results: 0, isPart: false }))) > MAX_EVENT_BYTES) return TOO_LARGE;
    const allowed = allowedBy(search, by, policy, started);
    const go = walker({ candidates: candidatesFor(search, scope, by, policy), limit: search.limit, isAllowed: allowed }, bounds);
    let walked: Walked | undefined;
    while (!walked) walked = await turn(go);
    const { ids, asked, next } = walked;
    const draft = draftOf({ candidates: asked, results: ids.length, isPart: next !== undefined });
    if ((await record([draft])).size > 0) return TOO_LARGE;
    return { kind: 'found', ids, ...(next && { next }), context: { id: draft.id, policy: policy.revision } };
  };

  return async (search, by) => (await inLine(() => searchFor(search, by))) ?? BUSY;
};
