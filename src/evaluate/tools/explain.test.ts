import { beforeAll, expect, test } from 'vitest';
import { describeWithOpa, fixtureBundle, fixturePolicies } from '../../../test/peers/opa.js';
import type { JsonObject } from '../../event/index.js';
import type { Question } from '../index.js';
import { loadPolicy } from '../policy.js';
import type { Policy } from '../policy-types.js';
import { ask, type Explanation, explain, fixedDirectory } from './index.js';

const entrypoint = 'verdict/decision';

await describeWithOpa('an answer', (opa) => {
  const source = `${fixturePolicies}layered`;
  let policy: Policy;
  beforeAll(async () => {
    policy = await loadPolicy({ bytes: await fixtureBundle(opa, 'layered'), entrypoint, memoryPages: 64 });
  });

  const explained = async (role: string, more: Partial<Question> = {}): Promise<Explanation> => {
    const directory = fixedDirectory([
      { type: 'instance', id: 'inst-1', account: 'acc-1', properties: {} },
      { type: 'membership', id: 'acc-1:usr-1', account: 'acc-1', properties: { role } },
    ]);
    const question: Question = {
      subject: { type: 'user', id: 'usr-1' },
      action: { name: 'instance.get' },
      resource: { type: 'instance', id: 'inst-1' },
      ...more,
    };
    const { answer, input } = await ask(question, { policy, directory });
    return explain({ source, opa }, { entrypoint, input: input as JsonObject, answer });
  };

  test('is granted by the rule that made the reason, not by the function that it called, and advised by its own', async () => {
    const { decided, contributions, agrees } = await explained('admin');
    const decision = { rule: 'decision', file: 'decision.rego', line: 8 };
    expect({ decided, agrees }).toEqual({ decided: decision, agrees: true });
    expect(contributions).toEqual([
      { effect: 'granted', code: 'layered.role', message: 'The role admin may.', by: { rule: 'reasons', file: 'grants.rego', line: 3 }, via: [decision] },
      { effect: 'advised', code: 'layered.rotate', message: 'Rotate it.', by: { rule: 'advice', file: 'grants.rego', line: 9 }, via: [decision] },
    ]);
  });

  test('is denied by each rule that denies, whatever the rule that grants says; the codes may be computed', async () => {
    const question = { action: { name: 'instance.get', properties: { size: 11, count: 4 } }, context: { night: true } };
    const { decided, contributions, agrees } = await explained('admin', question);
    expect(agrees).toBe(true);
    expect(decided).toEqual({ rule: 'decision', file: 'decision.rego', line: 13 });
    expect(contributions.map(({ effect, code, by }) => [effect, code, `${by?.file}:${by?.line}`])).toEqual([
      ['denied', 'layered.night', 'decision.rego:17'],
      ['denied', 'limit.count', 'limits.rego:3'],
      ['denied', 'limit.size', 'limits.rego:3'],
    ]);
    expect(contributions[2]?.via).toEqual([{ rule: 'denies', file: 'decision.rego', line: 15 }, decided]);
  });

  test('is denied by the default where no rule grants', async () => {
    const { decided, contributions } = await explained('viewer');
    expect(decided).toEqual({ rule: 'decision', file: 'decision.rego', line: 6 });
    expect(contributions).toMatchObject([{ effect: 'denied', code: 'layered.closed', by: decided, via: [] }]);
  });

  test('that the sources don’t give is told apart', async () => {
    const answer = { allow: true, reasons: [{ code: 'other', message: 'From elsewhere.' }], advice: [] };
    const { agrees, contributions } = await explain({ source, opa }, { entrypoint, input: {}, answer });
    expect(agrees).toBe(false);
    expect(contributions).toEqual([{ effect: 'granted', code: 'other', message: 'From elsewhere.', by: undefined, via: [] }]);
  });

  test('of a policy that says only yes or no is decided by the rule that said it', async () => {
    const yes = { allow: true, reasons: [], advice: [] };
    const task = { source: `${fixturePolicies}boolean`, opa };
    const input = { action: { name: 'instance.get' }, subject: { type: 'user', id: 'usr-1' }, resource: { type: 'instance', id: 'inst-1' } };
    expect((await explain(task, { entrypoint, input, answer: yes })).decided?.file).toBe('policy.rego');
  });

  test('can’t be explained from sources that don’t compile', async () => {
    const task = { source: `${fixturePolicies}nowhere`, opa };
    await expect(explain(task, { entrypoint, input: {}, answer: { allow: true, reasons: [], advice: [] } })).rejects.toThrow(/nowhere is not a folder/);
  });
});
