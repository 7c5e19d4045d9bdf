import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalJson } from './canonical-json.js';

const of = (text: string): string => canonicalJson(Buffer.from(text), 'data.json');

describe('the form of JSON that is signed', () => {
  test.each([
    ['white space and order go', ' { "b" : [ 1 , 2 ] ,\n "a" : { } , "c":[ ] } ', '{"a":{},"b":[1,2],"c":[]}'],
    ['numbers stay as they are spelt', '[1.0,1e2,1E+2,-0,12345678901234567890.10]', '[1.0,1e2,1E+2,-0,12345678901234567890.10]'],
    ['words stay', '[true,false,null]', '[true,false,null]'],
    ['HTML is not escaped', String.raw`"\u003cb\u003e\u0026"`, '"<b>&"'],
    ['control characters are', String.raw`"\u0008\u000c\u001f\u007f\/"`, `"\\b\\f\\u001f\u007f/"`],
    ['so are line separators', '"\u2028\u2029"', String.raw`"\u2028\u2029"`],
    ['keys are ordered by their UTF-8 bytes', '{"\u{1f600}":1,"\uff5e":2}', '{"\uff5e":2,"\u{1f600}":1}'],
    ['a quote and a backslash stay escaped', String.raw`{"a\"\\":"\\"}`, String.raw`{"a\"\\":"\\"}`],
    ['__proto__ is a key like others', '{"__proto__":{"a":1}}', '{"__proto__":{"a":1}}'],
  ])('%s', (_, text, expected) => {
    expect(of(text)).toBe(expected);
  });

  test.each([
    ['a key twice', '{"a":1,"\\u0061":2}', 'has the key "a" twice'],
    ['no JSON', '{"a":1,}', 'is not JSON'],
    ['nothing', '', 'is not JSON'],
    ['a byte order mark', '\ufeff{}', 'is not JSON'],
    ['half a surrogate pair', String.raw`"\ud800"`, 'surrogate'],
    ['depth without end', `${'['.repeat(600)}${']'.repeat(600)}`, 'nested'],
  ])('%s is refused', (_, text, why) => {
    expect(() => of(text)).toThrow(why);
  });

  test('bytes that are no UTF-8 are refused', () => {
    expect(() => canonicalJson(Buffer.from([0x22, 0xff, 0x22]), '.manifest')).toThrow("The policy bundle's .manifest is not JSON in UTF-8.");
  });

  test('is the same however the document was written, and means the same', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (document) => {
        const canonical = of(JSON.stringify(document));
        expect(of(JSON.stringify(document, null, 3))).toBe(canonical);
        expect(of(canonical)).toBe(canonical);
        expect(JSON.parse(canonical)).toEqual(JSON.parse(JSON.stringify(document)));
      }),
    );
  });
});
