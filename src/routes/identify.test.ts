import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EndUserIssuerConfig } from '../config.js';
import { type Directory, localDirectory } from '../evaluate/index.js';
import { newUlid } from '../event/index.js';
import { identify, tokenHash } from './identify.js';
import type { Identify } from './types.js';

const SECRET = `plat_${randomBytes(8).toString('hex')}`;

describe('who an end user is', () => {
  const folder = mkdtempSync(join(tmpdir(), 'verdict-identify-'));
  let directory: Directory;
  let who: Identify;
  let sign: (claims: Record<string, unknown>, audience?: string) => Promise<string>;

  beforeAll(async () => {
    const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
    writeFileSync(join(folder, 'jwks.json'), JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'k', alg: 'ES256' }] }));
    directory = localDirectory({ path: join(folder, 'directory') });
    await directory.apply([
      { change: newUlid(), op: 'put', type: 'user', id: 'usr-1', properties: { email: 'ada@example.com' } },
      { change: newUlid(), op: 'put', type: 'token', id: 'tok-1', account: 'acc-1', properties: { owner: 'usr-1', hash: tokenHash(SECRET) } },
    ]);
    const issuer: EndUserIssuerConfig = {
      issuer: 'https://login.example',
      audience: 'control-plane',
      jwks: join(folder, 'jwks.json'),
      algorithms: ['ES256'],
      subject_type: 'user',
      subject_claim: 'sub',
      account_claim: 'account',
      email_claim: 'email',
      token_claim: 'jti',
      clock_tolerance_seconds: 5,
    };
    who = identify({ issuers: [issuer], cookie: 'session', cache_seconds: 60 }, { directory, warn: () => undefined });
    sign = (claims, audience = 'control-plane') =>
      new SignJWT(claims)
        .setProtectedHeader({ alg: 'ES256', kid: 'k' })
        .setIssuer('https://login.example')
        .setAudience(audience)
        .setExpirationTime('1h')
        .sign(privateKey);
  });
  afterAll(async () => {
    await directory.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const bearer = (token: string) => who({ authorization: `Bearer ${token}` }, Date.now());

  it("is the owner of a token that the directory knows by its hash, and the token's account", async () => {
    expect(await bearer(SECRET)).toEqual({
      ok: true,
      user: { subject: { type: 'token', id: 'tok-1' }, account: 'acc-1', token: 'tok-1', email: 'ada@example.com' },
    });
  });

  it('is what the claims of a signed token say', async () => {
    const token = await sign({ sub: 'usr-2', account: 'acc-2', email: 'bo@example.com', jti: 'tok-9' });
    const expected = { ok: true, user: { subject: { type: 'user', id: 'usr-2' }, account: 'acc-2', email: 'bo@example.com', token: 'tok-9' } };
    expect(await bearer(token)).toEqual(expected);
    expect(await bearer(token)).toEqual(expected);
    expect(await who({ cookie: `a=b; session=${token}` }, Date.now())).toEqual(expected);
  });

  it.each([
    ['nothing', undefined, 'credential.missing'],
    ['an unknown token', 'Bearer nobody-knows-this', 'credential.invalid'],
    ['another scheme', 'Basic YTpi', 'credential.invalid'],
    ['the hash itself', `Bearer ${tokenHash(SECRET)}`, 'credential.invalid'],
    ['something long', `Bearer ${'a'.repeat(9_000)}`, 'credential.invalid'],
  ])('is not told by %s', async (_name, authorization, code) => {
    expect(await who(authorization === undefined ? {} : { authorization }, Date.now())).toMatchObject({ ok: false, code });
  });

  it('is not told by a signed token for somebody else, with a name that no event can carry, or with a broken signature', async () => {
    expect(await bearer(await sign({ sub: 'usr-2' }, 'another'))).toMatchObject({ ok: false, code: 'credential.invalid' });
    expect(await bearer(await sign({ sub: 'usr-2\r\nX-Verdict-Account: acc-9' }))).toMatchObject({ ok: false, code: 'credential.invalid' });
    const token = await sign({ sub: 'usr-2' });
    expect(await bearer(`${token.slice(0, -6)}AAAAAA`)).toMatchObject({ ok: false, code: 'credential.invalid' });
  });

  it('is not told by two cookies of the name that differ', async () => {
    expect(await who({ cookie: `session=${SECRET}; session=${SECRET}` }, Date.now())).toMatchObject({ ok: true });
    expect(await who({ cookie: `session=${SECRET}; session=another` }, Date.now())).toMatchObject({ ok: false, code: 'credential.missing' });
  });

  it('is told by a token only for as long as the directory has its hash', async () => {
    await directory.apply([
      { change: newUlid(), op: 'put', type: 'token', id: 'tok-2', account: 'acc-1', properties: { owner: 'usr-1', hash: tokenHash('two') } },
    ]);
    expect((await bearer('two')).ok).toBe(true);
    await directory.apply([
      { change: newUlid(), op: 'put', type: 'token', id: 'tok-2', account: 'acc-1', properties: { owner: 'usr-1', hash: tokenHash('three') } },
    ]);
    expect([(await bearer('two')).ok, (await bearer('three')).ok]).toEqual([false, true]);
    await directory.apply([{ change: newUlid(), op: 'delete', type: 'token', id: 'tok-2' }]);
    expect((await bearer('three')).ok).toBe(false);
  });
});
