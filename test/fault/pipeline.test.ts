import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { clientOf, removeFolder, startVerdict, temporaryFolder, until } from '../peers/verdict.js';

type Ready = { readonly status: number; readonly body: string };

it('a pipeline that stands still is named by /readyz and /metrics, is not killed, and is ready again when it goes on', { timeout: 90_000 }, async () => {
  const folder = temporaryFolder();
  const node = await startVerdict({ folder });
  const client = clientOf(node);
  const family = node.processes();
  const pipeline = family.find((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').endsWith('\0pipeline\0')) as number;
  const readyz = (status: number): Promise<Ready> =>
    until(`/readyz ${status}`, async () => {
      const answer = await client.call('GET', '/readyz');
      return answer.status === status ? answer : undefined;
    });
  const lastBeat = async (): Promise<number> => {
    const { body } = await client.call('GET', '/metrics');
    return Number(/^verdict_pipeline_last_beat_seconds (\S+)$/m.exec(body)?.[1] ?? Number.NaN);
  };

  await readyz(200);
  expect(await lastBeat()).toBeLessThan(5);
  process.kill(pipeline, 'SIGSTOP');
  try {
    expect((await readyz(503)).body).toMatch(/"name":"pipeline","ok":false,"message":"The pipeline process has not spoken for \d+ s/);
    expect(await lastBeat()).toBeGreaterThan(5);
  } finally {
    process.kill(pipeline, 'SIGCONT');
  }
  await readyz(200);
  expect(await lastBeat()).toBeLessThan(5);
  expect(node.processes()).toEqual(family);
  client.close();
  expect(await node.stop()).toBe(0);
  removeFolder(folder);
});
