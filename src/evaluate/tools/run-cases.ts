import { type EventDraft, isEvent, newUlid, place } from '../../event/index.js';
import { fixedDirectory } from '../directory/fixed.js';
import type { Policy } from '../policy-types.js';
import { type Asked, ask } from './ask.js';
import type { CaseFile, DecisionCase } from './cases.js';
import { differences } from './differences.js';
import { inOrder } from './in-order.js';
import { runBatch } from './run-batch.js';

/** A case, and where it did not come out as it should: phrases, none when it passed. */
export type CaseResult = { readonly file: string; readonly name: string; readonly wrong: readonly string[] };

/** The facts that an answer rested on are all listed, or none. */
const WHOLE = new Set(['event.decision.facts']);

const isWhole = (draft: EventDraft): readonly string[] =>
  isEvent(place(draft, { log: newUlid(), seq: 1 }, draft.timestamp)) ? [] : [`event is no event that can be recorded: ${JSON.stringify(isEvent.errors)}`];

const wrongEvents = ({ event, further_events = [] }: DecisionCase, { answer, recorded }: Asked, revision: string): readonly string[] => {
  const [draft, ...further] = recorded;
  if (!draft) return event === undefined ? [] : ['event is missing: nothing was recorded'];
  const { allow, reasons, advice } = answer;
  return [
    ...differences({ kind: 'decision', ...event }, draft, 'event', WHOLE),
    ...differences({ allow, reasons, advice, policy: revision }, draft.decision, 'event.decision'),
    ...differences(further_events, further, 'further_events'),
    ...[draft, ...further].flatMap(isWhole),
  ];
};

/** Runs one case; resolves with where it went wrong. */
export const runCase = async (one: DecisionCase, directory: CaseFile['directory'], policy: Policy): Promise<readonly string[]> => {
  const asked = await ask(one.question, {
    policy,
    directory: fixedDirectory(directory),
    ...(one.caller && { caller: one.caller }),
    ...(one.now !== undefined && { now: Date.parse(one.now) }),
  });
  return [...differences(inOrder({ advice: [], ...one.answer }), inOrder(asked.answer), 'answer'), ...wrongEvents(one, asked, policy.revision)];
};

/** Runs all cases through a policy, in order, the batches of a file after its cases. */
export const runCases = async (files: readonly CaseFile[], policy: Policy): Promise<readonly CaseResult[]> => {
  const results: CaseResult[] = [];
  for (const { file, directory, cases, batches = [] } of files) {
    for (const one of cases) results.push({ file, name: one.name, wrong: await runCase(one, directory, policy) });
    for (const one of batches) results.push({ file, name: one.name, wrong: await runBatch(one, directory, policy) });
  }
  return results;
};
