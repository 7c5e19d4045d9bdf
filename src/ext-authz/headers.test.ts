import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { broughtAlong, IDENTITY, identityOf, problemHeader, problemOf, toRemove } from './headers.js';
import { denied } from './types.js';
import { wayOf } from './ways.js';

const nameOf = (url: string): string => {
  const found = wayOf(url);
  return found ? `${found.way.name} ${found.rest}` : 'other';
};

describe('the headers of an allowed request', () => {
  it('are always the same three, so that a client’s are overwritten', () => {
    expect(identityOf({ kind: 'allowed', event: undefined, subject: '', account: '' }).map(([name]) => name)).toEqual(IDENTITY);
  });

  it('hold any name as printable ASCII that reads back as it was', () => {
    expect(Object.fromEntries(identityOf({ kind: 'allowed', event: 'evt-1', subject: 'user/ä%b c', account: 'acc-1' }))).toEqual({
      'x-verdict-decision': 'evt-1',
      'x-verdict-subject': 'user/%C3%A4%25b%20c',
      'x-verdict-account': 'acc-1',
    });
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'binary' }), (subject, wild) => {
        const value = (text: string): string =>
          Object.fromEntries(identityOf({ kind: 'allowed', event: '', subject: text, account: '' }))['x-verdict-subject'] ?? '';
        expect(decodeURIComponent(value(subject))).toBe(subject);
        expect(value(wild)).toMatch(/^[\x21-\x7e]*$/);
      }),
    );
  });

  it('name what a client brought that is nobody’s but Verdict’s, in every spelling', () => {
    const brought = {
      'x-verdict-subject': 'a',
      x_verdict_subject: 'a',
      'x-verdict-anything': 'a',
      'x-verdict_key': 'a',
      'x_http_method-override': 'a',
      accept: 'a',
    };
    expect(broughtAlong(brought)).toEqual(['x_verdict_subject', 'x-verdict-anything', 'x-verdict_key', 'x_http_method-override']);
    for (const name of IDENTITY) expect(toRemove(brought), 'what is set must not be removed').not.toContain(name);
    expect(toRemove({})).toContain('x-verdict-key');
  });
});

describe('a problem in a header', () => {
  const reasons = (count: number) =>
    Array.from({ length: count }, (_, index) => ({ code: `reason.${index}`, message: 'Ein Grund mit Umlaut: ä, und einem 🚪.' }));

  it('is its JSON in ASCII, and loses its reasons before it grows too long', () => {
    for (const count of [0, 1, 10, 1_000]) {
      const problem = { ...problemOf({ ...denied(403, 'decision.denied', 'Nein\r\n: ä'), reasons: reasons(count) }), request_id: 'req-1' };
      const text = problemHeader(problem);
      expect(text).toMatch(/^[\x20-\x7e]{1,2048}$/);
      const read = JSON.parse(text) as object;
      expect(read).toMatchObject({ status: 403, code: 'decision.denied', request_id: 'req-1' });
      if (count < 10) expect(read).toEqual(problem);
    }
  });
});

describe('the way that a proxy asks', () => {
  it.each([
    ['/v1/ext-authz/envoy/v1/a?b=c', 'envoy /v1/a?b=c'],
    ['/v1/ext-authz/envoy//v1/a', 'envoy //v1/a'],
    ['/v1/ext-authz/envoy', 'envoy '],
    ['/v1/ext-authz/envoyer', 'other'],
    ['/v1/ext-authz/nginx', 'nginx '],
    ['/v1/ext-authz/nginx?x', 'nginx ?x'],
    ['/v1/ext-authz/nginx/v1/a', 'other'],
    ['/v1/ext-authz/traefik', 'traefik '],
    ['/v1/ext-authz/caddy', 'caddy '],
    ['/v1/ext-authz/', 'other'],
    ['/v1/events', 'other'],
  ])('%s: %s', (url, expected) => {
    expect(nameOf(url)).toBe(expected);
  });
});
