import { createHmac } from 'node:crypto';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CryptoKey, exportJWK, exportSPKI, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ConfigError, type IssuerConfig } from '../config.js';
import { localDirectory } from '../evaluate/directory/local.js';
import type { Directory } from '../evaluate/directory/types.js';
import { newUlid } from '../event/index.js';
import { ADMIN, authenticator } from './authenticator.js';
import { keySet } from './jwks.js';
import { KEY_TYPE } from './key-entity.js';
import { apiKeys } from './keys.js';
import { type Authenticate, type Authentication, PERMISSIONS } from './types.js';

const ADMIN_TOKEN = 'an-admin-token-for-this-test';
const ISSUER = 'https://issuer.example';
const NOW = Date.parse('2026-11-22T12:00:00.000Z');
const SECOND = NOW / 1000;
const CLAIMS = { iss: ISSUER, aud: 'verdict', sub: 'svc-1', exp: SECOND + 600 } as const;

type Pair = { readonly kid: string; readonly alg: string; readonly privateKey: CryptoKey; readonly publicKey: CryptoKey; readonly jwk: JWK };
const pairOf = async (kid: string, alg: string): Promise<Pair> => {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { kid, alg, privateKey, publicKey, jwk: { ...(await exportJWK(publicKey)), kid, alg } };
};
const sign = ({ privateKey, kid, alg }: Pair, claims: JWTPayload = CLAIMS, header: object = {}): Promise<string> =>
  new SignJWT(claims).setProtectedHeader({ alg, kid, ...header }).sign(privateKey);
const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const expectCode = (answer: Authentication, code: string): void => expect(answer).toMatchObject({ ok: false, code });

let first: Pair;
let second: Pair;
let rsa: Pair;
let folder: string;
let jwksPath: string;
let directory: Directory;
let warnings: string[];
let touched: string[];

beforeAll(async () => {
  [first, second, rsa] = await Promise.all([pairOf('k1', 'ES256'), pairOf('k2', 'ES256'), pairOf('r1', 'RS256')]);
});
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'verdict-auth-'));
  jwksPath = join(folder, 'jwks.json');
  await writeFile(jwksPath, JSON.stringify({ keys: [first.jwk, rsa.jwk] }));
  directory = localDirectory({ path: join(folder, 'directory') });
  warnings = [];
  touched = [];
});
afterEach(async () => {
  await directory.close();
  await rm(folder, { recursive: true, force: true });
});

const issuerOf = (over: Partial<IssuerConfig> = {}): IssuerConfig => ({
  issuer: ISSUER,
  audience: 'verdict',
  jwks: jwksPath,
  algorithms: ['ES256', 'RS256'],
  accounts_claim: 'verdict_accounts',
  permissions_claim: 'verdict_permissions',
  name_claim: 'client_id',
  clock_tolerance_seconds: 5,
  ...over,
});
const start = (issuers: readonly IssuerConfig[] = [issuerOf()], cache_seconds = 60): Authenticate =>
  authenticator(
    { admin_token: ADMIN_TOKEN, auth: { cache_seconds, issuers } },
    { directory, lastUse: { touch: (id) => void touched.push(id) }, warn: (sentence) => void warnings.push(sentence) },
  );
const keysIn = () => apiKeys<undefined>({ directory, write: (_caller, changes) => directory.apply(changes), now: () => NOW });
const newKey = async (wish: object = {}) => {
  const made = await keysIn().create(ADMIN, { name: 'libvirt', accounts: ['acc-1'], permissions: ['event.record'], ...wish }, undefined);
  if (made.outcome !== 'made') throw new Error(JSON.stringify(made));
  return made;
};

describe('The Authorization header', () => {
  it('must be there, be Bearer, and hold something like a credential', () => {
    const ask = start();
    expectCode(ask(undefined, NOW) as Authentication, 'credential.missing');
    for (const header of ['Basic YTpi', 'Bearer', 'Bearer ', 'Bearer a b', 'Bearer \u0000', `Bearer ${'a'.repeat(9000)}`, 'Bearer x', 'Bearer ü'])
      expectCode(ask(header, NOW) as Authentication, 'credential.invalid');
  });

  it('may spell its scheme in any case (RFC 9110, section 11.1)', () => {
    for (const header of [`bearer ${ADMIN_TOKEN}`, `BEARER  ${ADMIN_TOKEN}`]) expect(start()(header, NOW)).toEqual({ ok: true, caller: ADMIN });
  });

  it('never shows up in the answer', async () => {
    const ask = start();
    const { secret } = await newKey();
    const tokens = [secret.slice(0, -1), `${ADMIN_TOKEN}x`, await sign(second), 'ey.ab.cd', 'hunter2hunter2'];
    for (const token of tokens) {
      const answer = JSON.stringify(await ask(`Bearer ${token}`, NOW));
      for (const piece of token.split(/[._]/).filter((text) => text.length > 4)) expect(answer).not.toContain(piece);
    }
  });
});

describe('The admin token', () => {
  it('holds every permission on every account', () => {
    expect(start()(`Bearer ${ADMIN_TOKEN}`, NOW)).toEqual({
      ok: true,
      caller: { id: 'admin', name: 'admin', accounts: 'all', permissions: new Set(PERMISSIONS) },
    });
  });

  it('is nobody’s where none is set', () => {
    const ask = authenticator({ admin_token: '', auth: { cache_seconds: 60, issuers: [] } }, { directory, warn: () => undefined });
    expectCode(ask(`Bearer ${ADMIN_TOKEN}`, NOW) as Authentication, 'credential.invalid');
  });
});

describe('An API key', () => {
  it('is its caller, answered synchronously, and its use is noted', async () => {
    const { key, secret } = await newKey();
    const ask = start();
    const expected = { ok: true, caller: { id: `key:${key.id}`, name: 'libvirt', accounts: ['acc-1'], permissions: new Set(['event.record']) } };
    expect(ask(`Bearer ${secret}`, NOW)).toEqual(expected);
    expect(ask(`Bearer ${secret}`, NOW)).toEqual(expected);
    expect(touched).toEqual([`key:${key.id}`, `key:${key.id}`]);
  });

  it('is refused with another key’s secret, cut, or unknown, all alike but for the cut', async () => {
    const [one, two] = [await newKey(), await newKey()];
    const ask = start();
    const swapped = one.secret.replace(one.key.id, two.key.id);
    for (const token of [swapped, one.secret.slice(0, 40), `${one.secret}a`]) expectCode(ask(`Bearer ${token}`, NOW) as Authentication, 'credential.invalid');
    expect(touched).toEqual([]);
  });

  it('ends the moment it is revoked, also in a cache', async () => {
    const { key, secret } = await newKey();
    const ask = start();
    expect(ask(`Bearer ${secret}`, NOW)).toMatchObject({ ok: true });
    await keysIn().revoke(ADMIN, key.id, undefined);
    expectCode(ask(`Bearer ${secret}`, NOW) as Authentication, 'credential.revoked');
  });

  it('stays cached while the directory changes elsewhere, and ends when its entity is gone', async () => {
    const { key, secret } = await newKey();
    const ask = start();
    const before = ask(`Bearer ${secret}`, NOW);
    await directory.apply([{ change: newUlid(), type: 'user', id: 'usr-1', op: 'put', properties: {} }]);
    expect(ask(`Bearer ${secret}`, NOW)).toBe(before);
    await directory.apply([{ change: newUlid(), type: KEY_TYPE, id: key.id, op: 'delete' }]);
    expectCode(ask(`Bearer ${secret}`, NOW) as Authentication, 'credential.invalid');
  });

  it('ends at its time, also in a cache', async () => {
    const { secret } = await newKey({ expires: new Date(NOW + 1000).toISOString() });
    const ask = start();
    expect(ask(`Bearer ${secret}`, NOW)).toMatchObject({ ok: true, caller: { expires: NOW + 1000 } });
    expect(ask(`Bearer ${secret}`, NOW + 999)).toMatchObject({ ok: true });
    expectCode(ask(`Bearer ${secret}`, NOW + 1000) as Authentication, 'credential.expired');
  });

  it('is valid beside its successor until it is revoked', async () => {
    const old = await newKey();
    const next = await keysIn().rotate(ADMIN, old.key.id, undefined);
    if (next.outcome !== 'made') throw new Error(next.outcome);
    const ask = start();
    for (const { secret } of [old, next]) expect(ask(`Bearer ${secret}`, NOW)).toMatchObject({ ok: true });
    await keysIn().revoke(ADMIN, old.key.id, undefined);
    expectCode(ask(`Bearer ${old.secret}`, NOW) as Authentication, 'credential.revoked');
    expect(ask(`Bearer ${next.secret}`, NOW)).toMatchObject({ ok: true });
  });

  it('opens nothing where its entity is no key that can be relied on', async () => {
    const { key, secret } = await newKey();
    const { properties, account } = directory.get(KEY_TYPE, key.id) as { properties: object; account: string };
    for (const over of [{ hash: 'short' }, { accounts: 7 }, { permissions: 'all' }, { revoked: 'never' }, { expires: 'x' }, { name: null }]) {
      await directory.apply([{ change: newUlid(), type: KEY_TYPE, id: key.id, op: 'put', account, properties: { ...properties, ...over } }]);
      expect(start()(`Bearer ${secret}`, NOW)).toMatchObject({ ok: false });
    }
  });
});

describe('A JWT', () => {
  const ask = async (token: string, issuer?: Partial<IssuerConfig>, now = NOW): Promise<Authentication> => start([issuerOf(issuer)])(`Bearer ${token}`, now);

  it('is the caller that its claims describe, and the next time synchronously', async () => {
    const claims = { ...CLAIMS, client_id: 'billing', verdict_accounts: ['acc-1', 'acc-2'], verdict_permissions: 'decision.evaluate openid audit.read' };
    const authenticate = start();
    const token = `Bearer ${await sign(first, claims)}`;
    const answer = await authenticate(token, NOW);
    const permissions = new Set(['decision.evaluate', 'audit.read']);
    const caller = { id: `jwt:${ISSUER}#svc-1`, name: 'billing', accounts: ['acc-1', 'acc-2'], permissions, expires: (SECOND + 600) * 1000 };
    expect(answer).toEqual({ ok: true, caller });
    expect(authenticate(token, NOW)).toBe(answer);
  });

  it('reaches all accounts only where its claim says just that', async () => {
    const accounts = async (claim: unknown) => {
      const answer = await ask(await sign(first, { ...CLAIMS, ...(claim !== undefined && { verdict_accounts: claim }) }));
      return answer.ok && answer.caller.accounts;
    };
    expect(await accounts('all')).toBe('all');
    expect(await accounts('*')).toBe('all');
    expect(await accounts('acc-1')).toEqual(['acc-1']);
    expect(await accounts(undefined)).toEqual([]);
    expect(await accounts({ all: true })).toEqual([]);
    expect(await accounts([1, 'acc-1', '', 'a\u0000'])).toEqual(['acc-1']);
  });

  it('takes permissions as a list too, and ignores those that are unknown', async () => {
    const answer = await ask(await sign(first, { ...CLAIMS, verdict_permissions: ['audit.read', 'root', 7] }));
    expect(answer).toMatchObject({ ok: true, caller: { permissions: new Set(['audit.read']) } });
  });

  it('is refused for each claim that is missing or not meant for us', async () => {
    const { sub: _sub, ...nobody } = CLAIMS;
    const { exp: _exp, ...endless } = CLAIMS;
    const cases: readonly (readonly [JWTPayload, string])[] = [
      [{ ...CLAIMS, iss: 'https://elsewhere.example' }, 'credential.invalid'],
      [{ ...CLAIMS, aud: 'another' }, 'credential.invalid'],
      [{ ...CLAIMS, aud: ['another'] }, 'credential.invalid'],
      [{ ...CLAIMS, exp: SECOND - 6 }, 'credential.expired'],
      [{ ...CLAIMS, nbf: SECOND + 6 }, 'credential.invalid'],
      [{ ...CLAIMS, sub: '' }, 'credential.invalid'],
      [{ ...CLAIMS, sub: 'a'.repeat(300) }, 'credential.invalid'],
      [{ ...CLAIMS, sub: 'a\u0007' }, 'credential.invalid'],
      [{ ...CLAIMS, client_id: 'pdp' }, 'credential.invalid'],
      [nobody, 'credential.invalid'],
      [endless, 'credential.invalid'],
    ];
    for (const [claims, code] of cases) expectCode(await ask(await sign(first, claims)), code);
    for (const claims of [
      { ...CLAIMS, exp: SECOND - 4 },
      { ...CLAIMS, nbf: SECOND + 4 },
      { ...CLAIMS, aud: ['another', 'verdict'] },
    ])
      expect(await ask(await sign(first, claims))).toMatchObject({ ok: true });
  });

  it('is refused without a signature, or with one by another key', async () => {
    const none = part({ alg: 'none' });
    for (const token of [`${none}.${part(CLAIMS)}.`, `${none}.${part(CLAIMS)}.${part({ a: 1 })}`]) expectCode(await ask(token), 'credential.invalid');
    expectCode(await ask(await sign({ ...second, kid: 'k1' })), 'credential.invalid');
    const good = await sign(first);
    const [header, , signature] = good.split('.') as [string, string, string];
    expectCode(await ask(`${header}.${part({ ...CLAIMS, verdict_accounts: 'all' })}.${signature}`), 'credential.invalid');
  });

  it('is refused when the public key is used as an HMAC secret', async () => {
    const body = `${part({ alg: 'HS256', kid: 'r1' })}.${part(CLAIMS)}`;
    const signature = createHmac('sha256', await exportSPKI(rsa.publicKey))
      .update(body)
      .digest('base64url');
    expectCode(await ask(`${body}.${signature}`), 'credential.invalid');
    expectCode(await ask(`${body}.${signature}`, { algorithms: ['HS256'] }), 'credential.invalid');
  });

  it('must use an algorithm that its issuer is pinned to', async () => {
    expect(await ask(await sign(rsa))).toMatchObject({ ok: true });
    expectCode(await ask(await sign(rsa), { algorithms: ['ES256'] }), 'credential.invalid');
  });

  it('is refused where it insists on an extension that Verdict doesn’t know (RFC 7515, section 4.1.11)', async () => {
    const header = { alg: 'ES256', kid: 'k1', crit: ['exp-2'], 'exp-2': 1 };
    const token = await new SignJWT(CLAIMS).setProtectedHeader(header).sign(first.privateKey, { crit: { 'exp-2': true } });
    expectCode(await ask(token), 'credential.invalid');
  });

  it('is refused, not crashed on, whatever it is made of', async () => {
    const bodies = ['null', '[]', '7', '"x"', '{', '{"iss":{}}', '{"__proto__":{"iss":"x"}}', '['.repeat(3000)];
    for (const body of bodies)
      expectCode(await ask(`${part({ alg: 'ES256', kid: 'k1' })}.${Buffer.from(body).toString('base64url')}.AAAA`), 'credential.invalid');
    for (const header of [{ alg: 7 }, { alg: 'ES256', kid: {} }, { kid: 'k1' }, { alg: 'ES256', kid: 'k1', jwk: second.jwk }])
      expectCode(await ask(`${part(header)}.${part(CLAIMS)}.AAAA`), 'credential.invalid');
  });

  it('is forgotten at its end and after cache_seconds, whichever is sooner', async () => {
    const authenticate = start([issuerOf({ clock_tolerance_seconds: 0 })], 60);
    const short = `Bearer ${await sign(first, { ...CLAIMS, exp: SECOND + 10 })}`;
    expect(await authenticate(short, NOW)).toMatchObject({ ok: true });
    expect(authenticate(short, NOW + 9_999)).toMatchObject({ ok: true });
    expectCode(await authenticate(short, NOW + 10_000), 'credential.expired');
    const long = `Bearer ${await sign(first)}`;
    await authenticate(long, NOW);
    expect(authenticate(long, NOW + 59_999)).not.toBeInstanceOf(Promise);
    const again = authenticate(long, NOW + 60_000);
    expect(again).toBeInstanceOf(Promise);
    expect(await again).toMatchObject({ ok: true });
  });

  it('pushes nobody else out of the cache when made-up ones flood in', async () => {
    const authenticate = start();
    const good = `Bearer ${await sign(first)}`;
    const { secret } = await newKey();
    const known = [await authenticate(good, NOW), authenticate(`Bearer ${secret}`, NOW)];
    const [header, body] = good.slice(7).split('.') as [string, string];
    const flood = Array.from({ length: 12_000 }, (_, index) => authenticate(`Bearer ${header}.${body}.${part({ index })}`, NOW));
    const codes = new Set((await Promise.all(flood)).map((answer) => (answer.ok ? 'ok' : answer.code)));
    expect([...codes].sort()).toEqual(['credential.invalid', 'credential.unverified']);
    // These are told from their claims alone, so that every one of them is remembered.
    const strange = part({ ...CLAIMS, iss: 'https://elsewhere.example' });
    for (let index = 0; index < 12_000; index++) expectCode(await authenticate(`Bearer ${header}.${strange}.${part({ index })}`, NOW), 'credential.invalid');
    expect([authenticate(good, NOW), authenticate(`Bearer ${secret}`, NOW)]).toEqual(known);
    expect(authenticate(good, NOW)).toBe(known[0]);
  });

  it('names its key where its issuer has several', async () => {
    await writeFile(jwksPath, JSON.stringify({ keys: [first.jwk, second.jwk] }));
    expectCode(await ask(await new SignJWT(CLAIMS).setProtectedHeader({ alg: 'ES256' }).sign(first.privateKey)), 'credential.invalid');
  });
});

describe('An issuer’s keys', () => {
  let server: Server | undefined;
  let answer: { status: number; body: string };
  let asked: number;

  const listen = async (port = 0): Promise<string> => {
    server = createServer((request, response) => {
      asked += 1;
      if (request.url === '/elsewhere') return response.end(JSON.stringify({ keys: [second.jwk] }));
      response.writeHead(answer.status, { 'content-type': 'application/json', location: '/elsewhere' }).end(answer.body);
    });
    await new Promise<void>((done) => server?.listen(port, '127.0.0.1', done));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`;
  };
  const shut = async (): Promise<void> => {
    server?.closeAllConnections();
    await new Promise((done) => (server ? server.close(done) : done(undefined)));
    server = undefined;
  };
  const serve = (...pairs: readonly Pair[]): void => {
    answer = { status: 200, body: JSON.stringify({ keys: pairs.map(({ jwk }) => jwk) }) };
  };

  beforeEach(() => {
    asked = 0;
    serve(first);
  });
  afterEach(shut);

  const setAt = (url: string) => {
    let clock = 0;
    const keys = keySet(url, { warn: (sentence) => void warnings.push(sentence), clock: () => clock });
    return {
      find: async (kid: string) => (await keys.find({ alg: 'ES256', kid })).found,
      wait: (ms: number) => {
        clock += ms;
      },
    };
  };

  it('are fetched once for many tokens', async () => {
    const keys = setAt(await listen());
    expect(await Promise.all(Array.from({ length: 20 }, () => keys.find('k1')))).toEqual(Array(20).fill('key'));
    expect(asked).toBe(1);
  });

  it('are looked at again for an unknown key id, but not more often than the cooldown allows', async () => {
    const keys = setAt(await listen());
    expect(await keys.find('k1')).toBe('key');
    serve(first, second);
    for (let attempt = 0; attempt < 20; attempt++) expect(await keys.find('k2')).toBe('none');
    expect(asked).toBe(1);
    keys.wait(30_000);
    expect(await keys.find('k2')).toBe('key');
    for (let attempt = 0; attempt < 20; attempt++) await keys.find(`made-up-${attempt}`);
    expect(asked).toBe(2);
  });

  it('are gone when the issuer withdraws them', async () => {
    const keys = setAt(await listen());
    await keys.find('k1');
    serve(second);
    keys.wait(600_000);
    await keys.find('k1');
    await expect.poll(() => keys.find('k1')).toBe('none');
  });

  it('that were withdrawn while nobody asked are not believed once more', async () => {
    const keys = setAt(await listen());
    await keys.find('k1');
    serve(second);
    keys.wait(1_200_000);
    expect(await Promise.all([keys.find('k1'), keys.find('k1')])).toEqual(['none', 'none']);
    expect(asked).toBe(2);
  });

  it('stay in force for a day while the issuer is down, broken, or redirects; with one warning', async () => {
    const keys = setAt(await listen());
    expect(await keys.find('k1')).toBe('key');
    const bad = [
      { status: 500, body: '' },
      { status: 302, body: '' },
      { status: 200, body: 'no JSON' },
      { status: 200, body: '{"keys":7}' },
      { status: 200, body: `"${'a'.repeat(2_000_000)}"` },
    ];
    for (const one of bad) {
      answer = one;
      keys.wait(600_000);
      expect(await keys.find('k1')).toBe('key');
      await expect.poll(() => asked).toBe(bad.indexOf(one) + 2);
    }
    await shut();
    keys.wait(600_000);
    expect(await keys.find('k1')).toBe('key');
    expect(warnings).toEqual([expect.stringContaining('the keys that are known stay in force')]);
    keys.wait(24 * 3_600_000);
    expect(await keys.find('k1')).toBe('unavailable');
  });

  it('are not taken from where a redirect leads', async () => {
    const keys = setAt(await listen());
    answer = { status: 302, body: '' };
    expect(await keys.find('k2')).toBe('unavailable');
    expect(asked).toBe(1);
  });

  it('are had at once when an issuer is back after more than a day', async () => {
    const keys = setAt(await listen());
    await keys.find('k1');
    serve(second);
    keys.wait(25 * 3_600_000);
    expect(await keys.find('k2')).toBe('key');
  });

  it('that were never had refuse the token for now, and are had when the issuer is back', async () => {
    const url = await listen();
    await shut();
    const keys = setAt(url);
    expect(await keys.find('k1')).toBe('unavailable');
    expect(await keys.find('k1')).toBe('unavailable');
    expect(warnings).toHaveLength(1);
    await listen(Number(new URL(url).port));
    keys.wait(1_000);
    expect(await keys.find('k1')).toBe('key');
  });

  it('answer a token through the whole authenticator, before and after the issuer goes down', async () => {
    const url = await listen();
    const authenticate = start([issuerOf({ jwks: url })], 1);
    const token = `Bearer ${await sign(first)}`;
    expect(await authenticate(token, NOW)).toMatchObject({ ok: true });
    await shut();
    expect(await authenticate(token, NOW + 2_000)).toMatchObject({ ok: true });
  });

  it('that can’t be had are not held against the token afterwards', async () => {
    const url = await listen();
    await shut();
    const authenticate = start([issuerOf({ jwks: url })]);
    const token = `Bearer ${await sign(first)}`;
    expectCode(await authenticate(token, NOW), 'credential.unverified');
    await listen(Number(new URL(url).port));
    await expect.poll(async () => (await authenticate(token, NOW)).ok, { timeout: 5_000 }).toBe(true);
  });

  it('come from https, loopback or a file, and nowhere else', () => {
    for (const jwks of ['http://issuer.example/jwks', 'ftp://127.0.0.1/jwks', 'http://127.0.0.1.evil.example/jwks', 'file:///etc/passwd'])
      expect(() => start([issuerOf({ jwks })])).toThrow(ConfigError);
    for (const jwks of ['https://issuer.example/jwks', 'http://localhost:1/jwks', 'http://[::1]:1/jwks'])
      expect(() => start([issuerOf({ jwks })])).not.toThrow();
  });

  it('in a file follow the file', async () => {
    const keys = setAt(jwksPath);
    expect(await keys.find('k2')).toBe('none');
    await writeFile(`${jwksPath}.new`, JSON.stringify({ keys: [second.jwk] }));
    await rename(`${jwksPath}.new`, jwksPath);
    keys.wait(1_000);
    expect(await keys.find('k2')).toBe('key');
    expect(await keys.find('k1')).toBe('none');
  });
});
