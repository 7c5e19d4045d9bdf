import { describe, expect, it } from 'vitest';
import { bodyValue } from './body.js';

const read = (body: string | Buffer, headers: Record<string, string> = { 'content-type': 'application/json' }, isPartial = false): unknown => {
  const found = bodyValue({ bytes: Buffer.from(body), isPartial }, headers);
  return found.ok ? found.value : found.denied.code;
};

describe('the body that a question is made of', () => {
  it('is JSON, whatever type of JSON it says to be', () => {
    for (const type of ['application/json', 'Application/JSON; charset=utf-8', 'application/merge-patch+json'])
      expect(read('{"a":{"b":[{"a":1},{"a":"x:y\\":z"}]}}', { 'content-type': type })).toEqual({ a: { b: [{ a: 1 }, { a: 'x:y":z' }] } });
  });

  it.each([
    ['nothing at all', '', undefined, 'route.body_unavailable'],
    ['no type', '{}', {}, 'route.body_unreadable'],
    ['a form', '{"plan":"s","x":"&plan=xl"}', { 'content-type': 'application/x-www-form-urlencoded' }, 'route.body_unreadable'],
    ['another charset', '{"a":"+ACI-,+ACI-plan+ACI-:+ACI-xl"}', { 'content-type': 'application/json; charset=utf-7' }, 'route.body_unreadable'],
    ['two charsets', '{"plan":"s"}', { 'content-type': 'application/json; charset=utf-8; charset="utf-7"' }, 'route.body_unreadable'],
    ['a compressed body', '{}', { 'content-type': 'application/json', 'content-encoding': 'gzip' }, 'route.body_unreadable'],
    ['no UTF-8', Buffer.from([0x22, 0xc0, 0xaf, 0x22]), undefined, 'route.body_unreadable'],
    ['half of it', '{"a":', undefined, 'json.invalid'],
    ['a member twice', '{"a":1,"a":2}', undefined, 'json.repeated'],
    ['a member twice, once escaped', '{"a":1,"\\u0061":2}', undefined, 'json.repeated'],
    ['a member twice, deep inside', '[{"a":[{"b":1,"b":1}]}]', undefined, 'json.repeated'],
    ['a hidden prototype', '{"__proto__":{"a":1}}', undefined, 'json.key'],
  ] as const)('is none where there is %s', (_, body, headers, code) => {
    expect(read(body as string, headers)).toBe(code);
  });

  it('is none where the proxy cut it', () => {
    expect(read('{}', undefined, true)).toBe('route.body_partial');
    expect(bodyValue(undefined, {})).toMatchObject({ ok: false, denied: { code: 'route.body_unavailable' } });
  });
});
