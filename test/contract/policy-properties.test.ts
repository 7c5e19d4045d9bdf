import { randomInt } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { fixedDirectory, loadPolicy, type Policy, type Question, type WrittenEntity } from '../../src/evaluate/index.js';
import { type Asked, ask, type CaseCaller } from '../../src/evaluate/tools/index.js';
import type { JsonObject } from '../../src/event/index.js';
import { callers, entity, GUARDRAILS, questions, worlds } from './policy-world.js';

/** What holds of every question and every directory, tried on random ones. `SEED=<number>` repeats a run; a failure prints its own. */
const SEED = Number(process.env['SEED'] ?? randomInt(2 ** 31));
const RUNS = 500;
const NOW = Date.parse('2026-11-22T12:00:00Z');

let policy: Policy;
beforeAll(async () => {
  const path = fileURLToPath(new URL('../../policies/bundle.tar.gz', import.meta.url));
  policy = await loadPolicy({ path, entrypoint: 'verdict/decision', memoryPages: 2048 });
});

const put = (question: Question, world: readonly WrittenEntity[], caller: CaseCaller): Promise<Asked> =>
  ask(question, { policy, directory: fixedDirectory(world), caller, now: NOW });

/** Each makes a world in which more is denied than in the one before, in account `acc-1`. */
const changed =
  (is: (entity: WrittenEntity) => boolean, to: (properties: JsonObject) => JsonObject) =>
  (world: readonly WrittenEntity[]): readonly WrittenEntity[] =>
    world.map((each) => (each.account === 'acc-1' && is(each) ? { ...each, properties: to(each.properties) } : each));
const denying = entity('iam_policy', 'acc-1:never', 'acc-1', {
  document: { version: '2026-11-01', statements: [{ effect: 'deny', actions: ['*'], resources: ['*/*'] }] },
});
const isAccount = ({ type }: WrittenEntity): boolean => type === 'account';
const withDeny = changed(
  ({ type }) => type === 'membership',
  (properties) => ({ ...properties, policies: [...((properties['policies'] as string[] | undefined) ?? []), 'never'] }),
);
const denies = fc.constantFrom(
  { what: 'an IAM deny statement', to: (world: readonly WrittenEntity[]) => [...withDeny(world), denying] },
  { what: 'an ip_allowlist', to: changed(isAccount, (all) => ({ ...all, ip_allowlist: ['192.0.2.77/32'] })) },
  {
    what: 'a revoked token',
    to: changed(
      ({ type }) => type === 'token',
      (all) => ({ ...all, revoked: true }),
    ),
  },
  ...GUARDRAILS.map((name) => ({
    what: `${name} at deny`,
    to: changed(isAccount, (all) => ({ ...all, guardrails: { ...(all['guardrails'] as JsonObject | undefined), [name]: 'deny' } })),
  })),
);

const settings = { seed: SEED, numRuns: RUNS };

describe(`Whatever is asked (seed ${SEED})`, () => {
  test('adding a deny never turns a deny into an allow', async () => {
    let allowed = 0;
    const denied = new Set<string>();
    const holds = fc.asyncProperty(worlds, questions, callers, denies, async (world, question, caller, { what, to }) => {
      const [before, after] = [await put(question, world, caller), await put(question, to(world), caller)];
      if (!before.answer.allow) expect(after.answer.allow).toBe(false);
      else if (!after.answer.allow) denied.add(what);
      if (before.answer.allow) allowed += 1;
    });
    await fc.assert(holds, { ...settings, numRuns: 2 * RUNS });
    // Otherwise the questions would show nothing.
    expect(allowed).toBeGreaterThan(RUNS / 20);
    expect(denied.size).toBeGreaterThan(1);
  });

  test('an account’s questions are answered by its own entities alone, whatever the request claims', async () => {
    let allowed = 0;
    const holds = fc.asyncProperty(worlds, questions, callers, async (world, question, caller) => {
      const whole = await put(question, world, caller);
      const account = whole.recorded[0]?.account;
      const alone = await put(
        question,
        world.filter((each) => each.account === undefined || each.account === account),
        caller,
      );
      expect(alone.answer).toEqual(whole.answer);
      const facts = Object.keys(whole.recorded[0]?.decision?.facts ?? {});
      const others = world.filter((each) => each.account !== undefined && each.account !== account).map(({ type, id }) => `${type}/${id}`);
      expect(facts.filter((fact) => others.includes(fact))).toEqual([]);
      if (whole.answer.allow) allowed += 1;
    });
    await fc.assert(holds, settings);
    expect(allowed).toBeGreaterThan(RUNS / 40);
  });

  test('who is no member of an account is allowed nothing in it, whatever other accounts hold', async () => {
    const holds = fc.asyncProperty(worlds, questions, callers, async (world, question, caller) => {
      const strange = world.filter(({ type, account }) => !(type === 'membership' && account === 'acc-1'));
      const { answer, recorded } = await put(question, strange, caller);
      if (recorded[0]?.account === 'acc-1') expect(answer.allow).toBe(false);
    });
    await fc.assert(holds, settings);
  });

  test('the same question in the same world is answered the same', async () => {
    const holds = fc.asyncProperty(worlds, questions, questions, callers, async (world, question, other, caller) => {
      const first = await put(question, world, caller);
      await put(other, world, caller);
      const second = await put(question, world, caller);
      expect(second.answer).toEqual(first.answer);
      expect(second.input).toEqual(first.input);
    });
    await fc.assert(holds, settings);
  });
});
