import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Guard } from '../caller/types.js';
import { type EventDraft, EventTooLarge, type Json, MAX_EVENT_BYTES, type Reason } from '../event/index.js';
import type { AccountFound } from './account.js';
import type { Directory } from './directory/types.js';
import { alertDrafts, decisionDraft } from './draft.js';
import { type AskedBy, buildInput, type Clock, type Forbidden, type Input } from './input.js';
import { inputJson } from './input-json.js';
import type { Policy, PolicyAnswer } from './policy-types.js';
import type { Question } from './question.js';

export type { AskedBy, Forbidden } from './input.js';

/** The answer's context: the event's id, why, what else to know, and the policy's revision. */
export type DecisionContext = { readonly id: string; readonly reasons: readonly Reason[]; readonly advice: readonly Json[]; readonly policy: string };

export type Decided = { readonly kind: 'decided'; readonly decision: boolean; readonly context: DecisionContext };

/** The question can't be recorded whole, so it isn't answered. */
export type TooLarge = { readonly kind: 'too_large'; readonly message: string };

export type Outcome = Decided | Forbidden | TooLarge;

/** One place in a batch: a question, or what was wrong with it. */
export type Item = { readonly question: Question } | { readonly error: { readonly status: number; readonly message: string } };

/** One place in a batch's answer, in the order asked. */
export type ItemOutcome = Outcome | { readonly kind: 'invalid'; readonly status: number; readonly message: string };

export type Semantic = 'execute_all' | 'deny_on_first_deny' | 'permit_on_first_permit';

export type DecideDeps = {
  readonly policy: () => Policy;
  readonly directory: Directory;
  /** Verdict's own policy: what a caller may ask and claim. */
  readonly guard: Guard;
  readonly append: (drafts: readonly EventDraft[]) => Promise<unknown>;
  readonly maxStalenessMs: number;
  readonly region: string;
  readonly now?: () => number;
  /** Told of each decision's outcome. */
  readonly observe?: (decision: boolean) => void;
};

export type Decide = {
  /** Answers one question; resolves when its record is durable. Rejects with JournalUnavailable when it can't be recorded. */
  readonly evaluate: (question: Question, by: AskedBy) => Promise<Outcome>;
  /** Answers questions in order, recorded in one commit; stops where the semantic says so (AuthZEN 1.0, section 7.1.2.1). */
  readonly evaluations: (items: readonly Item[], semantic: Semantic, by: AskedBy) => Promise<readonly ItemOutcome[]>;
};

type Judged = { readonly outcome: Decided; readonly drafts: readonly EventDraft[] };

const TOO_LARGE: TooLarge = {
  kind: 'too_large',
  message: `The record of this question would be over ${MAX_EVENT_BYTES} bytes; send less in properties and context.`,
};

/** How long one request's questions keep others waiting at most, in milliseconds; a question itself is the watchdog's affair. */
const TURN_MS = 20;

/** The time, made into text once a millisecond. */
const clockOf = (now: () => number): (() => Clock) => {
  let clock: Clock = { ms: Number.NaN, text: '' };
  return () => {
    const ms = now();
    if (ms !== clock.ms) clock = { ms, text: new Date(ms).toISOString() };
    return clock;
  };
};

const deny = (code: string, message: string): PolicyAnswer => ({ allow: false, reasons: [{ code, message }], advice: [] });

/** The policy's answer, unless the question must be denied before it is put to any policy. */
const answerOf = (input: Input, account: AccountFound, policy: Policy, { directory, maxStalenessMs }: DecideDeps): PolicyAnswer => {
  if (account.found === 'mismatch')
    return deny('account.mismatch', `The question names account ${account.claimed}, but the resource belongs to ${account.account}.`);
  if (directory.staleness() > maxStalenessMs)
    return deny(
      'directory.stale',
      `This node's copy of the directory was not confirmed for ${maxStalenessMs / 1000} s (directory.max_staleness); it denies until it has caught up.`,
    );
  return policy.decide(inputJson(input));
};

/** Records drafts in one commit, without those too large for a record and what they caused: ids of the large are the result. */
const recorder =
  (append: DecideDeps['append']) =>
  async (drafts: readonly EventDraft[]): Promise<ReadonlySet<string>> => {
    const tooLarge = new Set<string>();
    let left = drafts;
    while (left.length > 0) {
      try {
        await append(left);
        break;
      } catch (error) {
        if (!(error instanceof EventTooLarge)) throw error;
        const { id, caused_by: cause } = left[error.index] as EventDraft;
        const decision = cause ?? id;
        tooLarge.add(decision);
        left = left.filter((draft) => draft.id !== decision && draft.caused_by !== decision);
      }
    }
    return tooLarge;
  };

/** Puts questions to the policy with what the directory knows, and makes the record. */
export const createDecide = (deps: DecideDeps): Decide => {
  const clock = clockOf(deps.now ?? Date.now);
  const record = recorder(deps.append);

  const judge = (question: Question, by: AskedBy, policy: Policy): Judged | Forbidden => {
    const started = clock();
    const built = buildInput(deps, question, by, started);
    if (built.kind === 'forbidden') return built;
    const begun = performance.now();
    const answer = answerOf(built.input, built.found, policy, deps);
    const microseconds = Math.round((performance.now() - begun) * 1000);
    deps.observe?.(answer.allow);
    const { allow, reasons, advice } = answer;
    const draft = decisionDraft(question, by, built, { answer, policy: policy.revision, microseconds }, started.text, deps.region);
    const context = { id: draft.id, reasons, advice, policy: policy.revision };
    return { outcome: { kind: 'decided', decision: allow, context }, drafts: [draft, ...alertDrafts(draft, advice)] };
  };

  return {
    evaluate: async (question, by) => {
      const judged = judge(question, by, deps.policy());
      if (!('drafts' in judged)) return judged;
      const tooLarge = await record(judged.drafts);
      return tooLarge.size > 0 ? TOO_LARGE : judged.outcome;
    },
    evaluations: async (items, semantic, by) => {
      const outcomes: ItemOutcome[] = [];
      const drafts: EventDraft[] = [];
      // One request, one policy: a bundle that is activated meanwhile waits for the next request.
      const policy = deps.policy();
      let turn = performance.now();
      for (const item of items) {
        if (performance.now() - turn > TURN_MS) {
          await nextTurn();
          turn = performance.now();
        }
        const judged = 'question' in item ? judge(item.question, by, policy) : undefined;
        if (judged && 'drafts' in judged) drafts.push(...judged.drafts);
        const outcome = judged ? ('drafts' in judged ? judged.outcome : judged) : invalid(item);
        outcomes.push(outcome);
        const isAllowed = outcome.kind === 'decided' && outcome.decision;
        if ((semantic === 'deny_on_first_deny' && !isAllowed) || (semantic === 'permit_on_first_permit' && isAllowed)) break;
      }
      const tooLarge = await record(drafts);
      if (tooLarge.size === 0) return outcomes;
      return outcomes.map((outcome) => (outcome.kind === 'decided' && tooLarge.has(outcome.context.id) ? TOO_LARGE : outcome));
    },
  };
};

const invalid = (item: Item): ItemOutcome => ({ kind: 'invalid', ...(item as { error: { status: number; message: string } }).error });
