import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Guard } from '../caller/types.js';
import type { EventDraft, Json, Reason } from '../event/index.js';
import type { AccountFound } from './account.js';
import type { Directory } from './directory/types.js';
import { alertDrafts, decisionDraft } from './draft.js';
import { type AskedBy, buildInput, type Forbidden, type Input } from './input.js';
import { inputJson } from './input-json.js';
import type { Policy, PolicyAnswer } from './policy-types.js';
import type { Question } from './question.js';
import { clockOf, recorder, TOO_LARGE, type TooLarge, TURN_MS } from './recording.js';

export type { AskedBy, Forbidden } from './input.js';
export type { TooLarge } from './recording.js';

/** The answer's context: the event's id, why, what else to know, and the policy's revision. */
export type DecisionContext = { readonly id: string; readonly reasons: readonly Reason[]; readonly advice: readonly Json[]; readonly policy: string };

export type Decided = { readonly kind: 'decided'; readonly decision: boolean; readonly context: DecisionContext };

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

/** Why a question is denied before it is put to any policy; undefined where it is not. */
export const denialBefore = (account: AccountFound, { directory, maxStalenessMs }: Pick<DecideDeps, 'directory' | 'maxStalenessMs'>): Reason | undefined => {
  if (account.found === 'mismatch')
    return { code: 'account.mismatch', message: `The question names account ${account.claimed}, but the resource belongs to ${account.account}.` };
  if (directory.staleness() <= maxStalenessMs) return undefined;
  const seconds = maxStalenessMs / 1000;
  return {
    code: 'directory.stale',
    message: `This node's copy of the directory was not confirmed for ${seconds} s (directory.max_staleness); it denies until it has caught up.`,
  };
};

/** The policy's answer, unless the question must be denied before it is put to any policy. */
export const answerOf = (input: Input, account: AccountFound, policy: Policy, deps: DecideDeps): PolicyAnswer => {
  const denial = denialBefore(account, deps);
  return denial ? { allow: false, reasons: [denial], advice: [] } : policy.decide(inputJson(input));
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
