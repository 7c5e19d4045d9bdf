import { describe, expect, it } from 'vitest';
import { badBodies, badQuestions } from './faults.js';
import { type Answer, ask, type Pdp, send } from './pdp.js';
import { partsOf, type World } from './world.js';

const PATH = '/access/v1/evaluation';

const decided = (answer: Answer, decision: boolean): void => {
  expect(answer.status, answer.text).toBe(200);
  expect(answer.type).toMatch(/^application\/json/);
  expect(answer.json.decision).toBe(decision);
  if (answer.json.context !== undefined) expect(answer.json.context).toBeTypeOf('object');
};

/** Level basic, required fields only (AuthZEN 1.0, sections 5, 6 and 10). */
export const basicCore = (pdp: () => Pdp, world: World): void => {
  const { writer, reader, active, read, write } = partsOf(world);
  const allowed = { subject: writer(), action: read(), resource: active() };

  describe('basic: a single evaluation', () => {
    it('is true for what is allowed, and false, with a 200, for what is denied', async () => {
      decided(await ask(pdp(), PATH, allowed), true);
      decided(await ask(pdp(), PATH, { ...allowed, action: write() }), true);
      decided(await ask(pdp(), PATH, { ...allowed, subject: reader() }), true);
      decided(await ask(pdp(), PATH, { ...allowed, subject: reader(), action: write() }), false);
    });

    it('is the same each time it is asked', async () => {
      for (let time = 0; time < 5; time++) decided(await ask(pdp(), PATH, allowed), true);
    });

    it('may have a context, with a time without seconds or anything else in it', async () => {
      const odd = [{}, { time: '2025-06-27T18:03-07:00' }, { time: 7, ip: '192.168.1.1' }, { time: null, ip: [], nested: { a: [1, { b: null }] } }];
      for (const context of odd) decided(await ask(pdp(), PATH, { ...allowed, context }), true);
    });

    it('may have properties that no policy knows', async () => {
      const question = { subject: writer({ department: 'Sales' }), action: read({ method: 'GET' }), resource: active({ owner: 'somebody', list: [1, 2] }) };
      decided(await ask(pdp(), PATH, question), true);
    });

    it('may have fields that the standard does not know, at any level', async () => {
      const parts = { subject: { ...writer(), future: 1 }, action: { ...read(), future: [] }, resource: { ...active(), future: null } };
      decided(await ask(pdp(), PATH, { ...parts, foo: 'bar', futureField: { nested: true } }), true);
    });

    it('does not depend on the order of its members', async () => {
      decided(await ask(pdp(), PATH, { resource: active(), context: {}, action: read(), subject: writer() }), true);
    });
  });

  describe('basic: what is no evaluation is a 400', () => {
    it.each(badQuestions(allowed))('%s', async (_, body) => {
      expect((await ask(pdp(), PATH, body)).status).toBe(400);
    });
    it.each(badBodies)('%s', async (_, body, headers) => {
      expect((await send(pdp(), PATH, body ?? JSON.stringify(allowed), { headers })).status).toBe(400);
    });
  });

  describe('basic: headers', () => {
    it('an X-Request-ID comes back as it was sent, with an error too', async () => {
      for (const id of ['bfe9eb29-ab87-4ca3-be83-a1d5d8305716', 'any text, with (all) sorts "of" characters; and=more', 'x'.repeat(300)]) {
        expect((await ask(pdp(), PATH, allowed, { 'x-request-id': id })).requestId).toBe(id);
        expect((await ask(pdp(), PATH, {}, { 'x-request-id': id })).requestId).toBe(id);
        expect((await ask({ ...pdp(), token: 'nobody' }, PATH, allowed, { 'x-request-id': id })).requestId).toBe(id);
      }
    });

    it('no X-Request-ID is no fault, and neither is a charset', async () => {
      decided(await ask(pdp(), PATH, allowed), true);
      decided(await ask(pdp(), PATH, allowed, { 'content-type': 'application/json; charset=utf-8' }), true);
    });

    it('a caller who does not show who it is gets a 401', async () => {
      expect((await ask(pdp(), PATH, allowed, { authorization: '' })).status).toBe(401);
      expect((await ask({ ...pdp(), token: 'nobody' }, PATH, allowed)).status).toBe(401);
    });
  });
};

/** Level basic with properties. */
export const basicProperties = (pdp: () => Pdp, world: World): void => {
  const { writer, reader, active, archived, write, remove } = partsOf(world);

  describe('basic: properties count', () => {
    const cases: readonly (readonly [string, boolean, object])[] = [
      ['a resource’s deny', false, { subject: writer(), action: write(), resource: archived({ status: 'archived' }) }],
      ['a resource’s that nobody else knows', false, { subject: writer(), action: write(), resource: { ...active({ status: 'archived' }), id: 'of-nobody' } }],
      ['… and allow', true, { subject: writer(), action: write(), resource: { ...active({ status: 'active' }), id: 'of-nobody' } }],
      ['a subject’s', true, { subject: reader({ role: 'admin' }), action: write(), resource: archived({ status: 'archived' }) }],
      ['an action’s allow', true, { subject: writer(), action: remove({ soft: true }), resource: active() }],
      ['an action’s deny', false, { subject: writer(), action: remove({ soft: false }), resource: active() }],
    ];
    it.each(cases)('%s: %s', async (_, decision, question) => decided(await ask(pdp(), PATH, question), decision));
  });
};
