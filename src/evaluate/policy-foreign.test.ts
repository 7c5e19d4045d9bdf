import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { describeWithOpa, fixtureBundle } from '../../test/peers/opa.js';
import { loadPolicy } from './policy.js';
import type { Policy } from './policy-types.js';

const entrypoint = 'verdict/decision';
const memoryPages = 512;
const action = (name: string): object => ({ action: { name } });

await describeWithOpa('a foreign bundle', (opa) => {
  const load = async (name: string): Promise<Policy> => loadPolicy({ bytes: await fixtureBundle(opa, name), entrypoint, memoryPages });

  test('may answer true and false', async () => {
    const policy = await load('boolean');
    expect(policy.decide(action('policy.allow'))).toEqual({ allow: true, reasons: [], advice: [] });
    expect(policy.decide(action('policy.other'))).toEqual({ allow: false, reasons: [], advice: [] });
  });

  test('without an answer is a deny that says so', async () => {
    const policy = await load('undefined');
    const message = 'The policy has no answer to this question: its entrypoint is undefined.';
    expect(policy.decide(action('policy.other'))).toEqual({ allow: false, reasons: [{ code: 'policy.error', message }], advice: [] });
    expect(policy.decide(action('policy.defined')).allow).toBe(true);
    expect(policy.query(entrypoint, {})).toBeUndefined();
  });

  test('that traps is a deny with what WASM said, and the next question is answered, a thousand times over', async () => {
    const policy = await load('trapping');
    for (let round = 0; round < 1000; round += 1) {
      expect(policy.decide(action('policy.other'))).toMatchObject({ allow: true, reasons: [] });
      const { allow, reasons } = policy.decide(action('policy.trap'));
      expect(allow).toBe(false);
      expect(reasons).toEqual([
        { code: 'policy.error', message: expect.stringMatching(/^The policy failed: policy\.rego:\d+:\d+: var assignment conflict\.$/) },
      ]);
    }
  });

  test('that needs more memory than policy.memory_pages is a deny, and leaves none of it behind for the next question', async () => {
    const policy = await load('greedy');
    const message = 'The policy failed: opa_malloc: failed.';
    for (let round = 0; round < 3; round += 1) {
      expect(policy.decide(action('policy.greedy'))).toEqual({ allow: false, reasons: [{ code: 'policy.error', message }], advice: [] });
      expect(policy.decide(action('policy.other')).allow).toBe(true);
    }
  });

  test('that would run for minutes on one question answers the others', async () => {
    const policy = await load('slow');
    expect(policy.decide(action('policy.other')).allow).toBe(true);
  });

  test('that calls what WASM lacks is refused, naming it', async () => {
    const bytes = await fixtureBundle(opa, 'clock');
    const sentence = "The policy bundle calls builtins that don't exist inside WASM: object.subset, time.now_ns.";
    await expect(loadPolicy({ bytes, entrypoint, memoryPages })).rejects.toThrow(sentence);
    const builtins = { 'time.now_ns': () => 1, 'object.subset': () => true };
    const policy = await loadPolicy({ bytes, entrypoint, memoryPages, builtins });
    expect(policy.decide({}).allow).toBe(true);
  });

  test('whose host function throws is a deny', async () => {
    const fail = (): never => {
      throw new Error('no clock here');
    };
    const policy = await loadPolicy({
      bytes: await fixtureBundle(opa, 'clock'),
      entrypoint,
      memoryPages,
      builtins: { 'time.now_ns': fail, 'object.subset': fail },
    });
    expect(policy.decide({})).toMatchObject({ allow: false, reasons: [{ code: 'policy.error', message: 'The policy failed: no clock here.' }] });
  });

  test('has each of its entrypoints asked with any JSON, and its long numbers kept', async () => {
    const bytes = await fixtureBundle(opa, 'acme', ['acme/kind', 'acme/same', 'acme/big']);
    const policy = await loadPolicy({ bytes, entrypoint: 'acme/kind', memoryPages });
    expect(policy.entrypoints).toEqual(['acme/big', 'acme/kind', 'acme/same']);
    const kinds = { string: '', number: 0, boolean: false, null: null, array: [], object: {} };
    for (const [kind, value] of Object.entries(kinds)) expect(policy.query('acme/kind', value)).toBe(kind);
    expect(policy.query('acme/kind')).toBeUndefined();
    expect(policy.query('acme/big')).toBe(12345678901234);
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
        const json = JSON.parse(JSON.stringify(value));
        expect(policy.query('acme/same', json)).toEqual(json);
      }),
    );
  });

  describe('answers by its own input alone', () => {
    let bytes: Buffer;
    beforeAll(async () => {
      bytes = await fixtureBundle(opa, 'remembering');
    });

    test('whatever was asked before, failures included', async () => {
      const shared = await loadPolicy({ bytes, entrypoint, memoryPages });
      const pattern = fc.oneof(fc.string({ maxLength: 8 }), fc.constantFrom('^a+$', '[', 'a|b', '(a)(b)', '*', '**', 'a.*', '\ud800', '\\d{3}'));
      const question = fc.record({ pattern, text: fc.string({ maxLength: 12 }), secret: fc.option(fc.string(), { nil: undefined }) });
      await fc.assert(
        fc.asyncProperty(fc.array(question, { minLength: 1, maxLength: 8 }), async (questions) => {
          const together = questions.map((one) => shared.decide(one));
          const alone = await loadPolicy({ bytes, entrypoint, memoryPages });
          const last = questions.length - 1;
          expect(together[last]).toEqual(alone.decide(questions[last] as object));
        }),
        { numRuns: 60 },
      );
    });

    test('a property that one question had is undefined in the next', async () => {
      const policy = await loadPolicy({ bytes, entrypoint, memoryPages });
      policy.decide({ pattern: 'a', text: 'a', secret: 'x'.repeat(100_000) });
      expect(policy.decide({ pattern: 'a', text: 'a' }).advice[0]).toEqual({ pattern: 'a', text: 'a' });
    });

    test('and its answer is the caller’s to keep: later ones don’t change it', async () => {
      const policy = await loadPolicy({ bytes, entrypoint, memoryPages });
      const first = policy.decide({ pattern: 'a', text: 'first' });
      const copy = structuredClone(first);
      policy.decide({ pattern: 'b', text: 'second' });
      expect(first).toEqual(copy);
    });
  });

  test('that returns whatever it likes gets a deny unless it said true', async () => {
    const policy = await load('answering');
    fc.assert(
      fc.property(fc.jsonValue(), (answer) => {
        const said = answer === true || (answer as { allow?: unknown } | null)?.allow === true;
        const { allow } = policy.decide({ context: { answer } });
        expect(allow && !said).toBe(false);
      }),
    );
    const proto = JSON.parse('{"allow":false,"__proto__":{"allow":true},"reasons":[{"__proto__":{"code":"x"},"message":"y"}]}');
    expect(policy.decide({ context: { answer: proto } })).toEqual({ allow: false, reasons: [{ code: 'policy.reason', message: 'y' }], advice: [] });
    expect(policy.decide({ context: { answer: { allow: true, advice: [JSON.parse('['.repeat(2000) + ']'.repeat(2000))] } } }).allow).toBe(false);
  });
});
