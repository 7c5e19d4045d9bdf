import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ACCOUNT, type RunningGateway, startGateway, through, tokens } from '../peers/gateway.js';
import { startUpstream, type Upstream } from '../peers/upstream.js';
import { failedStart, removeFolder, temporaryFolder, until } from '../peers/verdict.js';

const ROUTES = `
version: 1
routes:
  - { method: GET, path: "/v1/instances/{id}", action: instance.get, resource: { type: instance, id: "{params.id}" } }
  - { method: PUT, path: "/v1/images/{id}/content", action: image.import, resource: { type: image, id: "{params.id}" } }
`;
const PATH = '/v1/instances/inst-1';
const MIB = 1024 * 1024;

const freePort = (): Promise<number> =>
  new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => done(port));
    });
  });

let upstream: Upstream;
beforeAll(async () => {
  upstream = await startUpstream();
});
afterAll(() => upstream.stop());

/** The decision workers of a family, by what they were started as. */
const workersOf = (gateway: RunningGateway): readonly number[] =>
  gateway.node.processes().filter((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes('decide'));

const residentMiB = (pid: number): number => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;

/** Sends so many bytes as a body; resolves with the answer's text. */
const upload = (gateway: RunningGateway, path: string, bytes: number, watch: () => void): Promise<string> =>
  new Promise((done, failed) => {
    const headers = { authorization: `Bearer ${tokens.developer}`, 'content-length': String(bytes) };
    const outgoing = request({ host: '127.0.0.1', port: gateway.port, method: 'PUT', path, headers }, (response) => {
      let text = '';
      response.on('data', (piece: Buffer) => {
        text += piece.toString();
      });
      response.on('end', () => done(text));
    });
    outgoing.on('error', failed);
    const piece = Buffer.alloc(256 * 1024, 'u');
    let left = bytes;
    const write = (): void => {
      while (left > 0) {
        left -= piece.length;
        watch();
        if (!outgoing.write(piece)) return void outgoing.once('drain', write);
      }
      outgoing.end();
    };
    write();
  });

describe('a gateway', () => {
  it('carries 512 MiB up and 512 MiB down in constant memory', { timeout: 120_000 }, async () => {
    const gateway = await startGateway(upstream.url, ROUTES);
    await gateway.api.json('PUT', '/v1/entities/image/img-1', { account: ACCOUNT, properties: {} });
    const [worker] = workersOf(gateway) as [number];
    upstream.onRaw('/v1/images/img-1/content', (incoming, response) => {
      let bytes = 0;
      incoming.on('data', (piece: Buffer) => {
        bytes += piece.length;
      });
      incoming.on('end', () => response.end(String(bytes)));
    });
    await upload(gateway, '/v1/images/img-1/content', 64 * MIB, () => undefined);
    const before = residentMiB(worker);
    let most = before;
    const watch = (): void => {
      most = Math.max(most, residentMiB(worker));
    };
    expect(await upload(gateway, '/v1/images/img-1/content', 512 * MIB, watch)).toBe(String(512 * MIB));
    upstream.onRaw(PATH, (_, response) => {
      const piece = Buffer.alloc(256 * 1024, 'd');
      let left = 512 * MIB;
      const write = (): void => {
        while (left > 0) {
          left -= piece.length;
          if (!response.write(piece)) return void response.once('drain', write);
        }
        response.end();
      };
      write();
    });
    const got = await new Promise<number>((done, failed) => {
      const outgoing = request({ host: '127.0.0.1', port: gateway.port, path: PATH, headers: { authorization: `Bearer ${tokens.developer}` } }, (response) => {
        let bytes = 0;
        response.on('data', (piece: Buffer) => {
          bytes += piece.length;
          if (bytes % (8 * MIB) < piece.length) watch();
        });
        response.on('end', () => done(bytes));
      });
      outgoing.on('error', failed);
      outgoing.end();
    });
    expect(got).toBe(512 * MIB);
    process.stdout.write(`The worker held ${Math.round(before)} MiB before, ${Math.round(most)} MiB at most.\n`);
    // Held whole, one of the two bodies would be 512 MiB more.
    expect(most - before).toBeLessThan(128);
    expect(await gateway.stop()).toBe(0);
  });

  it('answers what is in flight at a stop, and records it', { timeout: 60_000 }, async () => {
    const gateway = await startGateway(upstream.url, ROUTES);
    upstream.onRaw(PATH, (_, response) => setTimeout(() => response.end('late'), 800));
    const answer = through(gateway, 'GET', PATH, { 'x-request-id': 'req-stop' });
    await new Promise((done) => setTimeout(done, 300));
    const stopping = gateway.stop();
    expect(await answer).toMatchObject({ status: 200, body: 'late' });
    expect(await stopping).toBe(0);
  });

  it('whose worker is killed in the middle of a request has told of the decision, and its successor goes on', { timeout: 120_000 }, async () => {
    const gateway = await startGateway(upstream.url, ROUTES, { VERDICT_GATEWAY_PORT: String(await freePort()) });
    upstream.onRaw(PATH, () => undefined);
    const broken = through(gateway, 'GET', PATH, { 'x-request-id': 'req-killed' });
    broken.catch(() => undefined);
    await until('the request to arrive upstream', () => (upstream.connections.size > 0 ? true : undefined));
    await new Promise((done) => setTimeout(done, 300));
    const [worker] = workersOf(gateway) as [number];
    process.kill(worker, 'SIGKILL');
    await expect(broken).rejects.toThrow();
    upstream.onRaw(PATH, (_, response) => response.end('fine'));
    await until('the successor', async () => {
      const answer = await through(gateway, 'GET', PATH, { 'x-request-id': 'req-after' }).catch(() => undefined);
      return answer?.status === 200 ? true : undefined;
    });
    // What was decided is on disk; what came of it, nobody knew yet.
    expect(await gateway.events('req-killed', 1)).toMatchObject([{ kind: 'decision', result: 'allowed' }]);
    await gateway.events('req-after', 2);
    expect(await gateway.stop()).toBe(0);
  });

  it('with several workers listens once, on every one of them', { timeout: 60_000 }, async () => {
    const gateway = await startGateway(upstream.url, ROUTES, { VERDICT_DECISION_WORKERS: '2', VERDICT_GATEWAY_PORT: String(await freePort()) });
    upstream.onRaw(PATH, (_, response) => response.end('fine'));
    expect(gateway.node.output().match(/The gateway listens on/g)).toHaveLength(1);
    const answers = await Promise.all(Array.from({ length: 20 }, () => through(gateway, 'GET', PATH, { connection: 'close' })));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 200));
    expect(await gateway.stop()).toBe(0);
  });

  it('that can’t record answers 503, and shows nothing of what the upstream said', { timeout: 120_000 }, async () => {
    const gateway = await startGateway(upstream.url, ROUTES, { VERDICT_JOURNAL_MAX_BYTES: String(MIB), VERDICT_INGEST_BATCH_MS: '60000' });
    upstream.onRaw(PATH, (_, response) => response.end('the secret of the upstream'));
    let acted = 0;
    let refused = 0;
    // The journal fills up: some time a decision still finds room and its activity does not.
    await until(
      'a journal that is full',
      async () => {
        const answers = await Promise.all(Array.from({ length: 50 }, () => through(gateway, 'GET', PATH, { 'user-agent': 'x'.repeat(1_000) })));
        for (const { status, body } of answers) {
          expect([200, 503]).toContain(status);
          if (status === 200) continue;
          expect(body).not.toContain('secret');
          const problem = JSON.parse(body);
          expect(problem.code).toBe('journal.full');
          if (problem.acted) acted += 1;
          else refused += 1;
        }
        return refused > 0 ? true : undefined;
      },
      60_000,
    );
    expect(acted + refused).toBeGreaterThan(0);
    await gateway.stop();
  });
});

describe('a start that can’t be', () => {
  const start = async (args: readonly string[], env: Record<string, string> = {}) => {
    const folder = temporaryFolder();
    const failed = await failedStart({ folder, command: 'gateway', args, env: { VERDICT_GATEWAY_PORT: '0', ...env } });
    removeFolder(folder);
    return failed;
  };

  it.each([
    ['no upstream', [], /--upstream/],
    ['an upstream with a path', ['--upstream', 'http://127.0.0.1:1/api', '--routes', 'x'], /gateway\.upstream has a path/],
    ['no routes', ['--upstream', 'http://127.0.0.1:1'], /routes\.file names no route table/],
    ['routes that are not there', ['--upstream', 'http://127.0.0.1:1', '--routes', 'nowhere.yaml'], /nowhere\.yaml \(routes\.file\) can't be read/],
  ] as const)('%s: one sentence says so', { timeout: 60_000 }, async (_, args, sentence) => {
    const { code, output } = await start(args);
    expect(code).not.toBe(0);
    expect(output).toMatch(sentence);
    expect(output).not.toMatch(/\n\s+at /);
  });
});
