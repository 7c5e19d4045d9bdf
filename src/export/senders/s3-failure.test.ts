import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { makeAuthority, makeCertificate } from '../../../test/peers/certificates.js';
import { openDial, type Respond, startCollector } from '../../../test/peers/collector.js';
import { destinationOf, events, never, SECRET } from '../../../test/peers/http-destinations.js';
import { type JsonObject, newAjv } from '../../event/index.js';
import type { Sender } from '../sender.js';

const s3 = destinationOf('s3');
const open: { readonly close: () => Promise<void> }[] = [];
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});

/** A server that answers as S3 does where versitygw would not. */
const answering = async (respond: Respond, more: JsonObject = {}): Promise<Sender> => {
  const server = await startCollector(respond);
  const config = { bucket: 'audit', endpoint: server.url, plain_http: true, access_key_id: 'key', secret_access_key: SECRET, ...more };
  const sender = s3.make(config, { dial: openDial, format: 'json', now: () => Date.parse('2026-11-23T10:00:00Z') });
  open.push(sender, server);
  return sender;
};
const fault =
  (status: number, code: string, headers: Record<string, string> = {}): Respond =>
  (_, response) =>
    void response
      .writeHead(status, { 'content-type': 'application/xml', ...headers })
      .end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>Said by S3</Message></Error>`);

describe('S3', () => {
  test.each([
    [503, 'SlowDown', 'again', /SlowDown/],
    [500, 'InternalError', 'again', /InternalError/],
    [409, 'ConditionalRequestConflict', 'again', /ConditionalRequestConflict/],
    [408, 'RequestTimeout', 'again', /RequestTimeout/],
    [403, 'AccessDenied', 'stopped', /s3:PutObject/],
    [403, 'InvalidAccessKeyId', 'stopped', /not known there/],
    [403, 'SignatureDoesNotMatch', 'stopped', /secret access key is wrong/],
    [403, 'RequestTimeTooSkewed', 'stopped', /clocks/],
    [400, 'ExpiredToken', 'stopped', /expired/],
    [301, 'PermanentRedirect', 'stopped', /another region/],
    [404, 'NoSuchBucket', 'stopped', /make it/],
    [400, 'constructor', 'stopped', /S3 answered 400/],
  ])('answering %i %s means %s', async (status, code, outcome, sentence) => {
    const sender = await answering(fault(status, code));
    expect(await sender.send(events(1), never)).toMatchObject({ outcome, reason: expect.stringMatching(sentence) });
  });

  test('throttling is waited for as long as it says', async () => {
    expect(await (await answering(fault(503, 'SlowDown', { 'retry-after': '12' }))).send(events(1), never)).toMatchObject({
      outcome: 'again',
      after_ms: 12_000,
    });
  });

  test('an object that is there, and may not be looked at, is the one of that name', async () => {
    const sender = await answering((asked, response, socket) =>
      fault(asked.method === 'HEAD' ? 403 : 412, asked.method === 'HEAD' ? 'AccessDenied' : 'PreconditionFailed')(asked, response, socket),
    );
    expect(await sender.send(events(1), never)).toEqual({ outcome: 'accepted' });
  });

  test('one that does not answer is given up on', async () => {
    const sender = await answering(() => new Promise(() => undefined), { timeout_ms: 200 });
    expect(await sender.send(events(1), never)).toMatchObject({ outcome: 'again' });
  });

  test('one that breaks the connection is tried again', async () => {
    const sender = await answering((_asked, _response, socket) => void socket.destroy());
    expect(await sender.send(events(1), never)).toMatchObject({ outcome: 'again', reason: expect.stringContaining('broke the connection') });
  });

  test('told to stop, the sender does so', async () => {
    const sender = await answering(() => new Promise(() => undefined));
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 50);
    expect(await sender.send(events(1), stop.signal)).toEqual({ outcome: 'again', reason: 'It was told to stop.' });
  });

  describe('over TLS', () => {
    const folder = mkdtempSync(join(tmpdir(), 'verdict-s3-tls-'));
    let ca = '';
    beforeAll(() => {
      ca = readFileSync(makeAuthority(folder, 'authority'), 'utf8');
      makeAuthority(folder, 'stranger');
    });
    afterAll(() => rmSync(folder, { recursive: true, force: true }));

    test.each([
      ['expired', 'authority', { isExpired: true }, /has expired/],
      ['elsewhere', 'authority', { names: 'DNS:s3.example' }, /for another host.*s3\.example/],
      ['untrusted', 'stranger', {}, /not trusted: no authority/],
    ] as const)('a certificate that is %s is refused, and it says so', async (name, authority, options, sentence) => {
      const { cert, key } = makeCertificate(folder, join(folder, authority), name, options);
      const server = await startCollector(fault(500, 'x'), { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') });
      const config = { bucket: 'audit', endpoint: server.url, access_key_id: 'key', secret_access_key: SECRET, tls: { ca } };
      const sender = s3.make(config, { dial: openDial, format: 'json' });
      open.push(sender, server);
      expect(await sender.send(events(1), never)).toMatchObject({ outcome: 'stopped', reason: expect.stringMatching(sentence) });
      expect((await sender.test(events(1)[0]!, never)).at(-1)).toMatchObject({ step: 'tls', ok: false, detail: expect.stringMatching(sentence) });
      expect(server.asked).toEqual([]);
    });
  });

  test('asks for events to be gathered, as long as it is told', async () => {
    expect((await answering(fault(500, 'x'))).limits).toMatchObject({ linger_ms: 300_000 });
    expect((await answering(fault(500, 'x'), { linger_seconds: 60 })).limits).toMatchObject({ linger_ms: 60_000 });
  });

  test('has a schema that takes its configuration and marks its secrets', () => {
    const isValid = newAjv({ keywords: ['x-secret'] }).compile(s3.schema);
    const config = { bucket: 'audit', access_key_id: 'key', secret_access_key: SECRET };
    expect(isValid(config)).toBe(true);
    for (const more of [{ prefix: 'no-slash' }, { prefix: '../' + 'x' }, { bucket: 'a/b' }, { object_lock: { mode: 'none', days: 1 } }, { unknown: 1 }])
      expect(isValid({ ...config, ...more }), JSON.stringify(more)).toBe(false);
    expect(Object.entries(s3.schema.properties).flatMap(([name, { 'x-secret': secret }]) => (secret ? [name] : []))).toEqual([
      'secret_access_key',
      'session_token',
    ]);
  });
});
