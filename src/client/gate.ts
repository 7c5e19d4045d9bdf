import type { AskOptions, VerdictClient } from './client.js';
import type { Decision, Question } from './types.js';

/** What a request asks: a question; `public`: nothing, everybody may; undefined: nothing that is known, so it is refused. */
export type Asked = Question | 'public' | undefined;

/** What a middleware does with a request: let it pass, or refuse it. Both name the decision where there is one. */
export type Gate =
  | { readonly pass: true; readonly headers: Readonly<Record<string, string>> }
  | { readonly pass: false; readonly status: 403; readonly headers: Readonly<Record<string, string>>; readonly body: string };

const HEADER = 'x-verdict-decision';
const UNMAPPED: Decision = {
  decision: false,
  reasons: [{ code: 'request.unmapped', message: 'This request is not mapped to any question; what is not mapped is refused.' }],
  advice: [],
  cached: false,
};

/** A refusal as RFC 9457 has it, with Verdict's reasons. */
const refusal = ({ reasons, advice, id }: Decision): string =>
  JSON.stringify({
    type: 'about:blank',
    title: 'Forbidden',
    status: 403,
    detail: reasons.map(({ message }) => message).join(' ') || 'The policy does not allow this.',
    code: 'decision.denied',
    reasons,
    advice,
    ...(id !== undefined && { decision: id }),
  });

/** Asks Verdict what a request asks. Rejects only where the client's `onError` is `throw`. */
export const gate = async (client: Pick<VerdictClient, 'evaluate'>, asked: Asked, options?: AskOptions): Promise<Gate> => {
  if (asked === 'public') return { pass: true, headers: {} };
  const decision = asked ? await client.evaluate(asked, options) : UNMAPPED;
  const headers: Record<string, string> = decision.id === undefined ? {} : { [HEADER]: decision.id };
  if (decision.decision === true) return { pass: true, headers };
  return { pass: false, status: 403, headers: { ...headers, 'content-type': 'application/problem+json' }, body: refusal(decision) };
};
