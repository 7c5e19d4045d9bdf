import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from 'vitest';
import { clientAddress } from './address.js';

const asking = (remoteAddress: string | undefined, forwarded?: string): IncomingMessage =>
  ({ socket: { remoteAddress }, headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded } }) as unknown as IncomingMessage;

describe('The address of a client', () => {
  const behind = clientAddress(['10.0.0.0/8', '2001:db8::/32', '192.0.2.7']);

  it('is the peer’s, whatever it claims, where the peer is no trusted proxy', () => {
    expect(clientAddress([])(asking('203.0.113.5', '198.51.100.1'))).toBe('203.0.113.5');
    expect(behind(asking('203.0.113.5', '198.51.100.1'))).toBe('203.0.113.5');
  });

  it('is the rightmost that no trusted proxy has', () => {
    expect(behind(asking('10.0.0.1', '6.6.6.6, 198.51.100.1, 10.2.3.4'))).toBe('198.51.100.1');
    expect(behind(asking('192.0.2.7', '198.51.100.1'))).toBe('198.51.100.1');
    expect(behind(asking('2001:db8::1', '[2001:DB9::1]:443, 10.0.0.9:80'))).toBe('2001:db9::1');
  });

  it('is the outermost trusted one where all are', () => {
    expect(behind(asking('10.0.0.1', '10.9.9.9, 10.2.3.4'))).toBe('10.9.9.9');
    expect(behind(asking('10.0.0.1'))).toBe('10.0.0.1');
  });

  it('is not taken from beyond something that is no address', () => {
    for (const hop of ['unknown', '_hidden', '', '1', '0x7f.1', '999.1.1.1', '1.2.3.4.5'])
      expect(behind(asking('10.0.0.1', `198.51.100.1, ${hop}, 10.2.3.4`))).toBe('10.2.3.4');
  });

  it('is IPv4 where IPv6 only carries it, for proxies too', () => {
    expect(clientAddress([])(asking('::ffff:203.0.113.5'))).toBe('203.0.113.5');
    expect(behind(asking('::ffff:10.0.0.1', '::ffff:198.51.100.1'))).toBe('198.51.100.1');
    expect(clientAddress(['::ffff:10.0.0.0/104'])(asking('10.0.0.1', '198.51.100.1'))).toBe('198.51.100.1');
  });

  it('is empty where the connection is gone', () => {
    expect(behind(asking(undefined, '198.51.100.1'))).toBe('');
  });

  it('can’t be told with a proxy that is no range', () => {
    for (const text of ['proxy.example', '10.0.0.0/33', '']) expect(() => clientAddress([text])).toThrow('http.trusted_proxies');
  });
});
