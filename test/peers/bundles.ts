import { execFile } from 'node:child_process';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { fixturePolicies } from './opa.js';

const run = promisify(execFile);

export type SigningAlgorithm = 'EdDSA' | 'ES256' | 'RS256';

/** A key to sign bundles with, made for one test. Both halves are PEM. */
export type SigningKey = { readonly algorithm: SigningAlgorithm; readonly privateKey: string; readonly publicKey: string };

const pairOf = (algorithm: SigningAlgorithm): { readonly privateKey: KeyObject; readonly publicKey: KeyObject } => {
  if (algorithm === 'EdDSA') return generateKeyPairSync('ed25519');
  if (algorithm === 'ES256') return generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return generateKeyPairSync('rsa', { modulusLength: 2048 });
};

const privatePem = (key: KeyObject, algorithm: SigningAlgorithm): string => {
  // OPA reads elliptic keys in the older form only.
  if (algorithm === 'ES256') return key.export({ type: 'sec1', format: 'pem' }).toString();
  return key.export({ type: algorithm === 'RS256' ? 'pkcs1' : 'pkcs8', format: 'pem' } as { type: 'pkcs8'; format: 'pem' }).toString();
};

export const signingKey = (algorithm: SigningAlgorithm): SigningKey => {
  const { privateKey, publicKey } = pairOf(algorithm);
  return { algorithm, privateKey: privatePem(privateKey, algorithm), publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString() };
};

export type Release = {
  /** The reason's code that this bundle gives. */
  readonly release: string;
  readonly sequence?: number;
  readonly sign?: { readonly key: SigningKey; readonly id?: string; readonly claims?: Readonly<Record<string, unknown>> };
  /** Further data, as JSON text: OPA keeps its numbers as they are spelt. */
  readonly data?: string;
};

/** Builds, and signs, a bundle with OPA itself: the fixture policy `release` with its data. */
export const buildRelease = async (opa: string, { release, sequence, sign, data = '{}' }: Release): Promise<Buffer> => {
  const folder = await mkdtemp(join(tmpdir(), 'verdict-release-'));
  const source = join(folder, 'source');
  const out = join(folder, 'bundle.tar.gz');
  try {
    cpSync(join(fixturePolicies, 'release'), source, { recursive: true });
    writeFileSync(join(source, 'data.json'), `{"release": ${JSON.stringify(release)}, "more": ${data}}`);
    if (sequence !== undefined) writeFileSync(join(source, '.manifest'), JSON.stringify({ roots: [''], metadata: { sequence } }));
    const args = ['build', '-t', 'wasm', '-e', 'verdict/decision', '-o', out];
    if (sign) {
      writeFileSync(join(folder, 'key.pem'), sign.key.privateKey, { mode: 0o600 });
      writeFileSync(join(folder, 'claims.json'), JSON.stringify({ ...(sign.id && { keyid: sign.id }), ...sign.claims }));
      args.push('--signing-key', join(folder, 'key.pem'), '--signing-alg', sign.key.algorithm, '--claims-file', join(folder, 'claims.json'));
    }
    await run(opa, [...args, '-b', '.'], { cwd: source });
    return readFileSync(out);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};
