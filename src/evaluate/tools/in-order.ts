type Coded = { readonly code?: unknown; readonly message?: unknown };
type Listed = { readonly reasons: readonly unknown[]; readonly advice: readonly unknown[] };

const keyOf = (value: unknown): string => {
  const { code = '', message = '' } = (typeof value === 'object' && value !== null ? value : {}) as Coded;
  return JSON.stringify([code, message]);
};

const compare = (a: unknown, b: unknown): number => {
  const [left, right] = [keyOf(a), keyOf(b)];
  return left < right ? -1 : left > right ? 1 : 0;
};

/**
 * The answer with its reasons and advice in order of code and message. A policy collects them in sets, and a set's
 * order in WASM is another than in OPA, and may change with the bundle: no order means anything.
 */
export const inOrder = <T extends Listed>(answer: T): T => ({
  ...answer,
  reasons: [...answer.reasons].sort(compare),
  advice: [...answer.advice].sort(compare),
});
