import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { newAjv } from '../../src/event/index.js';
import type { Sender } from '../../src/export/index.js';
import { makeAuthority, makeCertificate } from '../peers/certificates.js';
import { type Collector, closedDial, type Respond, startCollector } from '../peers/collector.js';
import { destinationOf, events, HTTP_DESTINATIONS, never, SECRET, senderTo } from '../peers/http-destinations.js';

const folder = mkdtempSync(join(tmpdir(), 'verdict-senders-'));
let ca = '';
beforeAll(() => {
  ca = readFileSync(makeAuthority(folder, 'authority'), 'utf8');
  makeAuthority(folder, 'stranger');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const open: { readonly close: () => Promise<void> }[] = [];
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});
const collect = async (respond: Respond, tls?: Parameters<typeof startCollector>[1]): Promise<Collector> => {
  const collector = await startCollector(respond, tls);
  open.push(collector);
  return collector;
};
const sending = (...args: Parameters<typeof senderTo>): Sender => {
  const sender = senderTo(...args);
  open.unshift(sender);
  return sender;
};

describe.each(HTTP_DESTINATIONS)('$type', ({ type, config, accept, eventsIn }) => {
  const good: Respond = (asked, response) => accept(response, asked);

  test('takes a batch, compressed where it can be, over one connection', async () => {
    const collector = await collect(good);
    const sender = sending(type, collector.url, { gzip: true });
    expect(await sender.send(events(3), never)).toEqual({ outcome: 'accepted' });
    expect(await sender.send(events(2), never)).toEqual({ outcome: 'accepted' });
    expect(collector.asked.map((asked) => eventsIn(asked))).toEqual([3, 2]);
    expect(collector.asked[0]?.headers['content-encoding']).toBe('gzip');
    expect(collector.connections()).toBe(1);
  });

  test.each(destinationOf(type).formats)('takes %s', async (format) => {
    const collector = await collect(good);
    expect(await sending(type, collector.url, {}, { format }).send(events(2), never)).toEqual({ outcome: 'accepted' });
    expect(collector.asked.map((asked) => eventsIn(asked))).toEqual([2]);
    expect(collector.asked[0]?.body).not.toContain('salts');
  });

  test('throttled, waits as long as it is told', async () => {
    const collector = await collect((_, response) => void response.writeHead(429, { 'retry-after': '7' }).end());
    expect(await sending(type, collector.url).send(events(2), never)).toMatchObject({ outcome: 'again', after_ms: 7000, from: 0 });
    const now = Date.parse('2026-11-23T10:00:00Z');
    const dated = await collect((_, response) => void response.writeHead(503, { 'retry-after': 'Mon, 23 Nov 2026 10:01:30 GMT' }).end());
    expect(await sending(type, dated.url, {}, { now: () => now }).send(events(1), never)).toMatchObject({ outcome: 'again', after_ms: 90_000 });
  });

  test.each([500, 502, 503, 504])('answered %i, tries again later', async (status) => {
    const collector = await collect((_, response) => void response.writeHead(status).end('<html>oops</html>'));
    expect(await sending(type, collector.url).send(events(1), never)).toMatchObject({
      outcome: 'again',
      reason: expect.stringContaining(`answered ${status}: <html>oops`),
    });
  });

  test.each([401, 403, 404])('answered %i, stops', async (status) => {
    const collector = await collect((_, response) => void response.writeHead(status).end(`no ${SECRET} here`));
    const sent = await sending(type, collector.url).send(events(3), never);
    expect(sent).toMatchObject({ outcome: 'stopped', reason: expect.stringContaining(`answered ${status}`) });
    expect(JSON.stringify(sent)).not.toContain(SECRET);
    expect(collector.asked).toHaveLength(1);
  });

  test('sent elsewhere by a redirect, stops, and asks nobody else', async () => {
    const other = await collect(good);
    const collector = await collect((_, response) => void response.writeHead(307, { location: other.url }).end());
    expect(await sending(type, collector.url).send(events(1), never)).toMatchObject({
      outcome: 'stopped',
      reason: expect.stringContaining('Redirects are not followed'),
    });
    expect(other.asked).toEqual([]);
  });

  test('told that a request is too large, halves it, and refuses only what is too large by itself', async () => {
    const collector = await collect((asked, response) => {
      if (asked.bytes > 6_000) response.writeHead(413).end();
      else accept(response, asked);
    });
    const batch = [...events(3), ...events(1, { details: { text: 'x'.repeat(8_000) } }), ...events(4)];
    expect(await sending(type, collector.url).send(batch, never)).toEqual({
      outcome: 'accepted',
      refused: [{ index: 3, reason: expect.stringContaining('413') }],
    });
    const taken = collector.asked.filter(({ bytes }) => bytes <= 6_000).map((asked) => eventsIn(asked));
    expect(taken.reduce((sum, count) => sum + count, 0)).toBe(7);
  });

  test('cut off in the midst of an answer, or before it, tries again', async () => {
    const midway = await collect((_, response) => {
      response.writeHead(200, { 'content-length': '1000' }).write('{"text":');
      setTimeout(() => response.destroy(), 20);
    });
    expect(await sending(type, midway.url).send(events(1), never)).toMatchObject({ outcome: 'again', reason: expect.stringContaining('broke the connection') });
    const before = await collect((_asked, _response, socket) => void socket.destroy());
    expect(await sending(type, before.url).send(events(1), never)).toMatchObject({ outcome: 'again', reason: expect.stringContaining('broke the connection') });
  });

  test('cut off on a connection that was kept, asks once more on a new one', async () => {
    let requests = 0;
    const collector = await collect((asked, response, socket) => {
      requests += 1;
      if (requests === 2) socket.destroy();
      else accept(response, asked);
    });
    const sender = sending(type, collector.url);
    expect(await sender.send(events(1), never)).toEqual({ outcome: 'accepted' });
    expect(await sender.send(events(1), never)).toEqual({ outcome: 'accepted' });
    expect([requests, collector.connections()]).toEqual([3, 2]);
  });

  test('gives up on an answer that is too slow', async () => {
    const collector = await collect(() => new Promise(() => undefined));
    expect(await sending(type, collector.url, { timeout_ms: 200 }).send(events(1), never)).toMatchObject({
      outcome: 'again',
      reason: expect.stringContaining('within 0.2 s'),
    });
  });

  test('told to stop, does so at once', async () => {
    const collector = await collect(() => new Promise(() => undefined));
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 50);
    expect(await sending(type, collector.url).send(events(1), stop.signal)).toMatchObject({
      outcome: 'again',
      reason: expect.stringContaining('told to stop'),
    });
    expect(await sending(type, collector.url).send(events(1), AbortSignal.abort())).toMatchObject({ outcome: 'again' });
  });

  test('says where nothing listens, and that a name is unknown', async () => {
    const gone = await startCollector(good);
    await gone.close();
    expect(await sending(type, gone.url).send(events(1), never)).toMatchObject({
      outcome: 'again',
      reason: expect.stringMatching(/^Nothing listens at 127\.0\.0\.1:\d+\.$/),
    });
    expect(await sending(type, 'http://no-such-host.invalid').send(events(1), never)).toMatchObject({ outcome: 'again', reason: expect.stringMatching(/DNS/) });
  });

  test('never reaches a guarded address, by number or by name', async () => {
    const collector = await collect(good);
    for (const url of [collector.url, collector.url.replace('127.0.0.1', 'localhost')]) {
      const sender = sending(type, url, {}, { dial: closedDial });
      expect(await sender.send(events(1), never)).toMatchObject({ outcome: 'stopped', reason: expect.stringContaining('guarded') });
      expect((await sender.test(events(1)[0]!, never)).at(-1)).toMatchObject({ ok: false, detail: expect.stringContaining('guarded') });
    }
    expect(collector.connections()).toBe(0);
  });

  describe('over TLS', () => {
    const names = { good: {}, expired: { isExpired: true }, elsewhere: { names: 'DNS:collector.example' } } as const;
    const serve = async (name: string, authority = 'authority', options = {}): Promise<Collector> => {
      const { cert, key } = makeCertificate(folder, join(folder, authority), `${type}-${name}`, options);
      return await collect(good, { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') });
    };

    test.each([
      ['expired', 'authority', names.expired, /has expired/],
      ['elsewhere', 'authority', names.elsewhere, /for another host.*collector\.example/],
      ['untrusted', 'stranger', names.good, /not trusted: no authority/],
    ] as const)('refuses a certificate that is %s, and says so', async (name, authority, options, sentence) => {
      const collector = await serve(name, authority, options);
      const sender = sending(type, collector.url, { tls: { ca } });
      expect(await sender.send(events(1), never)).toMatchObject({ outcome: 'stopped', reason: expect.stringMatching(sentence) });
      expect((await sender.test(events(1)[0]!, never)).at(-1)).toMatchObject({ step: 'tls', ok: false, detail: expect.stringMatching(sentence) });
      expect(collector.asked).toEqual([]);
    });

    test('takes a certificate of its own authority, and the name that it is told', async () => {
      const collector = await serve('good');
      expect(await sending(type, collector.url, { tls: { ca } }).send(events(1), never)).toEqual({ outcome: 'accepted' });
      const elsewhere = await serve('named', 'authority', names.elsewhere);
      expect(await sending(type, elsewhere.url, { tls: { ca, server_name: 'collector.example' } }).send(events(1), never)).toEqual({ outcome: 'accepted' });
    });

    test('says that the other side speaks none', async () => {
      const plain = await collect(good);
      expect(await sending(type, plain.url.replace('http:', 'https:')).send(events(1), never)).toMatchObject({
        outcome: 'stopped',
        reason: expect.stringContaining("doesn't speak TLS"),
      });
    });

    test('is tried step by step', async () => {
      const collector = await serve('steps');
      const steps = await sending(type, collector.url.replace('127.0.0.1', 'localhost'), { tls: { ca } }).test(events(1)[0]!, never);
      expect(steps.map(({ step, ok }) => [step, ok])).toEqual([
        ['resolve', true],
        ['connect', true],
        ['tls', true],
        ['send', true],
        ['accepted', true],
      ]);
    });
  });

  test('refuses a configuration that would send secrets in the clear, or an address that is none', () => {
    const { make, formats } = destinationOf(type);
    const deps = { dial: closedDial, format: formats[0] };
    expect(() => make(config('http://collector.example'), deps)).toThrow('plain_http');
    expect(() => make({ ...config('https://x'), url: 'https://' }, deps)).toThrow('no address');
    expect(() => make({ ...config('https://x'), url: `https://me:${SECRET}@x` }, deps)).toThrow(/^(?!.*the-secret).*name or password/);
    expect(() => make({ ...config('https://x'), tls: { cert: 'only' } }, deps)).toThrow('belong together');
    expect(() => make(config('https://x'), { ...deps, format: 'xml' })).toThrow('no format');
  });

  test('has a schema that takes its configuration, marks its secrets, and says what each setting does', () => {
    const { schema } = destinationOf(type);
    const isValid = newAjv({ keywords: ['x-secret'] }).compile(schema);
    expect([isValid(config('https://collector.example')), isValid.errors]).toEqual([true, null]);
    expect(isValid({ ...config('https://collector.example'), unknown: 1 })).toBe(false);
    const [secret] = Object.entries(config('https://x')).find(([, value]) => String(value).includes(SECRET)) as [string, unknown];
    expect(schema.properties[secret]?.['x-secret']).toBe(true);
    for (const [name, { description }] of Object.entries(schema.properties)) expect(description, name).toMatch(/\S/);
  });
});
