import type { EventDraft } from '../../event/index.js';
import { createDecide } from '../decide.js';
import { fixedDirectory } from '../directory/fixed.js';
import type { Policy, PolicyAnswer } from '../policy-types.js';
import { ADDRESS, answerOf, callerOf, shippedGuard } from './ask.js';
import type { BatchCase, CaseFile } from './cases.js';
import { differences } from './differences.js';
import { inOrder } from './in-order.js';

type AskedTogether = { readonly answers: readonly PolicyAnswer[]; readonly recorded: readonly (readonly EventDraft[])[] };

/** Asks all questions of a batch in one request, as a node would. `recorded` has one list for each commit. */
const askTogether = async ({ questions, caller = {}, now }: BatchCase, directory: CaseFile['directory'], policy: Policy): Promise<AskedTogether> => {
  const recorded: (readonly EventDraft[])[] = [];
  const decide = createDecide({
    guard: await shippedGuard(),
    policy: () => policy,
    directory: fixedDirectory(directory),
    append: async (drafts) => void recorded.push(drafts),
    maxStalenessMs: 1_000,
    region: '',
    ...(now !== undefined && { now: () => Date.parse(now) }),
  });
  const items = questions.map((question) => ({ question }));
  const outcomes = await decide.evaluations(items, 'execute_all', { caller: callerOf(caller), address: ADDRESS, requestId: '' });
  return { answers: outcomes.map(answerOf), recorded };
};

/** Runs one batch; resolves with where it went wrong. All its decisions are to be recorded in one commit. */
export const runBatch = async (one: BatchCase, directory: CaseFile['directory'], policy: Policy): Promise<readonly string[]> => {
  const { answers, recorded } = await askTogether(one, directory, policy);
  const expected = one.answers.map((answer) => inOrder({ advice: [], ...answer }));
  const decisions = recorded.flat().filter(({ kind }) => kind === 'decision');
  return [
    ...differences(expected, answers.map(inOrder), 'answers'),
    ...(one.events ? differences(one.events, decisions, 'events') : []),
    ...(recorded.length > 1 ? [`events were recorded in ${recorded.length} commits, and should be in one`] : []),
  ];
};
