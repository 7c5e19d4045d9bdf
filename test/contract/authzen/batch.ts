import { describe, expect, it } from 'vitest';
import { badBodies } from './faults.js';
import { type Answer, ask, type Pdp, send } from './pdp.js';
import { partsOf, type World } from './world.js';

const PATH = '/access/v1/evaluations';

type Decision = { readonly decision: unknown; readonly context?: { readonly error?: unknown } };

const decisionsOf = (answer: Answer): readonly Decision[] => {
  expect(answer.status, answer.text).toBe(200);
  expect(answer.type).toMatch(/^application\/json/);
  expect(answer.json.evaluations).toBeInstanceOf(Array);
  for (const { decision, context } of answer.json.evaluations as readonly Decision[]) {
    expect(decision).toBeTypeOf('boolean');
    if (context !== undefined) expect(context).toBeTypeOf('object');
  }
  return answer.json.evaluations;
};

const decided = (answer: Answer, decisions: readonly boolean[]): void => expect(decisionsOf(answer).map(({ decision }) => decision)).toEqual(decisions);

/** Level batch, required fields only (AuthZEN 1.0, section 7). */
export const batchCore = (pdp: () => Pdp, world: World): void => {
  const { writer, reader, active, archived, read, write } = partsOf(world);
  const allowed = { subject: writer(), action: read(), resource: active() };
  const denied = { subject: reader(), action: write(), resource: active() };

  describe('batch: several evaluations', () => {
    it('are answered in their order, and each', async () => {
      decided(await ask(pdp(), PATH, { evaluations: [allowed, denied] }), [true, false]);
      decided(await ask(pdp(), PATH, { evaluations: [denied, allowed, denied] }), [false, true, false]);
      const many = Array.from({ length: 100 }, (_, index) => (index % 3 === 0 ? denied : allowed));
      decided(
        await ask(pdp(), PATH, { evaluations: many }),
        many.map((one) => one === allowed),
      );
    });

    it('have the defaults where they name nothing themselves', async () => {
      decided(await ask(pdp(), PATH, { subject: reader(), resource: active(), evaluations: [{ action: read() }, { action: write() }] }), [true, false]);
      expect(
        decisionsOf(await ask(pdp(), PATH, { subject: writer(), action: read(), evaluations: [{ resource: active() }, { resource: archived() }] })),
      ).toHaveLength(2);
      decided(await ask(pdp(), PATH, { ...denied, evaluations: [{}, { subject: writer() }, { action: read() }] }), [false, true, true]);
    });

    it('name a context each, or take the default', async () => {
      const context = { time: '2025-06-27T18:03-07:00' };
      const other = { time: '2025-06-27T19:00-07:00', source: 'batch-override' };
      decided(await ask(pdp(), PATH, { ...allowed, context, evaluations: [{}, { context: other }] }), [true, true]);
    });

    it('replace a default whole with what they name', async () => {
      const [whole, half] = decisionsOf(await ask(pdp(), PATH, { ...allowed, evaluations: [{ resource: active() }, { resource: { id: active().id } }] }));
      expect(whole).toMatchObject({ decision: true });
      expect(half).toMatchObject({ decision: false, context: { error: { status: 400 } } });
    });

    it('that are incomplete are a deny with an error in their place, and no fault of the others', async () => {
      const evaluations = [{ resource: active() }, {}, { resource: 7 }, { resource: active(), action: {} }, { resource: active() }];
      const all = decisionsOf(await ask(pdp(), PATH, { subject: writer(), action: read(), evaluations, options: { evaluations_semantic: 'execute_all' } }));
      expect(all.map(({ decision }) => decision)).toEqual([true, false, false, false, true]);
      for (const at of [1, 2, 3]) expect(all[at]?.context?.error).toMatchObject({ status: 400, message: expect.any(String) });
    });

    it('are a single evaluation where there are none', async () => {
      for (const body of [allowed, { ...allowed, evaluations: [] }]) {
        const answer = await ask(pdp(), PATH, body);
        expect(answer.status).toBe(200);
        expect(answer.json).toMatchObject({ decision: true });
        expect(answer.json.evaluations).toBeUndefined();
      }
      expect((await ask(pdp(), PATH, { subject: writer(), action: read(), evaluations: [] })).status).toBe(400);
    });

    it('may come with fields that the standard does not know', async () => {
      decided(await ask(pdp(), PATH, { ...allowed, foo: 1, options: { another_option: 'value' }, evaluations: [{ future: true }] }), [true]);
    });
  });

  describe('batch: semantics', () => {
    const of = (evaluations_semantic: string, evaluations: readonly object[]) => ask(pdp(), PATH, { evaluations, options: { evaluations_semantic } });

    it('execute_all answers all', async () => decided(await of('execute_all', [denied, allowed, denied]), [false, true, false]));
    it('deny_on_first_deny ends with the first deny', async () => {
      decided(await of('deny_on_first_deny', [allowed, denied, allowed]), [true, false]);
      decided(await of('deny_on_first_deny', [allowed, allowed]), [true, true]);
      decided(await of('deny_on_first_deny', [allowed, {}, allowed]), [true, false]);
    });
    it('permit_on_first_permit ends with the first permit', async () => {
      decided(await of('permit_on_first_permit', [denied, allowed, denied]), [false, true]);
      decided(await of('permit_on_first_permit', [denied, denied]), [false, false]);
      decided(await of('permit_on_first_permit', [{}, allowed, denied]), [false, true]);
    });
    it('another one is a 400', async () => expect((await of('any', [allowed])).status).toBe(400));
  });

  describe('batch: what is no request is a 400', () => {
    const faults: readonly (readonly [string, unknown])[] = [
      ['evaluations that are an object', { ...allowed, evaluations: {} }],
      ['evaluations that are text', { ...allowed, evaluations: 'x' }],
      ['a default that is text', { ...allowed, subject: 'alice', evaluations: [allowed] }],
      ['options that are a list', { evaluations: [allowed], options: [] }],
      ['an empty object', {}],
      ['a list', [allowed]],
      ['null', null],
    ];
    it.each(faults)('%s', async (_, body) => expect((await ask(pdp(), PATH, body)).status).toBe(400));
    it.each(badBodies)('%s', async (_, body, headers) => {
      expect((await send(pdp(), PATH, body ?? JSON.stringify(allowed), { headers })).status).toBe(400);
    });
  });

  it('batch: an X-Request-ID comes back as it was sent', async () => {
    expect((await ask(pdp(), PATH, { evaluations: [allowed] }, { 'x-request-id': 'one of (many)' })).requestId).toBe('one of (many)');
  });
};

/** Level batch with properties. */
export const batchProperties = (pdp: () => Pdp, world: World): void => {
  const { writer, reader, active, archived, write } = partsOf(world);

  describe('batch: properties count', () => {
    it('a resource’s, one by one', async () => {
      const evaluations = [{ resource: active({ status: 'active' }) }, { resource: archived({ status: 'archived' }) }];
      decided(await ask(pdp(), PATH, { subject: writer(), action: write(), evaluations }), [true, false]);
    });
    it('a subject’s, one by one', async () => {
      const evaluations = [{ subject: writer() }, { subject: reader({ role: 'admin' }) }];
      decided(await ask(pdp(), PATH, { action: write(), resource: archived({ status: 'archived' }), evaluations }), [false, true]);
    });
    it('a default’s are gone where an item names the part itself', async () => {
      const unknown = { ...active({ status: 'archived' }), id: 'of-nobody' };
      const evaluations = [{}, { resource: { type: unknown.type, id: unknown.id } }];
      decided(await ask(pdp(), PATH, { subject: writer(), action: write(), resource: unknown, evaluations }), [false, true]);
    });
  });
};
