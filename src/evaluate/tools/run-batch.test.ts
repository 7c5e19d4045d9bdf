import { describe, expect, test } from 'vitest';
import { readInput } from '../input-json.js';
import type { Policy } from '../policy-types.js';
import { type BatchCase, parseCases, runBatch, runCases, WrittenError } from './index.js';

/** Allows what is asked about `inst-1`, and nothing else. */
const policy: Policy = {
  revision: 'a'.repeat(64),
  entrypoints: ['verdict/decision'],
  actions: [],
  decide: (input) => {
    const allow = readInput(input).resource.id === 'inst-1';
    return { allow, reasons: [{ code: allow ? 'yes' : 'no', message: '' }], advice: [] };
  },
  query: () => undefined,
};
const directory = ['inst-1', 'inst-2'].map((id) => ({ type: 'instance', id, account: 'acc-1', properties: {} }));
const start = (id: string) => ({ subject: { type: 'user', id: 'usr-1' }, action: { name: 'instance.start' }, resource: { type: 'instance', id } });
const batch: BatchCase = {
  name: 'one of two may',
  questions: [start('inst-1'), start('inst-2')],
  answers: [
    { allow: true, reasons: [{ code: 'yes' }] },
    { allow: false, reasons: [{ code: 'no' }] },
  ],
  events: [{ result: 'allowed' }, { result: 'denied' }],
};

describe('a batch', () => {
  test('passes where each answer and each event is as it says, in order', async () => {
    expect(await runBatch(batch, directory, policy)).toEqual([]);
  });

  test('names the item whose answer or event is another', async () => {
    const [first, second] = batch.answers as [BatchCase['answers'][0], BatchCase['answers'][0]];
    expect(await runBatch({ ...batch, answers: [second, first] }, directory, policy)).toContain('answers.0.allow is true, and should be false');
    expect(await runBatch({ ...batch, events: [{}, { result: 'allowed' }] }, directory, policy)).toEqual([
      'events.1.result is "denied", and should be "allowed"',
    ]);
  });

  test('wants an answer for every question', async () => {
    const [wrong] = await runBatch({ ...batch, answers: batch.answers.slice(1) }, directory, policy);
    expect(wrong).toMatch(/^answers is \[.*, and should be \[.*\]$/);
  });

  test('may hold what its caller may not ask about: that is refused by itself, and not recorded', async () => {
    const refused = { ...batch, caller: { accounts: ['acc-2'] }, answers: batch.answers.map(() => ({ allow: false, reasons: [{ code: 'caller.account' }] })) };
    expect(await runBatch({ ...refused, events: [] }, directory, policy)).toEqual([]);
  });

  test('is run after the cases of its file', async () => {
    const results = await runCases([{ file: 'a.yaml', directory, cases: [], batches: [batch] }], policy);
    expect(results).toEqual([{ file: 'a.yaml', name: 'one of two may', wrong: [] }]);
  });

  test('that has no answers is refused by file, line and name', () => {
    const text = 'directory: []\ncases: []\nbatches:\n  - name: half a batch\n    questions: []\n';
    expect(() => parseCases(text, 'a.yaml')).toThrow(WrittenError);
    expect(() => parseCases(text, 'a.yaml')).toThrow(/^a\.yaml:4: .*half a batch/);
  });
});
