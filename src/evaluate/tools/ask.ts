import { type Caller, type Guard, isPermission, PERMISSIONS } from '../../caller/types.js';
import type { EventDraft, JsonObject } from '../../event/index.js';
import { createDecide } from '../decide.js';
import type { Directory } from '../directory/types.js';
import { loadGuard } from '../guard.js';
import type { Policy, PolicyAnswer } from '../policy-types.js';
import type { Question } from '../question.js';
import type { CaseCaller } from './cases.js';

/** What came of one question: the answer, what would be recorded, and what the policy was given (undefined where it was not asked). */
export type Asked = { readonly answer: PolicyAnswer; readonly recorded: readonly EventDraft[]; readonly input: JsonObject | undefined };

/** What a question is asked of and by whom; `now` is the clock, in milliseconds since 1970. */
export type Circumstances = { readonly policy: Policy; readonly directory: Directory; readonly caller?: CaseCaller; readonly now?: number };

let loading: Promise<Guard> | undefined;

/** Verdict's own policy, read when the first question is asked. */
const guard = (): Promise<Guard> => {
  loading ??= loadGuard();
  return loading;
};

/** The address that the question comes from: one for documentation (RFC 5737). */
const ADDRESS = '192.0.2.1';

const callerOf = ({ accounts = 'all', permissions = PERMISSIONS }: CaseCaller): Caller => ({
  id: 'key:platform',
  name: 'platform',
  accounts,
  permissions: new Set(permissions.filter(isPermission)),
});

/** Asks one question as a node would, and records nothing. */
export const ask = async (question: Question, { policy, directory, caller = {}, now }: Circumstances): Promise<Asked> => {
  const recorded: EventDraft[] = [];
  let input: JsonObject | undefined;
  const watched: Policy = {
    ...policy,
    decide: (given) => {
      input = (given instanceof ArrayBuffer ? JSON.parse(new TextDecoder().decode(given)) : given) as JsonObject;
      return policy.decide(given);
    },
  };
  const decide = createDecide({
    guard: await guard(),
    policy: () => watched,
    directory,
    append: async (drafts) => void recorded.push(...drafts),
    maxStalenessMs: 1_000,
    region: '',
    ...(now !== undefined && { now: () => now }),
  });
  const outcome = await decide.evaluate(question, { caller: callerOf(caller), address: ADDRESS, requestId: '' });
  const answer = ((): PolicyAnswer => {
    switch (outcome.kind) {
      case 'decided':
        return { allow: outcome.decision, reasons: outcome.context.reasons, advice: outcome.context.advice };
      case 'forbidden':
        return { allow: false, reasons: [{ code: outcome.code, message: outcome.message }], advice: [] };
      case 'too_large':
        return { allow: false, reasons: [{ code: 'question.too_large', message: outcome.message }], advice: [] };
    }
  })();
  return { answer, recorded, input };
};
