import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type EventDraft, isEvent, place } from '../event/index.js';
import { openJournal } from '../ingest/journal.js';
import { JournalUnavailable } from '../ingest/journal-types.js';
import { ADMIN } from './authenticator.js';
import { type RefusalsDeps, refusals } from './refusals.js';
import type { Caller } from './types.js';

const NOW = Date.parse('2026-11-22T12:00:00.000Z');
const caller: Caller = { id: 'key:1', name: 'libvirt', accounts: ['acc-1'], permissions: new Set() };
const call = { address: '203.0.113.5', code: 'credential.invalid', path: '/v1/events' };

let drafts: EventDraft[];
let warnings: string[];
let now: number;
beforeEach(() => {
  drafts = [];
  warnings = [];
  now = NOW;
});

const start = (over: Partial<RefusalsDeps> = {}, options = {}) =>
  refusals(
    {
      record: async (made) => void drafts.push(...made),
      isAccount: (account) => account === 'acc-2',
      warn: (sentence) => void warnings.push(sentence),
      now: () => now,
      ...over,
    },
    options,
  );
const isWhole = (draft: EventDraft): boolean =>
  isEvent(JSON.parse(JSON.stringify(place(draft, { log: '01JD00000000000000000000AA', seq: 1 }, draft.timestamp))));

describe('A refusal of a known caller', () => {
  it('is an event at once', async () => {
    await start().refused(caller, { ...call, code: 'caller.permission', permission: 'audit.read', requestId: 'req-1' });
    expect(drafts).toEqual([
      expect.objectContaining({
        timestamp: '2026-11-22T12:00:00.000Z',
        account: 'acc-1',
        kind: 'activity',
        action: 'access.refused',
        result: 'failure',
        source: 'verdict',
        actor: { type: 'credential', id: 'key:1', ip: '203.0.113.5' },
        details: { code: 'caller.permission', caller: 'libvirt', permission: 'audit.read' },
        request: { id: 'req-1', path: '/v1/events' },
      }),
    ]);
    expect(drafts.every(isWhole)).toBe(true);
  });

  it('belongs to the account asked about only where there is one', async () => {
    const log = start();
    const asked = async (by: Caller, account: string) => {
      await log.refused(by, { ...call, account });
      const { account: recorded, details } = drafts.at(-1) as EventDraft;
      return [recorded, details?.['account']];
    };
    expect(await asked(caller, 'acc-1')).toEqual(['acc-1', undefined]);
    expect(await asked(caller, 'acc-2')).toEqual(['acc-2', undefined]);
    expect(await asked(caller, 'made-up')).toEqual(['verdict', 'made-up']);
    expect(await asked(ADMIN, 'made-up')).toEqual(['verdict', 'made-up']);
    expect(await asked(caller, 'a\u0000b')).toEqual(['verdict', 'a\u0000b']);
    expect(drafts.every(isWhole)).toBe(true);
  });

  it('is kept and recorded later where the journal takes nothing now', async () => {
    let isFull = true;
    const record = async (made: readonly EventDraft[]) => {
      if (isFull) throw new JournalUnavailable('journal.full', 'It is full.');
      drafts.push(...made);
    };
    const log = start({ record });
    await log.refused(caller, call);
    expect(drafts).toEqual([]);
    isFull = false;
    await log.flush();
    expect(drafts).toHaveLength(1);
    await log.close();
    expect(drafts).toHaveLength(1);
    expect(warnings).toEqual([]);
  });

  it('that was never recorded is said at the end', async () => {
    const log = start({ record: async () => Promise.reject(new Error('no disk')) });
    await log.refused(caller, call);
    await log.refused(undefined, call);
    await log.close();
    expect(warnings).toEqual(['2 refused requests were not recorded: the journal took nothing until the end.']);
  });
});

describe('Calls without a valid credential', () => {
  it('are one event for each address and interval, with a count', async () => {
    const log = start();
    for (let attempt = 0; attempt < 5; attempt++) await log.refused(undefined, call);
    now += 1_000;
    await log.refused(undefined, { ...call, code: 'credential.missing' });
    await log.refused(undefined, { ...call, address: '203.0.113.6' });
    expect(drafts).toEqual([]);
    await log.flush();
    expect(drafts).toHaveLength(2);
    expect(drafts[0]).toMatchObject({
      account: 'verdict',
      timestamp: '2026-11-22T12:00:00.000Z',
      actor: { type: 'anonymous', id: 'anonymous', ip: '203.0.113.5' },
      details: { count: 6, codes: { 'credential.invalid': 5, 'credential.missing': 1 }, until: '2026-11-22T12:00:01.000Z' },
    });
    expect(drafts.every(isWhole)).toBe(true);
    await log.flush();
    expect(drafts).toHaveLength(2);
  });

  it('are bounded: addresses past the thousandth share one event', async () => {
    const log = start();
    for (let address = 0; address < 3_000; address++) await log.refused(undefined, { ...call, address: `10.0.${address >> 8}.${address & 255}` });
    await log.flush();
    expect(drafts).toHaveLength(1_001);
    const others = drafts.filter(({ details }) => details?.['addresses'] === 'other addresses');
    expect(others).toEqual([expect.objectContaining({ actor: { type: 'anonymous', id: 'anonymous' }, details: expect.objectContaining({ count: 2_000 }) })]);
    expect(drafts.reduce((sum, { details }) => sum + Number(details?.['count']), 0)).toBe(3_000);
  });

  it('leave no part of a credential in the record, and no more than fits', async () => {
    const log = start();
    const key = 'vk_01JD00000000000000000000AA_abcdefghijklmnopqrstuvwxyz0123456789';
    const jwt = 'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJzdmMtMSJ9.c2lnbmF0dXJlc2ln';
    await log.refused(undefined, { ...call, path: `/v1/${key}/${jwt}/${'a'.repeat(100_000)}` });
    await log.flush();
    expect(drafts[0]?.request?.path).toMatch(/^\/v1\/…\/…\/a+$/);
    expect(drafts.every(isWhole)).toBe(true);
  });

  it('are recorded by themselves when the interval is over, and at the stop', async () => {
    const log = start({}, { interval: 20 });
    await log.refused(undefined, call);
    await expect.poll(() => drafts.length, { timeout: 5_000 }).toBe(1);
    await log.refused(undefined, call);
    await log.close();
    expect(drafts).toHaveLength(2);
  });
});

describe('Refusals in a real journal', () => {
  let path: string;
  beforeEach(async () => {
    path = await mkdtemp(join(tmpdir(), 'verdict-refusals-'));
  });
  afterEach(() => rm(path, { recursive: true, force: true }));

  it('are durable events', async () => {
    const journal = await openJournal({
      path,
      maxBytes: 1 << 24,
      durability: 'disk',
      onFailure: (error) => {
        throw error;
      },
    });
    const before = journal.depth().events;
    const log = start({ record: journal.append });
    await log.refused(caller, call);
    await log.refused(undefined, call);
    await log.close();
    expect(journal.depth().events).toBe(before + 2);
    await journal.close();
  });
});
