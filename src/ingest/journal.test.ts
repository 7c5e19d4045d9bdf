import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Event, type EventDraft, isEvent, newEventId } from '../event/index.js';
import { openJournal } from './journal.js';
import { openJournalEnvironment, unpackCommit } from './journal-env.js';
import { JournalUnavailable } from './journal-types.js';

let path: string;
beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'verdict-journal-'));
});
afterEach(() => rmSync(path, { recursive: true, force: true }));

const MAX_BYTES = 1 << 20;
const open = (options: { maxBytes?: number; durability?: 'disk' | 'kafka' } = {}) =>
  openJournal({ path, maxBytes: MAX_BYTES, durability: 'disk', onFailure: () => undefined, ...options });

const draft = (changes: Partial<EventDraft> = {}): EventDraft => ({
  id: newEventId(),
  timestamp: '2026-11-22T04:03:48.496Z',
  account: 'acc-1',
  kind: 'activity',
  actor: { type: 'user', id: 'usr-1' },
  action: 'instance.create',
  resource: { type: 'instance', id: 'inst-1' },
  result: 'success',
  source: 'test',
  ...changes,
});

const onDisk = async (): Promise<readonly Event[]> => {
  const env = openJournalEnvironment(path, MAX_BYTES);
  const text = [...env.commits.getRange()].map(({ key, value }) => unpackCommit(key, value).lines.toString('utf8')).join('');
  await env.root.close();
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Event);
};

describe('the journal', () => {
  it('numbers events from 1 within its log, in the order of the appends, and every line is a whole event', async () => {
    const journal = await open();
    const results = await Promise.all(Array.from({ length: 50 }, (_, index) => journal.append([draft({ details: { index } })])));
    expect(results.map(([one]) => one?.seq)).toEqual(Array.from({ length: 50 }, (_, index) => index + 2));
    await journal.close();
    const events = await onDisk();
    expect(events.map((event) => event.seq)).toEqual(Array.from({ length: 52 }, (_, index) => index + 1));
    for (const event of events) expect(isEvent(event), JSON.stringify(isEvent.errors)).toBe(true);
  });

  it('begins with log.opened and ends with log.closed, which says how long it is', async () => {
    const journal = await open();
    await journal.append([draft()]);
    await journal.close();
    const events = await onDisk();
    expect(events.map((event) => event.action)).toEqual(['log.opened', 'instance.create', 'log.closed']);
    expect(events.at(-1)?.details).toMatchObject({ log: journal.log, last: 3, clean: true });
  });

  it('closes the log of a life that ended without a word, in the next life', async () => {
    const first = await open();
    await first.append([draft()]);
    const second = await open();
    await second.close();
    const closed = (await onDisk()).filter((event) => event.action === 'log.closed');
    expect(closed.map((event) => event.details)).toEqual([
      { log: first.log, last: 2, clean: false },
      { log: second.log, last: 3, clean: true },
    ]);
    await first.close();
  });

  it('refuses what would not fit, as journal.full, and places nothing of it', async () => {
    const journal = await open({ maxBytes: 4096 });
    const big = draft({ details: { text: 'x'.repeat(5000) } });
    await expect(journal.append([draft(), big])).rejects.toMatchObject({ code: 'journal.full' });
    await journal.append([draft()]);
    await journal.close();
    expect((await onDisk()).map((event) => event.action)).toEqual(['log.opened', 'instance.create', 'log.closed']);
  });

  it('takes nothing after it was closed', async () => {
    const journal = await open();
    await journal.close();
    await expect(journal.append([draft()])).rejects.toBeInstanceOf(JournalUnavailable);
  });

  it('remembers fingerprints at once and over a restart', async () => {
    const journal = await open();
    const pending = journal.append([draft({ id: 'mine' })], { fingerprints: [{ key: 'k', content: 'c' }] });
    expect(journal.known('k')).toMatchObject({ id: 'mine', seq: 2, content: 'c' });
    await pending;
    await journal.close();
    const again = await open();
    expect(again.known('k')).toMatchObject({ id: 'mine', log: journal.log, seq: 2, content: 'c' });
    expect(again.known('other')).toBeUndefined();
    await again.close();
  });

  it('forgets fingerprints after two days, however many they are', async () => {
    let time = Date.parse('2026-11-22T00:00:00Z');
    const journal = await openJournal({ path, maxBytes: 1 << 24, durability: 'disk', onFailure: () => undefined, now: () => time });
    const many = Array.from({ length: 12_000 }, (_, index) => ({ key: `k${index}`, content: 'c' }));
    await journal.append(
      many.map(() => draft()),
      { fingerprints: many },
    );
    expect(journal.known('k11999')).toBeDefined();
    time += 49 * 3_600_000;
    journal.announce();
    await vi.waitFor(() => expect(many.filter(({ key }) => journal.known(key))).toEqual([]), 5_000);
    await journal.close();
  });

  it('keeps intents until their events stand, in the same commit', async () => {
    const journal = await open();
    await journal.intend([
      { change: 'a', draft: draft() },
      { change: 'b', draft: draft() },
      { change: 'c', draft: draft() },
    ]);
    await journal.append([draft()], { fulfils: ['a'] });
    await journal.abandon(['b']);
    await journal.close();
    const again = await open();
    expect(again.openIntents().map((intent) => intent.change)).toEqual(['c']);
    await again.close();
  });

  it('removes what was handed on, and only that', async () => {
    const journal = await open();
    await journal.append([draft()]);
    const [second] = await journal.append([draft({ action: 'instance.delete' })]);
    journal.release(journal.log, (second?.seq as number) - 1);
    await journal.append([draft({ action: 'instance.stop' })]);
    expect(journal.depth().events).toBe(2);
    await journal.close();
    expect((await onDisk()).map((event) => event.action)).toEqual(['instance.delete', 'instance.stop', 'log.closed']);
  });

  it('answers with durability kafka only after the events were handed on', async () => {
    const journal = await open({ durability: 'kafka' });
    let isAnswered = false;
    const answer = journal.append([draft()], { fingerprints: [{ key: 'k', content: 'c' }] }).then(() => {
      isAnswered = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(isAnswered).toBe(false);
    await vi.waitFor(() => expect(journal.known('k')).toBeDefined());
    let isSettled = false;
    const settled = journal.settled({ log: journal.log, seq: 2 }).then(() => {
      isSettled = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(isSettled).toBe(false);
    journal.release(journal.log, 2);
    await Promise.all([answer, settled]);
    await journal.settled({ log: journal.log, seq: 2 });
    await journal.close();
  });
});
