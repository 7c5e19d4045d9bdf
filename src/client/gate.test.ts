import { describe, expect, it } from 'vitest';
import { gate } from './gate.js';
import { type Decision, type Question, VerdictError } from './types.js';

const question: Question = { subject: { type: 'user', id: 'usr-1' }, action: { name: 'instance.get' }, resource: { type: 'instance', id: 'inst-1' } };

const answering = (decision: Partial<Decision>) => {
  const asked: Question[] = [];
  const evaluate = async (one: Question): Promise<Decision> => {
    asked.push(one);
    return { decision: false, reasons: [], advice: [], cached: false, ...decision };
  };
  return { client: { evaluate }, asked };
};

describe('a request before a middleware', () => {
  it('passes where its question is allowed, and names the decision', async () => {
    expect(await gate(answering({ decision: true, id: 'evt-1' }).client, question)).toEqual({ pass: true, headers: { 'x-verdict-decision': 'evt-1' } });
  });

  it('is refused with the reasons and advice where it is not', async () => {
    const found = await gate(answering({ id: 'evt-1', reasons: [{ code: 'role', message: 'Not you.' }], advice: [{ ask: 'mfa' }] }).client, question);
    expect(found).toMatchObject({ pass: false, status: 403, headers: { 'x-verdict-decision': 'evt-1', 'content-type': 'application/problem+json' } });
    expect(JSON.parse((found as { body: string }).body)).toEqual({
      type: 'urn:verdict:problem:decision.denied',
      title: 'Forbidden',
      status: 403,
      detail: 'Not you.',
      code: 'decision.denied',
      reasons: [{ code: 'role', message: 'Not you.' }],
      advice: [{ ask: 'mfa' }],
      decision: 'evt-1',
    });
  });

  it('is refused as unavailable where Verdict gave no answer', async () => {
    const found = await gate(answering({ reasons: [], error: new VerdictError('client.timeout', 'Too late.') }).client, question);
    expect(found).toMatchObject({ pass: false, status: 503 });
    expect(JSON.parse((found as { body: string }).body)).toMatchObject({ status: 503, code: 'client.timeout', type: 'urn:verdict:problem:client.timeout' });
  });

  it('that is mapped to no question is refused, and nobody is asked', async () => {
    const { client, asked } = answering({ decision: true });
    expect(await gate(client, undefined)).toMatchObject({ pass: false, status: 403, body: expect.stringContaining('request.unmapped') });
    expect(asked).toEqual([]);
  });

  it('that is public passes, and nobody is asked', async () => {
    const { client, asked } = answering({});
    expect(await gate(client, 'public')).toEqual({ pass: true, headers: {} });
    expect(asked).toEqual([]);
  });

  it('passes by nothing but true', async () => {
    const truthy = { decision: 'true' } as unknown as Partial<Decision>;
    expect(await gate(answering(truthy).client, question)).toMatchObject({ pass: false });
  });
});
