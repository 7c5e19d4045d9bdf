import { randomInt } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  createDecide,
  createSearch,
  type DecideDeps,
  fixedDirectory,
  loadPolicy,
  type Place,
  type Policy,
  type Question,
  type SearchKind,
  type WrittenEntity,
} from '../../src/evaluate/index.js';
import { ADDRESS, callerOf } from '../../src/evaluate/tools/ask.js';
import type { CaseCaller } from '../../src/evaluate/tools/index.js';
import type { EventDraft } from '../../src/event/index.js';
import { guard } from '../peers/guard.js';
import { callers, questions, worlds } from './policy-world.js';

/** What holds of every search in every directory, tried on random ones. `SEED=<number>` repeats a run; a failure prints its own. */
const SEED = Number(process.env['SEED'] ?? randomInt(2 ** 31));
const NOW = Date.parse('2026-11-22T12:00:00Z');

let policy: Policy;
beforeAll(async () => {
  const path = fileURLToPath(new URL('../../policies/bundle.tar.gz', import.meta.url));
  policy = await loadPolicy({ path, entrypoint: 'verdict/decision', memoryPages: 2048 });
});

const KINDS: readonly SearchKind[] = ['subject', 'resource', 'action'];

const withId = (kind: SearchKind, question: Question, id: string): Question =>
  kind === 'action' ? { ...question, action: { name: id } } : { ...question, [kind]: { ...question[kind], id } };

/** Every id of the world that could be one of the searched-for, whoever's it is: entities, and those who are members alone. */
const everyId = (kind: SearchKind, question: Question, world: readonly WrittenEntity[]): readonly string[] => {
  if (kind === 'action') return policy.actions;
  const { type } = question[kind];
  const members = type !== 'user' ? [] : world.filter((one) => one.type === 'membership').map(({ id }) => id.slice(id.indexOf(':') + 1));
  return [...new Set([...world.filter((one) => one.type === type).map(({ id }) => id), ...members])];
};

const isThere = (world: readonly WrittenEntity[], { type, id }: { readonly type: string; readonly id: string }): boolean =>
  world.some((one) => one.type === type && one.id === id) || (type === 'user' && world.some((one) => one.type === 'membership' && one.id.endsWith(`:${id}`)));

const setUp = (world: readonly WrittenEntity[], caller: CaseCaller, limits = {}) => {
  const recorded: EventDraft[] = [];
  const deps: DecideDeps = {
    guard,
    policy: () => policy,
    directory: fixedDirectory(world),
    append: async (drafts) => void recorded.push(...drafts),
    maxStalenessMs: 1_000,
    region: '',
    now: () => NOW,
  };
  return { recorded, decide: createDecide(deps), search: createSearch(deps, limits), by: { caller: callerOf(caller), address: ADDRESS, requestId: '' } };
};

/** All pages of a search, and how many there were; undefined where it is refused. */
const searchAll = async (
  kind: SearchKind,
  question: Question,
  { search, by }: ReturnType<typeof setUp>,
  limit: number,
): Promise<{ readonly ids: readonly string[]; readonly pages: number } | undefined> => {
  const ids: string[] = [];
  let from: Place | undefined;
  for (let pages = 1; ; pages++) {
    const outcome = await search({ kind, question, limit, ...(from && { from }) }, by);
    if (outcome.kind !== 'found') return undefined;
    expect(outcome.ids.length).toBeLessThanOrEqual(limit);
    ids.push(...outcome.ids);
    if (!outcome.next) return { ids, pages };
    from = outcome.next;
  }
};

const asked = fc.tuple(worlds, questions, fc.oneof(callers, fc.constant<CaseCaller>({ accounts: ['acc-1'], permissions: ['decision.evaluate'] })));

describe(`Whatever is searched for (seed ${SEED})`, () => {
  test.each(KINDS)('a search for a %s finds exactly those for whom a single question is allowed', async (kind) => {
    let found = 0;
    const holds = fc.asyncProperty(asked, async ([world, question, caller]) => {
      const node = setUp(world, caller);
      const all = await searchAll(kind, question, node, 10_000);
      const expected: string[] = [];
      const isGiven = (party: 'subject' | 'resource'): boolean => party === kind || isThere(world, question[party]);
      if (isGiven('subject') && isGiven('resource'))
        for (const id of everyId(kind, question, world)) {
          const outcome = await node.decide.evaluate(withId(kind, question, id), node.by);
          if (outcome.kind === 'decided' && outcome.decision) expected.push(id);
        }
      expect([...(all?.ids ?? [])].sort()).toEqual(expected.sort());
      found += expected.length;
    });
    await fc.assert(holds, { seed: SEED, numRuns: kind === 'action' ? 60 : 400 });
    // Otherwise the questions would show nothing.
    expect(found).toBeGreaterThan(20);
  });

  test('however small its pages are, a search finds the same, each once, and records one event a page', async () => {
    let paged = 0;
    const sizes = fc.record({ limit: fc.integer({ min: 1, max: 5 }), maxCandidates: fc.integer({ min: 1, max: 40 }) });
    const holds = fc.asyncProperty(asked, fc.constantFrom(...KINDS), sizes, async ([world, question, caller], kind, { limit, maxCandidates }) => {
      const whole = await searchAll(kind, question, setUp(world, caller), 10_000);
      const node = setUp(world, caller, { maxCandidates });
      const parts = await searchAll(kind, question, node, limit);
      expect(parts?.ids).toEqual(whole?.ids);
      expect(node.recorded).toHaveLength(parts?.pages ?? 0);
      expect(node.recorded.reduce((sum, { details }) => sum + Number(details?.['results']), 0)).toBe(whole?.ids.length ?? 0);
      if ((parts?.pages ?? 0) > 1) paged += 1;
    });
    await fc.assert(holds, { seed: SEED, numRuns: 150 });
    expect(paged).toBeGreaterThan(10);
  });

  test('a credential of one account finds the same whatever there is in another', async () => {
    const holds = fc.asyncProperty(worlds, questions, fc.constantFrom(...KINDS), async (world, question, kind) => {
      const caller: CaseCaller = { accounts: ['acc-1'], permissions: ['decision.evaluate'] };
      const own = world.filter(({ account }) => account === undefined || account === 'acc-1');
      const [whole, alone] = [setUp(world, caller), setUp(own, caller)];
      const before = await searchAll(kind, question, whole, 10_000);
      // A question about another account's resource is refused, as an evaluation is; nothing else differs.
      if (before === undefined || world.some(({ type, id, account }) => account === 'acc-2' && type === question.resource.type && id === question.resource.id))
        return;
      expect(await searchAll(kind, question, alone, 10_000)).toEqual(before);
      for (const { details } of whole.recorded) expect(details?.['candidates']).toBe(alone.recorded[0]?.details?.['candidates']);
    });
    await fc.assert(holds, { seed: SEED, numRuns: 200 });
  });
});
