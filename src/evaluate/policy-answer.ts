import type { Json, Reason } from '../event/index.js';
import type { PolicyAnswer } from './policy-types.js';

/** The most that an answer's reasons and advice may come to, in UTF-16 units: they become part of an event. */
export const MAX_ANSWER_LENGTH = 16_384;

/** How deep advice may be nested. */
export const MAX_ADVICE_DEPTH = 32;

/** The code of a reason that a foreign bundle gave without one. */
export const UNNAMED = 'policy.reason';

const NOTHING: readonly never[] = [];

/** The deny that stands for a policy which gave no usable answer. */
export const failedAnswer = (why: string): PolicyAnswer => ({ allow: false, reasons: [{ code: 'policy.error', message: why }], advice: NOTHING });

const asReason = (value: unknown): Reason | undefined => {
  if (typeof value === 'string') return { code: UNNAMED, message: value };
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const { code, message } = value as { code?: unknown; message?: unknown };
  if (typeof code !== 'string' && typeof message !== 'string') return undefined;
  return { code: typeof code === 'string' && code !== '' ? code : UNNAMED, message: typeof message === 'string' ? message : '' };
};

const asReasons = (value: unknown): readonly Reason[] => (Array.isArray(value) ? value.map(asReason).filter((reason) => reason !== undefined) : NOTHING);

const isDeeper = (value: unknown, depth: number): boolean => {
  if (typeof value !== 'object' || value === null) return false;
  if (depth === 0) return true;
  return Object.values(value).some((child) => isDeeper(child, depth - 1));
};

const lengthOf = (reasons: readonly Reason[], advice: readonly Json[]): number => {
  let length = 0;
  for (const { code, message } of reasons) length += code.length + message.length;
  return advice.length === 0 ? length : length + JSON.stringify(advice).length;
};

const say = (value: unknown): string =>
  value === null ? 'null' : Array.isArray(value) ? 'an array' : `${typeof value === 'object' ? 'an' : 'a'} ${typeof value}`;

/**
 * Verdict's own form of what an entrypoint returned: a boolean, or `{allow, reasons, advice}` whose `allow` is a boolean.
 * Reasons lose all but code and message; a reason that is a string becomes the message of `policy.reason`.
 * Anything else, and an answer too long or too deep to record, is a deny with reason `policy.error`.
 */
export const toAnswer = (result: unknown): PolicyAnswer => {
  if (typeof result === 'boolean') return { allow: result, reasons: NOTHING, advice: NOTHING };
  if (typeof result !== 'object' || result === null || Array.isArray(result))
    return failedAnswer(`The policy answered ${say(result)}; a boolean or an object with allow, reasons and advice is expected.`);
  const answer = result as { allow?: unknown; reasons?: unknown; advice?: unknown };
  if (typeof answer.allow !== 'boolean')
    return failedAnswer(`The policy answered an object whose allow is ${answer.allow === undefined ? 'missing' : say(answer.allow)}, not a boolean.`);
  const reasons = asReasons(answer.reasons);
  const advice = Array.isArray(answer.advice) ? (answer.advice as readonly Json[]) : NOTHING;
  if (isDeeper(advice, MAX_ADVICE_DEPTH + 1)) return failedAnswer(`The policy answered advice nested deeper than ${MAX_ADVICE_DEPTH} levels.`);
  if (lengthOf(reasons, advice) > MAX_ANSWER_LENGTH)
    return failedAnswer(`The policy answered more than ${MAX_ANSWER_LENGTH} characters of reasons and advice.`);
  return { allow: answer.allow, reasons, advice };
};
