import { createHash } from 'node:crypto';
import { compactVerify, decodeProtectedHeader } from 'jose';
import { type BundleFiles, PolicyError } from '../evaluate/index.js';
import { canonicalJson } from './canonical-json.js';
import type { VerificationKey } from './keys.js';

export const SIGNATURES = '.signatures.json';

/** OPA's names of the hashes that may stand in a signature. Those that are broken or cut short are not taken. */
const HASHES: ReadonlyMap<string, string> = new Map([
  ['SHA-256', 'sha256'],
  ['SHA-384', 'sha384'],
  ['SHA-512', 'sha512'],
]);

/** The key id that OPA writes where it was told none. */
const UNNAMED = 'default';

type SignedFile = { readonly name: string; readonly hash: string; readonly algorithm: string };
type Payload = { readonly files: readonly SignedFile[]; readonly keyid?: string; readonly scope?: string };

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

const tokenIn = (content: Buffer): string => {
  const document: unknown = JSON.parse(canonicalJson(content, SIGNATURES));
  const { signatures, plugin = '' } = isObject(document) ? document : {};
  if (plugin !== '' && plugin !== '_default')
    throw new PolicyError(`The policy bundle's ${SIGNATURES} was made by the plugin ${String(plugin)}, which Verdict doesn't have.`);
  const [token, ...others] = Array.isArray(signatures) ? (signatures as unknown[]) : [];
  if (typeof token !== 'string' || others.length > 0) throw new PolicyError(`The policy bundle's ${SIGNATURES} must hold exactly one signature.`);
  return token;
};

const isSignedFile = (file: unknown): file is SignedFile =>
  isObject(file) && typeof file['name'] === 'string' && typeof file['hash'] === 'string' && typeof file['algorithm'] === 'string';

const payloadOf = (bytes: Uint8Array): Payload => {
  const payload: unknown = JSON.parse(canonicalJson(Buffer.from(bytes), `${SIGNATURES} (what it signs)`));
  if (!isObject(payload) || !Array.isArray(payload['files']) || !payload['files'].every(isSignedFile))
    throw new PolicyError(`The policy bundle's ${SIGNATURES} doesn't say of its files which name, hash and algorithm they have.`);
  return payload as Payload;
};

/** The key id that a token names: in its header, or, as OPA used to write it, in what it signs. */
const keyIdOf = (token: string): string => {
  try {
    const { kid } = decodeProtectedHeader(token);
    if (typeof kid === 'string' && kid !== '') return kid;
    const payload = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8')) as Payload | null;
    return typeof payload?.keyid === 'string' && payload.keyid !== '' ? payload.keyid : UNNAMED;
  } catch {
    throw new PolicyError(`The policy bundle's ${SIGNATURES} holds no JSON Web Signature (RFC 7515).`);
  }
};

/** The pinned keys that a token may be checked with: the one it names; all, where it names none. */
const candidates = (token: string, keys: readonly VerificationKey[]): readonly VerificationKey[] => {
  const id = keyIdOf(token);
  const named = keys.filter((key) => key.id === id);
  if (named.length > 0) return named;
  if (id === UNNAMED) return keys;
  throw new PolicyError(`The policy bundle is signed with the key ${id}, which policy.verification_keys doesn't have.`);
};

const verify = async (token: string, keys: readonly VerificationKey[]): Promise<{ readonly payload: Payload; readonly key: VerificationKey }> => {
  const tried = candidates(token, keys);
  for (const key of tried) {
    const verified = await compactVerify(token, key.key, { algorithms: [key.algorithm] }).catch(() => undefined);
    if (!verified) continue;
    const payload = payloadOf(verified.payload);
    if ((payload.scope ?? '') !== key.scope)
      throw new PolicyError(
        `The policy bundle is signed for the scope "${payload.scope ?? ''}", but policy.verification_keys.${key.id} is for "${key.scope}".`,
      );
    return { payload, key };
  }
  const names = tried.map(({ id, algorithm }) => `${id} (${algorithm})`).join(', ');
  throw new PolicyError(`The policy bundle's signature doesn't fit the pinned key ${names}.`);
};

const STRUCTURED = /(^|\/)(data\.json|\.manifest)$/;

/** A file's hash as OPA makes it: of the document in JSON files, of the bytes in all others. */
const hashOf = (name: string, content: Buffer, algorithm: string): string =>
  createHash(algorithm)
    .update(STRUCTURED.test(name) ? canonicalJson(content, name) : content)
    .digest('hex');

const checkFile = ({ name, hash, algorithm }: SignedFile, content: Buffer | undefined): void => {
  if (!content) throw new PolicyError(`The policy bundle lacks ${name}, which its signature names.`);
  const known = HASHES.get(algorithm);
  if (!known) throw new PolicyError(`The policy bundle's signature has a ${algorithm} hash of ${name}; SHA-256, SHA-384 and SHA-512 are accepted.`);
  if (hashOf(name, content, known) !== hash.toLowerCase()) throw new PolicyError(`The policy bundle's ${name} is not what was signed.`);
};

/** Only plain relative paths: whoever unpacks the bundle elsewhere must come to the same files. */
const isPlain = (name: string): boolean =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for.
  !/[\u0000-\u001f\u007f\\]/.test(name) && name.split('/').every((part) => part !== '' && part !== '.' && part !== '..');

const signedFiles = (files: readonly SignedFile[]): ReadonlyMap<string, SignedFile> => {
  const byName = new Map<string, SignedFile>();
  for (const file of files) {
    const name = file.name.replace(/^\//, '');
    if (!isPlain(name)) throw new PolicyError(`The policy bundle's signature names ${JSON.stringify(file.name)}, which is no plain path.`);
    if (byName.has(name)) throw new PolicyError(`The policy bundle's signature names ${name} twice.`);
    byName.set(name, { ...file, name });
  }
  return byName;
};

/**
 * Checks that a bundle is, file for file, what one of the pinned keys signed (`opa build --bundle --signing-key`; OPA
 * 1.10, v1/bundle/verify.go): exactly one signature, by the algorithm that its key is pinned with; every file named in
 * it with its hash, and no name without its file. Resolves with the key's id; rejects with PolicyError.
 */
export const verifySignature = async (files: BundleFiles, keys: readonly VerificationKey[]): Promise<string> => {
  const content = files.get(SIGNATURES);
  if (!content) throw new PolicyError('The policy bundle is not signed: build it with `opa build --bundle --signing-key`.');
  const { payload, key } = await verify(tokenIn(content), keys);
  const signed = signedFiles(payload.files);
  for (const name of files.keys()) {
    if (!isPlain(name)) throw new PolicyError(`The policy bundle holds ${JSON.stringify(name)}, which is no plain path.`);
    if (name !== SIGNATURES && !signed.has(name)) throw new PolicyError(`The policy bundle holds ${name}, which its signature doesn't name.`);
  }
  for (const [name, file] of signed) checkFile(file, files.get(name));
  return key.id;
};
