import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { configFor, startStore, temporaryFolder } from '../../test/peers/store.js';
import { type Event, type EventDraft, newEventId, newUlid, place, toLine } from '../event/index.js';
import type { Outgoing } from '../export/sender.js';
import { migrate, openStore, type Store, type Walk, walkStart } from '../store/index.js';
import { type Errand, oneAtATime, runErrand } from './catch-up.js';
import { openForwardState } from './state.js';

const BEGIN = Date.parse('2026-11-20T00:00:00.000Z');
const LOGS = [newUlid(), newUlid()] as const;
const FEW = 12_000;

const draft = (index: number): EventDraft => ({
  id: newEventId(),
  timestamp: new Date(BEGIN + index * 7).toISOString(),
  account: `acc-${index % 5}`,
  kind: 'activity',
  actor: { type: 'user', id: 'usr-1' },
  action: index % 3 === 0 ? 'volume.delete' : 'instance.create',
  resource: { type: 'instance', id: `inst-${index}` },
  result: index % 4 === 0 ? 'failure' : 'success',
  source: 'libvirt',
});

/** Bursts within one millisecond, and silence of hours between them. */
const recordedAt = (index: number): number => BEGIN + Math.floor(index / 3_000) * 7_200_000 + Math.floor((index % 3_000) / 400);

describe('what was missed', { timeout: 60_000 }, () => {
  const folder = temporaryFolder();
  const own = mkdtempSync(join(tmpdir(), 'verdict-forward-'));
  const events: Event[] = [];
  let engine: Awaited<ReturnType<typeof startStore>>;
  let store: Store;

  beforeAll(async () => {
    engine = await startStore(folder.path);
    const config = configFor(engine);
    await migrate(config);
    store = openStore(config);
    const seqs = [0, 0];
    for (let index = 0; index < FEW; index += 1) {
      const which = index % 2;
      seqs[which] = (seqs[which] as number) + 1;
      events.push(place(draft(index), { log: LOGS[which] as string, seq: seqs[which] as number }, new Date(recordedAt(index)).toISOString()));
    }
    const insert = async (some: readonly Event[]): Promise<void> => {
      const done = await store.insertLines(Buffer.from(some.map((event) => `${toLine(event)}\n`).join('')));
      if (done.outcome !== 'inserted') throw new Error(done.reason);
    };
    await insert(events.slice(0, 7_000));
    await insert(events.slice(7_000));
    // A batch that came twice.
    await insert(events.slice(100, 400));
  }, 120_000);

  afterAll(async () => {
    await store.close();
    await engine.stop();
    folder.remove();
    rmSync(own, { recursive: true, force: true });
  });

  const inOrder = (some: readonly Event[]): readonly string[] =>
    [...some]
      .sort((a, b) =>
        a.recorded < b.recorded
          ? -1
          : a.recorded > b.recorded
            ? 1
            : a.account < b.account
              ? -1
              : a.account > b.account
                ? 1
                : a.log < b.log
                  ? -1
                  : a.log > b.log
                    ? 1
                    : a.seq - b.seq,
      )
      .map(({ id }) => id);
  const everything: Walk = { from: BEGIN, to: BEGIN + 86_400_000, accounts: 'all' };

  const walkAll = async (walk: Walk): Promise<readonly string[]> => {
    const ids: string[] = [];
    let position = walkStart(walk) as ReturnType<typeof walkStart> | undefined;
    while (position) {
      const page = await store.walk(walk, position);
      ids.push(...page.lines.map((line) => (JSON.parse(line) as Event).id));
      position = page.next;
    }
    return ids;
  };

  it('is walked through once, in the order of (recorded, account, log, seq), through bursts and silence', async () => {
    expect(await walkAll(everything)).toEqual(inOrder(events));
  });

  it('is narrowed as the forwarder asks, and to its span', async () => {
    const walk = { ...everything, accounts: ['acc-1', 'acc-3'], actions: ['volume.*', 'nothing'], results: ['failure'], kinds: ['activity'] };
    const wanted = events.filter((one) => ['acc-1', 'acc-3'].includes(one.account) && one.action === 'volume.delete' && one.result === 'failure');
    expect(await walkAll(walk)).toEqual(inOrder(wanted));
    expect(await walkAll({ ...everything, accounts: [] })).toEqual([]);
    const [from, to] = [BEGIN + 1, BEGIN + 7_200_000];
    const within = events.filter(({ recorded }) => Date.parse(recorded) >= from && Date.parse(recorded) <= to);
    expect(await walkAll({ ...everything, from, to })).toEqual(inOrder(within));
  });

  it('is narrowed to the places that are known to be missing', async () => {
    const ranges = [
      { log: LOGS[0], from: 100, to: 250 },
      { log: LOGS[1], from: 5_999, to: 9_000 },
    ];
    const wanted = events.filter(({ log, seq }) => ranges.some((range) => range.log === log && seq >= range.from && seq <= range.to));
    expect(wanted).toHaveLength(153);
    expect(await walkAll({ ...everything, ranges })).toEqual(inOrder(wanted));
    expect(await walkAll({ ...everything, ranges: [] })).toEqual([]);
  });

  const errandOf = (name: string, deliver: Errand['deliver'], key = 'k1'): Errand => ({ name, key, walk: everything, wants: () => true, deliver });

  it('goes on where it was after a restart in its midst, and is not sent again when it is done', async () => {
    const sent: string[] = [];
    let left = 3;
    const deliver = async (some: readonly Outgoing[]): Promise<void> => {
      if (left === 0) throw new Error('It was killed.');
      left -= 1;
      sent.push(...some.map(({ event }) => event.id));
    };
    const first = openForwardState(own);
    const deps = { walk: store.walk, inTurn: oneAtATime() };
    const signal = new AbortController().signal;
    await expect(runErrand({ ...deps, state: first }, errandOf('f', deliver), signal)).rejects.toThrow('killed');
    await first.close();
    const atThat = sent.length;
    expect(atThat).toBeGreaterThan(0);
    const second = openForwardState(own);
    left = 1_000;
    await runErrand({ ...deps, state: second }, errandOf('f', deliver), signal);
    expect(sent).toEqual(inOrder(events));
    await runErrand({ ...deps, state: second }, errandOf('f', deliver), signal);
    expect(sent).toHaveLength(events.length);
    await runErrand({ ...deps, state: second }, errandOf('f', deliver, 'k2'), signal);
    expect(sent).toHaveLength(events.length * 2);
    await second.close();
  });

  it('asks the store one thing at a time, however many feeds are behind', async () => {
    let inside = 0;
    let most = 0;
    const walk: Store['walk'] = async (...asked) => {
      inside += 1;
      most = Math.max(most, inside);
      const page = await store.walk(...asked);
      inside -= 1;
      return page;
    };
    const state = openForwardState(join(own, 'several'));
    const deps = { walk, inTurn: oneAtATime(), state };
    const counts = [0, 0, 0];
    await Promise.all(
      counts.map((_, index) =>
        runErrand(
          deps,
          errandOf(`f${index}`, async (some) => {
            counts[index] = (counts[index] as number) + some.length;
          }),
          new AbortController().signal,
        ),
      ),
    );
    expect(counts).toEqual([FEW, FEW, FEW]);
    expect(most).toBe(1);
    await state.close();
  });
});
