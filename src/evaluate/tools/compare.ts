import { isDeepStrictEqual } from 'node:util';
import { fixedDirectory } from '../directory/fixed.js';
import type { Policy, PolicyAnswer } from '../policy-types.js';
import { ask } from './ask.js';
import type { CaseFile } from './cases.js';
import { inOrder } from './in-order.js';

/** A case that two policies answer differently. */
export type ChangedCase = { readonly file: string; readonly name: string; readonly before: PolicyAnswer; readonly after: PolicyAnswer };

/** How many cases were asked, and those whose answers differ, in order. */
export type Comparison = { readonly asked: number; readonly changed: readonly ChangedCase[] };

/** Asks two policies the questions of all cases at the same time of the clock; what the cases expect doesn't matter. */
export const comparePolicies = async (before: Policy, after: Policy, files: readonly CaseFile[], clock: number): Promise<Comparison> => {
  const changed: ChangedCase[] = [];
  let asked = 0;
  for (const { file, directory, cases } of files) {
    const known = fixedDirectory(directory);
    for (const { name, question, caller, now } of cases) {
      const rest = { directory: known, now: now === undefined ? clock : Date.parse(now), ...(caller && { caller }) };
      const [old, fresh] = [await ask(question, { policy: before, ...rest }), await ask(question, { policy: after, ...rest })];
      asked += 1;
      if (!isDeepStrictEqual(inOrder(old.answer), inOrder(fresh.answer))) changed.push({ file, name, before: old.answer, after: fresh.answer });
    }
  }
  return { asked, changed };
};
