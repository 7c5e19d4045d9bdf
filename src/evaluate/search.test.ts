import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { guard } from '../../test/peers/guard.js';
import { type Caller, PERMISSIONS } from '../caller/types.js';
import type { EventDraft } from '../event/index.js';
import { isEvent, place } from '../event/index.js';
import { fixedDirectory, type WrittenEntity } from './directory/fixed.js';
import { readInput } from './input-json.js';
import type { Policy } from './policy-types.js';
import { createSearch, type Found, type Search } from './search.js';

const NOW = Date.parse('2026-11-22T12:00:00Z');
const instance = (id: string, account: string): WrittenEntity => ({ type: 'instance', id, account, properties: { account } });
const WORLD: readonly WrittenEntity[] = [
  { type: 'account', id: 'acc-1', account: 'acc-1', properties: {} },
  { type: 'user', id: 'usr-1', properties: { email: 'one@example.com' } },
  { type: 'user', id: 'usr-2', account: 'acc-2', properties: {} },
  { type: 'user', id: 'usr-4', properties: {} },
  { type: 'membership', id: 'acc-1:usr-1', account: 'acc-1', properties: {} },
  { type: 'membership', id: 'acc-1:usr-3', account: 'acc-1', properties: {} },
  { type: 'membership', id: 'acc-2:usr-2', account: 'acc-2', properties: {} },
  { type: 'token', id: 'tok-1', account: 'acc-1', properties: { owner: 'usr-1' } },
  { type: 'verdict.key', id: 'key-1', account: 'acc-1', properties: {} },
  { type: 'action', id: 'archive', properties: {} },
  { type: 'action', id: 'own', account: 'acc-1', properties: {} },
  { type: 'action', id: 'theirs', account: 'acc-2', properties: {} },
  ...['a', 'b', 'c'].map((id) => instance(`inst-${id}`, 'acc-1')),
  instance('inst-x', 'acc-2'),
];

const caller = (accounts: Caller['accounts'], without: string[] = []): Caller => ({
  id: 'key:k',
  name: 'k',
  accounts,
  permissions: new Set(PERMISSIONS.filter((one) => !without.includes(one))),
});

type Made = {
  readonly world?: readonly WrittenEntity[];
  readonly allow?: (input: ReturnType<typeof readInput>) => boolean;
  readonly limits?: object;
  readonly by?: Caller;
};

const setUp = ({ world = WORLD, allow = () => true, limits = {}, by = caller('all') }: Made = {}) => {
  const recorded: EventDraft[] = [];
  const asked: ReturnType<typeof readInput>[] = [];
  const policy: Policy = {
    revision: 'r1',
    entrypoints: ['verdict/decision'],
    actions: ['instance.get', 'instance.stop'],
    decide: (given) => {
      const input = readInput(given);
      asked.push(input);
      return { allow: allow(input), reasons: [], advice: [{ alert: 'break_glass.used' }] };
    },
    query: () => undefined,
  };
  const search = createSearch(
    {
      guard,
      policy: () => policy,
      directory: fixedDirectory(world),
      append: async (drafts) => void recorded.push(...drafts),
      maxStalenessMs: 1_000,
      region: 'lagos-1',
      now: () => NOW,
    },
    limits,
  );
  return { recorded, asked, search: (one: Search) => search(one, { caller: by, address: '192.0.2.1', requestId: 'req-1' }) };
};

const question = { subject: { type: 'user', id: 'usr-1' }, action: { name: 'instance.get' }, resource: { type: 'instance', id: 'inst-a' } };
const find = async (search: Search, made: Made = {}): Promise<readonly string[]> => {
  const outcome = await setUp(made).search(search);
  if (outcome.kind !== 'found') throw new Error(outcome.message);
  return outcome.ids;
};
const subjects: Search = { kind: 'subject', question, limit: 100 };
const resources: Search = { kind: 'resource', question, limit: 100 };
const actions: Search = { kind: 'action', question, limit: 100 };
const inAccount = (search: Search, account: string): Search => ({ ...search, question: { ...search.question, context: { account } } });

describe('A search', () => {
  it('for subjects asks about those that the resource’s account knows, and for a credential of all accounts about those of none', async () => {
    expect(await find(subjects)).toEqual(['usr-1', 'usr-3', 'usr-4']);
    expect(await find(subjects, { by: caller(['acc-1']) })).toEqual(['usr-1', 'usr-3']);
    expect(await find({ ...subjects, question: { ...question, subject: { type: 'token', id: '' } } })).toEqual(['tok-1']);
  });

  it('for resources asks about all that the credential reaches, or about the account that is named', async () => {
    expect(await find(resources)).toEqual(['inst-a', 'inst-b', 'inst-c', 'inst-x']);
    expect(await find(resources, { by: caller(['acc-1', 'acc-2']) })).toEqual(['inst-a', 'inst-b', 'inst-c']);
    const member: WrittenEntity = { type: 'membership', id: 'acc-2:usr-1', account: 'acc-2', properties: {} };
    const world = [...WORLD, member];
    expect(await find(resources, { world, by: caller(['acc-1', 'acc-2']) })).toEqual(['inst-a', 'inst-b', 'inst-c', 'inst-x']);
    expect(await find(inAccount(resources, 'acc-2'), { world })).toEqual(['inst-x']);
    expect(await find(resources, { world, by: caller(['acc-2']) })).toEqual(['inst-x']);
    const claimed = { ...question, resource: { ...question.resource, properties: { account: 'acc-2' } } };
    expect(await find({ ...resources, question: claimed }, { world })).toEqual(['inst-x']);
    expect(await find(inAccount({ ...resources, question: claimed }, 'acc-1'), { world })).toEqual([]);
  });

  it('for accounts finds each in itself', async () => {
    const accounts = { ...resources, question: { ...question, resource: { type: 'account', id: '' } } };
    expect(await find(accounts)).toEqual(['acc-1']);
    expect(await find(accounts, { by: caller(['acc-1']) })).toEqual(['acc-1']);
    expect(await find(accounts, { by: caller(['acc-2']) })).toEqual([]);
  });

  it('for actions asks about the bundle’s, everybody’s and the account’s own', async () => {
    expect(await find(actions)).toEqual(['archive', 'instance.get', 'instance.stop', 'own']);
    expect(await find(actions, { by: caller(['acc-1']) })).toEqual(['archive', 'instance.get', 'instance.stop', 'own']);
    expect(await find(actions, { allow: ({ action }) => action.name === 'own' })).toEqual(['own']);
  });

  it('about what the directory does not know finds nothing, and asks nothing', async () => {
    for (const [search, party] of [
      [actions, { resource: { type: 'instance', id: 'nope' } }],
      [actions, { subject: { type: 'user', id: 'nope' } }],
      [subjects, { resource: { type: 'instance', id: 'nope' } }],
      [subjects, { subject: { type: 'spaceship', id: '' } }],
      [resources, { subject: { type: 'user', id: 'nope' } }],
      [resources, { resource: { type: 'verdict.key', id: '' } }],
      [subjects, { subject: { type: 'verdict.key', id: '' } }],
      [actions, { resource: { type: 'verdict.key', id: 'key-1' } }],
    ] as const) {
      const node = setUp();
      expect(await node.search({ ...search, question: { ...question, ...party } })).toMatchObject({ kind: 'found', ids: [] });
      expect(node.asked).toEqual([]);
      expect(node.recorded).toHaveLength(1);
    }
    // None in particular, as where one is to be made, is no unknown one.
    expect(await find(inAccount({ ...actions, question: { ...question, resource: { type: 'instance', id: '*' } } }, 'acc-1'))).toContain('instance.get');
  });

  it('about another account is refused, and nothing is asked', async () => {
    const node = setUp({ by: caller(['acc-2']) });
    expect(await node.search(subjects)).toMatchObject({ kind: 'forbidden', code: 'caller.account', account: 'acc-1' });
    expect(await node.search(inAccount(resources, 'acc-1'))).toMatchObject({ kind: 'forbidden', code: 'caller.account' });
    expect(await setUp({ by: caller('all', ['decision.evaluate']) }).search(actions)).toMatchObject({ kind: 'forbidden', code: 'caller.permission' });
    expect([node.asked, node.recorded]).toEqual([[], []]);
  });

  it('puts to the policy what an evaluation would', async () => {
    const node = setUp({ by: caller(['acc-1'], ['decision.assert']) });
    const context = { mfa: true, time: '2030-01-01T00:00:00Z', place: 'home' };
    await node.search({ ...subjects, question: { ...question, subject: { type: 'user', id: 'ignored', properties: { a: 1 } }, context } });
    expect(node.asked[0]).toMatchObject({
      subject: { type: 'user', id: 'usr-1', properties: { a: 1, email: 'one@example.com' } },
      context: { place: 'home', time: '2026-11-22T12:00:00.000Z', ip: '192.0.2.1' },
      directory: { membership: { id: 'acc-1:usr-1' }, resource: { id: 'inst-a' } },
    });
    expect(node.asked[0]?.context['mfa']).toBeUndefined();
  });
});

describe('The record of a search', () => {
  it('is one event of the credential, with the question and the counts, and no alert that a decision would raise', async () => {
    const node = setUp({ allow: ({ subject }) => subject.id !== 'usr-3' });
    const asked = {
      ...question,
      subject: { type: 'user', id: 'ignored', properties: { email: 'a@example.com' } },
      context: { ip: '198.51.100.7', token: 'tok-1', reason: 'x' },
    };
    const outcome = await node.search({ ...subjects, question: asked });
    expect(node.recorded).toHaveLength(1);
    const [event] = node.recorded as [EventDraft];
    expect(event).toMatchObject({
      id: (outcome as Found).context.id,
      account: 'acc-1',
      kind: 'activity',
      actor: { type: 'credential', id: 'key:k', ip: '192.0.2.1' },
      action: 'search.subject',
      resource: { type: 'instance', id: 'inst-a' },
      result: 'success',
      details: {
        question: {
          subject: { type: 'user' },
          action: { name: 'instance.get' },
          resource: { type: 'instance', id: 'inst-a' },
          context: { token: 'tok-1', reason: 'x' },
        },
        candidates: 3,
        results: 2,
        part: false,
        policy: 'r1',
        personal: { ip: '198.51.100.7', subject: { email: 'a@example.com' } },
      },
      request: { id: 'req-1' },
      region: 'lagos-1',
      source: 'pdp',
    });
    expect(JSON.stringify(event.details?.['question'])).not.toContain('ignored');
    const whole = place(event, { log: '01JD0000000000000000000000', seq: 1 }, event.timestamp);
    expect(isEvent(whole), JSON.stringify(isEvent.errors)).toBe(true);
  });

  it('says what was searched for in an account, or in all', async () => {
    const node = setUp();
    await node.search(inAccount(resources, 'acc-1'));
    await node.search(resources);
    await node.search(actions);
    expect(node.recorded.map(({ account, action, resource }) => [account, action, resource])).toEqual([
      ['acc-1', 'search.resource', { type: 'instance', id: '*' }],
      ['verdict', 'search.resource', { type: 'instance', id: '*' }],
      ['acc-1', 'search.action', { type: 'instance', id: 'inst-a' }],
    ]);
    expect(node.recorded[2]?.details?.['question']).not.toHaveProperty('action');
  });

  it('holds no secret of the question', async () => {
    const node = setUp();
    const secret = `AKIA${'IOSFODNN7EXAMPLE'}`;
    await node.search({ ...actions, question: { ...question, context: { note: secret, password: 'hunter2', token: 'a-token-of-nobody' } } });
    expect(JSON.stringify(node.recorded)).not.toMatch(new RegExp(`${secret}|hunter2|a-token-of-nobody`));
  });

  it('that would be too large is none, and nothing is asked', async () => {
    const node = setUp();
    expect(await node.search({ ...subjects, question: { ...question, context: { long: 'x'.repeat(60_000) } } })).toMatchObject({ kind: 'too_large' });
    expect([node.asked, node.recorded]).toEqual([[], []]);
  });

  it('that can not be made means no answer', async () => {
    const failing = createSearch({
      guard,
      policy: () => ({ revision: 'r1', entrypoints: [], actions: [], decide: () => ({ allow: true, reasons: [], advice: [] }), query: () => undefined }),
      directory: fixedDirectory(WORLD),
      append: async () => {
        throw new Error('The disk is gone.');
      },
      maxStalenessMs: 1_000,
      region: '',
    });
    await expect(failing(subjects, { caller: caller('all'), address: '', requestId: '' })).rejects.toThrow('The disk is gone.');
  });
});

describe('A page', () => {
  const many = [...WORLD, ...Array.from({ length: 500 }, (_, at) => instance(`inst-m${String(at).padStart(3, '0')}`, 'acc-1'))];
  const all: Search = { ...inAccount(resources, 'acc-1'), limit: 10_000 };

  it('ends without a next one only where nothing more would be found', async () => {
    const isEven = ({ resource }: { readonly resource: { readonly id: string } }): boolean => /m\d\d[02468]$/.test(resource.id);
    const node = setUp({ world: many, allow: isEven });
    expect(await node.search({ ...all, limit: 250 })).not.toHaveProperty('next');
    const part = (await node.search({ ...all, limit: 249 })) as Found;
    expect(part.ids).toHaveLength(249);
    expect(await node.search({ ...all, limit: 249, ...(part.next && { from: part.next }) })).toMatchObject({ ids: ['inst-m498'] });
    expect(await node.search({ ...all, limit: 0 })).toMatchObject({ ids: [], next: expect.anything() });
    expect(await setUp({ allow: () => false }).search({ ...all, limit: 0 })).not.toHaveProperty('next');
  });

  it('ends early after so many questions or so long, and the next one goes on', async () => {
    for (const limits of [{ maxCandidates: 100 }, { maxMs: -1 }]) {
      const node = setUp({ world: many, limits });
      const found: string[] = [];
      let next: Found['next'];
      let pages = 0;
      do {
        const part = (await node.search({ ...all, limit: 10_000, ...(next && { from: next }) })) as Found;
        found.push(...part.ids);
        next = part.next;
        pages += 1;
      } while (next);
      expect(found).toHaveLength(503);
      expect(new Set(found).size).toBe(503);
      expect(pages).toBeGreaterThan(5);
      expect(node.recorded).toHaveLength(pages);
      expect(node.recorded.map(({ details }) => details?.['part'])).toEqual([...Array.from({ length: pages - 1 }, () => true), false]);
    }
  });

  it('lets others have their turn, and searches take theirs one after the other', async () => {
    const slow = (): boolean => {
      const until = performance.now() + 0.5;
      while (performance.now() < until);
      return true;
    };
    const node = setUp({ world: many, allow: slow });
    let turns = 0;
    let isRunning = true;
    const others = (async () => {
      while (isRunning) {
        await nextTurn();
        turns += 1;
      }
    })();
    await Promise.all([node.search(all), node.search(all), node.search(all)]);
    isRunning = false;
    await others;
    // 1,500 questions of half a millisecond, in turns of two: nobody else waits for more than one of them.
    expect(turns).toBeGreaterThan(200);
  });

  it('waits where many are under way, and is not begun where too many wait', async () => {
    const node = setUp();
    const outcomes = await Promise.all(Array.from({ length: 1_040 }, () => node.search(subjects)));
    expect(outcomes.filter(({ kind }) => kind === 'found')).toHaveLength(1_032);
    expect(outcomes.filter(({ kind }) => kind === 'busy')).toHaveLength(8);
    expect(node.recorded).toHaveLength(1_032);
    expect(await node.search(subjects)).toMatchObject({ kind: 'found' });
  });
});
