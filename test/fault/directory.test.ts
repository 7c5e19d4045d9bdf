import { type ChildProcess, fork, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { localDirectory, resolveOpenIntents } from '../../src/evaluate/directory/index.js';
import { type Event, newUlid } from '../../src/event/index.js';
import { openJournal } from '../../src/ingest/index.js';
import { distFolder } from '../peers/dist.js';
import { eventsIn } from '../peers/journal.js';

const CHILD = resolve(import.meta.dirname, '../peers/directory-child.mjs');

type Ended = { readonly code: number | null; readonly lines: readonly { id: string; version: number; lost: number }[] };

describe('a directory that several processes work on', () => {
  let dist: string;
  let folder: string;
  const children = new Set<ChildProcess>();
  beforeAll(() => {
    dist = distFolder();
  });
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'verdict-processes-'));
  });
  afterEach(() => {
    for (const child of children) child.kill('SIGKILL');
    children.clear();
    rmSync(folder, { recursive: true, force: true });
  });

  const start = (...task: readonly string[]): { readonly child: ChildProcess; readonly ended: Promise<Ended> } => {
    const child = spawn(process.execPath, [CHILD, dist, folder, ...task], { stdio: ['ignore', 'pipe', 'inherit'] });
    children.add(child);
    let said = '';
    child.stdout?.on('data', (piece: Buffer) => {
      said += piece.toString();
    });
    const ended = new Promise<Ended>((done) =>
      child.once('close', (code) =>
        done({
          code,
          lines: said
            .split('\n')
            .slice(0, -1)
            .map((line) => JSON.parse(line)),
        }),
      ),
    );
    return { child, ended };
  };

  test('counts right when two processes count the same entity up at once', { timeout: 60_000 }, async () => {
    const ended = await Promise.all([start('count', '400').ended, start('count', '400').ended]);
    expect(ended.map(({ code }) => code)).toEqual([0, 0]);
    const directory = localDirectory({ path: join(folder, 'directory') });
    expect(directory.get('counter', 'c')).toMatchObject({ version: 800, properties: { n: 800 } });
    await directory.close();
  });

  test('shows a write that was answered in one process to a question that is asked of another after it', { timeout: 60_000 }, async () => {
    const directory = localDirectory({ path: join(folder, 'directory') });
    const reader = fork(CHILD, [dist, folder, 'watch']);
    children.add(reader);
    const ask = (): Promise<{ generation: number; version: number }> =>
      new Promise((done) => {
        reader.once('message', (answer) => done(answer as { generation: number; version: number }));
        reader.send({ type: 'token', id: 't' });
      });
    let { generation } = await ask();
    for (let version = 1; version <= 300; version += 1) {
      await directory.apply([{ change: newUlid(), op: 'put', type: 'token', id: 't', properties: {} }]);
      const answer = await ask();
      expect(answer.version).toBe(version);
      expect(answer.generation).toBeGreaterThan(generation);
      generation = answer.generation;
    }
    await directory.close();
  });

  /** Opens everything again as a start does, and tells which versions of each entity have events. */
  const recover = async (
    slots: readonly string[],
  ): Promise<{ readonly recorded: ReadonlyMap<string, number[]>; readonly versions: ReadonlyMap<string, number> }> => {
    const directory = localDirectory({ path: join(folder, 'directory') });
    const events: Event[] = [];
    for (const slot of slots) {
      const path = join(folder, 'journal', slot);
      const journal = await openJournal({ path, maxBytes: 1 << 26, durability: 'disk', onFailure: () => undefined });
      const resolved = await resolveOpenIntents({ directory, journal });
      expect(resolved.left).toBe(0);
      expect(journal.openIntents()).toEqual([]);
      await journal.close();
      events.push(...(await eventsIn(path)));
    }
    const recorded = new Map<string, number[]>();
    for (const { action, resource, details } of events)
      if (action.startsWith('entity.')) recorded.set(resource.id, [...(recorded.get(resource.id) ?? []), details?.['version'] as number]);
    const versions = new Map<string, number>();
    for (let n = 0; n < 5; n += 1) {
      const [probe] = await directory.apply([{ change: newUlid(), op: 'put', type: 'server', id: `s${n}`, properties: {} }]);
      if (probe?.outcome === 'applied') versions.set(`s${n}`, probe.entity.version - 1);
    }
    await directory.close();
    return { recorded, versions };
  };

  const expectWhole = async (slots: readonly string[], answered: Ended['lines']): Promise<void> => {
    const { recorded, versions } = await recover(slots);
    for (const [id, last] of versions) {
      const seen = [...(recorded.get(id) ?? [])].sort((a, b) => a - b);
      expect(seen, id).toEqual(Array.from({ length: last }, (_, n) => n + 1));
    }
    for (const { id, version } of answered) expect(recorded.get(id)).toContain(version);
  };

  for (const [step, what] of [
    ['intend', 'after the intent'],
    ['apply', 'after the change'],
    ['append', 'after the event'],
  ] as const)
    test(`has an event for each version, once, when its writer is killed ${what}`, { timeout: 60_000 }, async () => {
      const { ended } = start('write', '0', step, '20');
      const { lines } = await ended;
      expect(lines.length).toBeGreaterThan(20);
      await expectWhole(['0'], lines);
    });

  test('has an event for each version, once, when two writers are killed at any moment, again and again', { timeout: 120_000 }, async () => {
    const answered: { id: string; version: number; lost: number }[] = [];
    for (let round = 0; round < 4; round += 1) {
      const both = [start('write', '0', '', ''), start('write', '1', '', '')];
      await sleep(700 + Math.random() * 300);
      for (const { child } of both) {
        child.kill('SIGKILL');
        await sleep(Math.random() * 50);
      }
      for (const { ended } of both) answered.push(...(await ended).lines);
    }
    expect(answered.length).toBeGreaterThan(20);
    await expectWhole(['0', '1'], answered);
  });
});
