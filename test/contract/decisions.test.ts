import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { type Caller, PERMISSIONS } from '../../src/caller/types.js';
import type { Directory, Entity } from '../../src/evaluate/directory/types.js';
import { createDecide, loadPolicy, type Policy, type PolicyAnswer, type Question } from '../../src/evaluate/index.js';
import { type EventDraft, isEvent, newUlid, place } from '../../src/event/index.js';

/** One file of fixtures/decisions: what the directory holds, and what is asked of it. */
type DecisionFile = {
  readonly directory: readonly Pick<Entity, 'type' | 'id' | 'account' | 'properties'>[];
  readonly cases: readonly { readonly name: string; readonly question: Question; readonly answer: PolicyAnswer; readonly event: Partial<EventDraft> }[];
};

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (name: string): DecisionFile => parse(readFileSync(`${root}/fixtures/decisions/${name}`, 'utf8')) as DecisionFile;
const names = readdirSync(`${root}/fixtures/decisions`).filter((name) => name.endsWith('.yaml'));

/** The control plane itself: it may ask about every account. */
const caller: Caller = { id: 'key:platform', name: 'platform', accounts: 'all', permissions: new Set(PERMISSIONS) };

/** The file's entities as a copy of the directory that nobody writes to. */
const holding = (entities: DecisionFile['directory']): Directory => {
  const known = new Map(entities.map((entity) => [`${entity.type}/${entity.id}`, { ...entity, version: 1, updated: '2026-11-22T04:03:48.496Z' }]));
  return { get: (type: string, id: string) => known.get(`${type}/${id}`), staleness: () => 0 } as Directory;
};

let policy: Policy;
beforeAll(async () => {
  policy = await loadPolicy({ path: `${root}/policies/bundle.tar.gz`, entrypoint: 'verdict/decision', memoryPages: 2048 });
});

describe.each(names)('the decisions of %s', (name) => {
  const { directory, cases } = read(name);
  test.each(cases.map((one) => [one.name, one] as const))('%s', async (_, { question, answer, event }) => {
    const recorded: EventDraft[] = [];
    const append = async (drafts: readonly EventDraft[]): Promise<void> => void recorded.push(...drafts);
    const decide = createDecide({ policy: () => policy, directory: holding(directory), append, maxStalenessMs: 1000, region: '' });
    const outcome = await decide.evaluate(question, { caller, address: '192.0.2.1', requestId: '' });

    const { allow, reasons, advice } = answer;
    expect(outcome).toMatchObject({ kind: 'decided', decision: allow, context: { reasons, advice, policy: policy.revision } });
    const [draft] = recorded as [EventDraft];
    expect(recorded).toHaveLength(1);
    expect(draft).toMatchObject({ kind: 'decision', ...event, decision: { ...event.decision, ...answer, policy: policy.revision } });
    expect(draft.decision?.facts).toEqual(event.decision?.facts ?? expect.anything());
    expect(isEvent(place(draft, { log: newUlid(), seq: 1 }, draft.timestamp)), JSON.stringify(isEvent.errors)).toBe(true);
  });
});

test('every cell of the role table has its case', () => {
  const data = parse(readFileSync(`${root}/policies/role_table/data.yaml`, 'utf8')) as { readonly actions: Record<string, string> };
  const asked = names.flatMap((name) => read(name).cases.map(({ question, answer }) => `${question.action.name}: ${answer.reasons[0]?.message.split(' ')[2]}`));
  const roles = ['owner', 'admin', 'developer', 'viewer'];
  const cells = Object.keys(data.actions).flatMap((action) => roles.map((role) => `${action}: ${role}`));
  expect(cells.filter((cell) => !asked.includes(cell))).toEqual([]);
});
