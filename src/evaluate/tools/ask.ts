import { type Caller, type Guard, isPermission, PERMISSIONS } from '../../caller/types.js';
import type { EventDraft, JsonObject } from '../../event/index.js';
import { createDecide, type ItemOutcome } from '../decide.js';
import type { Directory } from '../directory/types.js';
import { loadGuard } from '../guard.js';
import { readInput } from '../input-json.js';
import type { Policy, PolicyAnswer } from '../policy-types.js';
import type { Question } from '../question.js';
import type { CaseCaller } from './cases.js';

/** What came of one question: the answer, what would be recorded, and what the policy was given (undefined where it was not asked). */
export type Asked = { readonly answer: PolicyAnswer; readonly recorded: readonly EventDraft[]; readonly input: JsonObject | undefined };

/** What a question is asked of and by whom; `now` is the clock, in milliseconds since 1970. */
export type Circumstances = { readonly policy: Policy; readonly directory: Directory; readonly caller?: CaseCaller; readonly now?: number };

let loading: Promise<Guard> | undefined;

/** Verdict's own policy, read when the first question is asked. */
export const shippedGuard = (): Promise<Guard> => {
  loading ??= loadGuard();
  return loading;
};

/** The address that the question comes from: one for documentation (RFC 5737). */
export const ADDRESS = '192.0.2.1';

export const callerOf = ({ accounts = 'all', permissions = PERMISSIONS }: CaseCaller): Caller => ({
  id: 'key:platform',
  name: 'platform',
  accounts,
  permissions: new Set(permissions.filter(isPermission)),
});

/** The answer that an outcome comes down to: what was refused before any policy was asked is a deny too. */
export const answerOf = (outcome: ItemOutcome): PolicyAnswer => {
  const deny = (code: string): PolicyAnswer => ({ allow: false, reasons: [{ code, message: 'message' in outcome ? outcome.message : '' }], advice: [] });
  switch (outcome.kind) {
    case 'decided':
      return { allow: outcome.decision, reasons: outcome.context.reasons, advice: outcome.context.advice };
    case 'forbidden':
      return deny(outcome.code);
    case 'too_large':
      return deny('question.too_large');
    case 'invalid':
      return deny('question.invalid');
  }
};

/** Asks one question as a node would, and records nothing. */
export const ask = async (question: Question, { policy, directory, caller = {}, now }: Circumstances): Promise<Asked> => {
  const recorded: EventDraft[] = [];
  let input: JsonObject | undefined;
  const watched: Policy = {
    ...policy,
    decide: (given) => {
      input = readInput(given) as unknown as JsonObject;
      return policy.decide(given);
    },
  };
  const decide = createDecide({
    guard: await shippedGuard(),
    policy: () => watched,
    directory,
    append: async (drafts) => void recorded.push(...drafts),
    maxStalenessMs: 1_000,
    region: '',
    ...(now !== undefined && { now: () => now }),
  });
  const outcome = await decide.evaluate(question, { caller: callerOf(caller), address: ADDRESS, requestId: '' });
  return { answer: answerOf(outcome), recorded, input };
};
