import type { Asked, Explanation } from '../../evaluate/tools/index.js';
import { printFields, printTable, remark } from '../output.js';
import { placeIn } from './check.js';

/** What `verdict policy eval` found; `explanation` is undefined where nobody asked for it, or the policy was not asked. */
export type Evaluation = {
  readonly asked: Asked;
  /** The policy's. */
  readonly revision: string;
  readonly explanation: Explanation | undefined;
  readonly isExplained: boolean;
};

/** For programs: the answer, the policy's input, and which rules made the answer. */
export const evaluationAsJson = ({ asked: { answer, input }, revision, explanation, isExplained }: Evaluation): object => ({
  decision: answer.allow,
  reasons: answer.reasons,
  advice: answer.advice,
  policy: revision,
  input: input ?? null,
  ...(isExplained && { explanation: explanation ?? null }),
});

const NO_REASONS = 'The policy gave no reasons.';

const printReasons = ({ answer }: Asked): void => {
  const reasons = answer.reasons.map(({ code, message }) => ['reason', code, message]);
  const advice = answer.advice.map((one) => ['advice', '', one]);
  printTable(['', 'code', 'message'], [...reasons, ...advice], NO_REASONS);
};

const printRules = ({ contributions }: Explanation, source: string): void => {
  const rows = contributions.map(({ effect, code, message, by }) => [effect, code, message, by?.rule ?? 'none', by && placeIn(source, by)]);
  printTable(['', 'code', 'message', 'rule', 'place'], rows, NO_REASONS);
};

const answeredBy = ({ decided }: Explanation, source: string): string => (decided ? `${decided.rule} in ${placeIn(source, decided)}` : 'no rule');

/** For people: the answer, and a line for each reason and advice. `source` is the folder that the rules' files lie in. */
export const printEvaluation = ({ asked, revision, explanation, isExplained }: Evaluation, source: string): void => {
  printFields([
    ['decision', asked.answer.allow ? 'allow' : 'deny'],
    ['policy', revision],
    ...(explanation ? [['answered by', answeredBy(explanation, source)] as const] : []),
  ]);
  if (explanation) printRules(explanation, source);
  else printReasons(asked);
  if (isExplained && !explanation) remark('Verdict answered by itself: the policy was not asked.');
};
