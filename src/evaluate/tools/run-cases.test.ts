import { describe, expect, test } from 'vitest';
import { readInput } from '../input-json.js';

import type { Policy, PolicyAnswer } from '../policy-types.js';
import { comparePolicies, type DecisionCase, runCase, runCases } from './index.js';

const allowed: PolicyAnswer = { allow: true, reasons: [{ code: 'rbac.role', message: 'The role owner may.' }], advice: [] };
const denied: PolicyAnswer = { allow: false, reasons: [{ code: 'rbac.role', message: 'The role viewer may not.' }], advice: [] };

const answering = (decide: Policy['decide'], revision = 'a'.repeat(64)): Policy => ({
  revision,
  entrypoints: ['verdict/decision'],
  actions: [],
  decide,
  query: () => undefined,
});

const directory = [{ type: 'instance', id: 'inst-1', account: 'acc-1', properties: { name: 'web-1' }, version: 7 }];
const one: DecisionCase = {
  name: 'an owner may',
  question: { subject: { type: 'user', id: 'usr-1' }, action: { name: 'instance.get' }, resource: { type: 'instance', id: 'inst-1' } },
  answer: { allow: true, reasons: [{ code: 'rbac.role' }] },
  event: { account: 'acc-1', result: 'allowed', decision: { facts: { 'instance/inst-1': 7 } } },
};

describe('a case', () => {
  const run = (changed: Partial<DecisionCase>, decide: Policy['decide'] = () => allowed): Promise<readonly string[]> =>
    runCase({ ...one, ...changed }, directory, answering(decide));

  test('passes where the answer and the event are as it says; what it leaves out may be anything', async () => {
    expect(await run({})).toEqual([]);
  });

  test('names what differs in the answer, and by what', async () => {
    const wrong = await run({ event: {} }, () => denied);
    expect(wrong).toEqual(['answer.allow is false, and should be true']);
    expect(await run({ answer: { allow: true, reasons: [] }, event: {} })).toEqual([
      'answer.reasons is [{"code":"rbac.role","message":"The role owner may."}], and should be []',
    ]);
  });

  test('wants no advice where it names none', async () => {
    expect(await run({}, () => ({ ...allowed, advice: [{ code: 'token.rotate' }] }))).toEqual(['answer.advice is [{"code":"token.rotate"}], and should be []']);
  });

  test('names what differs in the event; the facts are all named, or none', async () => {
    expect(await run({ event: { account: 'acc-2' } })).toEqual(['event.account is "acc-1", and should be "acc-2"']);
    expect(await run({ event: { decision: { facts: {} } } })).toEqual(['event.decision.facts.instance/inst-1 is 7, and should be missing']);
  });

  test('names further events that were not recorded', async () => {
    expect(await run({ further_events: [{ action: 'access.break_glass' }] })).toEqual([
      'further_events is [], and should be [{"action":"access.break_glass"}]',
    ]);
  });

  test('holds the clock still', async () => {
    const times: unknown[] = [];
    const decide: Policy['decide'] = (input) => {
      times.push(String(readInput(input).context['time']));
      return allowed;
    };
    await run({ now: '2026-11-22T04:03:48Z' }, decide);
    expect(times).toEqual(['2026-11-22T04:03:48.000Z']);
  });

  test('may be about a caller of one account, which is refused elsewhere, unrecorded', async () => {
    const caller = { accounts: ['acc-2'] };
    const { event: _, ...unrecorded } = one;
    const refused = { ...unrecorded, caller, answer: { allow: false, reasons: [{ code: 'caller.account' }] } };
    expect(
      await runCase(
        refused,
        directory,
        answering(() => allowed),
      ),
    ).toEqual([]);
    expect(await run({ ...refused, event: {} })).toEqual(['event is missing: nothing was recorded']);
    expect(await run({ ...refused, caller: { permissions: [] } })).toContain('answer.reasons.0.code is "caller.permission", and should be "caller.account"');
  });
});

test('cases are run in order, each by its file and name', async () => {
  const results = await runCases(
    [{ file: 'a.yaml', directory, cases: [one, { ...one, name: 'again', answer: { ...one.answer, allow: false } }] }],
    answering(() => allowed),
  );
  expect(results).toEqual([
    { file: 'a.yaml', name: 'an owner may', wrong: [] },
    { file: 'a.yaml', name: 'again', wrong: ['answer.allow is true, and should be false'] },
  ]);
});

test('two policies are compared at the same time of the clock, by all of their answers', async () => {
  const cases = [one, { ...one, name: 'told', question: { ...one.question, action: { name: 'instance.list' } } }];
  const times = new Set<unknown>();
  const tell =
    (other: PolicyAnswer): Policy['decide'] =>
    (input) => {
      const { action, context } = readInput(input);
      times.add(String(context['time']));
      return action.name === 'instance.list' ? other : allowed;
    };
  const advised = { ...allowed, advice: [{ code: 'token.rotate' }] };
  const comparison = await comparePolicies(answering(tell(allowed)), answering(tell(advised)), [{ file: 'a.yaml', directory, cases }], 1_763_870_628_496);
  expect(comparison).toEqual({ asked: 2, changed: [{ file: 'a.yaml', name: 'told', before: allowed, after: advised }] });
  expect([...times]).toEqual([new Date(1_763_870_628_496).toISOString()]);
});
