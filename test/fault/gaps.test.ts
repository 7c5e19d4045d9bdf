import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { clientOf, type RunningVerdict, removeFolder, startVerdict, temporaryFolder, until } from '../peers/verdict.js';

type Gaps = { readonly data: { readonly gaps: readonly { readonly log: string; readonly from: number; readonly to: number }[] } };

const pipelineOf = (node: RunningVerdict): number =>
  node.processes().find((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('pipeline')) as number;

const record = async (node: RunningVerdict, count: number): Promise<readonly string[]> => {
  const client = clientOf(node);
  const event = { account: 'acc-1', actor: { type: 'user', id: 'usr-1' }, action: 'auth.login', resource: { type: 'user', id: 'usr-1' }, result: 'success' };
  const { data } = await client.json<{ data: { events: readonly { id: string }[] } }>(
    'POST',
    '/v1/events',
    Array.from({ length: count }, () => event),
  );
  client.close();
  return data.events.map(({ id }) => id);
};

const gapsOf = async (node: RunningVerdict): Promise<Gaps['data']['gaps']> => {
  const client = clientOf(node);
  const { data } = await client.json<Gaps>('GET', '/v1/audit-logs/gaps');
  client.close();
  return data.gaps;
};

const events = (gaps: Gaps['data']['gaps']): number => gaps.reduce((sum, { from, to }) => sum + to - from + 1, 0);

it('events that wait in the journal are a gap until they arrive', { timeout: 60_000 }, async () => {
  const node = await startVerdict({ env: { VERDICT_LOG_LEVEL: 'silent' } });
  const pipeline = pipelineOf(node);
  await until('no gaps', async () => ((await gapsOf(node)).length === 0 ? true : undefined));
  process.kill(pipeline, 'SIGSTOP');
  const ids = await record(node, 7);
  expect(events(await gapsOf(node))).toBeGreaterThanOrEqual(7);
  process.kill(pipeline, 'SIGCONT');
  expect(await gapsOf(node)).toEqual([]);
  expect(await node.stop()).toBe(0);
  expect(ids).toHaveLength(7);
  removeFolder(node.folder);
});

it('events that were lost with their journal are a gap for ever', { timeout: 90_000 }, async () => {
  const folder = temporaryFolder();
  const node = await startVerdict({ folder, env: { VERDICT_LOG_LEVEL: 'silent' } });
  await until('no gaps', async () => ((await gapsOf(node)).length === 0 ? true : undefined));
  process.kill(pipelineOf(node), 'SIGSTOP');
  await record(node, 7);
  // The log's writer tells the store how far it got every five seconds.
  await new Promise((resolve) => setTimeout(resolve, 7_000));
  for (const pid of node.processes()) process.kill(pid, 'SIGKILL');
  rmSync(join(folder, 'data', 'journal'), { recursive: true });

  const again = await startVerdict({ folder, env: { VERDICT_LOG_LEVEL: 'silent' } });
  expect(events(await gapsOf(again))).toBeGreaterThanOrEqual(7);
  expect(await again.stop()).toBe(0);
  removeFolder(folder);
});

it('a clock that is set back between two lives loses nothing', { timeout: 90_000 }, async () => {
  const folder = temporaryFolder();
  const ahead = join(import.meta.dirname, '../peers/clock-ahead.cjs');
  const first = await startVerdict({ folder, env: { VERDICT_LOG_LEVEL: 'silent', NODE_OPTIONS: `--require=${ahead}` } });
  const before = await record(first, 3);
  expect(await first.stop()).toBe(0);

  const second = await startVerdict({ folder, env: { VERDICT_LOG_LEVEL: 'silent' } });
  const after = await record(second, 3);
  const client = clientOf(second);
  for (const id of after)
    await until('an event recorded after the clock was set back', async () =>
      (await client.call('GET', `/v1/audit-logs/${id}`)).status === 200 ? true : undefined,
    );
  expect(await gapsOf(second)).toEqual([]);
  client.close();
  expect(await second.stop()).toBe(0);
  expect(before).toHaveLength(3);
  removeFolder(folder);
});
