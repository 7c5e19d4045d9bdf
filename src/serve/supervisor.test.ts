import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Config } from '../config.js';
import type { EventDraft } from '../event/index.js';
import { createSupervisor, type Supervisor } from './supervisor.js';

let folder: string;
let supervisor: Supervisor;
let pids: readonly number[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'verdict-supervisor-'));
  supervisor = createSupervisor({
    entry: resolve(import.meta.dirname, '../../test/peers/slow-worker.mjs'),
    slots: ['w0', 'w1'],
    policyTimeoutMs: 10_000,
    stopMs: 5_000,
    start: { config: {} as Config, store: { url: '', username: '', password: '' }, adminToken: '', node: folder, bundle: Buffer.from('one') },
    port: 1,
    log: pino({ level: 'silent' }),
    onProcesses: (now) => {
      pids = now;
    },
    onFatal: () => undefined,
    aggregate: async () => '',
  });
});
afterEach(async () => {
  await supervisor.stop();
  rmSync(folder, { recursive: true, force: true });
});

const told = (): readonly string[] => ['w0', 'w1'].map((slot) => readFileSync(join(folder, slot), 'utf8'));
const until = async (check: () => boolean): Promise<void> => {
  const end = Date.now() + 10_000;
  while (!check()) {
    if (Date.now() > end) throw new Error('It did not come.');
    await new Promise((done) => setTimeout(done, 20));
  }
};

describe('the supervisor', () => {
  test('tells a bundle to all workers, also to one that was still starting with the old one when it came', async () => {
    await supervisor.start();
    expect(told()).toEqual(['one', 'one']);
    supervisor.reload(Buffer.from('two'));
    await until(() => told().every((bundle) => bundle === 'two'));

    const before = pids;
    process.kill(before.at(-1) as number, 'SIGKILL');
    rmSync(join(folder, 'w1'));
    await until(() => {
      try {
        return told()[1] === 'two';
      } catch {
        return false;
      }
    });
    supervisor.reload(Buffer.from('three'));
    await until(() => told().every((bundle) => bundle === 'three'));
  });

  test('has an event recorded by the pipeline that takes the place of one that died of it', async () => {
    await supervisor.start();
    await supervisor.record({ id: 'evt-1' } as EventDraft);
  });
});
