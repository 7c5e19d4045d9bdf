import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { describeWithKafka, startKafka } from '../peers/kafka.js';
import { exportedDecisions, found, noGaps, percentile, startLoad } from '../peers/load.js';
import { clientOf, type RunningVerdict, removeFolder, startVerdict, temporaryFolder, until } from '../peers/verdict.js';

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** How long a part is away under load: a minute in CI, less at a desk. */
const AWAY_MS = process.env['CI'] === 'true' ? 60_000 : 10_000;

const storeOf = (node: RunningVerdict): number => {
  const pid = node.processes().find((one) => readFileSync(`/proc/${one}/cmdline`, 'utf8').includes('embedded'));
  if (pid === undefined) throw new Error('The embedded store is not among the processes.');
  return pid;
};

/** Nobody's answer waited for what was away: the slowest answer is far below the time it was. */
const notDelayed = (latencies: readonly number[], what: string): void => {
  console.info(
    `${what}: ${latencies.length} answers, p50 ${percentile(latencies, 0.5).toFixed(1)} ms, p99 ${percentile(latencies, 0.99).toFixed(1)} ms, slowest ${percentile(latencies, 1).toFixed(0)} ms`,
  );
  expect(percentile(latencies, 1)).toBeLessThan(AWAY_MS / 2);
};

/** Within a log, events stand in the order in which they were recorded. */
const inOrder = async (node: RunningVerdict): Promise<void> => {
  const byLog = new Map<string, { seq: number; recorded: string }[]>();
  for (const { log, account, seq, recorded } of await exportedDecisions(node)) {
    const name = `${log}/${account}`;
    byLog.set(name, [...(byLog.get(name) ?? []), { seq, recorded }]);
  }
  for (const events of byLog.values()) {
    events.sort((left, right) => left.seq - right.seq);
    expect(events.every((event, index) => index === 0 || (events[index - 1] as { recorded: string }).recorded <= event.recorded)).toBe(true);
  }
};

describe('a store that is away under load', () => {
  it('delays no answer, loses nothing and doubles nothing, whether it stands still or is killed', { timeout: 240_000 }, async () => {
    const folder = temporaryFolder();
    const node = await startVerdict({ folder, env: { VERDICT_LOG_LEVEL: 'silent' } });
    const load = startLoad(node);
    await pause(1_000);
    const store = storeOf(node);
    process.kill(store, 'SIGSTOP');
    await pause(AWAY_MS);
    process.kill(store, 'SIGCONT');
    await pause(1_000);
    process.kill(storeOf(node), 'SIGKILL');
    await pause(3_000);
    await load.stop();
    notDelayed(load.latencies, 'the store away');
    expect(load.refused).toEqual(new Map());
    const counts = await found(node, load.answered);
    expect([...counts].filter(([, count]) => count !== 1)).toEqual([]);
    await inOrder(node);
    await noGaps(node);
    expect(await node.stop()).toBe(0);
    removeFolder(folder);
  });
});

await describeWithKafka('brokers that are away under load', () => {
  it('delay no answer; when they come back nothing is lost, doubled or out of order', { timeout: 240_000 }, async () => {
    const kafka = await startKafka({ brokers: 1 });
    const folder = temporaryFolder();
    const node = await startVerdict({
      folder,
      env: {
        VERDICT_KAFKA_BROKERS: kafka.brokers.join(','),
        VERDICT_KAFKA_PARTITIONS: '4',
        VERDICT_LOG_LEVEL: 'silent',
        VERDICT_DIRECTORY_MAX_STALENESS: '600',
      },
    });
    const client = clientOf(node);
    await until('readiness', async () => ((await client.call('GET', '/readyz')).status === 200 ? true : undefined), 60_000);
    const load = startLoad(node);
    await pause(1_000);
    await kafka.kill(0, 'SIGKILL');
    await pause(AWAY_MS);
    await kafka.restart(0);
    await pause(2_000);
    await load.stop();
    notDelayed(load.latencies, 'the brokers away');
    expect(load.refused).toEqual(new Map());
    const counts = await found(node, load.answered, 120_000);
    expect([...counts].filter(([, count]) => count !== 1)).toEqual([]);
    await inOrder(node);
    await noGaps(node);
    client.close();
    expect(await node.stop()).toBe(0);
    await kafka.stop();
    removeFolder(folder);
  });
});

describe('a journal that nobody empties', () => {
  it('answers 503 when it is full, says so in /readyz, and never allows without a record', { timeout: 120_000 }, async () => {
    const folder = temporaryFolder();
    const node = await startVerdict({
      folder,
      env: { VERDICT_CLICKHOUSE_URL: 'http://127.0.0.1:9', VERDICT_JOURNAL_MAX_BYTES: '1048576', VERDICT_LOG_LEVEL: 'silent' },
    });
    const client = clientOf(node);
    const load = startLoad(node);
    await until('the first 503', () => (load.refused.has(503) ? true : undefined));
    await load.stop();
    const refused = await client.call('POST', '/access/v1/evaluation', {
      subject: { type: 'user', id: 'usr-1' },
      action: { name: 'instance.get' },
      resource: { type: 'instance', id: 'inst-1', properties: { account: 'acc-1' } },
    });
    expect(refused.status).toBe(503);
    expect(JSON.parse(refused.body)).toMatchObject({ code: 'journal.full' });
    const ready = JSON.parse((await client.call('GET', '/readyz')).body) as { parts: readonly { name: string; ok: boolean }[] };
    expect(ready.parts.find((part) => part.name === 'journal')?.ok ?? true).toBe(false);
    client.close();
    await node.stop();

    const again = await startVerdict({ folder, env: { VERDICT_LOG_LEVEL: 'silent' } });
    const counts = await found(again, load.answered);
    expect([...counts].filter(([, count]) => count !== 1)).toEqual([]);
    expect([...counts.keys()].filter((id) => !load.answered.has(id))).toEqual([]);
    await noGaps(again);
    expect(await again.stop()).toBe(0);
    removeFolder(folder);
  });
});
