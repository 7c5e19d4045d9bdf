import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { describeWithOpa, fixtureBundle } from '../peers/opa.js';
import { clientOf, type RunningVerdict, removeFolder, startVerdict, temporaryFolder, until } from '../peers/verdict.js';

type Decision = {
  readonly decision: boolean;
  readonly context: { readonly id: string; readonly policy: string; readonly reasons: readonly { readonly code: string }[] };
};
type Page = {
  readonly data: {
    readonly events: readonly { readonly action: string; readonly resource: { readonly id: string }; readonly details: Record<string, unknown> }[];
  };
};

const SHIPPED = resolve(import.meta.dirname, '../../policies/bundle.tar.gz');
const ask = (action: string) => ({
  subject: { type: 'user', id: 'usr-1' },
  action: { name: action },
  resource: { type: 'instance', id: 'inst-1', properties: { account: 'acc-1' } },
});

const eventsOf = (client: ReturnType<typeof clientOf>, action: string): Promise<Page['data']['events']> =>
  until(`an event ${action}`, async () => {
    const { data } = await client.json<Page>('GET', `/v1/audit-logs?event=${action}&limit=50`);
    return data.events.length > 0 ? data.events : undefined;
  });

await describeWithOpa('a policy that stands still', (opa) => {
  it('costs its caller the answer and its worker the life; others keep being answered, and the log is closed', { timeout: 90_000 }, async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'bundle.tar.gz'), await fixtureBundle(opa, 'slow'));
    const node = await startVerdict({
      folder,
      env: {
        VERDICT_POLICY_BUNDLE: join(folder, 'bundle.tar.gz'),
        VERDICT_POLICY_TIMEOUT_MS: '1000',
        VERDICT_DECISION_WORKERS: '2',
        VERDICT_LOG_LEVEL: 'error',
      },
    });
    const client = clientOf(node);
    const before = node.processes();
    await expect(client.call('POST', '/access/v1/evaluation', ask('policy.slow'), { connection: 'close' })).rejects.toThrow();
    for (let index = 0; index < 20; index++) {
      const fresh = clientOf(node);
      const answer = await until('an answer of the others', async () => {
        try {
          const found = await fresh.call('POST', '/access/v1/evaluation', ask('instance.get'));
          return found.status === 200 ? found : undefined;
        } catch {
          return undefined;
        }
      });
      expect(JSON.parse(answer.body)).toHaveProperty('decision');
      fresh.close();
    }
    await until('another worker in its place', () => (node.processes().some((pid) => !before.includes(pid)) ? true : undefined));
    expect(node.output()).toContain('stood still for 1000 ms');
    const closed = await eventsOf(client, 'log.closed');
    expect(closed[0]?.details).toMatchObject({ clean: false });
    client.close();
    expect(await node.stop()).toBe(0);
    removeFolder(folder);
  });
});

await describeWithOpa('a policy that fails', (opa) => {
  const deciding = async (bundle: string, env: Readonly<Record<string, string>>, use: (client: ReturnType<typeof clientOf>) => Promise<void>) => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'bundle.tar.gz'), await fixtureBundle(opa, bundle));
    const node = await startVerdict({ folder, env: { VERDICT_POLICY_BUNDLE: join(folder, 'bundle.tar.gz'), VERDICT_LOG_LEVEL: 'error', ...env } });
    const client = clientOf(node);
    const family = node.processes();
    await use(client);
    expect(node.processes()).toEqual(family);
    client.close();
    expect(await node.stop()).toBe(0);
    removeFolder(folder);
  };

  const isDenied = async (client: ReturnType<typeof clientOf>, action: string): Promise<void> => {
    const { decision, context } = await client.json<Decision>('POST', '/access/v1/evaluation', ask(action));
    expect({ decision, codes: context.reasons.map(({ code }) => code) }).toEqual({ decision: false, codes: ['policy.error'] });
    const recorded = await until('its record', async () => {
      const found = await client.call('GET', `/v1/audit-logs/${context.id}`);
      return found.status === 200 ? found.body : undefined;
    });
    expect(JSON.parse(recorded)).toMatchObject({ data: { result: 'denied', decision: { allow: false, reasons: [{ code: 'policy.error' }] } } });
  };

  it('by a trap denies that question, recorded with policy.error, and answers the next', { timeout: 60_000 }, () =>
    deciding('trapping', {}, async (client) => {
      await isDenied(client, 'policy.trap');
      expect((await client.json<Decision>('POST', '/access/v1/evaluation', ask('instance.get'))).decision).toBe(true);
    }),
  );

  it('by having no answer denies, recorded with policy.error', { timeout: 60_000 }, () =>
    deciding('undefined', {}, async (client) => {
      await isDenied(client, 'instance.get');
      expect((await client.json<Decision>('POST', '/access/v1/evaluation', ask('policy.defined'))).decision).toBe(true);
    }),
  );

  it('by taking long in every one of a thousand questions of a request costs no worker its life, and others their turn', { timeout: 90_000 }, () =>
    deciding('slow', { VERDICT_POLICY_TIMEOUT_MS: '2000' }, async (client) => {
      const begun = performance.now();
      const evaluations = Array.from({ length: 1_000 }, () => ({}));
      const batch = client.json<{ evaluations: readonly Decision[] }>('POST', '/access/v1/evaluations', { ...ask('policy.heavy'), evaluations });
      let others = 0;
      let isDone = false;
      const asking = (async () => {
        while (!isDone) {
          await client.json('POST', '/access/v1/evaluation', ask('instance.get'));
          others += 1;
        }
      })();
      const ended = batch.finally(() => {
        isDone = true;
      });
      const [{ evaluations: answers }] = await Promise.all([ended, asking]);
      const took = performance.now() - begun;
      expect(answers.map(({ decision }) => decision)).toEqual(evaluations.map(() => true));
      expect(took).toBeGreaterThan(2_000);
      expect(others).toBeGreaterThan(3);
    }),
  );
});

const hangUp = (node: RunningVerdict): void => {
  process.kill(node.processes()[0] as number, 'SIGHUP');
};

await describeWithOpa('another bundle at SIGHUP', (opa) => {
  it('takes the place of the old one, recorded with both revisions; one that does not load changes nothing, not even for a new worker', {
    timeout: 90_000,
  }, async () => {
    const folder = temporaryFolder();
    const bundle = join(folder, 'bundle.tar.gz');
    cpSync(SHIPPED, bundle);
    const node = await startVerdict({ folder, env: { VERDICT_POLICY_BUNDLE: bundle, VERDICT_LOG_LEVEL: 'error' } });
    const client = clientOf(node);
    const decide = () => client.json<Decision>('POST', '/access/v1/evaluation', ask('instance.get'));
    const first = (await decide()).context.policy;

    writeFileSync(bundle, 'nonsense');
    hangUp(node);
    await until('the refusal in the log', () => (node.output().includes('the old one stays in force') ? true : undefined));
    expect((await decide()).context.policy).toBe(first);

    const [, ...children] = node.processes();
    for (const pid of children) if (readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('decide')) process.kill(pid, 'SIGKILL');
    const again = await until('the replacement', async () => {
      try {
        return await decide();
      } catch {
        return undefined;
      }
    });
    expect(again.context.policy).toBe(first);

    writeFileSync(bundle, await fixtureBundle(opa, 'answering', ['verdict/decision']));
    hangUp(node);
    const second = await until('the new revision', async () => {
      const { policy } = (await decide()).context;
      return policy === first ? undefined : policy;
    });
    const activated = await until('both activations', async () => {
      const events = await eventsOf(client, 'policy.activate');
      return events.length > 1 ? events.map((event) => event.details) : undefined;
    });
    expect(activated).toEqual([
      { from: first, to: second, origin: bundle },
      { from: null, to: first, origin: bundle },
    ]);
    const refused = await eventsOf(client, 'policy.refuse');
    expect(refused.map((event) => event.details)).toMatchObject([{ reason: 'bundle.unreadable', in_force: first, origin: bundle }]);
    client.close();
    expect(await node.stop()).toBe(0);
    removeFolder(folder);
  });
});
