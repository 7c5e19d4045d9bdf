import { describe, expect, it } from 'vitest';
import { MAX_DEPTH, readJson, splitArray, splitNdjson, startsArray } from './json.js';

const read = (text: string | Buffer) => readJson(Buffer.isBuffer(text) ? text : Buffer.from(text));
const codeOf = (text: string | Buffer) => {
  const found = read(text);
  return found.ok ? 'ok' : found.code;
};

describe('JSON from strangers', () => {
  it('is read as JSON.parse reads it', () => {
    const text = '{"a":[1,-2.5e3,"\\"x\\\\",true,null,{"b":"ü\\u00e9😀"}],"n":123456789012345}';
    expect(read(text)).toEqual({ ok: true, value: JSON.parse(text) });
  });

  it('is refused where it is no JSON', () => {
    for (const text of ['', '{', '[1,]', '{"a":1}}', 'nul', '"open', '{"a" 1}', '\ufeff{}', '01', '{"a":"\u0001"}', '"\\'])
      expect(codeOf(text), text).toBe('json.invalid');
  });

  it('is refused beyond the depth limit without recursion, open or closed', () => {
    expect(codeOf('['.repeat(MAX_DEPTH) + ']'.repeat(MAX_DEPTH))).toBe('ok');
    expect(codeOf('['.repeat(MAX_DEPTH + 1) + ']'.repeat(MAX_DEPTH + 1))).toBe('json.depth');
    expect(codeOf('['.repeat(5_000_000))).toBe('json.depth');
    expect(codeOf('{"a":'.repeat(10_000) + '1' + '}'.repeat(10_000))).toBe('json.depth');
  });

  it('ends its strings where JSON.parse does, however many backslashes stand before a quote', () => {
    for (let length = 0; length < 70; length++)
      for (let slashes = 0; slashes < 6; slashes++) {
        const text = `${'x'.repeat(length)}${'\\'.repeat(slashes)}"${'\\'.repeat(slashes % 3)}" `;
        const json = JSON.stringify([text, '['.repeat(10), text]);
        expect(read(json), json).toEqual({ ok: true, value: JSON.parse(json) });
        // Were a string thought to end too early or too late, these brackets would count.
        expect(codeOf(JSON.stringify([text, '['.repeat(100)])), json).toBe('ok');
        expect(codeOf(`[${JSON.stringify(text)},${'['.repeat(MAX_DEPTH)}`), json).toBe('json.depth');
      }
  });

  it('may have brackets in its strings', () => {
    expect(codeOf(JSON.stringify({ text: '[{'.repeat(100), quoted: '"[[['.repeat(100), slash: '\\' }))).toBe('ok');
  });

  it('is refused with a key named __proto__, spelled out or escaped, at any depth', () => {
    expect(codeOf('{"a":[{"__proto__":{"admin":true}}]}')).toBe('json.key');
    expect(codeOf('{"\\u005f_proto__":1}')).toBe('json.key');
    expect(codeOf('{"a":"__proto__"}')).toBe('ok');
  });

  it('is refused with text that is no Unicode text', () => {
    expect(codeOf('{"a":"\\ud800"}')).toBe('json.text');
    expect(codeOf('{"a":"\\udc00\\ud800"}')).toBe('json.text');
    expect(codeOf('{"a":"\\ud83d\\ude00"}')).toBe('ok');
    expect(codeOf('{"a":"x\\u0000"}')).toBe('json.text');
    expect(codeOf(Buffer.from([0x22, 0xc3, 0x28, 0x22]))).toBe('json.text');
    expect(codeOf(Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]))).toBe('json.text');
    expect(codeOf(Buffer.from([0x22, 0x00, 0x22]))).toBe('json.invalid');
  });

  it('is refused with numbers that would not come out as they went in', () => {
    expect(codeOf('9007199254740991')).toBe('ok');
    expect(codeOf('-9007199254740991')).toBe('ok');
    expect(codeOf('9007199254740993')).toBe('json.number');
    expect(codeOf('{"a":[-12345678901234567890]}')).toBe('json.number');
    expect(codeOf('1e400')).toBe('json.number');
    expect(codeOf('1.5e3')).toBe('ok');
    expect(codeOf('0.12345678901234567')).toBe('ok');
  });
});

describe('Arrays in pieces', () => {
  const split = async (text: string, most = 10) => (await splitArray(Buffer.from(text), most))?.map((one) => one.toString().trim());

  it('are split at their own commas only', async () => {
    expect(await split(' [ {"a":[1,2]}, "x,]\\"," ,3 ] ')).toEqual(['{"a":[1,2]}', '"x,]\\","', '3']);
    expect(await split('[]')).toEqual([]);
    expect(await split(' [ ] ')).toEqual([]);
    expect(startsArray(Buffer.from(' \n['))).toBe(true);
    expect(startsArray(Buffer.from('{"a":[]}'))).toBe(false);
  });

  it('that do not end, or go on after their end, are none', async () => {
    for (const text of ['[', '[1', '[1,2', '[1]]', '[1]x', '[] 1', '["x]']) expect(await split(text), text).toBeUndefined();
  });

  it('leave empty places for the parser to refuse', async () => {
    expect(await split('[1,]')).toEqual(['1', '']);
    expect(codeOf('')).toBe('json.invalid');
  });

  it('are not gone through to the end where they are too long, or too deep', async () => {
    expect(await split(`[1,${'['.repeat(100_000)}`)).toEqual(['1', '['.repeat(MAX_DEPTH + 1)]);
    expect(await split('[1,1,1,1,1', 3)).toHaveLength(4);
    expect(splitNdjson(Buffer.from('1\n\n1\r\n1\n1\n1'), 3)).toHaveLength(4);
    expect(splitNdjson(Buffer.from('\n 1\n\n2'), 3).map(String)).toEqual([' 1', '2']);
  });
});
