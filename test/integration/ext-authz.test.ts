import { X509Certificate } from 'node:crypto';
import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CheckResponse } from '../../src/ext-authz/proto.js';
import { makeAuthority, makeCertificate } from '../peers/certificates.js';
import { type CheckClient, checkClient, checkOf, headerIn } from '../peers/check.js';
import { freePort, type Scene, sendRaw, startScene } from '../peers/proxied.js';
import { failedStart, removeFolder, temporaryFolder, until } from '../peers/verdict.js';

const problemIn = (response: CheckResponse | undefined): { readonly code: string } => JSON.parse(response?.denied_response?.body ?? '{}') as { code: string };

describe('proxies that ask a node', () => {
  let scene: Scene;
  let client: CheckClient;
  let shown: Record<string, string>;
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
  beforeAll(async () => {
    scene = await startScene({ VERDICT_DECISION_WORKERS: '2' });
    client = checkClient(`127.0.0.1:${scene.grpcPort}`);
    shown = { authorization: `Bearer ${scene.key}` };
  });
  afterAll(async () => {
    client?.close();
    await scene?.stop();
  });

  it('are answered by Envoy’s own definition: what to set, what to remove, and who asked from where', async () => {
    const { code, response } = await client.check(checkOf('GET', '/v1/instances/inst-1', { ...bearer(scene.owner), 'x_verdict-subject': 'forged' }), shown);
    expect(code).toBe(0);
    expect(response?.status.code).toBe(0);
    expect(headerIn(response, 'x-verdict-subject')).toBe('token/tok-owner');
    expect(headerIn(response, 'x-verdict-account')).toBe('acc-1');
    expect(response?.ok_response?.headers.every(({ append }) => append.value === false)).toBe(true);
    expect(response?.ok_response?.headers_to_remove).toEqual(expect.arrayContaining(['x_verdict-subject', 'x-verdict-key', 'x-http-method-override']));
    const id = headerIn(response, 'x-verdict-decision') ?? '';
    const event = await until('its event', async () => {
      const answer = await scene.client.call('GET', `/v1/audit-logs/${id}`);
      return answer.status === 200 ? (JSON.parse(answer.body) as { data: object }).data : undefined;
    });
    expect(event).toMatchObject({ kind: 'decision', result: 'allowed', actor: { ip: '198.51.100.7' } });
  });

  it('are told what to remove where there is nothing to set', async () => {
    const { response } = await client.check(checkOf('GET', '/health'), shown);
    expect(response?.ok_response?.headers_to_remove).toEqual(expect.arrayContaining(['x-verdict-decision', 'x-verdict-subject', 'x-verdict-account']));
  });

  it('get raw headers and raw bodies read alike', async () => {
    const raw = (headers: Record<string, string>) => ({
      headers: [...Object.entries(headers)].map(([key, value]) => ({ key, raw_value: Buffer.from(value) })),
    });
    const body = (bytes: string) => ({
      raw_body: Buffer.from(bytes),
      header_map: raw({ ...bearer(scene.owner), 'Content-Type': 'application/json' }),
      headers: {},
    });
    const ask = (bytes: string) => client.check(checkOf('POST', '/v1/instances/inst-1/actions', {}, body(bytes)), shown);
    expect((await ask('{"action":"start"}')).response?.status.code).toBe(0);
    expect(problemIn((await ask('{"action":"sta')).response).code).toBe('json.invalid');
  });

  it.each([
    ['no credential of the proxy', {}, 'proxy.unauthenticated'],
    ['a wrong one', { authorization: 'Bearer nothing' }, 'proxy.unauthenticated'],
  ])('with %s are denied, whatever they ask', async (_, metadata, code) => {
    for (const path of ['/health', '/v1/instances/inst-1']) {
      const answer = await client.check(checkOf('GET', path, bearer(scene.owner)), metadata);
      expect(answer.code).toBe(0);
      expect(answer.response?.denied_response?.status.code).toBe(403);
      expect(problemIn(answer.response).code).toBe(code);
    }
  });

  it('are never answered with the end user’s credential for the proxy’s', async () => {
    const { response } = await client.check(checkOf('GET', '/health', bearer(scene.key)), bearer(scene.owner));
    expect(problemIn(response).code).toBe('proxy.unauthenticated');
    const { port } = new URL(scene.node.url);
    for (const headers of [[`Authorization: Bearer ${scene.key}`], [`X-Verdict-Key: ${scene.owner}`], []]) {
      const answer = await sendRaw(Number(port), 'GET', '/v1/ext-authz/envoy/health', headers);
      const { code, detail } = JSON.parse(answer.body) as { readonly code: string; readonly detail: string };
      expect([answer.status, code]).toEqual([403, 'proxy.unauthenticated']);
      // What it says helps who configures the proxy: Authorization is the end user's, and would be no remedy.
      expect(detail).toContain('x-verdict-key');
      expect(detail).not.toContain('Authorization');
    }
  });

  it('that don’t say what was asked are denied', async () => {
    const { port } = new URL(scene.node.url);
    for (const way of ['nginx', 'traefik', 'caddy'])
      for (const headers of [[], ['X-Original-Method: GET', 'X-Forwarded-Method: GET'], ['X-Original-URI: /health', 'X-Forwarded-Uri: /health']]) {
        const answer = await sendRaw(Number(port), 'GET', `/v1/ext-authz/${way}`, [`X-Verdict-Key: ${scene.key}`, ...headers]);
        expect([answer.status, (JSON.parse(answer.body) as { code: string }).code]).toEqual([403, 'proxy.misconfigured']);
      }
    expect(problemIn((await client.check({}, shown)).response).code).toBe('request.invalid');
    expect(problemIn((await client.send(Buffer.from('no message at all'), shown)).response).code).toBe('request.invalid');
  });

  it('get from nginx’s way nothing but 200, 401 and 403', async () => {
    const { port } = new URL(scene.node.url);
    const ask = (method: string, target: string, token: string) =>
      sendRaw(Number(port), 'GET', '/v1/ext-authz/nginx', [
        `X-Verdict-Key: ${scene.key}`,
        `X-Original-Method: ${method}`,
        `X-Original-URI: ${target}`,
        `Authorization: Bearer ${token}`,
      ]);
    const seen = new Set<number>();
    for (const target of ['/health', '/v1/instances/inst-1', '/v1/instances//x', '/v1/%2f', '/v1/instances/inst-1/actions', '/none', '*'])
      for (const method of ['GET', 'POST', 'odd', 'DELETE'])
        for (const token of [scene.owner, scene.viewer, 'x']) seen.add((await ask(method, target, token)).status);
    expect([...seen].sort()).toEqual([200, 401, 403]);
  });

  it('reach every decision worker over gRPC: connections are handed to them in turn', async () => {
    const logs = new Set<string>();
    const clients = Array.from({ length: 8 }, () => checkClient(`127.0.0.1:${scene.grpcPort}`));
    for (const one of clients) {
      const { response } = await one.check(checkOf('GET', '/v1/instances/inst-1', bearer(scene.owner)), shown);
      const id = headerIn(response, 'x-verdict-decision') ?? '';
      logs.add(
        await until('its event', async () => {
          const answer = await scene.client.call('GET', `/v1/audit-logs/${id}`);
          return answer.status === 200 ? (JSON.parse(answer.body) as { data: { log: string } }).data.log : undefined;
        }),
      );
      one.close();
    }
    expect(logs.size).toBe(2);
  });

  it('go on being answered when a worker is killed: another takes its place on the same port', { timeout: 60_000 }, async () => {
    const isWorker = (pid: number): boolean => existsSync(`/proc/${pid}/cmdline`) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('decide');
    const workers = (): readonly number[] => scene.node.processes().filter(isWorker);
    const before = workers();
    for (const pid of before) process.kill(pid, 'SIGKILL');
    await until('two others', () => (workers().filter((pid) => !before.includes(pid)).length === 2 ? true : undefined));
    await until('an allow', async () => {
      const one = checkClient(`127.0.0.1:${scene.grpcPort}`);
      const { code, response } = await one.check(checkOf('GET', '/health'), shown);
      one.close();
      return code === 0 && response?.status.code === 0 ? true : undefined;
    });
  });
});

describe('Envoy’s gRPC with TLS', () => {
  const folder = temporaryFolder();
  let scene: Scene;
  let ca: string;
  let server: { readonly cert: string; readonly key: string };
  let mine: { readonly cert: string; readonly key: string };
  let other: { readonly cert: string; readonly key: string };
  beforeAll(async () => {
    ca = makeAuthority(folder, 'authority');
    makeAuthority(folder, 'stranger');
    server = makeCertificate(folder, 'authority', 'server');
    mine = makeCertificate(folder, 'authority', 'envoy');
    other = makeCertificate(folder, 'stranger', 'other');
    scene = await startScene({
      VERDICT_EXT_AUTHZ_GRPC_HOST: 'localhost',
      VERDICT_EXT_AUTHZ_GRPC_TLS_CERT: server.cert,
      VERDICT_EXT_AUTHZ_GRPC_TLS_KEY: server.key,
      VERDICT_EXT_AUTHZ_GRPC_TLS_CLIENT_CA: ca,
    });
  });
  afterAll(async () => {
    await scene?.stop();
    removeFolder(folder);
  });

  /** The serial number of the certificate that the port shows. */
  const serialOf = (port: number, authority: string, { cert, key }: typeof mine): Promise<string> =>
    new Promise((done, failed) => {
      const files = { ca: readFileSync(authority), cert: readFileSync(cert), key: readFileSync(key) };
      const socket = connect({ port, host: 'localhost', ALPNProtocols: ['h2'], ...files }, () => {
        done(socket.getPeerX509Certificate()?.serialNumber ?? '');
        socket.destroy();
      });
      socket.once('error', failed);
    });

  const health = async (client: CheckClient): Promise<number | undefined> => {
    const { code, response } = await client.check(checkOf('GET', '/health'), { authorization: `Bearer ${scene.key}` });
    client.close();
    return code === 0 ? response?.status.code : undefined;
  };

  it('answers a client with a certificate of its authority, and nobody else', async () => {
    const address = `localhost:${scene.grpcPort}`;
    expect(await health(checkClient(address, { ca, ...mine }))).toBe(0);
    expect(await health(checkClient(address, { ca, ...other }))).toBeUndefined();
    expect(await health(checkClient(address, { ca }))).toBeUndefined();
    expect(await health(checkClient(address))).toBeUndefined();
  });

  it('follows the files of its certificate', { timeout: 60_000 }, async () => {
    const next = makeCertificate(folder, 'authority', 'next');
    copyFileSync(next.cert, server.cert);
    copyFileSync(next.key, server.key);
    await until('the certificate to be in force', async () => {
      expect(await health(checkClient(`localhost:${scene.grpcPort}`, { ca, ...mine }))).toBe(0);
      return (await serialOf(scene.grpcPort, ca, mine)) === new X509Certificate(readFileSync(next.cert)).serialNumber || undefined;
    });
  });
});

describe('a start with what can not work', () => {
  it('ends with a sentence that says why', { timeout: 120_000 }, async () => {
    const folder = temporaryFolder();
    const broken = join(folder, 'routes.yaml');
    writeFileSync(broken, 'version: 1\nroutes:\n  - { method: GET, path: "/a/{x}", action: a.b, resource: { type: t, id: "{params.y}" } }\n');
    const env = (more: Record<string, string>) => ({ folder, env: { VERDICT_DATA_DIR: join(folder, 'data'), ...more } });
    expect(await failedStart(env({ VERDICT_ROUTES_FILE: broken }))).toMatchObject({
      code: 1,
      output: expect.stringContaining('the path has no {y}; it has {x}'),
    });
    expect((await failedStart(env({ VERDICT_ROUTES_FILE: join(folder, 'none.yaml') }))).output).toContain('routes.file');
    const half = await failedStart(env({ VERDICT_EXT_AUTHZ_GRPC_TLS_KEY: broken, VERDICT_EXT_AUTHZ_GRPC_PORT: String(await freePort()) }));
    expect(half.output).toContain('ext_authz.grpc_tls needs both cert and key');
    removeFolder(folder);
  });
});
