import { afterEach, describe, expect, test } from 'vitest';
import { answer, type Collector, type Respond, startCollector } from '../../../test/peers/collector.js';
import { events, never, SECRET, senderTo } from '../../../test/peers/http-destinations.js';
import type { JsonObject } from '../../event/index.js';
import type { Sender } from '../sender.js';

const open: { readonly close: () => Promise<void> }[] = [];
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});

/** Splunk's collector with a token that has indexer acknowledgement: events are indexed when `index` is called. */
const acknowledging = (onAck: (asked: number, ids: readonly number[]) => Readonly<Record<string, boolean>>) => {
  let next = 0;
  let polls = 0;
  const respond: Respond = ({ url, body, headers }, response) => {
    if (headers['x-splunk-request-channel'] === undefined) return answer(response, 400, { text: 'Data channel is missing', code: 10 });
    if (!url.startsWith('/services/collector/ack')) return answer(response, 200, { text: 'Success', code: 0, ackId: next++ });
    polls += 1;
    answer(response, 200, { acks: onAck(polls, (JSON.parse(body) as { acks: number[] }).acks) });
  };
  return respond;
};

const splunk = async (respond: Respond, more: JsonObject = {}, format = 'json'): Promise<{ readonly sender: Sender; readonly collector: Collector }> => {
  const collector = await startCollector(respond);
  const sender = senderTo('splunk', collector.url, { ack_poll_ms: 10, ...more }, { format });
  open.push(sender, collector);
  return { sender, collector };
};
const good: Respond = (_, response) => answer(response, 200, { text: 'Success', code: 0 });

describe('to Splunk', () => {
  test('events go with their time, source type and place, under the token and a channel', async () => {
    const { sender, collector } = await splunk(good, { index: 'audit', host: 'verdict-1' });
    await sender.send(events(2), never);
    const [asked] = collector.asked;
    expect(asked).toMatchObject({ method: 'POST', url: '/services/collector/event', headers: { authorization: `Splunk ${SECRET}` } });
    expect(asked?.headers['x-splunk-request-channel']).toMatch(/^[0-9a-f]{8}-[0-9a-f-]{27}$/);
    const [first, second] = (asked?.body ?? '')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as JsonObject);
    expect(first).toMatchObject({
      time: Date.parse('2026-11-20T10:00:00.000Z') / 1000,
      index: 'audit',
      host: 'verdict-1',
      source: 'verdict',
      sourcetype: 'verdict:json',
      event: { id: 'e-1' },
    });
    expect(second).toMatchObject({ event: { id: 'e-2' } });
  });

  test('a format that is no JSON goes as a text', async () => {
    const { sender, collector } = await splunk(good, {}, 'cef');
    await sender.send(events(1), never);
    expect(JSON.parse(collector.asked[0]?.body ?? '')).toMatchObject({ sourcetype: 'verdict:cef', event: expect.stringMatching(/^CEF:0\|/) });
  });

  test('whatever path the address has, the collector is found', async () => {
    for (const path of ['', '/', '/services/collector', '/services/collector/event', '/splunk']) {
      const { collector } = await splunk(good);
      const sender = senderTo('splunk', `${collector.url}${path}`);
      open.unshift(sender);
      await sender.send(events(1), never);
      expect(collector.asked[0]?.url).toBe(`${path === '/splunk' ? '/splunk' : ''}/services/collector/event`);
    }
  });

  test('no request is over 900 KB', async () => {
    const { sender, collector } = await splunk(good);
    const batch = events(120, { details: { text: 'x'.repeat(30_000) } });
    expect(await sender.send(batch, never)).toEqual({ outcome: 'accepted' });
    expect(Math.max(...collector.asked.map(({ bytes }) => bytes))).toBeLessThanOrEqual(900_000);
    expect(collector.asked.length).toBe(5);
  });

  test.each([
    [403, 1, 'Token disabled', 'stopped'],
    [401, 2, 'Token is required', 'stopped'],
    [401, 3, 'Invalid authorization', 'stopped'],
    [403, 4, 'Invalid token', 'stopped'],
    [400, 7, 'Incorrect index', 'stopped'],
    [500, 8, 'Internal server error', 'again'],
    [503, 9, 'Server is busy', 'again'],
    [400, 10, 'Data channel is missing', 'stopped'],
    [400, 11, 'Invalid data channel', 'stopped'],
    [503, 18, 'HEC is unhealthy, queues are full', 'again'],
    [503, 20, 'HEC is unhealthy, queues are full, ack service unavailable', 'again'],
    [400, 21, 'Invalid token', 'stopped'],
  ])('the answer %i, code %i (%s) means %s', async (status, code, text, outcome) => {
    const { sender, collector } = await splunk((_, response) => answer(response, status, { text, code }));
    expect(await sender.send(events(3), never)).toMatchObject({ outcome, reason: expect.stringContaining(text) });
    expect(collector.asked).toHaveLength(1);
  });

  test.each([6, 12, 13, 15])('an event that it refuses (code %i) is left out, and the others go', async (code) => {
    const { sender, collector } = await splunk(({ body }, response) => {
      const bad = body
        .trim()
        .split('\n')
        .findIndex((line) => line.includes('poison'));
      if (bad < 0) return answer(response, 200, { text: 'Success', code: 0 });
      answer(response, 400, { text: 'Invalid data format', code, 'invalid-event-number': bad });
    });
    const batch = [...events(2), ...events(1, { action: 'poison' }), ...events(1), ...events(1, { action: 'poison' })];
    expect(await sender.send(batch, never)).toEqual({
      outcome: 'accepted',
      refused: [
        { index: 2, reason: expect.stringContaining('Invalid data format') },
        { index: 4, reason: expect.stringContaining('Invalid data format') },
      ],
    });
    expect(collector.asked.map(({ body }) => body.trim().split('\n').length)).toEqual([5, 4, 3]);
  });

  test('a collector that refuses every event is stopped, not fed', async () => {
    const { sender } = await splunk((_, response) => answer(response, 400, { text: 'Invalid data format', code: 6 }));
    expect(await sender.send(events(40), never)).toMatchObject({
      outcome: 'stopped',
      reason: expect.stringContaining('Each of the first 16 events was refused'),
    });
  });

  describe('with indexer acknowledgement', () => {
    test('events count when they are indexed, not when they are received', async () => {
      let isIndexed = false;
      const { sender } = await splunk(acknowledging((_, ids) => Object.fromEntries(ids.map((id) => [id, isIndexed]))));
      let outcome: unknown;
      const sending = sender.send(events(2), never).then((sent) => (outcome = sent));
      await new Promise((done) => setTimeout(done, 100));
      expect(outcome).toBeUndefined();
      isIndexed = true;
      expect(await sending).toEqual({ outcome: 'accepted' });
    });

    test('the acknowledgement is asked for on the channel of the events', async () => {
      const { sender, collector } = await splunk(acknowledging((_, ids) => Object.fromEntries(ids.map((id) => [id, true]))));
      await sender.send(events(1), never);
      const channel = collector.asked[0]?.headers['x-splunk-request-channel'];
      expect(collector.asked[1]?.url).toBe(`/services/collector/ack?channel=${String(channel)}`);
      expect(JSON.parse(collector.asked[1]?.body ?? '')).toEqual({ acks: [0] });
    });

    test('one that never comes sends the events again, from the first that has none', async () => {
      const { sender } = await splunk(
        acknowledging((_, ids) => Object.fromEntries(ids.map((id) => [id, id === 0]))),
        { ack_wait_ms: 100 },
      );
      const batch = events(60, { details: { text: 'x'.repeat(30_000) } });
      expect(await sender.send(batch, never)).toMatchObject({
        outcome: 'again',
        from: expect.any(Number),
        reason: expect.stringContaining('did not acknowledge within 0.1 s'),
      });
      const sent = await sender.send(batch, never);
      expect(sent).toMatchObject({ from: 0 });
      const { sender: other } = await splunk(
        acknowledging((_, ids) => Object.fromEntries(ids.map((id) => [id, id === 0]))),
        { ack_wait_ms: 100 },
      );
      const first = await other.send(batch, never);
      expect(first.outcome === 'again' && (first.from ?? 0) > 20 && (first.from ?? 0) < 40).toBe(true);
    });

    test('a refusal is not lost behind one', async () => {
      const answers = acknowledging(() => ({}));
      const { sender } = await splunk(
        (asked, response, socket) => {
          if (asked.body.includes('poison')) return answer(response, 400, { text: 'Invalid data format', code: 6, 'invalid-event-number': 1 });
          return answers(asked, response, socket);
        },
        { ack_wait_ms: 50 },
      );
      expect(await sender.send([...events(1), ...events(1, { action: 'poison' }), ...events(3)], never)).toMatchObject({ outcome: 'again', from: 0 });
    });

    test('told to stop while it waits, does so', async () => {
      const { sender } = await splunk(
        acknowledging(() => ({})),
        { ack_poll_ms: 60_000 },
      );
      const stop = new AbortController();
      setTimeout(() => stop.abort(), 50);
      expect(await sender.send(events(1), stop.signal)).toMatchObject({ outcome: 'again', from: 0 });
    });

    test('a collector that breaks off while it is asked sends the events again', async () => {
      const answers = acknowledging(() => ({}));
      const { sender } = await splunk((asked, response, socket) => (asked.url.includes('/ack') ? void socket.destroy() : answers(asked, response, socket)));
      expect(await sender.send(events(1), never)).toMatchObject({ outcome: 'again', from: 0, reason: expect.stringContaining('broke the connection') });
      const { sender: busy } = await splunk((asked, response, socket) =>
        asked.url.includes('/ack') ? answer(response, 503, { code: 9, text: 'Server is busy' }, { 'retry-after': '3' }) : answers(asked, response, socket),
      );
      expect(await busy.send(events(1), never)).toMatchObject({ outcome: 'again', after_ms: 3000 });
      const { sender: off } = await splunk((asked, response, socket) =>
        asked.url.includes('/ack') ? answer(response, 400, { code: 14, text: 'ACK is disabled' }) : answers(asked, response, socket),
      );
      expect(await off.send(events(1), never)).toMatchObject({ outcome: 'stopped', reason: expect.stringContaining('no indexer acknowledgement') });
    });

    test('required, stops at a token that has none; off, is never asked for', async () => {
      const { sender } = await splunk(good, { acknowledgement: 'required' });
      expect(await sender.send(events(1), never)).toMatchObject({ outcome: 'stopped', reason: expect.stringContaining('no indexer acknowledgement') });
      const { sender: off, collector } = await splunk((_, response) => answer(response, 200, { text: 'Success', code: 0, ackId: 0 }), {
        acknowledgement: 'off',
      });
      expect(await off.send(events(1), never)).toEqual({ outcome: 'accepted' });
      expect([collector.asked.length, collector.asked[0]?.headers['x-splunk-request-channel']]).toEqual([1, undefined]);
    });

    test('is part of the trial', async () => {
      const { sender } = await splunk(
        acknowledging(() => ({})),
        { ack_wait_ms: 50 },
      );
      expect((await sender.test(events(1)[0]!, never)).map(({ step, ok }) => [step, ok])).toEqual([
        ['connect', true],
        ['send', true],
        ['accepted', false],
      ]);
    });
  });
});
