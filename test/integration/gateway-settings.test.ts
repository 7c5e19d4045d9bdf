import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createServer as createSecureServer, request, type Server as SecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeAuthority, makeCertificate } from '../peers/certificates.js';
import { ACCOUNT, type Found, type RunningGateway, startGateway } from '../peers/gateway.js';
import { removeFolder, temporaryFolder } from '../peers/verdict.js';

const ROUTES = `
version: 1
routes:
  - { method: GET, path: "/v1/instances/{id}", action: instance.get, resource: { type: instance, id: "{params.id}" } }
  - method: PATCH
    path: "/v1/instances/{id}"
    action: instance.update
    resource: { type: instance, id: "{params.id}" }
    entity: { on: changed, type: instance, id: "{params.id}", properties: { tags: response.tags } }
`;

const folder = temporaryFolder();
let gateway: RunningGateway;
let upstream: SecureServer;
let keys: Server;
let sign: (claims: Record<string, unknown>, seconds?: number) => Promise<string>;
const ca = (): string => readFileSync(`${folder}/authority.pem`, 'utf8');

beforeAll(async () => {
  makeAuthority(folder, 'authority');
  const { cert, key } = makeCertificate(folder, 'authority', 'node');
  upstream = createSecureServer({ cert: readFileSync(cert), key: readFileSync(key) }, (incoming, response) => {
    incoming.resume();
    const body = incoming.method === 'PATCH' ? { id: 'inst-1', tags: ['prod'] } : { headers: incoming.headers };
    response.setHeader('Content-Type', 'application/json').end(JSON.stringify(body));
  });
  await new Promise<void>((done) => upstream.listen(0, '127.0.0.1', done));
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const jwk = { ...(await exportJWK(publicKey)), kid: 'k1', alg: 'ES256', use: 'sig' };
  keys = createServer((_, response) => response.setHeader('Content-Type', 'application/json').end(JSON.stringify({ keys: [jwk] })));
  await new Promise<void>((done) => keys.listen(0, '127.0.0.1', done));
  sign = (claims, seconds = 600) =>
    new SignJWT(claims)
      .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
      .setIssuer('https://login.example')
      .setAudience('platform')
      .setIssuedAt()
      .setExpirationTime(Math.floor(Date.now() / 1000) + seconds)
      .sign(privateKey);
  const issuer = { issuer: 'https://login.example', audience: 'platform', jwks: `http://127.0.0.1:${(keys.address() as AddressInfo).port}/jwks.json` };
  gateway = await startGateway(`https://127.0.0.1:${(upstream.address() as AddressInfo).port}`, ROUTES, {
    VERDICT_GATEWAY_TLS_CERT: cert,
    VERDICT_GATEWAY_TLS_KEY: key,
    VERDICT_GATEWAY_UPSTREAM_TLS_CA: `${folder}/authority.pem`,
    VERDICT_GATEWAY_PRESERVE_HOST: 'true',
    VERDICT_HTTP_TRUSTED_PROXIES: '127.0.0.0/8',
    VERDICT_END_USERS_ISSUERS: JSON.stringify([issuer]),
  });
});

afterAll(async () => {
  await gateway?.stop();
  upstream.close();
  upstream.closeAllConnections();
  keys.close();
  removeFolder(folder);
});

const ask = (method: string, path: string, headers: Record<string, string>): Promise<{ status: number; body: string }> =>
  new Promise((done, failed) => {
    const outgoing = request({ host: '127.0.0.1', port: gateway.port, method, path, ca: ca(), servername: 'localhost', headers }, (response) => {
      let body = '';
      response.on('data', (piece: Buffer) => {
        body += piece.toString();
      });
      response.on('end', () => done({ status: response.statusCode ?? 0, body }));
    });
    outgoing.on('error', failed);
    outgoing.end();
  });

describe('over TLS on both sides, behind a trusted proxy', () => {
  it('a JWT of a configured issuer says who asks, and the client is the one before the proxy', async () => {
    expect(gateway.url).toMatch(/^https:/);
    const token = await sign({ sub: 'usr-dev', account: ACCOUNT, email: 'dev@example.com' });
    const headers = {
      authorization: `Bearer ${token}`,
      'x-request-id': 'req-jwt-1',
      'x-forwarded-for': '6.6.6.6, 203.0.113.9',
      'x-forwarded-proto': 'https',
      host: 'api.example.com',
    };
    const { status, body } = await ask('GET', '/v1/instances/inst-1', headers);
    expect(status, body).toBe(200);
    const seen = JSON.parse(body).headers;
    expect(seen).toMatchObject({
      host: 'api.example.com',
      'x-forwarded-for': '203.0.113.9, 127.0.0.1',
      'x-forwarded-proto': 'https',
      'x-verdict-subject': 'user/usr-dev',
      'x-verdict-account': ACCOUNT,
    });
    const [decision, activity] = await gateway.events('req-jwt-1', 2);
    expect(decision).toMatchObject({ actor: { type: 'user', id: 'usr-dev', ip: '203.0.113.9' }, account: ACCOUNT });
    expect(activity).toMatchObject({ actor: { type: 'user', id: 'usr-dev', email: 'dev@example.com', ip: '203.0.113.9' } });
    expect(JSON.stringify(activity)).not.toContain(token);
  });

  it('a JWT that is over is 401', async () => {
    const token = await sign({ sub: 'usr-dev', account: ACCOUNT }, -60);
    const { status, body } = await ask('GET', '/v1/instances/inst-1', { authorization: `Bearer ${token}` });
    expect([status, JSON.parse(body).code]).toEqual([401, 'credential.expired']);
  });

  it('what the upstream changed is laid over what the directory knows', async () => {
    const token = await sign({ sub: 'usr-dev', account: ACCOUNT });
    const { status, body } = await ask('PATCH', '/v1/instances/inst-1', { authorization: `Bearer ${token}`, 'x-request-id': 'req-changed' });
    expect(status, body).toBe(200);
    const entity = await gateway.api.json<{ properties: object }>('GET', '/v1/entities/instance/inst-1');
    expect(JSON.stringify(entity)).toContain('"name":"web-1"');
    expect(JSON.stringify(entity)).toContain('"tags":["prod"]');
    const events: readonly Found[] = await gateway.events('req-changed', 3);
    expect(events.map(({ source }) => source).sort()).toEqual(['gateway', 'gateway', 'pdp']);
  });
});
