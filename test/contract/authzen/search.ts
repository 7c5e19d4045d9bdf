import { describe, expect, it } from 'vitest';
import { badBodies } from './faults.js';
import { type Answer, ask, type Pdp, send } from './pdp.js';
import { partsOf, type World } from './world.js';

const path = (kind: string): string => `/access/v1/search/${kind}`;

type Party = { readonly type: string; readonly id: string };

const without = (object: object, name: string): object => Object.fromEntries(Object.entries(object).filter(([key]) => key !== name));

/** The results of an answer that is one (AuthZEN 1.0, section 8.3). */
const resultsOf = (answer: Answer): readonly unknown[] => {
  expect(answer.status, answer.text).toBe(200);
  expect(answer.type).toMatch(/^application\/json/);
  expect(answer.json.results).toBeInstanceOf(Array);
  const { page, context, results } = answer.json;
  if (page !== undefined) expect(page.next_token).toBeTypeOf('string');
  if (page?.count !== undefined) expect(page.count).toBe(results.length);
  if (context !== undefined) expect(context).toBeTypeOf('object');
  return results;
};

const partiesOf = (answer: Answer, type: string): readonly string[] =>
  (resultsOf(answer) as readonly Party[]).map((one) => {
    expect(one).toMatchObject({ type, id: expect.any(String) });
    return one.id;
  });

const namesOf = (answer: Answer): readonly string[] =>
  (resultsOf(answer) as readonly { readonly name: string }[]).map(({ name }) => {
    expect(name).toBeTypeOf('string');
    return name;
  });

/** Level search, required fields only (AuthZEN 1.0, section 8). */
export const searchCore = (pdp: () => Pdp, world: World): void => {
  const { writer, reader, active, read, write } = partsOf(world);
  const { subjectType, resourceType } = world;
  const subjects = { subject: { type: subjectType }, action: read(), resource: active() };
  const resources = { subject: writer(), action: read(), resource: { type: resourceType } };
  const actions = { subject: writer(), resource: active() };
  const evaluates = async (question: object): Promise<boolean> => (await ask(pdp(), '/access/v1/evaluation', question)).json.decision;

  describe('search: what is found', () => {
    it('are the subjects who may', async () => {
      expect(partiesOf(await ask(pdp(), path('subject'), subjects), subjectType)).toEqual(expect.arrayContaining([world.writer, world.reader]));
      const writers = partiesOf(await ask(pdp(), path('subject'), { ...subjects, action: write() }), subjectType);
      expect(writers).toContain(world.writer);
      expect(writers).not.toContain(world.reader);
    });

    it('are the resources on which the subject may', async () => {
      expect(partiesOf(await ask(pdp(), path('resource'), resources), resourceType)).toContain(world.active);
      expect(partiesOf(await ask(pdp(), path('resource'), { ...resources, subject: reader(), action: write() }), resourceType)).not.toContain(world.active);
    });

    it('are the actions that the subject may do', async () => {
      expect(namesOf(await ask(pdp(), path('action'), actions))).toEqual(expect.arrayContaining([world.read, world.write]));
      const readers = namesOf(await ask(pdp(), path('action'), { ...actions, subject: reader() }));
      expect(readers).toContain(world.read);
      expect(readers).not.toContain(world.write);
    });

    it('is true in a single evaluation', async () => {
      for (const id of partiesOf(await ask(pdp(), path('subject'), subjects), subjectType))
        expect(await evaluates({ ...subjects, subject: { type: subjectType, id } })).toBe(true);
      for (const id of partiesOf(await ask(pdp(), path('resource'), resources), resourceType))
        expect(await evaluates({ ...resources, resource: { type: resourceType, id } })).toBe(true);
      for (const name of namesOf(await ask(pdp(), path('action'), actions))) expect(await evaluates({ ...actions, action: { name } })).toBe(true);
    });

    it('does not hang on an id of what is searched for, which is ignored', async () => {
      const plain = partiesOf(await ask(pdp(), path('subject'), subjects), subjectType);
      for (const id of [world.reader, 'nobody', '', 7, null])
        expect(partiesOf(await ask(pdp(), path('subject'), { ...subjects, subject: { type: subjectType, id } }), subjectType)).toEqual(plain);
      const found = partiesOf(await ask(pdp(), path('resource'), resources), resourceType);
      expect(partiesOf(await ask(pdp(), path('resource'), { ...resources, resource: { type: resourceType, id: 'nothing' } }), resourceType)).toEqual(found);
      const names = namesOf(await ask(pdp(), path('action'), actions));
      for (const action of [read(), { name: 'nothing' }, {}]) expect(namesOf(await ask(pdp(), path('action'), { ...actions, action }))).toEqual(names);
    });

    it('may be asked for with a context, and with fields that the standard does not know', async () => {
      const more = { context: { time: '2024-10-26T01:22-07:00' }, foo: 'bar', futureField: { nested: true } };
      expect(partiesOf(await ask(pdp(), path('subject'), { ...subjects, ...more }), subjectType)).toContain(world.writer);
      expect(partiesOf(await ask(pdp(), path('resource'), { ...resources, ...more }), resourceType)).toContain(world.active);
      expect(namesOf(await ask(pdp(), path('action'), { ...actions, ...more }))).toContain(world.read);
    });
  });

  describe('search: what is not known gives nothing, and no error', () => {
    const nothing: readonly (readonly [string, string, object])[] = [
      ['a subject of no known id', 'action', { ...actions, subject: { type: subjectType, id: 'nonexistent-user' } }],
      ['… whose resources are searched for', 'resource', { ...resources, subject: { type: subjectType, id: 'nonexistent-user' } }],
      ['a resource of no known id', 'subject', { ...subjects, resource: { type: resourceType, id: 'nonexistent' } }],
      ['… whose actions are searched for', 'action', { ...actions, resource: { type: resourceType, id: 'nonexistent' } }],
      ['subjects of no known type', 'subject', { ...subjects, subject: { type: 'spaceship' } }],
      ['resources of no known type', 'resource', { ...resources, resource: { type: 'spaceship' } }],
      ['a resource of no known type', 'action', { ...actions, resource: { type: 'spaceship', id: '1' } }],
      ['an action of no known name', 'subject', { ...subjects, action: { name: 'nonexistent' } }],
    ];
    it.each(nothing)('%s (%s search)', async (_, kind, body) => {
      const answer = await ask(pdp(), path(kind), body);
      expect(resultsOf(answer)).toEqual([]);
      expect(answer.json.page?.next_token ?? '').toBe('');
    });
  });

  describe('search: pages', () => {
    const walk = async (kind: string, body: object, limit: number): Promise<readonly unknown[]> => {
      const all: unknown[] = [];
      let token = '';
      for (let pages = 0; pages < 1_000; pages++) {
        const answer = await ask(pdp(), path(kind), { ...body, page: token === '' ? { limit } : { limit, token } });
        const results = resultsOf(answer);
        expect(results.length).toBeLessThanOrEqual(limit);
        all.push(...results);
        token = answer.json.page?.next_token ?? '';
        if (token === '') return all;
      }
      throw new Error('The pages have no end.');
    };

    it('of one result each hold what one page holds, each result once', async () => {
      for (const [kind, body] of [
        ['subject', subjects],
        ['resource', resources],
        ['action', actions],
      ] as const)
        expect(await walk(kind, body, 1)).toEqual(resultsOf(await ask(pdp(), path(kind), body)));
    });

    it('lead on with the token alone, and the last one has an empty token', async () => {
      const first = await ask(pdp(), path('subject'), { ...subjects, page: { limit: 1 } });
      expect(resultsOf(first)).toHaveLength(1);
      expect(first.json.page.next_token).not.toBe('');
      const second = await ask(pdp(), path('subject'), { ...subjects, page: { token: first.json.page.next_token } });
      expect(resultsOf(second)).toHaveLength(1);
      expect(second.json.results).not.toEqual(first.json.results);
      const whole = await ask(pdp(), path('subject'), { ...subjects, page: { limit: 1_000 } });
      expect(whole.json.page?.next_token ?? '').toBe('');
    });

    it('go on only with the question that they began with', async () => {
      const { next_token: token } = (await ask(pdp(), path('subject'), { ...subjects, page: { limit: 1 } })).json.page;
      expect((await ask(pdp(), path('subject'), { ...subjects, action: write(), page: { token } })).status).toBe(400);
      expect((await ask(pdp(), path('subject'), { ...subjects, context: { changed: true }, page: { token } })).status).toBe(400);
      expect((await ask(pdp(), path('subject'), { ...subjects, page: { token, limit: 2 } })).status).toBe(400);
      expect((await ask(pdp(), path('action'), { ...actions, page: { token } })).status).toBe(400);
    });

    it('that are not pages are a 400', async () => {
      const faults = [{ token: 'no token of anybody' }, { token: 'AAAA' }, { token: 7 }, { limit: -1 }, { limit: 1.5 }, { limit: '1' }];
      for (const page of [...faults, [], 'x', 7]) expect((await ask(pdp(), path('subject'), { ...subjects, page })).status, JSON.stringify(page)).toBe(400);
    });
  });

  describe('search: what is no search is a 400', () => {
    const party = (kind: string): object => (kind === 'subject' ? subjects : kind === 'resource' ? resources : actions);
    const required: readonly (readonly [string, readonly string[]])[] = [
      ['subject', ['subject', 'action', 'resource']],
      ['resource', ['subject', 'action', 'resource']],
      ['action', ['subject', 'resource']],
    ];
    it.each(required)('%s search without one of its parts, or with text in its place', async (kind, names) => {
      for (const name of names) {
        expect((await ask(pdp(), path(kind), without(party(kind), name))).status, name).toBe(400);
        expect((await ask(pdp(), path(kind), { ...party(kind), [name]: 'text' })).status, name).toBe(400);
        expect((await ask(pdp(), path(kind), { ...party(kind), [name]: {} })).status, name).toBe(400);
      }
    });

    it('the ids of what is not searched for are needed', async () => {
      expect((await ask(pdp(), path('subject'), { ...subjects, resource: { type: resourceType } })).status).toBe(400);
      expect((await ask(pdp(), path('resource'), { ...resources, subject: { type: subjectType } })).status).toBe(400);
      expect((await ask(pdp(), path('action'), { ...actions, subject: { type: subjectType } })).status).toBe(400);
      expect((await ask(pdp(), path('action'), { ...actions, resource: { type: resourceType } })).status).toBe(400);
    });

    it.each(badBodies)('%s', async (_, body, headers) => {
      for (const kind of ['subject', 'resource', 'action'])
        expect((await send(pdp(), path(kind), body ?? JSON.stringify(party(kind)), { headers })).status).toBe(400);
    });
  });

  it('search: an X-Request-ID comes back as it was sent, and a caller must show who it is', async () => {
    for (const [kind, body] of [
      ['subject', subjects],
      ['resource', resources],
      ['action', actions],
    ] as const) {
      expect((await ask(pdp(), path(kind), body, { 'x-request-id': 'one of (many)' })).requestId).toBe('one of (many)');
      expect(await ask(pdp(), path(kind), body, { authorization: '', 'x-request-id': 'nobody’s'.replace('’', "'") })).toMatchObject({
        status: 401,
        requestId: "nobody's",
      });
    }
  });
};

/** Level search with properties. */
export const searchProperties = (pdp: () => Pdp, world: World): void => {
  const { writer, reader, active, archived, write } = partsOf(world);
  const { subjectType, resourceType } = world;

  describe('search: properties count', () => {
    it('a resource’s', async () => {
      const archivedOne = { subject: { type: subjectType }, action: write(), resource: archived({ status: 'archived' }) };
      const found = partiesOf(await ask(pdp(), path('subject'), archivedOne), subjectType);
      expect(found).toContain(world.reader);
      expect(found).not.toContain(world.writer);
    });
    it('a subject’s', async () => {
      const admins = { subject: reader({ role: 'admin' }), action: write(), resource: { type: resourceType } };
      expect(partiesOf(await ask(pdp(), path('resource'), admins), resourceType)).toEqual([world.archived]);
    });
    it('both, for actions, whose own properties nobody can ask with', async () => {
      expect(namesOf(await ask(pdp(), path('action'), { subject: reader({ role: 'admin' }), resource: archived({ status: 'archived' }) }))).toContain(
        world.write,
      );
      expect(namesOf(await ask(pdp(), path('action'), { subject: writer(), resource: active() }))).not.toContain(world.remove);
    });
  });
};
