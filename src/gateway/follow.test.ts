import { describe, expect, it } from 'vitest';
import type { Entity, EntityChange, EntityOutcome } from '../evaluate/index.js';
import type { Json } from '../event/index.js';
import { loadRoutes, type RouteMatch } from '../routes/index.js';
import { answeredAbout, follow, readsAnswer } from './follow.js';
import type { Cleared, Exchange, GatewayDeps } from './types.js';

const entity = (type: string, id: string, account: string, properties: object = {}): Entity => ({
  type,
  id,
  account,
  properties: properties as Entity['properties'],
  version: 3,
  updated: '2026-11-22T00:00:00.000Z',
});

/** A request of `usr-1` in `acc-1` to a route with this rule, its answer, and what was written. */
const following = async (rule: string, answer: Json, there: readonly Entity[] = [], outcomes: readonly EntityOutcome[] = []) => {
  const table = loadRoutes(
    `version: 1\nroutes:\n  - { method: POST, path: "/v1/things/{id}", action: thing.do, resource: { type: thing, id: "*" }, name: response.name, entity: ${rule} }\n`,
    'test',
  );
  const match = table.match('POST', '/v1/things/thing-1') as RouteMatch;
  const exchange = { method: 'POST', target: '/v1/things/thing-1', id: 'req-1', address: '192.0.2.1', request: { headers: {} } } as unknown as Exchange;
  const about = {
    actor: { type: 'user', id: 'usr-1' },
    action: 'thing.do',
    acts: [{ account: 'acc-1', resource: { type: 'thing', id: '*' }, decisions: ['evt-1'] }],
  } as const;
  const cleared: Cleared = { match, about, decisions: ['evt-1'] };
  const written: EntityChange[] = [];
  const rest = [...outcomes];
  const deps = {
    directory: { get: (type: string, id: string) => there.find((one) => one.type === type && one.id === id) },
    writeEntities: async ([change]: readonly EntityChange[]) => {
      written.push(change as EntityChange);
      const made = { ...entity((change as EntityChange).type, (change as EntityChange).id, 'acc-1') };
      return [rest.shift() ?? { outcome: 'applied', entity: made, created: true }];
    },
  } as unknown as GatewayDeps;
  const followed = await follow(exchange, cleared, answer, deps);
  return { followed, written, about: answeredAbout(exchange, cleared, answer, followed), reads: readsAnswer(cleared) };
};

describe('what an answer says of an entity', () => {
  it('is made in the account that was asked in, unless the answer names another', async () => {
    const rule = '{ on: created, type: thing, id: response.id, account: response.account, properties: { size: response.size } }';
    const here = await following(rule, { id: 'thing-2', size: 3, name: 'two' });
    expect(here.written).toMatchObject([{ op: 'put', type: 'thing', id: 'thing-2', account: 'acc-1', properties: { size: 3 } }]);
    expect(here.about.acts[0].resource).toEqual({ type: 'thing', id: 'thing-2', name: 'two' });
    expect(here.reads).toBe(true);
    const there = await following(rule, { id: 'thing-2', account: 'acc-2' });
    expect(there.written).toMatchObject([{ account: 'acc-2', properties: {} }]);
  });

  it('that changed is laid over what is there, by its version, and again where somebody was faster', async () => {
    const there = [entity('thing', 'thing-1', 'acc-1', { size: 1, colour: 'red' })];
    const mismatch: EntityOutcome = { outcome: 'version_mismatch', current: there[0] };
    const rule = '{ on: changed, type: thing, id: "{params.id}", properties: { size: response.size } }';
    const { written, followed } = await following(rule, { size: 2 }, there, [mismatch]);
    expect(written).toHaveLength(2);
    expect(written[1]).toMatchObject({ expected: 3, account: 'acc-1', properties: { size: 2, colour: 'red' } });
    expect(followed.kind).toBe('written');
    const never = await following(rule, { size: 2 }, there, [mismatch, mismatch, mismatch]);
    expect(never.followed).toMatchObject({ kind: 'failed', code: 'entity.version' });
  });

  it('that was deleted is taken away; one that nobody knew is no failure, and no answer is read for it', async () => {
    const { written, followed, reads } = await following('{ on: deleted, type: thing, id: "{params.id}" }', null, [], [{ outcome: 'not_found' }]);
    expect(written).toMatchObject([{ op: 'delete', id: 'thing-1' }]);
    expect(followed.kind).toBe('written');
    expect(reads).toBe(true); // for the name
  });

  it.each([
    ['has no id', '{ on: created, type: thing, id: response.id }', {}, [], 'entity.id'],
    [
      'would move it to another account',
      '{ on: created, type: thing, id: response.id, account: response.account }',
      { id: 'thing-9', account: 'acc-1' },
      [entity('thing', 'thing-9', 'acc-2')],
      'entity.account',
    ],
    ['makes one of Verdict’s own', '{ on: created, type: verdict.key, id: response.id }', { id: 'k' }, [], 'entity.reserved'],
    [
      'misspells a role',
      '{ on: created, type: membership, id: response.id, properties: { role: response.role } }',
      { id: 'acc-1:usr-1', role: 'develper' },
      [],
      'entity.shape',
    ],
    [
      'puts a membership into another account',
      '{ on: created, type: membership, id: response.id, account: response.account }',
      { id: 'acc-1:usr-1', account: 'acc-2' },
      [],
      'entity.account',
    ],
  ] as const)('but %s, is not written, and told', async (_, rule, answer, there, code) => {
    const { written, followed } = await following(rule, answer, there);
    expect(followed).toMatchObject({ kind: 'failed', code });
    expect(written).toEqual([]);
  });

  it('is one for each element of a list', async () => {
    const rule = '{ on: created, type: thing, each: response.data, id: response.id, account: response.account, properties: { size: response.size } }';
    const two = await following(rule, {
      data: [
        { id: 'thing-2', account: 'acc-1', size: 2 },
        { id: 'thing-3', size: 3 },
      ],
    });
    expect(two.written).toMatchObject([
      { op: 'put', id: 'thing-2', account: 'acc-1', properties: { size: 2 } },
      { op: 'put', id: 'thing-3', account: 'acc-1', properties: { size: 3 } },
    ]);
    expect(two.followed).toEqual({ kind: 'all_written' });
    expect(two.about.acts[0].resource.id).toBe('*');
    expect(two.reads).toBe(true);
    const some = await following(rule, { data: [{ size: 1 }, { id: 'thing-3' }, 'thing-4'] });
    expect(some.written).toMatchObject([{ id: 'thing-3' }]);
    expect(some.followed).toMatchObject({ kind: 'failed', code: 'entity.id', message: expect.stringMatching(/^2 of 3 /) });
    for (const answer of [{}, { data: { id: 'thing-2' } }, { data: Array.from({ length: 1_001 }, () => ({})) }])
      expect((await following(rule, answer)).followed).toMatchObject({ kind: 'failed', code: 'entity.each' });
  });

  it('that can’t be written is told', async () => {
    const { followed } = await following(
      '{ on: created, type: thing, id: response.id }',
      { id: 'thing-2' },
      [],
      [{ outcome: 'unavailable', reason: 'The brokers are away.' }],
    );
    expect(followed).toEqual({ kind: 'failed', code: 'entity.unavailable', message: 'The brokers are away.' });
  });
});
