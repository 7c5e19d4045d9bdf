import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { clientOf, removeFolder, startVerdict, temporaryFolder } from '../peers/verdict.js';

const hasStrace = spawnSync('which', ['strace']).status === 0;
if (!hasStrace && process.env['CI'] === 'true') throw new Error('strace is missing: apt-get install strace.');

describe.runIf(hasStrace)('a decision under strace', () => {
  it('is answered only after fdatasync has returned for its record', { timeout: 120_000 }, async () => {
    const folder = temporaryFolder();
    const trace = join(folder, 'trace');
    const calls = 'trace=fdatasync,pwrite64,pwritev,write,writev,sendto,sendmsg';
    // The store has no part in an answer: with one elsewhere, and away, the trace holds the decision's own calls only.
    const node = await startVerdict({
      folder,
      env: { VERDICT_CLICKHOUSE_URL: 'http://127.0.0.1:9' },
      under: ['strace', '-f', '--seccomp-bpf', '-s', '65536', '-e', calls, '-o', trace],
    });
    const client = clientOf(node);
    const ids: string[] = [];
    for (let index = 0; index < 5; index++) {
      const answer = await client.json<{ context: { id: string } }>('POST', '/access/v1/evaluation', {
        subject: { type: 'user', id: `usr-${index}` },
        action: { name: 'instance.get' },
        resource: { type: 'instance', id: 'inst-1', properties: { account: 'acc-1' } },
      });
      ids.push(answer.context.id);
    }
    client.close();
    await node.stop();
    const lines = readFileSync(trace, 'utf8').split('\n');
    for (const id of ids) {
      const answered = lines.findIndex((line) => line.includes(id) && line.includes('HTTP/1.1 200'));
      const written = lines.findIndex((line) => line.includes(id) && /(pwrite64|pwritev|writev)\(/.test(line) && !line.includes('HTTP/1.1'));
      expect(answered, `the answer with ${id} is in the trace`).toBeGreaterThan(-1);
      expect(written, `the record of ${id} is written`).toBeGreaterThan(-1);
      expect(written).toBeLessThan(answered);
      const file = /write[v64]*\((\d+)/.exec(lines[written] as string)?.[1];
      const synced = lines.slice(written, answered).some((line) => new RegExp(`fdatasync\\(${file}\\)\\s+= 0|fdatasync resumed>\\)\\s+= 0`).test(line));
      expect(synced, `fdatasync returns between the record of ${id} and its answer`).toBe(true);
    }
    removeFolder(folder);
  });
});
