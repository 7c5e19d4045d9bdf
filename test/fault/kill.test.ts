import { describe, expect, it } from 'vitest';
import { clientOf, type RunningVerdict, removeFolder, startVerdict, temporaryFolder, until } from '../peers/verdict.js';

const KILLS = 20;
const CALLERS = 8;

type Decision = { readonly decision: boolean; readonly context: { readonly id: string } };

const question = (index: number) => ({
  subject: { type: 'user', id: `usr-${index % 50}` },
  action: { name: 'instance.get' },
  resource: { type: 'instance', id: `inst-${index % 500}`, properties: { account: `acc-${index % 5}` } },
});

const isReady = async (node: RunningVerdict): Promise<true | undefined> => {
  const client = clientOf(node);
  try {
    const answer = await client.call('GET', '/readyz');
    return answer.status === 200 ? true : undefined;
  } catch {
    return undefined;
  } finally {
    client.close();
  }
};

/** Ids of decisions in the export, with how often each stands there. */
const exported = async (node: RunningVerdict): Promise<ReadonlyMap<string, number>> => {
  const client = clientOf(node);
  const answer = await client.call('GET', '/v1/audit-logs/export?format=jsonl&kind=decision');
  client.close();
  expect(answer.status).toBe(200);
  const counts = new Map<string, number>();
  for (const line of answer.body.split('\n').filter(Boolean)) {
    const { id } = JSON.parse(line) as { id: string };
    counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  return counts;
};

describe('kill -9 of any process at random moments under load', () => {
  it('loses no answered decision and shows none twice, and leaves no gap', { timeout: 300_000 }, async () => {
    const folder = temporaryFolder();
    let node = await startVerdict({ folder });
    const answered = new Set<string>();
    let isRunning = true;
    let asked = 0;

    const caller = async (): Promise<void> => {
      let client = clientOf(node);
      let at = node;
      while (isRunning) {
        if (at !== node) {
          client.close();
          client = clientOf(node);
          at = node;
        }
        asked += 1;
        try {
          const answer = await client.call('POST', '/access/v1/evaluation', question(asked));
          if (answer.status === 200) answered.add((JSON.parse(answer.body) as Decision).context.id);
        } catch {
          // No answer is a deny; it need not be found.
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      }
      client.close();
    };
    const callers = Array.from({ length: CALLERS }, caller);

    const killed: string[] = [];
    for (let kill = 0; kill < KILLS; kill++) {
      await new Promise((resolve) => setTimeout(resolve, 200 + Math.random() * 800));
      const family = node.processes();
      // Every fourth time the supervisor itself, so that the whole family has to come back.
      const index = kill % 4 === 3 ? 0 : 1 + Math.floor(Math.random() * (family.length - 1));
      const pid = family[index] as number;
      killed.push(index === 0 ? 'supervisor' : `child ${index}`);
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        continue;
      }
      if (index === 0) {
        await until('the supervisor to end', () => (node.child.exitCode !== null || node.child.signalCode !== null ? true : undefined));
        node = await startVerdict({ folder });
      }
    }
    await until('the node to be ready again', () => isReady(node), 60_000);
    isRunning = false;
    await Promise.all(callers);
    expect(answered.size, `killed: ${killed.join(', ')}`).toBeGreaterThan(KILLS);

    const found = await until(
      'every answered decision to be in the store',
      async () => {
        const counts = await exported(node).catch(() => undefined);
        return counts && [...answered].every((id) => counts.has(id)) ? counts : undefined;
      },
      60_000,
    );
    expect([...found].filter(([, count]) => count !== 1)).toEqual([]);
    const client = clientOf(node);
    const gaps = await client.json<{ data: { gaps: readonly unknown[] } }>('GET', '/v1/audit-logs/gaps');
    expect(gaps.data.gaps).toEqual([]);
    client.close();
    expect(await node.stop()).toBe(0);
    removeFolder(folder);
  });
});
