import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createDecide, fixedDirectory, loadPolicy, type Policy } from '../../src/evaluate/index.js';
import { callerOf } from '../../src/evaluate/tools/ask.js';
import { inOrder } from '../../src/evaluate/tools/in-order.js';
import { type BatchCase, type CaseFile, type DecisionCase, readCases } from '../../src/evaluate/tools/index.js';
import { guard } from '../peers/guard.js';
import { type Rig, startRig } from './api/rig.js';

/** Every case once more as a control plane would ask it: over HTTP, through everything that reads and writes a request. */

const root = fileURLToPath(new URL('../..', import.meta.url));
const files = await readCases(`${root}/fixtures/decisions`);

type Circumstances = Pick<DecisionCase, 'caller' | 'now'> & { readonly directory: CaseFile['directory'] };
type Said = {
  readonly decision: boolean;
  readonly context: { readonly reasons: readonly { code: string; message: string }[]; readonly advice: readonly unknown[] };
};

let policy: Policy;
let rig: Rig;
let asked: Circumstances = { directory: [] };

beforeAll(async () => {
  policy = await loadPolicy({ path: `${root}/policies/bundle.tar.gz`, entrypoint: 'verdict/decision', memoryPages: 2048 });
  rig = await startRig(({ journal }) => {
    const now = (): number => (asked.now === undefined ? Date.now() : Date.parse(asked.now));
    const decide = () =>
      createDecide({ policy: () => policy, directory: fixedDirectory(asked.directory), guard, append: journal.append, maxStalenessMs: 1_000, region: '', now });
    return {
      authenticate: () => ({ ok: true, caller: callerOf(asked.caller ?? {}) }),
      clientAddress: () => '192.0.2.1',
      decide: { evaluate: (...given) => decide().evaluate(...given), evaluations: (...given) => decide().evaluations(...given) },
    };
  });
});
afterAll(() => rig.stop());

/** As far as a case says it: codes, and messages where they are given. */
const isAsSaid = (said: Said, answer: DecisionCase['answer']): void => {
  const { allow, reasons, advice } = inOrder({ advice: [], ...answer });
  expect(inOrder({ allow: said.decision, reasons: said.context.reasons, advice: said.context.advice })).toMatchObject({ allow, reasons, advice });
};

/** A question that the credential may not ask is no decision. */
const isRefused = ({ reasons }: DecisionCase['answer']): boolean => reasons.some(({ code }) => code.startsWith('caller.'));

const askOne = async (one: DecisionCase, directory: CaseFile['directory']): Promise<void> => {
  asked = { ...one, directory };
  const reply = await rig.call('POST', '/access/v1/evaluation', { as: 'admin', body: one.question });
  if (isRefused(one.answer)) expect(reply).toMatchObject({ status: 403, json: { code: one.answer.reasons[0]?.code } });
  else {
    expect(reply.status, reply.text).toBe(200);
    isAsSaid(reply.json as Said, one.answer);
  }
};

const askMany = async (one: BatchCase, directory: CaseFile['directory']): Promise<void> => {
  asked = { ...one, directory };
  const reply = await rig.call('POST', '/access/v1/evaluations', { as: 'admin', body: { evaluations: one.questions } });
  expect(reply.status, reply.text).toBe(200);
  const { evaluations } = reply.json as { readonly evaluations: readonly Said[] };
  expect(evaluations).toHaveLength(one.answers.length);
  for (const [index, said] of evaluations.entries()) {
    const answer = one.answers[index] as DecisionCase['answer'];
    if (isRefused(answer)) expect(said).toMatchObject({ decision: false, context: { error: { status: 403 } } });
    else isAsSaid(said, answer);
  }
};

describe.each(files.map((one) => [basename(one.file), one] as const))('over HTTP, %s', (_, { directory, cases, batches }) => {
  test('answers every case as it says', async () => {
    for (const one of cases) await askOne(one, directory);
    for (const one of batches ?? []) await askMany(one, directory);
  });
});
