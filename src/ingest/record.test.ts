import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { guard } from '../../test/peers/guard.js';
import { type Caller, PERMISSIONS } from '../caller/types.js';
import { isEvent, type Json, place } from '../event/index.js';
import { openJournal } from './journal.js';
import type { Journal } from './journal-types.js';
import { createRecorder, draftOf, type Posted } from './record.js';

const NOW = Date.parse('2026-11-22T12:00:00.000Z');
const producer: Caller = { id: 'key:1', name: 'libvirt', accounts: ['acc-1'], permissions: new Set(['event.record']) };
const everywhere: Caller = { id: 'admin', name: 'admin', accounts: 'all', permissions: new Set(PERMISSIONS) };
const posted = { actor: { type: 'user', id: 'usr-1' }, action: 'instance.start', resource: { type: 'instance', id: 'inst-1' }, result: 'success' } as const;
const faultOf = (value: Json, caller = producer) => {
  const drafted = draftOf(value, caller, guard, NOW, () => 'evt-new');
  return drafted.ok ? 'ok' : drafted.fault.code;
};

describe('What a producer posts', () => {
  it('becomes a draft of its only account, under the credential’s name, now', () => {
    expect(draftOf(posted, producer, guard, NOW, () => 'evt-new')).toEqual({
      ok: true,
      hasOwnId: false,
      draft: { ...posted, id: 'evt-new', timestamp: '2026-11-22T12:00:00.000Z', account: 'acc-1', kind: 'activity', details: {}, source: 'libvirt' },
    });
  });

  it('is a whole event once the journal has placed it, whatever is in it', () => {
    const names = fc.string({ minLength: 1, maxLength: 64, unit: 'grapheme-ascii' });
    const anything = fc.record(
      {
        actor: fc.record({ type: names, id: names, email: fc.string({ maxLength: 320 }) }, { requiredKeys: ['type', 'id'] }),
        action: names,
        resource: fc.record({ type: names, id: names }),
        result: fc.constantFrom('success', 'failure', 'error'),
        details: fc.dictionary(fc.string(), fc.jsonValue() as fc.Arbitrary<Json>),
        region: fc.string({ maxLength: 64 }),
      },
      { requiredKeys: ['actor', 'action', 'resource', 'result'] },
    );
    fc.assert(
      fc.property(anything, (value) => {
        const drafted = draftOf(value as Json, producer, guard, NOW);
        if (!drafted.ok) return expect(['event.invalid']).toContain(drafted.fault.code);
        const event = place(drafted.draft, { log: '01JD00000000000000000000AA', seq: 1 }, new Date(NOW).toISOString());
        expect(isEvent(JSON.parse(JSON.stringify(event))), JSON.stringify(isEvent.errors)).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  it('may not have an id under which the API has something else', () => {
    const at = '2026-11-22T12:00:00Z';
    for (const id of ['gaps', 'export', '.', '..'])
      expect(draftOf({ ...posted, id, timestamp: at }, producer, guard, NOW)).toMatchObject({
        ok: false,
        fault: { status: 422, code: 'id.reserved', detail: expect.stringContaining(`"${id}"`) },
      });
    for (const id of ['gaps-1', 'Export', '...', './gaps']) expect(faultOf({ ...posted, id, timestamp: at })).toBe('ok');
  });

  it('may not be a decision, nor bring what Verdict sets', () => {
    expect(faultOf({ ...posted, kind: 'activity' })).toBe('ok');
    expect(faultOf({ ...posted, kind: 'decision' })).toBe('event.kind');
    for (const name of ['log', 'seq', 'salts', 'recorded', 'source', 'decision']) {
      const drafted = draftOf({ ...posted, [name]: 'x' }, producer, guard, NOW);
      expect(drafted).toMatchObject({ ok: false, fault: { code: 'event.reserved', detail: expect.stringContaining(`"${name}"`) } });
    }
  });

  it('may have no other fields, and none of the wrong type', () => {
    for (const bad of [
      null,
      [],
      'x',
      {},
      { ...posted, extra: 1 },
      { ...posted, actor: { type: 'user' } },
      { ...posted, actor: { ...posted.actor, phone: '1' } },
      { ...posted, action: '' },
      { ...posted, action: 'a\u0007b' },
      { ...posted, action: 'x'.repeat(129) },
      { ...posted, result: 'allowed' },
      { ...posted, details: [] },
      { ...posted, details: { personal: 'x' } },
      { ...posted, request: { status: 1000 } },
      { ...posted, id: 7 },
    ])
      expect(faultOf(bad as Json), JSON.stringify(bad)).toBe('event.invalid');
  });

  it('lies at most a day back and five minutes ahead', () => {
    const at = (timestamp: string, caller = producer) => faultOf({ ...posted, timestamp, account: 'acc-1' }, caller);
    expect(at('2026-11-21T12:00:00Z')).toBe('ok');
    expect(at('2026-11-21T11:59:59.999Z')).toBe('timestamp.range');
    expect(at('2026-11-22T12:05:00.000Z')).toBe('ok');
    expect(at('2026-11-22T12:05:00.001Z')).toBe('timestamp.range');
    expect(at('2001-01-01T00:00:00Z', everywhere)).toBe('ok');
    expect(at('9999-12-31T23:59:59Z', everywhere)).toBe('timestamp.range');
    expect(at('1969-12-31T23:59:59Z', everywhere)).toBe('timestamp.range');
  });

  it('has an instant that exists, which is kept in UTC and milliseconds', () => {
    const at = (timestamp: Json) => faultOf({ ...posted, timestamp });
    for (const bad of ['-0001-01-01T00:00:00Z', '2026-11-22', '2026-02-30T00:00:00Z', '2026-11-22T25:00:00Z', 'now', '', 1763812800, -1])
      expect(at(bad), String(bad)).toBe('event.invalid');
    const drafted = draftOf({ ...posted, timestamp: '2026-11-22T13:30:00.123456+02:00' }, producer, guard, NOW);
    expect(drafted).toMatchObject({ draft: { timestamp: '2026-11-22T11:30:00.123Z' } });
  });

  it('with an id of its own brings its timestamp', () => {
    expect(faultOf({ ...posted, id: 'mine' })).toBe('timestamp.missing');
  });

  it('is of an account that the credential reaches', () => {
    expect(faultOf({ ...posted, account: 'acc-2' })).toBe('caller.account');
    expect(faultOf(posted, everywhere)).toBe('account.missing');
    expect(faultOf({ ...posted, account: 'acc-2' }, everywhere)).toBe('ok');
    expect(faultOf({ ...posted, account: 'verdict' }, everywhere)).toBe('account.reserved');
    expect(faultOf({ ...posted, account: 'acc-1' }, { ...everywhere, name: 'pdp' })).toBe('source.reserved');
  });

  it('carries no secrets on', () => {
    const drafted = draftOf({ ...posted, details: { password: 'hunter2', plan: 'small' } }, producer, guard, NOW);
    expect(JSON.stringify(drafted)).not.toContain('hunter2');
    expect(drafted).toMatchObject({ draft: { details: { plan: 'small' } } });
  });
});

describe('The recorder', () => {
  let folder: string;
  let journal: Journal;
  const time = '2026-11-22T11:00:00Z';
  const items = (...values: Json[]): Posted[] => values.map((value) => ({ ok: true, value }));

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'verdict-record-'));
    journal = await openJournal({ path: folder, maxBytes: 1 << 26, durability: 'disk', onFailure: () => undefined });
  });
  afterEach(async () => {
    await journal.close();
    await rm(folder, { recursive: true, force: true });
  });
  const recorder = () => createRecorder({ guard, journal, now: () => NOW });

  it('gives each event its place in order', async () => {
    const outcome = await recorder()(items(posted, { ...posted, action: 'b' }), producer, 'reject');
    expect(outcome).toMatchObject({
      outcome: 'recorded',
      errors: [],
      events: [
        { index: 0, log: journal.log },
        { index: 1, log: journal.log },
      ],
    });
    const [first, second] = outcome.outcome === 'recorded' ? outcome.events : [];
    expect(second?.seq).toBe((first?.seq ?? 0) + 1);
  });

  it('answers a retry with the first record, also when the first is still on its way', async () => {
    const record = recorder();
    const mine = { ...posted, id: 'mine', timestamp: time };
    const [one, two] = await Promise.all([record(items(mine), producer, 'reject'), record(items(mine), producer, 'reject')]);
    const three = await record(items({ ...mine, details: {} }), producer, 'reject');
    const first = one.outcome === 'recorded' ? one.events[0] : undefined;
    expect(first?.duplicate).toBeUndefined();
    for (const again of [two, three]) expect(again).toMatchObject({ events: [{ ...first, duplicate: true }] });
  });

  it('answers a retry no sooner than the first is answered', async () => {
    let open = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const append: Journal['append'] = async (drafts, options) => {
      const places = await journal.append(drafts, options);
      await gate;
      return places;
    };
    const record = createRecorder({ guard, journal: { append, known: journal.known, settled: journal.settled }, now: () => NOW });
    const mine = items({ ...posted, id: 'mine', timestamp: time });
    const first = record(mine, producer, 'reject');
    const answered: string[] = [];
    const retry = record(mine, producer, 'reject').then(() => answered.push('retry'));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(answered).toEqual([]);
    open();
    await Promise.all([first, retry]);
    expect(answered).toEqual(['retry']);
  });

  it('finds a repetition within one request', async () => {
    const mine = { ...posted, id: 'mine', timestamp: time };
    const outcome = await recorder()(items(posted, mine, mine), producer, 'reject');
    const events = outcome.outcome === 'recorded' ? outcome.events : [];
    expect(events[2]).toEqual({ ...events[1], index: 2, duplicate: true });
  });

  it('refuses the same id with other content, in the journal or in the request', async () => {
    const record = recorder();
    const mine = { ...posted, id: 'mine', timestamp: time };
    const other = { ...mine, action: 'instance.stop' };
    await record(items(mine), producer, 'reject');
    expect(await record(items(other), producer, 'reject')).toMatchObject({ outcome: 'rejected', errors: [{ index: 0, status: 409, code: 'id.conflict' }] });
    const fresh = { ...posted, id: 'second', timestamp: time };
    expect(await record(items(fresh, { ...fresh, result: 'error' }), producer, 'skip')).toMatchObject({
      events: [{ index: 0 }],
      errors: [{ index: 1, status: 409 }],
    });
  });

  it('takes the same id from another source, or for another account, as another event', async () => {
    const record = recorder();
    const mine = { ...posted, id: 'mine', timestamp: time, account: 'acc-1' };
    await record(items(mine), producer, 'reject');
    const outcome = await record(items({ ...mine, action: 'b' }), everywhere, 'reject');
    expect(outcome).toMatchObject({ outcome: 'recorded' });
    expect(await record(items({ ...mine, account: 'acc-2' }), everywhere, 'reject')).toMatchObject({ outcome: 'recorded' });
  });

  it('records nothing of a request with a bad event, or the rest if bad ones are to be skipped', async () => {
    const record = recorder();
    const batch: Posted[] = [
      ...items(posted, { ...posted, account: 'acc-2' }),
      { ok: false, code: 'json.invalid', detail: 'It is no JSON.' },
      ...items(posted),
    ];
    const before = journal.depth().events;
    expect(await record(batch, producer, 'reject')).toMatchObject({
      outcome: 'rejected',
      errors: [
        { index: 1, status: 403, account: 'acc-2' },
        { index: 2, status: 422, code: 'json.invalid' },
      ],
    });
    expect(journal.depth().events).toBe(before);
    expect(await record(batch, producer, 'skip')).toMatchObject({ events: [{ index: 0 }, { index: 3 }], errors: [{ index: 1 }, { index: 2 }] });
    expect(journal.depth().events).toBe(before + 2);
  });

  it('takes an event up to the limit, and tells of a longer one by its index', async () => {
    const sized = (length: number) => ({ ...posted, details: { text: 'x'.repeat(length) } });
    expect(await recorder()(items(sized(48_000)), producer, 'reject')).toMatchObject({ outcome: 'recorded' });
    expect(await recorder()(items(posted, sized(49_152)), producer, 'reject')).toMatchObject({
      outcome: 'rejected',
      errors: [{ index: 1, status: 413, code: 'event.too_large' }],
    });
  });

  it('answers nothing that is not on disk', async () => {
    const record = recorder();
    await journal.close();
    await expect(record(items(posted), producer, 'reject')).rejects.toMatchObject({ name: 'JournalUnavailable' });
    journal = await openJournal({ path: folder, maxBytes: 1 << 26, durability: 'disk', onFailure: () => undefined });
  });
});
