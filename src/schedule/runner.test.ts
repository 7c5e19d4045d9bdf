import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { anEvent } from '../../test/peers/events.js';
import { localDirectory } from '../evaluate/directory/index.js';
import { residencyOf } from '../evaluate/directory/residency.js';
import type { Directory } from '../evaluate/directory/types.js';
import { type EventDraft, toLine } from '../event/index.js';
import { jobFolder } from '../export/index.js';
import { addressGuard, guardedDial, openSecrets } from '../outbound/index.js';
import type { Store } from '../store/index.js';
import { type ExportSchedule, putSchedule, readSchedule, SCHEDULE_TYPE } from './definition.js';
import { scheduleRunner } from './runner.js';

const NOW = Date.parse('2026-11-23T12:00:30Z');
const MINUTE = 60_000;

describe('scheduled exports', () => {
  let path: string;
  let directory: Directory;
  let now: number;
  let runners: ReturnType<typeof scheduleRunner>[];
  let recorded: EventDraft[];
  let walks: number;
  let lines: string[];
  let fails: boolean;
  beforeEach(() => {
    path = mkdtempSync(join(tmpdir(), 'verdict-schedule-'));
    directory = localDirectory({ path: join(path, 'directory') });
    now = NOW;
    runners = [];
    recorded = [];
    walks = 0;
    lines = [];
    fails = false;
  });
  afterEach(async () => {
    for (const runner of runners) await runner.stop();
    await directory.close();
    rmSync(path, { recursive: true, force: true });
  });

  const walk: Store['walk'] = async ({ from, to, accounts }) => {
    walks += 1;
    if (fails) throw new Error('The store is away.');
    await new Promise((done) => setTimeout(done, 50));
    const found = lines.filter((line) => {
      const { recorded: at, account } = JSON.parse(line) as { recorded: string; account: string };
      return Date.parse(at) >= from && Date.parse(at) <= to && (accounts === 'all' || accounts.includes(account));
    });
    return { lines: found, next: undefined };
  };
  const startRunner = async (node: string): Promise<void> => {
    const runner = scheduleRunner({
      directory,
      isCopyFresh: () => true,
      write: async (change) => (await directory.apply([change]))[0] as Awaited<ReturnType<Directory['apply']>>[number],
      record: async (draft) => void recorded.push(draft),
      secrets: openSecrets({ key: '', old_keys: [] }),
      dial: guardedDial(addressGuard([])),
      base: path,
      walk,
      residency: residencyOf(directory),
      jobs: jobFolder(join(path, 'exports')),
      scratch: join(path, `scratch-${node}`),
      part_bytes: 1 << 20,
      keep_hours: 1,
      publicUrl: 'https://verdict.example',
      node,
      completeUntil: () => now,
      settle_ms: 1_000,
      warn: () => undefined,
      now: () => now,
    });
    runners.push(runner);
    await runner.start();
  };
  const plan = async (more: Partial<ExportSchedule> = {}): Promise<void> => {
    const schedule: ExportSchedule = {
      name: 'hourly',
      accounts: 'all',
      filter: {},
      format: 'jsonl',
      cron: '0 * * * *',
      time_zone: 'UTC',
      destination: { type: 'folder', path: 'out' },
      paused: false,
      through: new Date(NOW - 5 * 60 * MINUTE).toISOString(),
      runs: [],
      created: new Date(NOW).toISOString(),
      created_by: 'admin',
      ...more,
    };
    await directory.apply([putSchedule('S1', schedule, 0)]);
  };
  const standing = (): ExportSchedule => readSchedule(directory.get(SCHEDULE_TYPE, 'S1') as NonNullable<ReturnType<Directory['get']>>) as ExportSchedule;
  const runs = async (count: number): Promise<ExportSchedule> => {
    for (let attempt = 0; attempt < 200; attempt += 1) {
      if (standing().runs.length >= count && standing().claim === undefined) return standing();
      await new Promise((done) => setTimeout(done, 50));
    }
    throw new Error(`Not ${count} runs: ${JSON.stringify(standing())}`);
  };
  const event = (minutesAgo: number, account = 'acc-1') =>
    toLine(anEvent({ seq: minutesAgo + 1, id: `e-${minutesAgo}-${account}`, account, recorded: new Date(NOW - minutesAgo * MINUTE).toISOString() }));
  const exported = (): readonly string[] =>
    readdirSync(join(path, 'out', 'hourly'))
      .sort()
      .flatMap((run) => {
        const { parts } = JSON.parse(readFileSync(join(path, 'out', 'hourly', run, 'manifest.json'), 'utf8')) as { parts: { name: string }[] };
        return parts.flatMap(({ name }) =>
          readFileSync(join(path, 'out', 'hourly', run, name), 'utf8')
            .trim()
            .split('\n')
            .filter(Boolean),
        );
      })
      .map((line) => (JSON.parse(line) as { id: string }).id);

  it('that were missed become one run, up to the latest that was planned; the next begins where it ended', async () => {
    lines = [event(400), event(200), event(90), event(10), event(0)];
    await plan();
    await startRunner('a');
    const first = await runs(1);
    expect(first.runs).toMatchObject([{ planned: '2026-11-23T12:00:00.000Z', from: '2026-11-23T07:00:30.000Z', state: 'done', rows: 3 }]);
    expect(first.through).toBe('2026-11-23T12:00:00.000Z');
    expect(exported()).toEqual(['e-200-acc-1', 'e-90-acc-1', 'e-10-acc-1']);
    now += 60 * MINUTE;
    const second = await runs(2);
    expect(second.runs[0]).toMatchObject({ planned: '2026-11-23T13:00:00.000Z', from: '2026-11-23T12:00:00.000Z', rows: 1 });
    expect(exported()).toEqual(['e-200-acc-1', 'e-90-acc-1', 'e-10-acc-1', 'e-0-acc-1']);
    expect(recorded.map(({ action, result }) => [action, result])).toEqual([
      ['export.scheduled', 'success'],
      ['export.scheduled', 'success'],
    ]);
  }, 20_000);

  it('are made by one of the nodes that could', async () => {
    lines = [event(10)];
    await plan();
    for (const node of ['a', 'b', 'c', 'd']) await startRunner(node);
    await runs(1);
    await new Promise((done) => setTimeout(done, 2_500));
    expect([walks, standing().runs.length, exported()]).toEqual([1, 1, ['e-10-acc-1']]);
  }, 20_000);

  it('whose node is gone are made by another when its claim has run out, and not before', async () => {
    lines = [event(10)];
    await plan({ claim: { node: 'gone', planned: '2026-11-23T12:00:00.000Z', until: new Date(NOW + 2 * MINUTE).toISOString() } });
    await startRunner('a');
    await new Promise((done) => setTimeout(done, 1_500));
    expect(walks).toBe(0);
    now += 3 * MINUTE;
    expect((await runs(1)).runs).toMatchObject([{ state: 'done', rows: 1 }]);
  }, 20_000);

  it('that fail say why, are tried again, and lose nothing', async () => {
    lines = [event(10)];
    fails = true;
    await plan();
    await startRunner('a');
    const failed = await runs(1);
    expect(failed.runs).toMatchObject([{ state: 'failed', rows: 0, reason: 'The store is away.' }]);
    expect(failed.through).toBe('2026-11-23T07:00:30.000Z');
    expect(recorded).toMatchObject([{ action: 'export.scheduled', result: 'failure', details: { reason: 'The store is away.' } }]);
    fails = false;
    now += MINUTE;
    expect((await runs(2)).runs[0]).toMatchObject({ state: 'done', rows: 1, from: '2026-11-23T07:00:30.000Z' });
  }, 20_000);

  it('leave out what must stay in its region, and that is an event of each account', async () => {
    await directory.apply([
      { change: '01M83NJW6E8YEYDPW334E8DD9Z', op: 'put', type: 'account', id: 'acc-eu', account: 'acc-eu', properties: { regions: ['eu'] } },
    ]);
    lines = [event(10), event(20, 'acc-eu'), event(30, 'acc-eu')];
    await plan({ region: 'us' });
    await startRunner('a');
    expect((await runs(1)).runs).toMatchObject([{ rows: 1 }]);
    expect(exported()).toEqual(['e-10-acc-1']);
    expect(recorded).toContainEqual(
      expect.objectContaining({ action: 'export.withheld', account: 'acc-eu', details: expect.objectContaining({ events: 2, region: 'us' }) }),
    );
  }, 20_000);

  it('that are paused wait, but for what somebody asks for', async () => {
    lines = [event(10)];
    await plan({ paused: true });
    await startRunner('a');
    await new Promise((done) => setTimeout(done, 1_500));
    expect(walks).toBe(0);
    const entity = directory.get(SCHEDULE_TYPE, 'S1');
    await directory.apply([putSchedule('S1', { ...standing(), wanted: new Date(NOW - 2_000).toISOString() }, entity?.version ?? 0)]);
    expect((await runs(1)).runs).toMatchObject([{ planned: new Date(NOW - 2_000).toISOString(), rows: 1 }]);
  }, 20_000);
});
