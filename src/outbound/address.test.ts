import { lookup } from 'node:dns';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { ConfigError } from '../config.js';
import { addressGuard, GuardedAddress, guardedDial, outboundRequest } from './index.js';

const GUARDED = [
  '127.0.0.1',
  '127.8.9.1',
  '0.0.0.0',
  '10.0.0.1',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.1.1',
  '169.254.169.254',
  '100.64.0.1',
  '100.100.100.200',
  '192.0.0.1',
  '192.0.2.1',
  '198.18.0.1',
  '198.51.100.1',
  '203.0.113.7',
  '224.0.0.1',
  '240.0.0.1',
  '255.255.255.255',
  '168.63.129.16',
  '192.88.99.1',
  '::',
  '::1',
  '::7f00:1',
  '::ffff:127.0.0.1',
  '::ffff:7f00:1',
  '::ffff:a9fe:a9fe',
  '::ffff:0:127.0.0.1',
  '64:ff9b::7f00:1',
  '64:ff9b::8.8.8.8',
  '64:ff9b:1::a00:1',
  '2002:7f00:1::',
  '2002:808:808::1',
  '2001::1',
  '2001:db8::1',
  '3fff::1',
  'fc00::1',
  'fd00:ec2::254',
  'fe80::1',
  'fe80::1%eth0',
  'fec0::1',
  'ff02::1',
  '100::1',
  '4000::1',
  '5f00::1',
];

const OPEN = ['1.1.1.1', '8.8.8.8', '172.32.0.1', '100.63.255.255', '100.128.0.1', '2606:4700:4700::1111', '2a00:1450:4001::1', '::ffff:8.8.8.8'];

describe('the address guard', () => {
  it.each(GUARDED)('lets nothing go to %s', (address) => {
    expect(addressGuard([]).fault(address)).toMatch(/guarded|no address/);
    expect(() => guardedDial(addressGuard([])).check(address.includes(':') ? `[${address}]` : address)).toThrow(GuardedAddress);
  });

  it.each(OPEN)('lets what is for %s go', (address) => {
    expect(addressGuard([]).fault(address)).toBeUndefined();
    expect(() => guardedDial(addressGuard([])).check(address)).not.toThrow();
  });

  it('lets the ranges go that the administrator names, and nothing beside them', () => {
    const { fault } = addressGuard(['10.1.0.0/16', 'fd12::/32', '192.168.7.7']);
    for (const address of ['10.1.2.3', '::ffff:10.1.2.3', 'fd12:0:1::1', '192.168.7.7']) expect(fault(address)).toBeUndefined();
    for (const address of ['10.2.0.1', 'fd13::1', '192.168.7.8', '127.0.0.1', '64:ff9b::a01:203']) expect(fault(address)).toContain('outbound.allow');
  });

  it('is not opened by what is no range', () => {
    for (const text of ['everything', '10.0.0.0/33', '10.0.0/8/8', '']) expect(() => addressGuard([text])).toThrow(ConfigError);
  });
});

describe('a guarded dial', () => {
  const resolveTo = (...addresses: string[]) =>
    guardedDial(addressGuard([]), (_host, _options, done) =>
      done(
        null,
        addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
      ),
    );
  const ask = (dial: ReturnType<typeof resolveTo>, all: boolean): Promise<unknown> =>
    new Promise((resolve, reject) => dial.lookup('siem.example', { all }, (error, found) => (error ? reject(error) : resolve(found))));

  it('takes what a name resolves to when it connects, in both forms that node asks in', async () => {
    expect(await ask(resolveTo('8.8.8.8'), false)).toBe('8.8.8.8');
    expect(await ask(resolveTo('8.8.8.8', '2606:4700::1'), true)).toEqual([
      { address: '8.8.8.8', family: 4 },
      { address: '2606:4700::1', family: 6 },
    ]);
  });

  it('refuses a name that has a guarded address among its own', async () => {
    await expect(ask(resolveTo('8.8.8.8', '169.254.169.254'), true)).rejects.toThrow(GuardedAddress);
    await expect(ask(resolveTo('::ffff:10.0.0.1'), false)).rejects.toThrow(/siem\.example .*10\.0\.0\.1/);
    await expect(ask(resolveTo(), false)).rejects.toThrow('has no address');
  });

  it('stands behind a socket that is opened by a name, and short forms of addresses are names', async () => {
    for (const host of ['localhost', '127.1', '2130706433']) {
      const known = await new Promise<boolean>((resolve) => lookup(host, (error) => resolve(!error)));
      const failure = await new Promise<Error>((resolve) => {
        const socket = connect({ host, port: 9, lookup: guardedDial(addressGuard([])).lookup });
        socket.on('error', resolve);
        socket.on('connect', () => resolve(new Error(`connected to ${host}`)));
      });
      if (known) expect(failure).toBeInstanceOf(GuardedAddress);
      else expect(failure.message).not.toContain('connected');
    }
  });
});

describe('an outbound request', () => {
  const serve = async (answer: (url: string) => { status: number; location?: string }) => {
    const seen: { url: string; authorization: string | undefined; method: string }[] = [];
    const server = createServer((request, response) => {
      seen.push({ url: request.url ?? '', authorization: request.headers.authorization, method: request.method ?? '' });
      const { status, location } = answer(request.url ?? '');
      response.writeHead(status, location === undefined ? {} : { location }).end('said');
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const { port } = server.address() as AddressInfo;
    return { seen, url: `http://127.0.0.1:${port}`, close: () => new Promise((done) => server.close(done)) };
  };
  const allowing = (...ranges: string[]) => outboundRequest(guardedDial(addressGuard(ranges)));
  const signal = (): AbortSignal => AbortSignal.timeout(5_000);

  it('is guarded for each place that it is sent on to', async () => {
    const inner = await serve(() => ({ status: 200 }));
    const outer = await serve((url) => (url === '/on' ? { status: 307, location: inner.url.replace('127.0.0.1', '127.0.0.2') } : { status: 200 }));
    const post = (url: string, ...ranges: string[]) =>
      allowing(...ranges)({ url, method: 'POST', body: 'x', headers: { authorization: 'Bearer t' } }, signal());
    await expect(post(`${outer.url}/`)).rejects.toThrow(GuardedAddress);
    await expect(post(`${outer.url}/on`, '127.0.0.1')).rejects.toThrow(/127\.0\.0\.2/);
    expect(inner.seen).toEqual([]);
    expect((await post(`${outer.url}/`, '127.0.0.1')).body).toBe('said');
    await Promise.all([inner.close(), outer.close()]);
  });

  it('keeps its credentials from another origin, follows no other redirects, and not for ever', async () => {
    const inner = await serve(() => ({ status: 200 }));
    const outer = await serve((url) =>
      url === '/on'
        ? { status: 308, location: `${inner.url}/in` }
        : url === '/loop'
          ? { status: 307, location: '/loop' }
          : { status: 302, location: inner.url },
    );
    const post = (path: string) =>
      allowing('127.0.0.1')({ url: `${outer.url}${path}`, method: 'POST', body: 'x', headers: { Authorization: 'Bearer t' } }, signal());
    expect((await post('/on')).status).toBe(200);
    expect(inner.seen).toEqual([{ url: '/in', authorization: undefined, method: 'POST' }]);
    expect(outer.seen[0]?.authorization).toBe('Bearer t');
    expect((await post('/found')).status).toBe(302);
    await expect(post('/loop')).rejects.toThrow('redirected more than');
    await Promise.all([inner.close(), outer.close()]);
  });
});
