import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { readBundle, revisionOf } from '../../src/evaluate/index.js';
import { type BundleServer, startBundleServer } from '../peers/bundle-server.js';
import { buildRelease, signingKey } from '../peers/bundles.js';
import { describeWithOpa } from '../peers/opa.js';
import { clientOf, failedStart, type RunningVerdict, removeFolder, startVerdict, temporaryFolder, until } from '../peers/verdict.js';

type Context = { readonly policy: string; readonly reasons: readonly { readonly code: string }[] };
type Answers = { readonly evaluations: readonly { readonly context: Context }[] };
type Page = { readonly data: { readonly events: readonly { readonly details: Readonly<Record<string, unknown>> }[] } };

const KEY = signingKey('EdDSA');
const RELEASES = 8;
const BATCH = 20;
const CALLERS = 6;

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const folderForTest = (): string => {
  const folder = temporaryFolder();
  closing.push(() => removeFolder(folder));
  return folder;
};

const question = {
  subject: { type: 'user', id: 'usr-1' },
  action: { name: 'instance.get' },
  resource: { type: 'instance', id: 'inst-1', properties: { account: 'acc-1' } },
};

/** Callers that ask one question or a batch at a time, and note what each request was answered by. */
const startAsking = (node: RunningVerdict) => {
  const answered: (readonly Context[])[] = [];
  const refused: string[] = [];
  let isRunning = true;
  const ask = async (isBatch: boolean): Promise<void> => {
    const client = clientOf(node);
    while (isRunning) {
      const body = isBatch ? { ...question, evaluations: Array.from({ length: BATCH }, () => ({})) } : { evaluations: [question] };
      await client.json<Answers>('POST', '/access/v1/evaluations', body).then(
        ({ evaluations }) => answered.push(evaluations.map(({ context }) => context)),
        (error: Error) => refused.push(error.message),
      );
    }
    client.close();
  };
  const callers = Array.from({ length: CALLERS }, (_, index) => ask(index % 2 === 0));
  return {
    answered,
    refused,
    stop: async () => {
      isRunning = false;
      await Promise.all(callers);
    },
  };
};

const eventsOf = async (node: RunningVerdict, action: string, least: number): Promise<readonly Readonly<Record<string, unknown>>[]> => {
  const client = clientOf(node);
  const events = await until(`${least} events ${action}`, async () => {
    const { data } = await client.json<Page>('GET', `/v1/audit-logs?event=${action}&limit=100`);
    return data.events.length >= least ? data.events : undefined;
  });
  client.close();
  return events.map(({ details }) => details).reverse();
};

/** How many decision workers decide by each revision. */
const workersBy = async (node: RunningVerdict): Promise<Readonly<Record<string, number>>> => {
  const client = clientOf(node);
  const { body } = await client.call('GET', '/metrics');
  client.close();
  return Object.fromEntries([...body.matchAll(/^verdict_policy_info\{revision="(\w+)"\} (\d+)$/gm)].map(([, revision, count]) => [revision, Number(count)]));
};

await describeWithOpa('bundles that come while questions are asked', (opa) => {
  const releases = async (sign: boolean): Promise<readonly { readonly bytes: Buffer; readonly release: string; readonly revision: string }[]> =>
    Promise.all(
      Array.from({ length: RELEASES }, async (_, index) => {
        const release = `release.${index + 1}`;
        const bytes = await buildRelease(opa, { release, ...(sign && { sequence: index + 1, sign: { key: KEY } }) });
        return { bytes, release, revision: revisionOf(await readBundle(bytes)) };
      }),
    );

  /** Publishes one after the other under load; each answer must be wholly one bundle's, and none may be missing. */
  const rollOut = async (node: RunningVerdict, made: Awaited<ReturnType<typeof releases>>, publish: (bytes: Buffer) => void): Promise<void> => {
    const load = startAsking(node);
    for (const { bytes, revision } of made.slice(1)) {
      publish(bytes);
      await until('both workers to decide by it', async () => ((await workersBy(node))[revision] === 2 ? true : undefined));
    }
    await load.stop();
    expect(load.refused).toEqual([]);
    const releaseOf = new Map(made.map(({ revision, release }) => [revision, release]));
    for (const contexts of load.answered) {
      expect(new Set(contexts.map(({ policy }) => policy)).size).toBe(1);
      for (const { policy, reasons } of contexts) expect(reasons).toMatchObject([{ code: releaseOf.get(policy) }]);
    }
    expect(new Set(load.answered.map(([first]) => first?.policy))).toEqual(new Set(releaseOf.keys()));
    expect(await workersBy(node)).toEqual({ [made.at(-1)?.revision as string]: 2 });
    const activations = await eventsOf(node, 'policy.activate', RELEASES);
    const [, ...others] = made;
    expect(activations.map(({ from, to }) => [from, to])).toEqual([
      [null, made[0]?.revision],
      ...others.map(({ revision }, index) => [made[index]?.revision, revision]),
    ]);
  };

  it('from a server, signed: no answer is refused or mixed, and a restart without the server goes on with the last', { timeout: 180_000 }, async () => {
    const folder = folderForTest();
    const made = await releases(true);
    const server: BundleServer = await startBundleServer({ longPolling: true });
    closing.push(server.close);
    server.publish(made[0]?.bytes as Buffer);
    const options = {
      folder,
      env: {
        VERDICT_POLICY_BUNDLE: server.url,
        VERDICT_POLICY_VERIFICATION_KEYS: JSON.stringify({ default: { algorithm: 'EdDSA', key: KEY.publicKey } }),
        VERDICT_POLICY_POLL_SECONDS: '0.2',
        VERDICT_POLICY_POLL_MAX_SECONDS: '0.5',
        VERDICT_DECISION_WORKERS: '2',
        VERDICT_LOG_LEVEL: 'error',
      },
    };
    const node = await startVerdict(options);
    closing.push(node.stop);
    await rollOut(node, made, server.publish);
    server.publish(made[0]?.bytes as Buffer);
    expect(await eventsOf(node, 'policy.refuse', 1)).toMatchObject([{ reason: 'bundle.sequence', in_force: made.at(-1)?.revision }]);
    expect(await node.stop()).toBe(0);

    await server.close();
    const again = await startVerdict(options);
    closing.push(again.stop);
    expect(Object.keys(await workersBy(again))).toEqual([made.at(-1)?.revision]);
    expect(again.output()).toContain("can't be used");
    expect(await eventsOf(again, 'policy.activate', RELEASES)).toHaveLength(RELEASES);
    expect(await again.stop()).toBe(0);
    const elsewhere = await failedStart({ folder, env: { ...options.env, VERDICT_DATA_DIR: join(folder, 'other') } });
    expect(elsewhere.code).not.toBe(0);
    expect(elsewhere.output).toContain(`The bundle server ${server.url} can't be used`);
  });

  it('in a file, renamed into place or written over: no answer is refused or mixed', { timeout: 180_000 }, async () => {
    const folder = folderForTest();
    const path = join(folder, 'bundle.tar.gz');
    const made = await releases(false);
    writeFileSync(path, made[0]?.bytes as Buffer);
    const node = await startVerdict({ folder, env: { VERDICT_POLICY_BUNDLE: path, VERDICT_DECISION_WORKERS: '2', VERDICT_LOG_LEVEL: 'error' } });
    closing.push(node.stop);
    let turn = 0;
    await rollOut(node, made, (bytes) => {
      turn += 1;
      if (turn % 2 === 0) return writeFileSync(path, bytes);
      writeFileSync(`${path}.new`, bytes);
      renameSync(`${path}.new`, path);
    });
    expect(await node.stop()).toBe(0);
  });

  it('reach a worker that takes the place of another about then', { timeout: 120_000 }, async () => {
    const folder = folderForTest();
    const path = join(folder, 'bundle.tar.gz');
    const [one, two] = await releases(false);
    writeFileSync(path, one?.bytes as Buffer);
    const node = await startVerdict({ folder, env: { VERDICT_POLICY_BUNDLE: path, VERDICT_DECISION_WORKERS: '2', VERDICT_LOG_LEVEL: 'error' } });
    closing.push(node.stop);
    for (const { bytes, revision } of [two, one] as { bytes: Buffer; revision: string }[]) {
      const worker = node.processes().find((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('decide')) as number;
      writeFileSync(`${path}.new`, bytes);
      renameSync(`${path}.new`, path);
      // The bundle is read a moment after it came: about then the new worker is loading the old one.
      await sleep(300);
      process.kill(worker, 'SIGKILL');
      await until('both workers to decide by it', async () => {
        // A connection that was handed to the worker that dies has no answer: asked again, not waited for.
        const found = await Promise.race([workersBy(node).catch(() => ({})), sleep(2_000, {})]);
        return JSON.stringify(found) === JSON.stringify({ [revision]: 2 }) ? true : undefined;
      });
    }
    expect(await node.stop()).toBe(0);
  });
});
