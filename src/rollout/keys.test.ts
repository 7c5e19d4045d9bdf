import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { VerificationKeyConfig } from '../config.js';
import { verificationKeys } from './keys.js';

const pem = (pair: { readonly publicKey: KeyObject; readonly privateKey: KeyObject }) => ({
  publicKey: pair.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  privateKey: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
});
const ed25519 = pem(generateKeyPairSync('ed25519'));
const p256 = pem(generateKeyPairSync('ec', { namedCurve: 'P-256' }));
const p384 = pem(generateKeyPairSync('ec', { namedCurve: 'P-384' }));
const rsa = pem(generateKeyPairSync('rsa', { modulusLength: 2048 }));
const weak = pem(generateKeyPairSync('rsa', { modulusLength: 1024 }));

const pin = (key: string, algorithm: VerificationKeyConfig['algorithm']) => verificationKeys({ release: { key, algorithm, scope: '' } });

describe('a pinned key', () => {
  test.each([
    ['EdDSA', ed25519.publicKey],
    ['ES256', p256.publicKey],
    ['RS256', rsa.publicKey],
  ] as const)('for %s is taken, as text or as a file', (algorithm, text) => {
    const folder = mkdtempSync(join(tmpdir(), 'verdict-key-'));
    try {
      writeFileSync(join(folder, 'key.pem'), text);
      for (const key of [text, join(folder, 'key.pem')]) expect(pin(key, algorithm)).toMatchObject([{ id: 'release', algorithm, scope: '' }]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test.each([
    ['of another kind', rsa.publicKey, 'EdDSA', 'EdDSA needs an Ed25519 key, this is rsa'],
    ['on another curve', p384.publicKey, 'ES256', 'ES256 needs a key on P-256, this is secp384r1'],
    ['of no curve', ed25519.publicKey, 'ES256', 'ES256 needs a key on P-256, this is ed25519'],
    ['too short', weak.publicKey, 'RS256', 'RS256 needs 2048 bits or more, this has 1024'],
    ['that is private', ed25519.privateKey, 'EdDSA', 'is a private key'],
    ['that is none', '-----BEGIN PUBLIC KEY-----\nabc\n-----END PUBLIC KEY-----', 'EdDSA', 'is no public key in PEM'],
    [
      'in a file that is missing',
      '/nowhere/key.pem',
      'EdDSA',
      'policy.verification_keys.release.key: /nowhere/key.pem is no PEM text, and no file that can be read',
    ],
  ] as const)('%s is refused by name', (_, key, algorithm, why) => {
    expect(() => pin(key, algorithm)).toThrow(why);
  });
});
