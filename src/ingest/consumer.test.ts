import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Event, type EventDraft, newUlid, place, toLine } from '../event/index.js';
import { type Conflicts, openConflicts } from './conflicts.js';
import { type Inserted, storeHandler } from './consumer.js';
import type { SetAside } from './quarantine.js';
import { joinRuns, missingRuns, openRanges, type Ranges } from './ranges.js';
import type { Chunk } from './stream.js';

const log = newUlid();
const activity = (seq: number, changes: Partial<EventDraft> = {}): Event =>
  place(
    {
      id: `p-${seq}`,
      timestamp: '2026-11-22T04:03:48.496Z',
      account: 'acc-1',
      kind: 'activity',
      actor: { type: 'user', id: 'usr-1' },
      action: 'instance.create',
      resource: { type: 'instance', id: 'inst-1' },
      result: 'success',
      source: 'producer',
      ...changes,
    },
    { log, seq },
    '2026-11-22T04:03:48.501Z',
  );

const chunk = (events: readonly Event[]): Chunk => ({
  log,
  from: events[0]?.seq ?? 0,
  to: events.at(-1)?.seq ?? 0,
  lines: Buffer.from(events.map((event) => `${toLine(event)}\n`).join('')),
});

let path: string;
let conflicts: Conflicts;
let ranges: Ranges;
let stored: string[];
let aside: SetAside[];
let recorded: EventDraft[];
const names = new Set<string>();

beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'verdict-consumer-'));
  conflicts = openConflicts(join(path, 'conflicts'));
  ranges = openRanges(join(path, 'ranges'));
  stored = [];
  aside = [];
  recorded = [];
  names.clear();
});
afterEach(async () => {
  await conflicts.close();
  await ranges.close();
  rmSync(path, { recursive: true, force: true });
});

/** A store that refuses any insert with a line that contains `poison`, as ClickHouse refuses a whole block. */
const handler = (answer?: () => Inserted) =>
  storeHandler({
    insert: async (lines) => {
      if (answer) return answer();
      const text = lines.toString('utf8');
      if (text.includes('poison')) return { outcome: 'refused', reason: 'Code: 117. DB::Exception: Cannot parse "poison"' };
      stored.push(...text.split('\n').filter(Boolean));
      return { outcome: 'inserted' };
    },
    quarantine: {
      put: async (items) => {
        aside.push(...items);
      },
    },
    conflicts,
    ranges,
    record: async (draft, once) => {
      if (!once || names.has(once)) return;
      names.add(once);
      recorded.push(draft);
    },
  });

describe('the consumer that fills the store', () => {
  it('stores every event of a batch, byte for byte, and notes the ranges', async () => {
    const events = [activity(1), activity(2), activity(3)];
    await handler()([chunk(events.slice(0, 2)), chunk(events.slice(2))]);
    expect(stored).toEqual(events.map(toLine));
    expect(ranges.list()).toEqual([{ log, from: 1, to: 3 }]);
  });

  it('sets aside the events that the store refuses, with the reason, and the rest of the batch arrives', async () => {
    const events = Array.from({ length: 100 }, (_, index) => activity(index + 1, index === 17 || index === 63 ? { action: 'poison' } : {}));
    await handler()([chunk(events)]);
    expect(stored).toHaveLength(98);
    expect(aside.map((item) => (item.source && 'seq' in item.source ? item.source.seq : undefined))).toEqual([18, 64]);
    expect(aside[0]?.reason).toContain('store.refused: Code: 117');
    expect(recorded.map((draft) => draft.action)).toEqual(['event.quarantined', 'event.quarantined']);
    expect(JSON.stringify(recorded)).not.toContain('poison');
    expect(ranges.list()).toEqual([{ log, from: 1, to: 100 }]);
  });

  it('records once what it sets aside, though the same batch comes again after a crash', async () => {
    const batch = [chunk([activity(1, { action: 'poison' }), activity(2)])];
    await handler()(batch);
    await handler()(batch);
    expect(recorded.map((draft) => draft.action)).toEqual(['event.quarantined']);
  });

  it('rejects while the store takes nothing, so that the stream hands the batch again', async () => {
    const run = handler(() => ({ outcome: 'unavailable', reason: 'connection refused' }));
    await expect(run([chunk([activity(1)])])).rejects.toThrow('connection refused');
    expect(ranges.list()).toEqual([]);
  });

  it('lets a repeated event through (it collapses in the store) and sets aside an id that comes back with other content', async () => {
    const run = handler();
    await run([chunk([activity(1, { id: 'same' })])]);
    await run([chunk([activity(2, { id: 'same' })])]);
    await run([chunk([activity(3, { id: 'same', action: 'instance.delete' })])]);
    expect(stored).toHaveLength(2);
    expect(aside.map((item) => item.reason)).toEqual([expect.stringContaining(`id.conflict: producer's id same stands for other content at ${log}/1`)]);
    expect(recorded.map((draft) => draft.action)).toEqual(['id.conflict']);
  });

  it('sets aside what is no event at all', async () => {
    const lines = Buffer.from('nonsense\n[1,2]\n{"id":1}\n');
    await handler()([{ log, from: 1, to: 3, lines }]);
    expect(aside.map((item) => item.reason.split(':')[0])).toEqual(['event.invalid', 'event.invalid', 'event.invalid']);
    expect(stored).toEqual([]);
  });
});

describe('ranges', () => {
  it('join what touches and keep holes apart, whatever the order', () => {
    expect(
      joinRuns([
        [4, 6],
        [1, 3],
      ]),
    ).toEqual([[1, 6]]);
    expect(
      joinRuns([
        [1, 3],
        [7, 9],
        [5, 5],
      ]),
    ).toEqual([
      [1, 3],
      [5, 5],
      [7, 9],
    ]);
    expect(
      joinRuns([
        [7, 9],
        [1, 3],
        [2, 8],
      ]),
    ).toEqual([[1, 9]]);
  });

  it('take a log that comes in thousands of pieces, as partitions interleave it', async () => {
    const odd = Array.from({ length: 20_000 }, (_, index) => ({ log, from: 2 * index + 1, to: 2 * index + 1 }));
    const even = odd.map(({ from }) => ({ log, from: from + 1, to: from + 1 }));
    await ranges.add(odd);
    expect(ranges.list()).toHaveLength(20_000);
    await ranges.add(even.reverse());
    expect(ranges.list()).toEqual([{ log, from: 1, to: 40_000 }]);
  });

  it('tell what is missing up to a head', () => {
    expect(
      missingRuns(
        [
          [2, 3],
          [6, 7],
        ],
        9,
      ),
    ).toEqual([
      [1, 1],
      [4, 5],
      [8, 9],
    ]);
    expect(missingRuns([[1, 9]], 9)).toEqual([]);
    expect(missingRuns([], 2)).toEqual([[1, 2]]);
  });

  it('are the same after a restart', async () => {
    await ranges.add([
      { log, from: 1, to: 4 },
      { log, from: 8, to: 9 },
      { log, from: 5, to: 5 },
    ]);
    await ranges.close();
    ranges = openRanges(join(path, 'ranges'));
    expect(ranges.list()).toEqual([
      { log, from: 1, to: 5 },
      { log, from: 8, to: 9 },
    ]);
  });
});
