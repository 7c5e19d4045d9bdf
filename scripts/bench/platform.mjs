import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { buildBundle } from '../../dist/evaluate/tools/index.js';
import { cores, pinned, start } from './processes.mjs';

const ROOT = resolve(import.meta.dirname, '../..');
export const ACCOUNT = 'acc-bench';

/** One question of the role table, allowed, as a control plane would ask it. */
export const question = {
  subject: { type: 'user', id: 'usr-7' },
  action: { name: 'instance.create' },
  resource: { type: 'instance', id: 'inst-7' },
};

/** Twenty questions about twenty servers in one request. */
export const questions = {
  subject: question.subject,
  action: question.action,
  evaluations: Array.from({ length: 20 }, (_, index) => ({ resource: { type: 'instance', id: `inst-${index}` } })),
};

/** The same question for OPA, which has no directory: the membership comes with it. */
export const opaQuestion = { input: { ...question, directory: { membership: { properties: { role: 'developer' } } } } };

const entities = [
  { type: 'account', id: ACCOUNT, account: ACCOUNT, properties: { name: 'Bench' } },
  ...Array.from({ length: 50 }, (_, index) => [
    { type: 'user', id: `usr-${index}`, properties: { email: `user${index}@example.com` } },
    { type: 'membership', id: `${ACCOUNT}:usr-${index}`, account: ACCOUNT, properties: { role: 'developer' } },
    { type: 'instance', id: `inst-${index}`, account: ACCOUNT, properties: { name: `web-${index}` } },
  ]).flat(),
];

export const client = (url, token) => async (method, path, body) => {
  const answer = await fetch(`${url}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body !== undefined && { 'content-type': 'application/json' }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path} answered ${answer.status}: ${text}`);
  return text === '' ? undefined : JSON.parse(text);
};

/** A key pair, a JWKS server on loopback, and an ES256 token for the bench's account. */
export const issuer = async () => {
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const jwk = { ...(await exportJWK(publicKey)), kid: 'bench', alg: 'ES256', use: 'sig' };
  const server = createServer((_, response) => response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: [jwk] })));
  const port = await new Promise((done) => server.listen(0, '127.0.0.1', () => done(server.address().port)));
  const token = await new SignJWT({ verdict_accounts: [ACCOUNT], verdict_permissions: ['decision.evaluate'] })
    .setProtectedHeader({ alg: 'ES256', kid: 'bench' })
    .setIssuer('https://issuer.example')
    .setAudience('verdict')
    .setSubject('control-plane')
    .setIssuedAt()
    .setExpirationTime('2h')
    .sign(privateKey);
  const config = { issuer: 'https://issuer.example', audience: 'verdict', jwks: `http://127.0.0.1:${port}/jwks.json`, algorithms: ['ES256'] };
  return { config, token, stop: () => server.close() };
};

/** A real family on the shared cores with the bench's directory in it. `store` is the address of one elsewhere; none: chDB on the same cores. `bundle` is a policy other than the one that ships. */
export const startVerdict = async ({ store, issuers = [], workers = 1, bundle }) => {
  const folder = mkdtempSync(join(tmpdir(), 'verdict-bench-'));
  const config = {
    data_dir: join(folder, 'data'),
    http: { port: 0 },
    decision: { workers },
    auth: { issuers },
    log: { level: 'warn' },
    ...(bundle && { policy: { bundle } }),
    ...(store && { clickhouse: { url: store.url, username: store.username, password: store.password } }),
  };
  writeFileSync(join(folder, 'verdict.yaml'), JSON.stringify(config));
  const running = start(pinned(cores().shared, [process.execPath, join(ROOT, 'bin/verdict.js'), 'serve']), {
    cwd: folder,
    pattern: /Verdict listens on (\S+)/,
  });
  const [, url] = await running.ready;
  const token = readFileSync(join(folder, 'data', 'admin-token'), 'utf8').trim();
  const call = client(url, token);
  await call('POST', '/v1/entities', entities);
  const { data } = await call('POST', '/v1/keys', { name: 'bench', accounts: [ACCOUNT], permissions: ['decision.evaluate'] });
  return { ...running, url, token, call, key: data.secret, folder, pid: running.child.pid };
};

/** The sources of the role table, which is the policy of the rows that compare one question with OPA; and of the one that ships. */
export const SOURCES = { roleTable: join(ROOT, 'test/fixtures/policies/role-table'), platform: join(ROOT, 'policies/platform') };

/** Builds the role table's bundle; resolves with its path. */
export const roleTableBundle = async (opa) => {
  const out = join(mkdtempSync(join(tmpdir(), 'verdict-bench-policy-')), 'bundle.tar.gz');
  await buildBundle({ source: SOURCES.roleTable, opa, out, entrypoints: ['verdict/decision'] });
  return out;
};

/** `opa run --server` on the shared cores with the same sources and console decision logs. */
export const startOpa = async (opa, port, source) => {
  const options = ['--set', 'decision_logs.console=true', '-b', '--ignore', '*_test.rego'];
  const command = pinned(cores().shared, [opa, 'run', '--server', '--addr', `127.0.0.1:${port}`, ...options, source]);
  const running = start(['sh', '-c', 'exec "$0" "$@" >/dev/null 2>/dev/null', ...command]);
  for (let attempt = 0; ; attempt++) {
    try {
      if ((await fetch(`http://127.0.0.1:${port}/health`)).ok) break;
    } catch {
      if (attempt > 100) throw new Error('OPA did not start within 10 s.');
    }
    await new Promise((done) => setTimeout(done, 100));
  }
  return { ...running, url: `http://127.0.0.1:${port}/v1/data/verdict/decision`, pid: running.child.pid };
};

/** An embedded store on the other cores, reached as a remote one. */
export const startStoreElsewhere = async () => {
  const folder = mkdtempSync(join(tmpdir(), 'verdict-bench-store-'));
  const running = start(pinned(cores().elsewhere, [process.execPath, join(ROOT, 'scripts/bench/store.mjs'), folder]), { pattern: /STORE (\{.*\})/ });
  const [, address] = await running.ready;
  return { ...running, ...JSON.parse(address) };
};

export const hasCommand = (command) => {
  try {
    return execFileSync('which', [command]).toString().trim() !== '';
  } catch {
    return false;
  }
};
