import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../event/index.js';
import { fixedDirectory } from '../directory/fixed.js';
import { attachedTo } from './attached.js';
import { patternOf } from './pattern.js';

describe('A pattern', () => {
  it.each([
    ['instance.*', 'instance.create', true],
    ['instance.*', 'instances.create', false],
    ['*.list', 'instance.list', true],
    ['*', '', true],
    ['', 'a', false],
    ['a', 'a', true],
    ['a*b*c', 'a-b-c', true],
    ['a*b*c', 'a-c-b', false],
    ['a*a', 'a', false],
    ['*ab*ba*', 'xabax', false],
    ['*ab*ba*', 'xabbax', true],
    ['**', 'x', true],
    ['instance.?', 'instance.x', false],
  ])('%s means %s: %s', (pattern, text, isMeant) => {
    expect(patternOf(pattern)(text)).toBe(isMeant);
  });

  it('made to be slow is not', () => {
    const started = performance.now();
    patternOf('*a'.repeat(120))('a'.repeat(100_000));
    expect(performance.now() - started).toBeLessThan(200);
  });
});

const statement = (actions: readonly string[], more: JsonObject = {}): JsonObject => ({ effect: 'allow', actions, resources: ['*'], ...more });
const own = (name: string, statements: readonly JsonObject[], account = 'acc-1') => ({
  type: 'iam_policy',
  id: `acc-1:${name}`,
  account,
  properties: { document: { version: '2026-11-01', statements } },
});
const membership = (policies: JsonObject['x']) => ({
  type: 'membership',
  id: 'acc-1:usr-1',
  account: 'acc-1',
  properties: { policies: policies as string[] },
  version: 1,
  updated: '2026-11-22T04:03:48.496Z',
});
const attached = (entities: Parameters<typeof fixedDirectory>[0], policies: JsonObject['x'], action = 'instance.start') =>
  attachedTo(fixedDirectory(entities), 'acc-1', membership(policies), action);

describe('Documents on a membership', () => {
  it('are given with the statements about the action, in their order, times in milliseconds beside them', () => {
    const timed = statement(['instance.*'], { conditions: { after: '1970-01-01T00:00:01Z', before: '1970-01-01T00:00:02Z', mfa: true } });
    const directory = [own('ops', [statement(['drive.*']), timed, statement(['*'], { effect: 'deny' })]), own('other', [statement(['drive.*'])])];
    const { policies, entities } = attached(directory, ['ops', 'other', 'ReadOnlyAccess', 'missing']);
    expect(policies).toEqual([
      {
        id: 'acc-1:ops',
        name: 'ops',
        statements: [{ ...timed, conditions: { ...(timed['conditions'] as object), after_ms: 1000, before_ms: 2000 } }, statement(['*'], { effect: 'deny' })],
      },
    ]);
    expect(entities.map(({ id }) => id)).toEqual(['acc-1:ops', 'acc-1:other']);
  });

  it('stand instead of a shipped one of the same name, even where they say nothing of the action', () => {
    expect(attached([own('ReadOnlyAccess', [statement(['drive.*'])])], ['ReadOnlyAccess']).policies).toEqual([
      { id: 'acc-1:ReadOnlyAccess', name: 'ReadOnlyAccess', statements: [] },
    ]);
  });

  it('of another account are not looked at, whatever their id', () => {
    expect(attached([own('ops', [statement(['*'])], 'acc-2')], ['ops'])).toEqual({ policies: [], entities: [] });
  });

  it('that can not be read deny everything, for they may have', () => {
    const broken = { type: 'iam_policy', id: 'acc-1:ops', account: 'acc-1', properties: { document: { statements: 'all' } } };
    expect(attached([broken], ['ops']).policies).toMatchObject([{ name: 'ops', statements: [{ effect: 'deny', actions: ['*'], resources: ['*'] }] }]);
    const many = Array.from({ length: 60 }, (_, index) => `p${index}`);
    expect(attached([], many).policies).toMatchObject([{ statements: [{ effect: 'deny' }] }]);
  });

  it('are none where the membership names none', () => {
    for (const policies of [undefined, 'ops', [7]] as const) expect(attached([own('ops', [statement(['*'])])], policies as string).policies).toEqual([]);
  });
});
