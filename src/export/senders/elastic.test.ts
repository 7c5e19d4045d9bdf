import { afterEach, describe, expect, test } from 'vitest';
import { answer, type Collector, type Respond, startCollector } from '../../../test/peers/collector.js';
import { destinationOf, events, never, SECRET, senderTo } from '../../../test/peers/http-destinations.js';
import type { JsonObject } from '../../event/index.js';
import type { Sender } from '../sender.js';

const open: { readonly close: () => Promise<void> }[] = [];
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});

const elastic = async (respond: Respond, more: JsonObject = {}): Promise<{ readonly sender: Sender; readonly collector: Collector }> => {
  const collector = await startCollector(respond);
  const sender = senderTo('elastic', collector.url, more);
  open.push(sender, collector);
  return { sender, collector };
};

const item = (status: number, type?: string, reason?: string) => ({ create: { status, ...(type !== undefined && { error: { type, reason } }) } });
const CREATED = item(201);
const THERE = item(409, 'version_conflict_engine_exception', '[1]: version conflict, document already exists');
const UNREADABLE = item(400, 'document_parsing_exception', 'failed to parse field [url.path] of type [long]');
const BUSY = item(429, 'es_rejected_execution_exception', 'rejected execution of coordinating operation');
/** A 200 whatever became of the items, as `_bulk` answers. */
const answering =
  (...items: readonly object[]): Respond =>
  (_, response) =>
    answer(response, 200, { errors: true, items });

describe('to Elasticsearch', () => {
  test('events go by create, their place for an id, into the data stream', async () => {
    const { sender, collector } = await elastic(answering(CREATED, CREATED), { pipeline: 'geo ip' });
    expect(await sender.send(events(2), never)).toEqual({ outcome: 'accepted' });
    const [asked] = collector.asked;
    const url = new URL(asked?.url ?? '', collector.url);
    expect([url.pathname, url.searchParams.get('pipeline')]).toEqual(['/logs-verdict.audit-default/_bulk', 'geo ip']);
    expect(asked?.headers).toMatchObject({ authorization: `ApiKey ${SECRET}`, 'content-type': 'application/x-ndjson' });
    const lines = (asked?.body ?? '').split('\n');
    expect([lines.length, lines.at(-1)]).toEqual([5, '']);
    expect(JSON.parse(lines[0] ?? '')).toEqual({ create: { _id: '01JD0000000000000000000001-1' } });
    expect(JSON.parse(lines[1] ?? '')).toMatchObject({ '@timestamp': '2026-11-20T10:00:00.000Z', ecs: { version: '8.17.0' }, event: { id: 'e-1' } });
  });

  test('one that is there already is as good as created', async () => {
    const { sender } = await elastic(answering(THERE, CREATED, THERE));
    expect(await sender.send(events(3), never)).toEqual({ outcome: 'accepted' });
  });

  test('one that its mapping refuses is told of, with the reason, and the others are in', async () => {
    const { sender } = await elastic(answering(CREATED, UNREADABLE, THERE));
    expect(await sender.send(events(3), never)).toEqual({
      outcome: 'accepted',
      refused: [{ index: 1, reason: 'Elasticsearch answered 400 for the event: document_parsing_exception: failed to parse field [url.path] of type [long].' }],
    });
  });

  test('one that it has no room for now is sent again, with all that follows', async () => {
    const { sender } = await elastic(answering(CREATED, CREATED, BUSY, CREATED, UNREADABLE));
    expect(await sender.send(events(5), never)).toMatchObject({
      outcome: 'again',
      from: 2,
      reason: expect.stringContaining('es_rejected_execution_exception'),
    });
    const { sender: other } = await elastic(answering(CREATED, UNREADABLE, BUSY));
    expect(await other.send(events(3), never)).toMatchObject({ outcome: 'again', from: 1 });
  });

  test.each([
    [403, 'security_exception'],
    [404, 'index_not_found_exception'],
  ])('an item answered %i (%s) stops the feed', async (status, type) => {
    const { sender } = await elastic(answering(CREATED, item(status, type, 'no')));
    expect(await sender.send(events(2), never)).toMatchObject({ outcome: 'stopped', reason: expect.stringContaining(type) });
  });

  test('a mapping that refuses everything stops the feed, and sets nothing aside', async () => {
    const { sender } = await elastic(answering(...Array.from({ length: 30 }, () => UNREADABLE)));
    expect(await sender.send(events(30), never)).toMatchObject({
      outcome: 'stopped',
      reason: expect.stringContaining('Each of the first 16 events was refused'),
    });
  });

  test.each([
    ['no items', { errors: false }],
    ['too few items', { items: [CREATED] }],
    ['no JSON', 'x'],
  ])('an answer with %s proves nothing: the events go again', async (_, body) => {
    const { sender } = await elastic((_asked, response) => answer(response, 200, body));
    expect(await sender.send(events(2), never)).toMatchObject({ outcome: 'again' });
  });

  test('user and password go together, or not at all', async () => {
    const { collector } = await elastic(answering(CREATED));
    const config = { url: collector.url, index: 'audit', plain_http: true };
    const { make } = destinationOf('elastic');
    const deps = { dial: (await import('../../../test/peers/collector.js')).openDial, format: 'ecs' };
    const sender = make({ ...config, username: 'writer', password: SECRET }, deps);
    open.unshift(sender);
    expect(await sender.send(events(1), never)).toEqual({ outcome: 'accepted' });
    expect(collector.asked[0]?.headers.authorization).toBe(`Basic ${Buffer.from(`writer:${SECRET}`).toString('base64')}`);
    expect(() => make({ ...config, username: 'writer' }, deps)).toThrow('belong together');
  });
});
