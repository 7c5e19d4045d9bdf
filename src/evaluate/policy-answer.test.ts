import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MAX_ADVICE_DEPTH, MAX_ANSWER_LENGTH, toAnswer } from './policy-answer.js';

const nested = (depth: number): unknown => JSON.parse('['.repeat(depth) + ']'.repeat(depth));

describe("a policy's answer", () => {
  test('may be a boolean', () => {
    expect(toAnswer(true)).toEqual({ allow: true, reasons: [], advice: [] });
    expect(toAnswer(false)).toEqual({ allow: false, reasons: [], advice: [] });
  });

  test('may be an object, of which only allow, reasons and advice are kept', () => {
    const reasons = [{ code: 'a.b', message: 'Because.' }];
    expect(toAnswer({ allow: true, reasons, advice: [{ warn: 1 }], extra: 'x' })).toEqual({ allow: true, reasons, advice: [{ warn: 1 }] });
    expect(toAnswer({ allow: false })).toEqual({ allow: false, reasons: [], advice: [] });
  });

  test.each([
    ['null', null],
    ['a number', 1],
    ['a string', 'true'],
    ['an array', [true]],
    ['an empty object', {}],
    ['allow as a string', { allow: 'true' }],
    ['allow as a number', { allow: 1 }],
    ['allow as null', { allow: null }],
    ['allow as an object', { allow: { allow: true } }],
    ['allow on the prototype of a parsed object', JSON.parse('{"__proto__":{"allow":true}}')],
  ])('that is %s is a deny, and says so', (_, result) => {
    const answer = toAnswer(result);
    expect(answer).toMatchObject({
      allow: false,
      reasons: [{ code: 'policy.error', message: expect.stringMatching(/^The policy answered .*\.$/) }],
      advice: [],
    });
  });

  test('keeps of each reason the code and the message, and drops what is neither', () => {
    const reasons = [
      'Too late.',
      { code: 'x', message: 'y', secret: 'z' },
      { code: 'only' },
      { message: 'only' },
      { code: '', message: '' },
      { code: 1 },
      null,
      7,
      ['x'],
    ];
    expect(toAnswer({ allow: false, reasons }).reasons).toEqual([
      { code: 'policy.reason', message: 'Too late.' },
      { code: 'x', message: 'y' },
      { code: 'only', message: '' },
      { code: 'policy.reason', message: 'only' },
      { code: 'policy.reason', message: '' },
    ]);
  });

  test('with reasons or advice that are no lists has none', () => {
    expect(toAnswer({ allow: true, reasons: 'x', advice: { length: 3 } })).toEqual({ allow: true, reasons: [], advice: [] });
  });

  test('that could not be recorded is a deny', () => {
    const long = 'x'.repeat(MAX_ANSWER_LENGTH);
    expect(toAnswer({ allow: true, reasons: [{ code: '', message: long }] }).allow).toBe(false);
    expect(toAnswer({ allow: true, advice: [long] })).toMatchObject({ allow: false, reasons: [{ code: 'policy.error' }] });
    expect(toAnswer({ allow: true, advice: [nested(MAX_ADVICE_DEPTH)] }).allow).toBe(true);
    expect(toAnswer({ allow: true, advice: [nested(MAX_ADVICE_DEPTH + 1)] })).toMatchObject({ allow: false, reasons: [{ code: 'policy.error' }] });
    expect(toAnswer({ allow: true, advice: [nested(5000)] }).allow).toBe(false);
  });

  test('allows only where the policy said exactly true', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (result) => {
        const { allow, reasons, advice } = toAnswer(result);
        const said = result === true || (result as { allow?: unknown } | null)?.allow === true;
        expect(allow && !said).toBe(false);
        expect(Array.isArray(advice)).toBe(true);
        for (const reason of reasons) expect(Object.keys(reason).sort()).toEqual(['code', 'message']);
      }),
    );
  });
});
