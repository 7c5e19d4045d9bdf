import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, expect, it } from 'vitest';
import { type Config, loadConfig } from '../../src/config.js';
import { loadPolicy } from '../../src/evaluate/index.js';
import type { EventDraft } from '../../src/event/index.js';
import { createRollout, httpSource, type Rollout } from '../../src/rollout/index.js';
import { type BundleServer, type BundleServerOptions, startBundleServer } from '../peers/bundle-server.js';
import { buildRelease, type Release, signingKey } from '../peers/bundles.js';
import { makeAuthority, makeCertificate } from '../peers/certificates.js';
import { describeWithOpa } from '../peers/opa.js';
import { removeFolder, temporaryFolder, until } from '../peers/verdict.js';

const KEY = signingKey('EdDSA');
const QUICK = { VERDICT_POLICY_POLL_SECONDS: '0.1', VERDICT_POLICY_POLL_MAX_SECONDS: '0.2', VERDICT_POLICY_FETCH_SECONDS: '2' };
const PINNED = { VERDICT_POLICY_VERIFICATION_KEYS: JSON.stringify({ default: { algorithm: 'EdDSA', key: KEY.publicKey } }) };

type Watched = {
  readonly rollout: Rollout;
  /** The releases that came into force, in order. */
  readonly inForce: string[];
  readonly events: EventDraft[];
};

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const folderForTest = (): string => {
  const folder = temporaryFolder();
  closing.push(() => removeFolder(folder));
  return folder;
};

const serverForTest = async (options?: BundleServerOptions): Promise<BundleServer> => {
  const server = await startBundleServer(options);
  closing.push(server.close);
  return server;
};

const releaseOf = async (bytes: Uint8Array): Promise<string> => {
  const policy = await loadPolicy({ bytes, entrypoint: 'verdict/decision', memoryPages: 512 });
  return policy.decide({}).reasons[0]?.code ?? '';
};

const configFor = (server: BundleServer, env: Record<string, string> = {}): Config['policy'] =>
  loadConfig({ VERDICT_POLICY_BUNDLE: server.url, ...QUICK, ...env }).config.policy;

/** A rollout as the supervisor has it, whose effects can be watched. */
const begin = async (policy: Config['policy'], folder: string): Promise<Watched> => {
  const inForce: string[] = [];
  const events: EventDraft[] = [];
  const load = (bytes: Uint8Array) => loadPolicy({ bytes, entrypoint: 'verdict/decision', memoryPages: 512 });
  const rollout = createRollout(
    { policy, folder, region: '' },
    {
      log: pino({ level: 'silent' }),
      source: httpSource(policy),
      load,
      record: async (draft) => void events.push(draft),
      activate: (bytes) => void releaseOf(bytes).then((release) => inForce.push(release)),
    },
  );
  inForce.push(await releaseOf(await rollout.first()));
  rollout.follow();
  closing.push(rollout.stop);
  return { rollout, inForce, events };
};

const reaches = (watched: Watched, release: string) => until(`the release ${release}`, () => (watched.inForce.at(-1) === release ? true : undefined));
const count = async (watched: Watched, name: string): Promise<number> => {
  const metrics = (await watched.rollout.metrics()) as { name: string; values: { value: number }[] }[];
  return metrics.find((metric) => metric.name === name)?.values.reduce((sum, { value }) => sum + value, 0) ?? 0;
};
const troubled = async (watched: Watched): Promise<void> => {
  const before = await count(watched, 'verdict_policy_source_failures_total');
  await until('trouble with the server', async () => ((await count(watched, 'verdict_policy_source_failures_total')) > before ? true : undefined));
};

await describeWithOpa('a bundle server', (opa) => {
  const plain = (release: string): Promise<Buffer> => buildRelease(opa, { release });
  const signed = (release: string, sequence: number, extra: Partial<Release> = {}): Promise<Buffer> =>
    buildRelease(opa, { release, sequence, sign: { key: KEY }, ...extra });

  it('is polled with the ETag it gave; a new bundle comes into force, recorded with both revisions and where it is from', async () => {
    const server = await serverForTest();
    server.publish(await plain('r1'));
    const watched = await begin(configFor(server), folderForTest());
    await until('three polls', () => (server.answers.filter((status) => status === 304).length > 2 ? true : undefined));
    expect(server.requests[0]).not.toHaveProperty('if-none-match');
    expect(server.requests.at(-1)).toMatchObject({ 'if-none-match': expect.stringMatching(/^"/) as unknown });
    server.publish(await plain('r2'));
    await reaches(watched, 'r2');
    expect(watched.inForce).toEqual(['r1', 'r2']);
    const [first, second] = watched.events;
    expect(first).toMatchObject({ action: 'policy.activate', details: { from: null, origin: server.url } });
    expect(second).toMatchObject({ action: 'policy.activate', details: { from: first?.resource.id, to: second?.resource.id } });
    expect(await count(watched, 'verdict_policy_activations_total')).toBe(2);
  });

  it('that holds requests is asked again at once, and tells of a new bundle without a poll', async () => {
    const server = await serverForTest({ longPolling: true });
    server.publish(await plain('r1'));
    const slow = { VERDICT_POLICY_POLL_SECONDS: '600', VERDICT_POLICY_POLL_MAX_SECONDS: '600', VERDICT_POLICY_LONG_POLL_SECONDS: '1' };
    const watched = await begin(configFor(server, slow), folderForTest());
    await until('a held request to end', () => (server.answers.includes(304) ? true : undefined));
    expect(server.requests.at(-1)?.['prefer']).toContain('wait=1');
    server.publish(await plain('r2'));
    await reaches(watched, 'r2');
    server.publish(await plain('r3'));
    await reaches(watched, 'r3');
    expect(server.requests.length).toBeLessThan(12);
  });

  it('that answers held requests at once is not asked in a circle', async () => {
    const server = await serverForTest();
    server.publish(await plain('r1'));
    await begin(
      configFor(server, { VERDICT_POLICY_POLL_SECONDS: '1', VERDICT_POLICY_POLL_MAX_SECONDS: '1', VERDICT_POLICY_LONG_POLL_SECONDS: '30' }),
      folderForTest(),
    );
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(server.requests.length).toBeLessThan(5);
  });

  it('may fail as servers do: what is in force stays, nothing is recorded, and it goes on when the server is well', { timeout: 60_000 }, async () => {
    const server = await serverForTest();
    server.publish(await plain('r1'));
    const watched = await begin(configFor(server, { VERDICT_POLICY_MAX_BYTES: '1000000', VERDICT_POLICY_FETCH_SECONDS: '1' }), folderForTest());
    for (const [index, behaviour] of (['error', 'gone', 'page', 'truncated', 'endless', 'redirect', 'silent'] as const).entries()) {
      server.publish(await plain(`next-${index}`));
      const before = watched.inForce.at(-1);
      server.behave(behaviour);
      await troubled(watched);
      expect(watched.inForce.at(-1), behaviour).toBe(before);
      server.behave('well');
      await reaches(watched, `next-${index}`);
    }
    server.behave('no-etag');
    server.publish(await plain('r9'));
    await reaches(watched, 'r9');
    expect(watched.events.filter(({ action }) => action === 'policy.refuse')).toEqual([]);
    expect(watched.inForce).toHaveLength(9);
  });

  it('gives a refused bundle as often as it likes: it is recorded once, and the next good one is taken', async () => {
    const server = await serverForTest();
    server.publish(await signed('r5', 5));
    const watched = await begin(configFor(server, PINNED), folderForTest());
    server.behave('no-etag');
    const refused: readonly [string, Buffer][] = [
      ['bundle.unreadable', Buffer.from('nonsense')],
      ['bundle.unsigned', await plain('unsigned')],
      ['bundle.signature', await signed('foreign', 6, { sign: { key: signingKey('EdDSA') } })],
      ['bundle.sequence', await signed('older', 4)],
      ['bundle.sequence', await signed('same number', 5)],
      ['bundle.sequence', await buildRelease(opa, { release: 'no number', sign: { key: KEY } })],
    ];
    for (const [index, [reason, bytes]] of refused.entries()) {
      server.publish(bytes);
      await until(`the refusal for ${reason}`, () => (watched.events.length === index + 2 ? true : undefined));
      const seen = server.requests.length;
      await until('three more requests', () => (server.requests.length > seen + 3 ? true : undefined));
      expect(watched.events).toHaveLength(index + 2);
      expect(watched.events.at(-1)).toMatchObject({
        action: 'policy.refuse',
        result: 'failure',
        details: { reason, in_force: watched.events[0]?.resource.id },
      });
    }
    expect(watched.inForce).toEqual(['r5']);
    server.publish(await signed('r6', 6));
    await reaches(watched, 'r6');
    expect(watched.events.at(-1)).toMatchObject({ details: { sequence: 6, signed_by: 'default' } });
  });

  it('need not be there at a restart: the last good bundle is kept, and with it the highest sequence', async () => {
    const folder = folderForTest();
    const server = await serverForTest();
    server.publish(await signed('r5', 5));
    const before = await begin(configFor(server, PINNED), folder);
    server.publish(await signed('r6', 6));
    await reaches(before, 'r6');
    before.rollout.stop();
    await server.close();
    const policy = configFor(server, PINNED);
    const away = await begin(policy, folder);
    expect(away.inForce).toEqual(['r6']);
    away.rollout.stop();

    const again = await startBundleServer({ port: Number(new URL(server.url).port) });
    closing.push(again.close);
    again.publish(await signed('r5', 5));
    const back = await begin(policy, folder);
    expect(back.inForce).toEqual(['r6']);
    expect(back.events.map(({ action, details }) => [action, details?.['reason']])).toEqual([['policy.refuse', 'bundle.sequence']]);
    again.publish(await signed('r5 again', 7));
    await reaches(back, 'r5 again');

    const other = configFor(server, { VERDICT_POLICY_VERIFICATION_KEYS: JSON.stringify({ new: { algorithm: 'EdDSA', key: signingKey('EdDSA').publicKey } }) });
    again.behave('gone');
    await expect(begin(other, folder)).rejects.toThrow('it answers 404');
  });

  it('that is not there at the first start stops it with one sentence', async () => {
    const server = await serverForTest();
    await server.close();
    await expect(begin(configFor(server), folderForTest())).rejects.toThrow(/^The bundle server http:\S+ can't be used: .*ECONNREFUSED.*\.$/);
  });

  it('sees the token, and the client certificate, that are configured, and its own certificate is checked', async () => {
    const folder = folderForTest();
    makeAuthority(folder, 'ca');
    const { cert, key } = makeCertificate(folder, join(folder, 'ca'), 'server');
    const client = makeCertificate(folder, join(folder, 'ca'), 'client');
    const tls = { cert: readFileSync(cert), key: readFileSync(key), ca: readFileSync(join(folder, 'ca.pem')), requestCert: true, rejectUnauthorized: true };
    const server = await serverForTest({ token: 'let-me-in', tls });
    server.publish(await plain('r1'));
    const env = {
      VERDICT_POLICY_TLS_CA: join(folder, 'ca.pem'),
      VERDICT_POLICY_TLS_CERT: client.cert,
      VERDICT_POLICY_TLS_KEY: client.key,
      VERDICT_POLICY_TOKEN: 'let-me-in',
    };
    expect((await begin(configFor(server, env), folderForTest())).inForce).toEqual(['r1']);
    await expect(begin(configFor(server, { ...env, VERDICT_POLICY_TOKEN: 'other' }), folderForTest())).rejects.toThrow('it answers 401: look at policy.token');
    await expect(begin(configFor(server, { ...env, VERDICT_POLICY_TLS_CA: '' }), folderForTest())).rejects.toThrow(/certificate/);
    await expect(begin(configFor(server, { ...env, VERDICT_POLICY_TLS_CERT: '', VERDICT_POLICY_TLS_KEY: '' }), folderForTest())).rejects.toThrow(
      "can't be used",
    );
  });
});
