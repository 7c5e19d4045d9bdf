import type { AskOptions, VerdictClient } from './client.js';
import type { Decision, Question } from './types.js';

/** What a request asks: a question; `public`: nothing, everybody may; undefined: nothing that is known, so it is refused. */
export type Asked = Question | 'public' | undefined;

/** What a middleware does with a request: let it pass, or refuse it. Both name the decision where there is one. */
export type Gate =
  | { readonly pass: true; readonly headers: Readonly<Record<string, string>> }
  | { readonly pass: false; readonly status: 403 | 503; readonly headers: Readonly<Record<string, string>>; readonly body: string };

const HEADER = 'x-verdict-decision';
const UNMAPPED: Decision = {
  decision: false,
  reasons: [{ code: 'request.unmapped', message: 'This request is not mapped to any question; what is not mapped is refused.' }],
  advice: [],
  cached: false,
};

/** A refusal as RFC 9457 has it, with Verdict's reasons; 503 where there is no answer of Verdict's. */
const refusal = ({ reasons, error }: Decision) => {
  const detail = reasons.map(({ message }) => message).join(' ') || 'The policy does not allow this.';
  const isAway = error !== undefined && (error.status ?? 503) >= 500;
  const code = isAway ? error.code : 'decision.denied';
  const [status, title] = isAway ? ([503, 'Service Unavailable'] as const) : ([403, 'Forbidden'] as const);
  return { type: `urn:verdict:problem:${code}`, title, status, detail, code };
};

const bodyOf = (found: ReturnType<typeof refusal>, { reasons, advice, id }: Decision): string =>
  JSON.stringify({
    ...found,
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
  const found = refusal(decision);
  return { pass: false, status: found.status, headers: { ...headers, 'content-type': 'application/problem+json' }, body: bodyOf(found, decision) };
};
