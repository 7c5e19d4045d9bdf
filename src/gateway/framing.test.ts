import { describe, expect, it } from 'vitest';
import { framingOf, malformed } from './framing.js';

const request = (more: object = {}) =>
  ({ httpVersion: '1.1', url: '/v1/x', rawHeaders: [], ...more, headers: { host: 'api.example.com', ...(more as { headers?: object }).headers } }) as never;

describe('a request’s form', () => {
  it.each([
    ['HTTP/2.0', { httpVersion: '2.0' }, 505],
    ['a Transfer-Encoding in HTTP/1.0', { httpVersion: '1.0', headers: { 'transfer-encoding': 'chunked' } }, 400],
    ['gzip as a transfer coding', { headers: { 'transfer-encoding': 'gzip, chunked' } }, 501],
    ['a length that no number holds', { headers: { 'content-length': '9007199254740993' } }, 400],
    ['both lengths', { headers: { 'content-length': '5', 'transfer-encoding': 'chunked' } }, 400],
    ['no Host', { headers: { host: undefined } }, 400],
    ['a Host with a path', { headers: { host: 'a/b' } }, 400],
    ['a Host with a user', { headers: { host: 'user@a' } }, 400],
    ['a target in absolute form', { url: 'http://a/b' }, 400],
    ['an asterisk', { url: '*' }, 400],
    ['a fragment', { url: '/a#b' }, 400],
    ['an authority', { url: 'a:443' }, 400],
    ['another expectation', { headers: { expect: '200-ok' } }, 417],
    ['300 fields', { rawHeaders: Array.from({ length: 600 }, () => 'x') }, 431],
    ['Connection that names Content-Type', { headers: { connection: 'keep-alive, Content-Type' } }, 400],
    ['Connection that names Authorization', { headers: { connection: 'authorization' } }, 400],
    ['two Authorizations', { rawHeaders: ['Authorization', 'a', 'Authorization', 'b'] }, 400],
  ])('%s is refused', (_, more, status) => {
    expect(malformed(request(more))?.status).toBe(status);
  });

  it.each([
    ['a plain one', {}],
    ['HTTP/1.0 without a Host', { httpVersion: '1.0', headers: { host: undefined } }],
    ['an address with a port', { headers: { host: '[2001:db8::1]:8089' } }],
    ['Connection with fields of its own', { headers: { connection: 'close, TE, X-Hop' } }],
    ['chunks', { headers: { 'transfer-encoding': 'Chunked' } }],
  ])('%s is taken', (_, more) => {
    expect(malformed(request(more))).toBeUndefined();
  });

  it('says how the body is framed', () => {
    expect(framingOf(request())).toEqual({ kind: 'none' });
    expect(framingOf(request({ headers: { 'content-length': '0' } }))).toEqual({ kind: 'length', length: '0' });
    expect(framingOf(request({ headers: { 'transfer-encoding': 'chunked' } }))).toEqual({ kind: 'chunked' });
  });
});
