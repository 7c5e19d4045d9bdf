import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Caller, holds, reaches } from '../caller/types.js';
import { type EventDraft, EventTooLarge, type Json, type JsonObject, MAX_EVENT_BYTES, newEventId, type Reason, SYSTEM_ACCOUNT } from '../event/index.js';
import { accountOf } from './account.js';
import type { Directory, Entity } from './directory/types.js';
import type { Policy, PolicyAnswer } from './policy-types.js';
import { asRecorded, type Question } from './question.js';

/** What the front knows of the request that a question came in. */
export type AskedBy = {
  readonly caller: Caller;
  /** The client's address, as Verdict sees it. */
  readonly address: string;
  readonly requestId: string;
};

/** The answer's context: the event's id, why, what else to know, and the policy's revision. */
export type DecisionContext = { readonly id: string; readonly reasons: readonly Reason[]; readonly advice: readonly Json[]; readonly policy: string };

export type Decided = { readonly kind: 'decided'; readonly decision: boolean; readonly context: DecisionContext };

/** The caller may not ask this: `account` is the one it asked about. Nothing was evaluated. */
export type Forbidden = {
  readonly kind: 'forbidden';
  readonly code: 'caller.permission' | 'caller.account';
  readonly message: string;
  readonly account: string | undefined;
};

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

type Judged = { readonly outcome: Decided; readonly draft: EventDraft };

const TOO_LARGE: TooLarge = {
  kind: 'too_large',
  message: `The record of this question would be over ${MAX_EVENT_BYTES} bytes; send less in properties and context.`,
};

/** How long one request's questions keep others waiting at most, in milliseconds; a question itself is the watchdog's affair. */
const TURN_MS = 20;

/** Claims about the world that only a trusted caller may make. */
const ASSERTED = ['time', 'mfa', 'ip', 'break_glass'] as const;

const toInput = (entity: Entity | undefined): JsonObject | null =>
  entity ? { type: entity.type, id: entity.id, account: entity.account ?? null, properties: entity.properties, version: entity.version } : null;

const overlay = (asked: JsonObject | undefined, known: Entity | undefined): JsonObject => {
  if (!known) return asked ?? {};
  return asked ? { ...asked, ...known.properties } : known.properties;
};

const contextFor = (question: Question, by: AskedBy, nowText: string): JsonObject => {
  const asked = question.context ?? {};
  if (holds(by.caller, 'decision.assert')) return typeof asked['time'] === 'string' ? asked : { ...asked, time: nowText };
  const context: Record<string, Json> = { ...asked };
  for (const name of ASSERTED) delete context[name];
  return { ...context, time: nowText, ip: by.address };
};

const label = (value: Json | undefined): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);

/**
 * A membership's id joins two ids by a colon, which ids may contain too: only the account in the entity itself counts.
 * It is a user's, unless it names another `subject_type`: a service with a user's id gains nothing.
 */
const membershipOf = (directory: Directory, account: string, subject: Question['subject']): Entity | undefined => {
  const membership = directory.get('membership', `${account}:${subject.id}`);
  const isTheirs = membership?.account === account && (membership.properties['subject_type'] ?? 'user') === subject.type;
  return isTheirs ? membership : undefined;
};

/**
 * An entity as far as a question may rest on it: the account's own, or, where the caller may know of it, one of no
 * account (a person in several). Another account's is as good as unknown: its record would tell of it.
 */
const visible = (entity: Entity | undefined, account: string | undefined, mayKnow: boolean): Entity | undefined => {
  if (entity?.account === undefined) return mayKnow ? entity : undefined;
  return entity.account === account ? entity : undefined;
};

/** Puts questions to the policy with what the directory knows, and makes the record. */
export const createDecide = (deps: DecideDeps): Decide => {
  const now = deps.now ?? Date.now;
  let stampMs = 0;
  let stamp = '';
  const timeText = (ms: number): string => {
    if (ms !== stampMs) {
      stampMs = ms;
      stamp = new Date(ms).toISOString();
    }
    return stamp;
  };

  const answer = (input: object, account: ReturnType<typeof accountOf>, policy: Policy): PolicyAnswer => {
    if (account.found === 'mismatch') {
      const message = `The question names account ${account.claimed}, but the resource belongs to ${account.account}.`;
      return { allow: false, reasons: [{ code: 'account.mismatch', message }], advice: [] };
    }
    if (deps.directory.staleness() > deps.maxStalenessMs) {
      const message = `This node's copy of the directory was not confirmed for ${deps.maxStalenessMs / 1000} s (directory.max_staleness); it denies until it has caught up.`;
      return { allow: false, reasons: [{ code: 'directory.stale', message }], advice: [] };
    }
    return policy.decide(input);
  };

  const judge = (question: Question, by: AskedBy, policy: Policy): Judged | Forbidden => {
    const { subject, action, resource } = question;
    const { directory } = deps;
    const resourceEntity = directory.get(resource.type, resource.id);
    const found = accountOf(question, resourceEntity, by.caller.accounts);
    const account = found.found === 'none' ? undefined : found.account;
    if (account !== undefined && !reaches(by.caller, account))
      return { kind: 'forbidden', code: 'caller.account', account, message: `This credential may not ask about account ${account}.` };

    const accountEntity = account === undefined ? undefined : directory.get('account', account);
    const membership = account === undefined ? undefined : membershipOf(directory, account, subject);
    const subjectEntity = visible(directory.get(subject.type, subject.id), account, membership !== undefined || by.caller.accounts === 'all');
    const tokenId = label(question.context?.['token']);
    const token = tokenId === undefined ? undefined : visible(directory.get('token', tokenId), account, by.caller.accounts === 'all');

    const started = now();
    const timestamp = timeText(started);
    const context = contextFor(question, by, timestamp);
    const input = {
      subject: { type: subject.type, id: subject.id, properties: overlay(subject.properties, subjectEntity) },
      action,
      resource: { type: resource.type, id: resource.id, properties: overlay(resource.properties, resourceEntity) },
      context,
      directory: { account: toInput(accountEntity), membership: toInput(membership), token: toInput(token) },
    };
    const begun = performance.now();
    const { allow, reasons, advice } = answer(input, found, policy);
    const microseconds = Math.round((performance.now() - begun) * 1000);
    deps.observe?.(allow);

    const facts: Record<string, number> = {};
    for (const entity of [resourceEntity, subjectEntity, accountEntity, membership, token]) if (entity) facts[`${entity.type}/${entity.id}`] = entity.version;

    const id = newEventId();
    const email = label(subjectEntity?.properties['email']);
    const ip = label(context['ip']);
    const userAgent = label(context['user_agent']);
    const name = label(resourceEntity?.properties['name']);
    const draft: EventDraft = {
      id,
      timestamp,
      account: account ?? SYSTEM_ACCOUNT,
      kind: 'decision',
      actor: { type: subject.type, id: subject.id, ...(email && { email }), ...(ip && { ip }), ...(userAgent && { user_agent: userAgent }) },
      action: action.name,
      resource: { type: resource.type, id: resource.id, ...(name && { name }) },
      result: allow ? 'allowed' : 'denied',
      details: { caller: by.caller.id },
      decision: {
        allow,
        reasons,
        advice,
        policy: policy.revision,
        duration_us: microseconds,
        question: asRecorded(question, label(context['time']) ?? timestamp, token?.id),
        facts,
      },
      ...(by.requestId !== '' && { request: { id: by.requestId } }),
      ...(deps.region !== '' && { region: deps.region }),
      source: 'pdp',
    };
    return { outcome: { kind: 'decided', decision: allow, context: { id, reasons, advice, policy: policy.revision } }, draft };
  };

  const guarded = (question: Question, by: AskedBy, policy: Policy): Judged | Forbidden => {
    if (!holds(by.caller, 'decision.evaluate'))
      return { kind: 'forbidden', code: 'caller.permission', account: undefined, message: 'This credential lacks the permission decision.evaluate.' };
    return judge(question, by, policy);
  };

  /** Records the drafts in one commit, without those too large for a record: their ids are the result. */
  const record = async (drafts: readonly EventDraft[]): Promise<ReadonlySet<string>> => {
    const tooLarge = new Set<string>();
    let left = drafts;
    while (left.length > 0) {
      try {
        await deps.append(left);
        break;
      } catch (error) {
        if (!(error instanceof EventTooLarge)) throw error;
        const { index } = error;
        tooLarge.add((left[index] as EventDraft).id);
        left = left.filter((_, place) => place !== index);
      }
    }
    return tooLarge;
  };

  return {
    evaluate: async (question, by) => {
      const judged = guarded(question, by, deps.policy());
      if (!('draft' in judged)) return judged;
      const tooLarge = await record([judged.draft]);
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
        const judged = 'question' in item ? guarded(item.question, by, policy) : undefined;
        if (judged && 'draft' in judged) drafts.push(judged.draft);
        const outcome: ItemOutcome = judged
          ? 'draft' in judged
            ? judged.outcome
            : judged
          : { kind: 'invalid', ...(item as { error: { status: number; message: string } }).error };
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
