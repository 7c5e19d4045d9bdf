import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { found, noGaps, startLoad } from '../peers/load.js';
import { removeFolder, startVerdict, temporaryFolder, until } from '../peers/verdict.js';

const canMount = process.getuid?.() === 0 && spawnSync('which', ['mount']).status === 0;
if (!canMount && process.env['CI'] === 'true') throw new Error('This test mounts a small file system; in CI it must run as root.');

const mount = (options: string, at: string): void => {
  const done = spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', at]);
  if (done.status !== 0) throw new Error(`mount ended with ${done.status}: ${done.stderr.toString()}`);
};

describe.runIf(canMount)('the journal’s disk fills while Verdict runs', () => {
  it('then nothing is answered that was not recorded, the log is closed, and with room again all goes on', { timeout: 180_000 }, async () => {
    const folder = temporaryFolder();
    const disk = join(folder, 'data', 'journal');
    mkdirSync(disk, { recursive: true });
    mount('size=12m', disk);
    try {
      const node = await startVerdict({ folder, env: { VERDICT_LOG_LEVEL: 'error' } });
      const store = node.processes().find((one) => readFileSync(`/proc/${one}/cmdline`, 'utf8').includes('embedded')) as number;
      process.kill(store, 'SIGSTOP');
      const load = startLoad(node, 16);
      await until('the journal to fail', () => (node.output().includes('the journal failed') ? true : undefined), 60_000);
      const before = load.answered.size;
      expect([...load.refused.keys()].filter((status) => status !== 503)).toEqual([]);

      mount('remount,size=512m', disk);
      await until('answers again', () => (load.answered.size > before + 100 ? true : undefined), 60_000);
      process.kill(store, 'SIGCONT');
      await load.stop();

      const counts = await found(node, load.answered);
      expect([...counts].filter(([, count]) => count !== 1)).toEqual([]);
      await noGaps(node);
      expect(await node.stop()).toBe(0);
    } finally {
      spawnSync('umount', ['-l', disk]);
      removeFolder(folder);
    }
  });
});
