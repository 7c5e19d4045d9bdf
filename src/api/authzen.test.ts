import { describe, expect, it } from 'vitest';
import { MAX_EVALUATIONS, readEvaluation, readEvaluations, refusalsAmong, replyEvaluation, replyEvaluations } from './authzen.js';

const subject = { type: 'user', id: 'usr-1' };
const action = { name: 'instance.create' };
const resource = { type: 'instance', id: 'inst-1' };
const one = (value: unknown, type: string | undefined = 'application/json') => readEvaluation(JSON.stringify(value), type);
const many = (value: unknown) => readEvaluations(JSON.stringify(value), 'application/json');

describe('A question', () => {
  it('is read, and what AuthZEN does not know is no fault', () => {
    const found = one({ subject: { ...subject, extra: 1 }, action, resource, context: { mfa: true }, future: {} });
    expect(found).toMatchObject({ ok: true, question: { subject, action, resource, context: { mfa: true } } });
  });

  it('is refused with what is missing or of the wrong type', () => {
    for (const bad of [
      {},
      [],
      'x',
      null,
      { subject, action },
      { subject: { type: 'user' }, action, resource },
      { subject, action: 'read', resource },
      { subject: { ...subject, id: 7 }, action, resource },
      { subject, action, resource, context: [] },
      { subject: { ...subject, properties: 'x' }, action, resource },
      { subject: { ...subject, id: '' }, action, resource },
      { subject: { ...subject, id: 'x'.repeat(257) }, action, resource },
    ])
      expect(one(bad), JSON.stringify(bad)).toMatchObject({ ok: false, status: 400, problem: { code: 'evaluation.invalid' } });
    expect(one({ subject, action })).toMatchObject({ problem: { detail: "body must have required property 'resource'." } });
  });

  it('is JSON by its media type', () => {
    expect(one({ subject, action, resource }, 'application/json; charset=utf-8')).toMatchObject({ ok: true });
    const text = JSON.stringify({ subject, action, resource });
    for (const type of ['text/plain', 'application/json-patch+json', '', undefined])
      expect(readEvaluation(text, type), type).toMatchObject({ ok: false, status: 400, problem: { code: 'media_type.unsupported' } });
  });

  it('of more bytes than the limit is refused', () => {
    expect(readEvaluation(Buffer.alloc(101, 0x20), 'application/json', 100)).toMatchObject({ ok: false, status: 413, problem: { code: 'body.too_large' } });
  });
});

describe('Several questions', () => {
  it('have the defaults laid under each, key by key', () => {
    const found = many({
      subject: { ...subject, properties: { department: 'x' } },
      action,
      context: { time: 'a', mfa: true },
      evaluations: [{ resource }, { resource, subject: { type: 'user', id: 'usr-2' }, context: { time: 'b' } }],
    });
    expect(found).toMatchObject({ ok: true, kind: 'many', semantic: 'execute_all' });
    expect(found.ok && found.kind === 'many' && found.items).toEqual([
      { question: { subject: { ...subject, properties: { department: 'x' } }, action, resource, context: { time: 'a', mfa: true } } },
      { question: { subject: { type: 'user', id: 'usr-2' }, action, resource, context: { time: 'b' } } },
    ]);
  });

  it('are a single one where there is none in the list', () => {
    for (const value of [
      { subject, action, resource },
      { subject, action, resource, evaluations: [] },
    ])
      expect(many(value)).toMatchObject({ ok: true, kind: 'one', question: { subject, action, resource } });
    expect(many({ subject, action, evaluations: [] })).toMatchObject({ ok: false, status: 400 });
  });

  it('that are incomplete are errors in their place', () => {
    const found = many({ subject, action, evaluations: [{ resource }, {}, { resource, action: null }] });
    expect(found).toMatchObject({ items: [{ question: {} }, { error: { status: 400 } }, { error: { status: 400 } }] });
  });

  it('take the semantics AuthZEN names, and no other', () => {
    for (const evaluations_semantic of ['execute_all', 'deny_on_first_deny', 'permit_on_first_permit'])
      expect(many({ subject, action, evaluations: [{ resource }], options: { evaluations_semantic, other: 1 } })).toMatchObject({
        semantic: evaluations_semantic,
      });
    expect(many({ subject, action, evaluations: [{ resource }], options: { evaluations_semantic: 'any' } })).toMatchObject({ ok: false, status: 400 });
  });

  it('are at most a thousand, and not a long default a thousand times', () => {
    const items = (count: number) => Array.from({ length: count }, () => ({ resource }));
    expect(many({ subject, action, evaluations: items(MAX_EVALUATIONS) })).toMatchObject({ ok: true });
    expect(many({ subject, action, evaluations: items(MAX_EVALUATIONS + 1) })).toMatchObject({ ok: false, status: 400 });
    expect(many({ subject, action, context: { long: 'x'.repeat(40_000) }, evaluations: items(200) })).toMatchObject({ ok: false, status: 413 });
  });

  it('must be a list of objects', () => {
    for (const evaluations of ['x', {}, [1], [null], [[]]]) expect(many({ subject, action, resource, evaluations })).toMatchObject({ ok: false, status: 400 });
  });
});

describe('Answers', () => {
  const decided = { kind: 'decided', decision: true, context: { id: 'evt-1', reasons: [], advice: [], policy: 'r1' } } as const;
  const forbidden = { kind: 'forbidden', code: 'caller.account', message: 'Not yours.', account: 'acc-2' } as const;
  const barred = { kind: 'forbidden', code: 'caller.permission', message: 'No.', account: undefined } as const;

  it('carry the decision and its context', () => {
    const reply = replyEvaluation(decided, 'r');
    expect(reply).toMatchObject({ status: 200, contentType: 'application/json' });
    expect(JSON.parse(reply.body)).toEqual({ decision: true, context: decided.context });
  });

  it('that can not be recorded or are not allowed are problems with the request id', () => {
    const reply = replyEvaluation(forbidden, 'r');
    expect(reply).toMatchObject({ status: 403, contentType: 'application/problem+json' });
    expect(JSON.parse(reply.body)).toMatchObject({ code: 'caller.account', request_id: 'r' });
    expect(replyEvaluation({ kind: 'too_large', message: 'Long.' }, 'r').status).toBe(413);
  });

  it('keep order and length, errors among them', () => {
    const reply = replyEvaluations([decided, { kind: 'invalid', status: 400, message: 'Half.' }, forbidden, { kind: 'too_large', message: 'Long.' }], 'r');
    expect(JSON.parse(reply.body)).toEqual({
      evaluations: [
        { decision: true, context: decided.context },
        { decision: false, context: { error: { status: 400, message: 'Half.' } } },
        { decision: false, context: { error: { status: 403, message: 'Not yours.' } } },
        { decision: false, context: { error: { status: 413, message: 'Long.' } } },
      ],
    });
  });

  it('to a caller without the permission are one refusal', () => {
    expect(replyEvaluations([barred, barred], 'r').status).toBe(403);
    expect(refusalsAmong([barred, barred, forbidden, decided])).toEqual([barred, forbidden]);
  });
});
