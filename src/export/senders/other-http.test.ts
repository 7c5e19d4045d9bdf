import { createHmac } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { type Asked, answer, type Collector, type Respond, startCollector } from '../../../test/peers/collector.js';
import { destinationOf, events, never, SECRET, senderTo } from '../../../test/peers/http-destinations.js';
import { type JsonObject, newAjv } from '../../event/index.js';
import type { Sender } from '../sender.js';
import { webhookKey, webhookSignature } from './webhook-signature.js';

const open: { readonly close: () => Promise<void> }[] = [];
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});
const start = async (type: string, respond: Respond, more: JsonObject = {}, deps = {}): Promise<{ readonly sender: Sender; readonly collector: Collector }> => {
  const collector = await startCollector(respond);
  const sender = senderTo(type, collector.url, more, deps);
  open.push(sender, collector);
  return { sender, collector };
};
const ok: Respond = (_, response) => void response.writeHead(200).end();

describe('to Datadog', () => {
  const accepted: Respond = (_, response) => answer(response, 202, {});

  test('events go as logs with source, service and tags, under the API key', async () => {
    const { sender, collector } = await start('datadog', accepted, { tags: 'env:prod', hostname: 'verdict-1' });
    const [event] = events(1);
    await sender.send(events(1), never);
    expect(collector.asked[0]).toMatchObject({ url: '/api/v2/logs', headers: { 'dd-api-key': SECRET, 'content-type': 'application/json' } });
    expect(JSON.parse(collector.asked[0]?.body ?? '')).toEqual([
      { ddsource: 'verdict', service: 'verdict', ddtags: 'env:prod', hostname: 'verdict-1', message: event?.raw },
    ]);
  });

  test('no request has over 1,000 logs or 5 MB', async () => {
    const { sender, collector } = await start('datadog', accepted);
    expect(await sender.send(events(2_500), never)).toEqual({ outcome: 'accepted' });
    expect(await sender.send(events(150, { details: { text: 'x'.repeat(40_000) } }), never)).toEqual({ outcome: 'accepted' });
    expect(collector.asked.map(({ body }) => (JSON.parse(body) as unknown[]).length)).toEqual([1000, 1000, 500, expect.any(Number), expect.any(Number)]);
    expect(Math.max(...collector.asked.map(({ bytes }) => bytes))).toBeLessThan(5_000_000);
  });

  test('a log that it would cut without a word is told of as refused', async () => {
    const { sender } = await start('datadog', accepted);
    const batch = [...events(1), ...events(1, { details: { text: 'x'.repeat(1_100_000) } })];
    expect(await sender.send(batch, never)).toEqual({ outcome: 'accepted', refused: [{ index: 1, reason: expect.stringContaining('cuts a log at 1 MB') }] });
  });

  test('a request that it calls malformed is looked through for the log at fault', async () => {
    const { sender } = await start('datadog', ({ body }, response) =>
      body.includes('poison') ? answer(response, 400, { errors: [{ detail: 'malformed' }] }) : answer(response, 202, {}),
    );
    const batch = [...events(5), ...events(1, { action: 'poison' }), ...events(2)];
    expect(await sender.send(batch, never)).toEqual({ outcome: 'accepted', refused: [{ index: 5, reason: expect.stringContaining('malformed') }] });
  });

  test('a wrong key stops the feed, without the key in what is said', async () => {
    const { sender } = await start('datadog', (_, response) => answer(response, 403, { errors: [{ status: '403', title: 'Forbidden', detail: SECRET }] }));
    expect(await sender.send(events(1), never)).toEqual({
      outcome: 'stopped',
      reason: expect.stringMatching(/^(?!.*the-secret)Datadog answered 403.*Check api_key/),
    });
  });

  test('without an address, the site says where', () => {
    const isValid = newAjv({ keywords: ['x-secret'] }).compile(destinationOf('datadog').schema);
    expect(isValid({ api_key: SECRET, site: 'datadoghq.eu' })).toBe(true);
    expect(isValid({ api_key: SECRET, site: 'evil.example/' })).toBe(false);
  });
});

describe('to Sumo Logic', () => {
  test('events go a line each, with the metadata in headers', async () => {
    const { sender, collector } = await start('sumo-logic', ok, { category: 'audit/verdict', source_name: 'verdict', host: 'v1', fields: 'env=prod,team=sec' });
    const batch = events(2);
    await sender.send(batch, never);
    expect(collector.asked[0]).toMatchObject({
      url: `/receiver/v1/http/${SECRET}`,
      body: batch.map(({ raw }) => `${raw}\n`).join(''),
      headers: { 'x-sumo-category': 'audit/verdict', 'x-sumo-name': 'verdict', 'x-sumo-host': 'v1', 'x-sumo-fields': 'env=prod,team=sec' },
    });
  });

  test('no request is over 1 MB', async () => {
    const { sender, collector } = await start('sumo-logic', ok);
    await sender.send(events(60, { details: { text: 'x'.repeat(40_000) } }), never);
    expect(Math.max(...collector.asked.map(({ bytes }) => bytes))).toBeLessThanOrEqual(1_000_000);
    expect(collector.asked).toHaveLength(3);
  });

  test('a request that timed out there is sent again, and its address is in nothing that is said', async () => {
    const { sender } = await start('sumo-logic', ({ url }, response) => void response.writeHead(408).end(`timeout at ${url}`));
    expect(await sender.send(events(1), never)).toEqual({
      outcome: 'again',
      from: 0,
      reason: expect.stringMatching(/^(?!.*the-secret)Sumo Logic answered 408/),
    });
  });

  test('a header with a line break in it is refused where it is configured', () => {
    const isValid = newAjv({ keywords: ['x-secret'] }).compile(destinationOf('sumo-logic').schema);
    expect(isValid({ url: 'https://x', category: 'a\r\nx-evil: 1' })).toBe(false);
  });
});

describe('to an HTTPS endpoint', () => {
  const NEW = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
  const OLD = `whsec_${Buffer.alloc(24, 9).toString('base64')}`;
  const now = () => Date.parse('2026-11-23T10:00:00.900Z');

  test('events go as lines, or as one list; texts in a list are texts', async () => {
    const batch = events(2);
    for (const [body, format, expected, type] of [
      ['ndjson', 'json', batch.map(({ raw }) => `${raw}\n`).join(''), 'application/x-ndjson'],
      ['json', 'json', `[${batch.map(({ raw }) => raw).join(',')}]`, 'application/json'],
      ['json', 'cef', expect.stringMatching(/^\["CEF:0.*","CEF:0.*"\]$/), 'application/json'],
      ['ndjson', 'leef', expect.stringMatching(/^LEEF:2\.0.*\nLEEF:2\.0.*\n$/), 'text/plain; charset=utf-8'],
    ] as const) {
      const { sender, collector } = await start('https', ok, { body }, { format });
      expect(await sender.send(batch, never)).toEqual({ outcome: 'accepted' });
      expect(collector.asked[0]).toMatchObject({ body: expected, headers: { 'content-type': type, authorization: `Bearer ${SECRET}` } });
    }
  });

  test('requests are signed by Standard Webhooks, with the old secret as well while there is one', async () => {
    const { sender, collector } = await start('https', ok, { signing_secret: NEW, previous_signing_secret: OLD }, { now });
    await sender.send(events(1), never);
    const { headers, body } = collector.asked[0] as Asked;
    expect(headers['webhook-timestamp']).toBe('1795428000');
    const signatures = String(headers['webhook-signature']).split(' ');
    const expected = [NEW, OLD].map((secret) => {
      const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
      return `v1,${createHmac('sha256', key)
        .update(`${String(headers['webhook-id'])}.1795428000.${body}`)
        .digest('base64')}`;
    });
    expect(signatures).toEqual(expected);
  });

  test('the same events sent again have the same id', async () => {
    const { sender, collector } = await start('https', ok);
    await sender.send(events(2), never);
    await sender.send(events(2), never);
    await sender.send(events(3), never);
    const ids = collector.asked.map(({ headers }) => headers['webhook-id']);
    expect(new Set(ids).size).toBe(2);
    expect(ids[0]).toBe(ids[1]);
  });

  test('a signature is the one that the tests of the specification expect', () => {
    const key = webhookKey(`whsec_${['MfKQ9r8GKYqrTwjU', 'PD8ILPZIo2LaLaSw'].join('')}`, 'signing_secret');
    expect(webhookSignature(key, 'msg_p5jXN8AQM9LWM0D4loKWxJek', '1614265330', Buffer.from('{"test": 2432232314}'))).toBe(
      'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    );
  });

  test.each([400, 422])('answered %i, the event at fault is looked for and told of', async (status) => {
    const { sender } = await start('https', ({ body }, response) => void response.writeHead(body.includes('poison') ? status : 202).end('cannot read it'));
    const batch = [...events(3), ...events(1, { action: 'poison' }), ...events(3)];
    expect(await sender.send(batch, never)).toEqual({ outcome: 'accepted', refused: [{ index: 3, reason: expect.stringContaining('cannot read it') }] });
  });

  test('an endpoint that is gone stops the feed', async () => {
    const { sender } = await start('https', (_, response) => void response.writeHead(410).end());
    expect(await sender.send(events(1), never)).toMatchObject({ outcome: 'stopped', reason: expect.stringContaining('wants nothing more') });
  });

  test('a failure after a refusal does not lose the refusal', async () => {
    let requests = 0;
    const { sender } = await start(
      'https',
      ({ body }, response) => {
        requests += 1;
        response.writeHead(body.includes('poison') ? 400 : requests > 3 ? 503 : 200).end();
      },
      { batch_events: 2 },
    );
    const batch = [...events(2), ...events(1, { action: 'poison' }), ...events(5)];
    expect(await sender.send(batch, never)).toMatchObject({ outcome: 'again', from: 2 });
  });

  test('a secret that is none is refused, and so is an old one alone', () => {
    const { make, schema } = destinationOf('https');
    const deps = { dial: { lookup: () => undefined, check: () => undefined }, format: 'json' };
    expect(() => make({ url: 'https://x', signing_secret: `whsec_${Buffer.alloc(8).toString('base64')}` }, deps)).toThrow('24 to 64 bytes');
    expect(() => make({ url: 'https://x', previous_signing_secret: OLD }, deps)).toThrow('without signing_secret');
    const isValid = newAjv({ keywords: ['x-secret'] }).compile(schema);
    expect(isValid({ url: 'https://x', signing_secret: NEW, headers: { 'x-env': 'prod' } })).toBe(true);
    for (const headers of [{ authorization: 'x' }, { 'webhook-id': 'x' }, { 'x-a': 'b\r\nc: d' }, { 'transfer-encoding': 'chunked' }])
      expect(isValid({ url: 'https://x', headers }), JSON.stringify(headers)).toBe(false);
  });
});
