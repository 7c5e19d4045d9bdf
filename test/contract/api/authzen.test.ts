import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Rig, startRig } from './rig.js';

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
});
afterAll(() => rig.stop());

const subject = { type: 'user', id: 'usr-1' };
const resource = { type: 'instance', id: 'inst-1' };
const question = { subject, action: { name: 'read.instance' }, resource };
const ask = (body: unknown, as = 'acme', headers = {}) => rig.call('POST', '/access/v1/evaluation', { as, body, headers });
const askMany = (body: unknown, as = 'acme') => rig.call('POST', '/access/v1/evaluations', { as, body });

describe('POST /access/v1/evaluation', () => {
  it('answers with the decision, whose event is recorded, and echoes the request id', async () => {
    const allowed = await ask(question, 'acme', { 'x-request-id': 'req.42' });
    expect(allowed).toMatchObject({ status: 200, headers: { 'x-request-id': 'req.42' }, json: { decision: true, context: { policy: 'r1' } } });
    expect(rig.recorded.at(-1)).toMatchObject({
      id: allowed.json.context.id,
      kind: 'decision',
      account: 'acc-1',
      result: 'allowed',
      request: { id: 'req.42' },
    });
    expect(await ask({ ...question, action: { name: 'delete' }, unknown: 1 })).toMatchObject({
      status: 200,
      json: { decision: false, context: { reasons: [{ code: 'role' }] } },
    });
  });

  it('refuses what is no question, and records nothing of it', async () => {
    const before = rig.recorded.length;
    for (const bad of [{}, [], { subject, action: {}, resource }, { ...question, context: 'x' }])
      expect(await ask(bad)).toMatchObject({ status: 400, json: { code: 'evaluation.invalid' } });
    const send = (raw: string | Buffer) => rig.call('POST', '/access/v1/evaluation', { as: 'acme', raw });
    expect(await send('{"a":'.repeat(10_000))).toMatchObject({ status: 400, json: { code: 'json.depth' } });
    expect(await send('{"__proto__":{}}')).toMatchObject({ status: 400, json: { code: 'json.key' } });
    expect(await send('"\\udfff"')).toMatchObject({ status: 400, json: { code: 'json.text' } });
    expect(await send(Buffer.from([0x7b, 0x00, 0x7d]))).toMatchObject({ status: 400, json: { code: 'json.invalid' } });
    expect(await send(' '.repeat(256 * 1024 + 1))).toMatchObject({ status: 413 });
    expect(await ask({ ...question, context: { long: 'x'.repeat(60_000) } })).toMatchObject({ status: 413, json: { code: 'question.too_large' } });
    expect(rig.recorded).toHaveLength(before);
  });

  it('is for those who may ask, about their own accounts', async () => {
    const before = rig.recorded.length;
    expect(await ask(question, 'nobody')).toMatchObject({ status: 401, json: { code: 'credential.invalid' } });
    expect(await ask(question, 'nothing')).toMatchObject({ status: 403, json: { code: 'caller.permission' } });
    expect(await ask({ ...question, context: { account: 'acc-2' } })).toMatchObject({ status: 403, json: { code: 'caller.account' } });
    expect(rig.refusals.slice(-3)).toMatchObject([
      { code: 'credential.invalid' },
      { permission: 'decision.evaluate' },
      { account: 'acc-2', caller: 'key:acme' },
    ]);
    expect(rig.recorded).toHaveLength(before);
  });
});

describe('POST /access/v1/evaluations', () => {
  const evaluations = [{ action: { name: 'read.a' } }, { action: { name: 'write' } }, {}, { action: { name: 'read.b' } }];

  it('answers each question in its place, incomplete ones with an error', async () => {
    const found = await askMany({ subject, resource, evaluations });
    expect(found.json.evaluations.map((one: { decision: boolean }) => one.decision)).toEqual([true, false, false, true]);
    expect(found.json.evaluations[2].context.error).toMatchObject({ status: 400, message: expect.stringContaining('action') });
  });

  it('stops where the semantic says so', async () => {
    const lengthOf = async (evaluations_semantic: string) =>
      (await askMany({ subject, resource, evaluations, options: { evaluations_semantic } })).json.evaluations.length;
    expect(await lengthOf('execute_all')).toBe(4);
    expect(await lengthOf('deny_on_first_deny')).toBe(2);
    expect(await lengthOf('permit_on_first_permit')).toBe(1);
  });

  it('is a single question where it has no list', async () => {
    expect(await askMany(question)).toMatchObject({ status: 200, json: { decision: true } });
    expect(await askMany({ subject, resource, evaluations: [] })).toMatchObject({ status: 400, json: { code: 'evaluation.invalid' } });
  });

  it('keeps a question about another account out, and records that it was asked', async () => {
    const found = await askMany({ ...question, evaluations: [{}, { context: { account: 'acc-2' } }] });
    expect(found.json.evaluations).toMatchObject([{ decision: true }, { decision: false, context: { error: { status: 403 } } }]);
    expect(rig.refusals.at(-1)).toMatchObject({ code: 'caller.account', account: 'acc-2' });
  });
});

describe('GET /.well-known/authzen-configuration', () => {
  it('names the endpoints absolutely, to anybody', async () => {
    const found = await rig.call('GET', '/.well-known/authzen-configuration');
    const base = `http://127.0.0.1:${rig.port}`;
    expect(found.json).toEqual({
      policy_decision_point: base,
      access_evaluation_endpoint: `${base}/access/v1/evaluation`,
      access_evaluations_endpoint: `${base}/access/v1/evaluations`,
      search_subject_endpoint: `${base}/access/v1/search/subject`,
      search_resource_endpoint: `${base}/access/v1/search/resource`,
      search_action_endpoint: `${base}/access/v1/search/action`,
    });
    expect(found.headers['cache-control']).toBe('no-store');
  });
});

describe('X-Request-ID on AuthZEN’s paths', () => {
  const odd = 'any text, (even) this; "quoted" = no id of ours';

  it('comes back as it was sent, whatever the answer, and is not recorded unless it is an id', async () => {
    const answers = [
      await ask(question, 'acme', { 'x-request-id': odd }),
      await ask({}, 'acme', { 'x-request-id': odd }),
      await ask(question, 'nobody', { 'x-request-id': odd }),
      await rig.call('GET', '/access/v1/evaluation', { as: 'acme', headers: { 'x-request-id': odd } }),
    ];
    expect(answers.map(({ headers }) => headers['x-request-id'])).toEqual([odd, odd, odd, odd]);
    expect(rig.recorded.at(-1)?.request?.id).toMatch(/^req-/);
  });

  it('elsewhere is an id, or one is made', async () => {
    const { headers } = await rig.call('GET', '/healthz', { headers: { 'x-request-id': odd } });
    expect(headers['x-request-id']).toMatch(/^req-/);
  });
});
