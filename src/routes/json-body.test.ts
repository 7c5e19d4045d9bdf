import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Json } from '../event/index.js';
import { hasRepeatedMembers, isJsonType } from './json-body.js';

describe('a body’s type', () => {
  it.each([
    'application/json',
    'Application/JSON; charset=utf-8',
    'application/json;charset="UTF-8"; v=1',
    'application/json; charset=utf8',
    'application/merge-patch+json',
  ])('is JSON: %s', (type) => {
    expect(isJsonType(type)).toBe(true);
  });

  // UTF-7 reads `+ACI-` as a quote: a reader that goes by the charset finds other members in the same bytes.
  it.each([
    undefined,
    '',
    'text/json',
    'application/jsonp',
    'application/json; charset=utf-7',
    'application/json; charset="utf-16"',
    'application/json; charset=utf-8; charset=utf-7',
    "application/json; charset*=utf-8''utf-7",
    'application/json; charset = utf-7',
    'application/json; charset=utf-8-x',
  ])('is none that everybody reads alike: %s', (type) => {
    expect(isJsonType(type)).toBe(false);
  });
});

describe('a member that stands twice in one object', () => {
  const repeated = (text: string): boolean => hasRepeatedMembers(Buffer.from(text), JSON.parse(text) as Json);

  it.each(['{"a":1,"a":2}', '{"x":{"a":1,"b":2,"a":1}}', '[{"a":1},{"b":1,"b":1}]', '{"a":1,"\\u0061":2}'])('is found: %s', (text) => {
    expect(repeated(text)).toBe(true);
  });

  it.each(['{"a":{"a":1}}', '[{"a":1},{"a":1}]', '{"a":":{\\"a\\":1,\\"a\\":2}"}', '"a:b"', '{"a\\\\":1,"a":2}', '{}', '{"1":1,"2":":"}'])(
    'is not seen where there is none: %s',
    (text) => {
      expect(repeated(text)).toBe(false);
    },
  );

  it('is never seen in what JSON.stringify writes', () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => !repeated(JSON.stringify(value))));
  });
});
