import { createPublicKey, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type Config, ConfigError } from '../config.js';

export type SignatureAlgorithm = 'EdDSA' | 'ES256' | 'RS256';

/** A key that bundles may be signed with. Its algorithm is its own: what a signature says of itself doesn't choose it. */
export type VerificationKey = { readonly id: string; readonly algorithm: SignatureAlgorithm; readonly scope: string; readonly key: KeyObject };

const LEAST_RSA_BITS = 2048;

/** Why the key can't check signatures of this algorithm; undefined if it can. */
const unfit = (key: KeyObject, algorithm: SignatureAlgorithm): string | undefined => {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  if (algorithm === 'EdDSA') return type === 'ed25519' ? undefined : `EdDSA needs an Ed25519 key, this is ${type}`;
  if (algorithm === 'ES256') return details?.namedCurve === 'prime256v1' ? undefined : `ES256 needs a key on P-256, this is ${details?.namedCurve ?? type}`;
  if (type !== 'rsa') return `RS256 needs an RSA key, this is ${type}`;
  return (details?.modulusLength ?? 0) >= LEAST_RSA_BITS ? undefined : `RS256 needs ${LEAST_RSA_BITS} bits or more, this has ${details?.modulusLength}`;
};

const readPem = (value: string, where: string): string => {
  if (value.includes('-----BEGIN ')) return value;
  try {
    return readFileSync(value, 'utf8');
  } catch (error) {
    throw new ConfigError(`${where}.key: ${value} is no PEM text, and no file that can be read: ${(error as Error).message}.`);
  }
};

const parse = (pem: string, where: string): KeyObject => {
  if (pem.includes('PRIVATE KEY'))
    throw new ConfigError(`${where}.key is a private key: pin the public one here, and keep the private one where bundles are signed.`);
  try {
    return createPublicKey(pem);
  } catch {
    throw new ConfigError(`${where}.key is no public key in PEM (-----BEGIN PUBLIC KEY-----).`);
  }
};

/** The pinned keys of policy.verification_keys. Throws ConfigError for one that can't do what it is pinned for. */
export const verificationKeys = (pinned: Config['policy']['verification_keys']): readonly VerificationKey[] =>
  Object.entries(pinned).map(([id, { key: value, algorithm, scope }]) => {
    const where = `policy.verification_keys.${id}`;
    const key = parse(readPem(value, where), where);
    const fault = unfit(key, algorithm);
    if (fault) throw new ConfigError(`${where}: ${fault}.`);
    return { id, algorithm, scope, key };
  });
