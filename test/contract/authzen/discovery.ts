import { describe, expect, it } from 'vitest';
import { ask, type Pdp, send } from './pdp.js';
import { partsOf, type World } from './world.js';

const PATH = '/.well-known/authzen-configuration';
const OPTIONAL = ['access_evaluations_endpoint', 'search_subject_endpoint', 'search_resource_endpoint', 'search_action_endpoint'] as const;

/** Level discovery (AuthZEN 1.0, section 9). */
export const discovery = (pdp: () => Pdp, world: World): void => {
  const { writer, active, read } = partsOf(world);
  const metadata = () => send(pdp(), PATH, undefined, { method: 'GET', headers: { authorization: '' } });

  describe('discovery: the metadata', () => {
    it('is JSON, and anybody’s', async () => {
      const answer = await metadata();
      expect(answer.status).toBe(200);
      expect(answer.type).toMatch(/^application\/json/);
    });

    it('names the decision point as it was asked, and absolute addresses of all that it can do', async () => {
      const { json } = await metadata();
      const base = pdp().url.replace(/\/$/, '');
      expect(json.policy_decision_point).toBe(base);
      for (const name of ['access_evaluation_endpoint', ...OPTIONAL]) {
        const url = new URL(json[name]);
        expect(url.protocol).toBe(new URL(base).protocol);
        expect([url.search, url.hash]).toEqual(['', '']);
      }
    });

    it('has no parameter without a value', async () => {
      const { json } = await metadata();
      for (const value of Object.values(json))
        expect(value).not.toSatisfy((one: unknown) => one === null || one === '' || (Array.isArray(one) && one.length === 0));
      if (json.capabilities !== undefined) for (const one of json.capabilities) expect(one).toBeTypeOf('string');
    });

    it('leads to where questions are answered', async () => {
      const { json } = await metadata();
      const question = { subject: writer(), action: read(), resource: active() };
      const at = (url: string, body: object) => ask({ ...pdp(), url: '' }, url, body);
      expect((await at(json.access_evaluation_endpoint, question)).json).toMatchObject({ decision: true });
      expect((await at(json.access_evaluations_endpoint, { ...question, evaluations: [{}] })).json).toMatchObject({ evaluations: [{ decision: true }] });
      for (const name of ['search_subject_endpoint', 'search_resource_endpoint', 'search_action_endpoint'])
        expect((await at(json[name], question)).json.results.length).toBeGreaterThan(0);
    });
  });
};
