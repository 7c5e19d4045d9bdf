import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { anEvent, ndjson, testLog } from '../../test/peers/events.js';
import { configFor, startStore, temporaryFolder } from '../../test/peers/store.js';
import { until } from '../../test/peers/verdict.js';
import { type Event, type EventDraft, place, SYSTEM_ACCOUNT } from '../event/index.js';
import { type EmbeddedStore, migrate, openStore, type Store } from '../store/index.js';
import { bypassDetection, UNAUTHORISED } from './bypass.js';
import { openReports, reportsIn } from './reports.js';

const folder = temporaryFolder();
const NOW = Date.parse('2026-11-22T12:00:00Z');
const MINUTE = 60_000;
let embedded: EmbeddedStore;
let store: Store;
let seq = 0;

beforeAll(async () => {
  embedded = await startStore(folder.path);
  await migrate(configFor(embedded));
  store = openStore(configFor(embedded), { settle_ms: 0 });
});
afterAll(async () => {
  await store.close();
  await embedded.stop();
  folder.remove();
});

const at = (ms: number): string => new Date(ms).toISOString();
const next = (): number => ++seq;

const decided = (action: string, id: string, more: Partial<Event> & { readonly ago?: number } = {}): Event => {
  const { ago = 1, ...rest } = more;
  const result = rest.result ?? 'allowed';
  return anEvent({
    seq: next(),
    timestamp: at(NOW - ago * MINUTE),
    kind: 'decision',
    action,
    result,
    resource: { type: 'instance', id },
    decision: { allow: result === 'allowed', reasons: [], advice: [], policy: 'p1', duration_us: 1, question: {}, facts: {} },
    source: 'pdp',
    ...rest,
  });
};
const reported = (action: string, id: string, more: Partial<Event> = {}): Event =>
  anEvent({ seq: next(), timestamp: at(NOW), action, resource: { type: 'instance', id }, source: 'libvirt', details: {}, ...more });

/** Judges what is reported in these events, all of which the store has; resolves with what is recorded of it. */
const judged = async (events: readonly Event[], config: { readonly sources?: readonly string[] } = {}): Promise<readonly EventDraft[]> => {
  expect(await store.insertLines(ndjson(events))).toEqual({ outcome: 'inserted' });
  const path = mkdtempSync(join(tmpdir(), 'verdict-bypass-'));
  const reports = openReports(path);
  const sources = config.sources ?? ['libvirt'];
  await reports.add(reportsIn(sources)(ndjson(events)));
  const recorded = new Map<string, EventDraft>();
  const bypass = bypassDetection(
    { sources, window_ms: 10 * MINUTE, grace_ms: 0 },
    { reports, precedent: store.precedent, completeUntil: Date.now, record: async (draft, once) => recorded.set(once, draft), warn: () => undefined },
  );
  await bypass.start();
  await until('everything is judged', () => (reports.list().length === 0 ? true : undefined));
  await bypass.stop();
  rmSync(path, { recursive: true, force: true });
  return [...recorded.values()];
};
const found = async (...events: readonly Event[]): Promise<readonly string[]> =>
  (await judged(events)).map(({ details, resource }) => `${details?.['change']} ${resource.id}`);

describe('A change that the platform reports', () => {
  it('without a decision is recorded, with the event that proves it', async () => {
    const report = reported('instance.start', 'b-1');
    const [bypass] = await judged([report]);
    expect(bypass).toMatchObject({
      action: UNAUTHORISED,
      account: 'acc-1',
      timestamp: report.timestamp,
      result: 'failure',
      source: 'verdict',
      resource: { type: 'instance', id: 'b-1' },
      details: { change: 'instance.start', evidence: { id: report.id, source: 'libvirt', log: report.log, seq: report.seq }, window_minutes: 10 },
    });
  });

  it('is the same event whoever finds it', async () => {
    const report = reported('instance.start', 'b-2');
    const [first] = await judged([report]);
    const [second] = await judged([report]);
    expect(first).toEqual(second);
    const found = [first, second].map((draft, index) => place(draft as EventDraft, { log: testLog(50 + index), seq: 1 }, at(NOW + index)));
    expect(await store.insertLines(ndjson(found))).toEqual({ outcome: 'inserted' });
    const page = await store.list({ event: UNAUTHORISED, resource: 'b-2' }, 'all', { limit: 10 });
    expect(page.lines).toHaveLength(1);
  });

  it('is all right where its like was allowed in the minutes before', async () => {
    expect(await found(decided('instance.start', 'b-3'), reported('instance.start', 'b-3'))).toEqual([]);
    expect(await found(decided('instance.reboot', 'b-3a'), reported('instance.start', 'b-3a'), reported('instance.stop', 'b-3a'))).toEqual([]);
    expect(await found(decided('instance.delete', 'b-3b'), reported('instance.stop', 'b-3b'), reported('instance.delete', 'b-3b'))).toEqual([]);
  });

  it.each([
    ['denied', decided('instance.start', 'b-4', { result: 'denied' })],
    ['allowed too long ago', decided('instance.start', 'b-4', { ago: 11 })],
    ['allowed only afterwards', decided('instance.start', 'b-4', { ago: -1 })],
    ['allowed for another resource', decided('instance.start', 'b-other')],
    ['allowed in another account', decided('instance.start', 'b-4', { account: 'acc-2' })],
    ['allowed for something else', decided('instance.delete', 'b-4')],
    ['allowed for another type', decided('instance.start', 'b-4', { resource: { type: 'volume', id: 'b-4' } })],
  ])('is found out where it was %s', async (_why, decision) => {
    const fresh = { ...decision, resource: { ...decision.resource, id: decision.resource.id.replace('b-4', `b-4-${seq}`) } };
    const id = `b-4-${seq}`;
    expect(await found(fresh, reported('instance.start', id))).toEqual([`instance.start ${id}`]);
  });

  it('that creates something rests on a decision that knew no id yet, in the same account only', async () => {
    const allowed = decided('instance.create', '*', { account: 'acc-new' });
    expect(await found(allowed, reported('instance.create', 'b-5', { account: 'acc-new' }))).toEqual([]);
    expect(await found(reported('instance.create', 'b-6', { account: 'acc-3' }))).toEqual(['instance.create b-6']);
    expect(await found(reported('instance.create', 'b-7', { account: SYSTEM_ACCOUNT }))).toEqual(['instance.create b-7']);
    const onAccount = decided('instance.create', 'acc-new2', { account: 'acc-new2', resource: { type: 'account', id: 'acc-new2' } });
    expect(await found(onAccount, reported('instance.create', 'b-8', { account: 'acc-new2' }))).toEqual([]);
  });

  it('that starts what was just created is covered by its creation, and one of another instance isn’t', async () => {
    const more = { account: 'acc-fresh' };
    const allowed = decided('instance.create', '*', more);
    expect(await found(allowed, reported('instance.create', 'b-9', more), reported('instance.start', 'b-9', more))).toEqual([]);
    expect(await found(reported('instance.start', 'b-10', more))).toEqual(['instance.start b-10']);
  });

  it('that nobody saw happen may have happened since nobody looked', async () => {
    const gap = { gap: { from: at(NOW - 60 * MINUTE), to: at(NOW) } };
    const long = decided('instance.stop', 'b-11', { ago: 65 });
    expect(await found(long, reported('instance.stop', 'b-11', { details: gap }))).toEqual([]);
    expect(await found(decided('instance.stop', 'b-12', { ago: 75 }), reported('instance.stop', 'b-12', { details: gap }))).toEqual(['instance.stop b-12']);
  });

  it('counts from each producer that is ground truth, and from no other', async () => {
    const mine = reported('volume.resize', 'b-13', { source: 'storage-audit', resource: { type: 'volume', id: 'b-13' } });
    const others = reported('volume.resize', 'b-14', { source: 'somebody', details: { note: '"source":"storage-audit"', source: 'storage-audit' } });
    expect((await judged([mine, others], { sources: ['storage-audit'] })).map(({ resource }) => resource.id)).toEqual(['b-13']);
    expect(await judged([mine, others])).toEqual([]);
  });

  it('is judged only if it came about, and if somebody must be asked about it', async () => {
    const events = [
      reported('instance.start', 'b-15', { result: 'failure' }),
      reported('instance.list', 'b-15'),
      reported('libvirt.domain.reboot', 'b-15'),
      reported('collector.gap', 'b-15'),
      decided('instance.start', 'b-16', { result: 'denied', source: 'libvirt' }),
    ];
    expect(await found(...events)).toEqual([]);
  });
});

describe('The judge', () => {
  it('waits while the store is away, says so, and judges then', async () => {
    const path = mkdtempSync(join(tmpdir(), 'verdict-bypass-'));
    const reports = openReports(path);
    await reports.add(reportsIn(['libvirt'])(ndjson([reported('instance.start', 'b-20')])));
    let isAway = true;
    const recorded: EventDraft[] = [];
    const bypass = bypassDetection(
      { sources: ['libvirt'], window_ms: MINUTE, grace_ms: 0 },
      {
        reports,
        precedent: (asked) =>
          isAway ? openStore(configFor({ url: 'http://127.0.0.1:9', username: '', password: '' })).precedent(asked) : store.precedent(asked),
        completeUntil: Date.now,
        record: async (draft) => recorded.push(draft),
        warn: () => undefined,
      },
    );
    await bypass.start();
    expect(await until('its complaint', bypass.trouble)).toContain('ECONNREFUSED');
    expect(recorded).toEqual([]);
    isAway = false;
    await until('its judgement', () => recorded[0]);
    await until('its peace', () => (bypass.trouble() === undefined ? true : undefined));
    await bypass.stop();
    rmSync(path, { recursive: true, force: true });
  });

  it('waits for what is on its way to the store, and keeps what waits over a restart', async () => {
    const path = mkdtempSync(join(tmpdir(), 'verdict-bypass-'));
    const report = reported('instance.start', 'b-21', { recorded: at(Date.now()) });
    let complete = Date.now() - MINUTE;
    const recorded: string[] = [];
    const open = () => {
      const reports = openReports(path);
      const deps = {
        reports,
        precedent: store.precedent,
        completeUntil: () => complete,
        record: async (_: EventDraft, once: string) => recorded.push(once),
        warn: () => undefined,
      };
      return { reports, bypass: bypassDetection({ sources: ['libvirt'], window_ms: MINUTE, grace_ms: 0 }, deps) };
    };
    const first = open();
    await first.reports.add(reportsIn(['libvirt'])(ndjson([report, report])));
    await first.bypass.start();
    await new Promise((done) => setTimeout(done, 1_500));
    expect(recorded).toEqual([]);
    await first.bypass.stop();
    const second = open();
    expect(second.reports.list()).toHaveLength(1);
    complete = Date.now() + MINUTE;
    await second.bypass.start();
    await until('its judgement', () => recorded[0]);
    await second.bypass.stop();
    expect(recorded).toHaveLength(1);
    rmSync(path, { recursive: true, force: true });
  });

  it('passes over what is no event at all', () => {
    expect(reportsIn(['libvirt'])(Buffer.from('{"source":"libvirt"\nnonsense "source":"libvirt"\n\n'))).toEqual([]);
  });
});
