import { createHash } from 'node:crypto';
import { isObject, type Json, type JsonObject, type Reason } from '../event/index.js';
import { toAnswer } from './policy-answer.js';
import type { Policy, PolicyAnswer } from './policy-types.js';

/** The most bytes of JSON that one query's result may come to. */
export const MAX_RESULT_BYTES = 1024 * 1024;

/** What a query came to: its result as JSON text (undefined: the policy has none), and what is recorded of it. */
export type Ruled =
  | { readonly kind: 'answered'; readonly json: string | undefined; readonly answer: PolicyAnswer; readonly document?: JsonObject }
  | { readonly kind: 'failed'; readonly reason: Reason };

const entrypoints = new WeakMap<Policy, ReadonlySet<string>>();

const entrypointsOf = (policy: Policy): ReadonlySet<string> => {
  const known = entrypoints.get(policy);
  if (known) return known;
  const names = new Set(policy.entrypoints);
  entrypoints.set(policy, names);
  return names;
};

/** An entrypoint, and the rest of a path that leads into what it answers. */
export type Place = { readonly entrypoint: string; readonly rest: readonly string[] };

const HERE: readonly string[] = [];

/** The longest entrypoint that a path is or goes on from, and the rest of the path. */
export const entrypointFor = (policy: Policy, path: string): Place | undefined => {
  const names = entrypointsOf(policy);
  if (names.has(path)) return { entrypoint: path, rest: HERE };
  for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) {
    const entrypoint = path.slice(0, at);
    if (names.has(entrypoint)) return { entrypoint, rest: path.slice(at + 1).split('/') };
  }
  return undefined;
};

/** The part of a result that the rest of a path leads to, by keys and by places in arrays. */
export const within = (result: Json | undefined, rest: readonly string[]): Json | undefined => {
  let value = result;
  for (const name of rest) {
    if (Array.isArray(value)) value = /^\d{1,9}$/.test(name) ? (value as readonly Json[])[Number(name)] : undefined;
    else value = isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
  }
  return value;
};

const isDecision = (result: Json | undefined): result is boolean | (JsonObject & { readonly allow: boolean }) =>
  typeof result === 'boolean' || (isObject(result) && typeof result['allow'] === 'boolean');

const denied = (code: string, message: string): PolicyAnswer => ({ allow: false, reasons: [{ code, message }], advice: [] });

const UNDEFINED = denied('policy.undefined', 'The policy has no answer to this query: what was asked for is undefined.');
const DOCUMENT = denied(
  'policy.document',
  'The policy answered a document that is neither true, false nor an object whose allow is; it allows nothing by itself.',
);

/** What tells later that a document is the one that was answered, without keeping it: anything may stand in it. */
const traceOf = (json: string): JsonObject => ({ bytes: Buffer.byteLength(json), sha256: createHash('sha256').update(json).digest('hex') });

/** Whether an object says more than a decision does. */
const saysMore = (result: Json): boolean => {
  if (!isObject(result)) return false;
  for (const key in result) if (key !== 'allow' && key !== 'reasons' && key !== 'advice') return true;
  return false;
};

/**
 * What an entrypoint's `result` is answered with, and recorded as. A boolean, or an object whose `allow` is one, is the
 * decision, whatever part of it was asked for; any other document is recorded as no allow, and by its SHA-256. What
 * can't be recorded as what it says, or is over {@link MAX_RESULT_BYTES}, fails.
 */
export const ruledBy = (result: Json | undefined, rest: readonly string[]): Ruled => {
  const picked = within(result, rest);
  if (result === undefined || picked === undefined) return { kind: 'answered', json: undefined, answer: UNDEFINED };
  const json = JSON.stringify(picked);
  if (json.length > MAX_RESULT_BYTES || Buffer.byteLength(json) > MAX_RESULT_BYTES)
    return { kind: 'failed', reason: { code: 'policy.error', message: `The policy answered more than ${MAX_RESULT_BYTES} bytes of JSON.` } };
  if (!isDecision(result)) return { kind: 'answered', json, answer: DOCUMENT, document: traceOf(json) };
  const answer = toAnswer(result);
  const isAllow = result === true || (isObject(result) && result['allow'] === true);
  if (isAllow && !answer.allow) return { kind: 'failed', reason: answer.reasons[0] as Reason };
  return saysMore(result) ? { kind: 'answered', json, answer, document: traceOf(json) } : { kind: 'answered', json, answer };
};
