import { createHash } from 'node:crypto';
import { type BundleFiles, PolicyError, readBundle, revisionOf } from '../evaluate/index.js';
import { canonicalJson } from './canonical-json.js';
import type { VerificationKey } from './keys.js';
import { SIGNATURES, verifySignature } from './signature.js';

/** A bundle that may be decided by. */
export type Admitted = {
  readonly outcome: 'admitted';
  readonly bytes: Buffer;
  /** SHA-256 of the bytes as they came, in hex. */
  readonly digest: string;
  readonly revision: string;
  /** Which bundle is newer: the manifest's `metadata.sequence`. */
  readonly sequence?: number;
  /** The id of the pinned key that signed it. */
  readonly signedBy?: string;
};

/** Why a bundle was not taken: a stable code and a sentence. */
export type Refused = { readonly outcome: 'refused'; readonly digest: string; readonly code: RefusalCode; readonly message: string };

export type RefusalCode = 'bundle.unreadable' | 'bundle.unsigned' | 'bundle.signature' | 'bundle.sequence' | 'bundle.unusable';

export type AdmissionRules = {
  readonly keys: readonly VerificationKey[];
  readonly requireSignature: boolean;
  /** Rejects with PolicyError where the bundle doesn't load or lacks the entrypoint. */
  readonly load: (bytes: Buffer) => Promise<unknown>;
};

/** The highest sequence that was ever in force here, and whose it was. */
export type Highest = { readonly sequence: number; readonly revision: string };

class Refusal extends Error {
  readonly code: RefusalCode;
  constructor(code: RefusalCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** SHA-256 in lower-case hex. */
export const digestOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Runs one check; what it finds wrong gets its code. */
const check = async <T>(code: RefusalCode, work: () => Promise<T> | T): Promise<T> => {
  try {
    return await work();
  } catch (error) {
    if (error instanceof PolicyError) throw new Refusal(code, error.message);
    throw error;
  }
};

const sequenceOf = (files: BundleFiles): number | undefined => {
  const content = files.get('.manifest');
  if (!content) return undefined;
  const manifest = JSON.parse(canonicalJson(content, '.manifest')) as { readonly metadata?: { readonly sequence?: unknown } } | null;
  const sequence = manifest?.metadata?.sequence;
  if (sequence === undefined) return undefined;
  if (!Number.isSafeInteger(sequence) || (sequence as number) < 0)
    throw new PolicyError("The policy bundle's metadata.sequence in .manifest must be a whole number from 0.");
  return sequence as number;
};

const checkSequence = (sequence: number | undefined, revision: string, isSigned: boolean, highest: Highest | undefined): void => {
  if (sequence === undefined) {
    if (!isSigned) return;
    throw new PolicyError(
      'The policy bundle is signed but has no metadata.sequence in its .manifest: number each one higher than the last, so that an old one can not be put back.',
    );
  }
  if (!highest || sequence > highest.sequence || (sequence === highest.sequence && revision === highest.revision)) return;
  throw new PolicyError(
    `The policy bundle's metadata.sequence is ${sequence}, but ${highest.sequence} was in force already: sign this content with a higher one.`,
  );
};

const signerOf = async (files: BundleFiles, { keys, requireSignature }: AdmissionRules): Promise<string | undefined> => {
  const isSigned = files.has(SIGNATURES);
  if (isSigned && keys.length > 0) return check('bundle.signature', () => verifySignature(files, keys));
  if (requireSignature)
    throw new Refusal(
      'bundle.unsigned',
      'The policy bundle is not signed, and policy.require_signature asks for it: build it with `opa build --bundle --signing-key`.',
    );
  return undefined;
};

const examine = async (bytes: Buffer, digest: string, rules: AdmissionRules, highest: Highest | undefined): Promise<Admitted> => {
  const files = await check('bundle.unreadable', () => readBundle(bytes));
  const signedBy = await signerOf(files, rules);
  const revision = revisionOf(files);
  const sequence = await check('bundle.sequence', () => {
    const found = sequenceOf(files);
    checkSequence(found, revision, signedBy !== undefined, highest);
    return found;
  });
  await check('bundle.unusable', () => rules.load(bytes));
  return { outcome: 'admitted', bytes, digest, revision, ...(sequence !== undefined && { sequence }), ...(signedBy !== undefined && { signedBy }) };
};

/**
 * Decides whether a bundle may take the place of the one in force: it can be unpacked, is signed where that is asked
 * for, is newer than all before it, and loads. Never by what it says before its signature is checked.
 */
export const admit = async (bytes: Buffer, rules: AdmissionRules, highest: Highest | undefined): Promise<Admitted | Refused> => {
  const digest = digestOf(bytes);
  try {
    return await examine(bytes, digest, rules, highest);
  } catch (error) {
    if (error instanceof Refusal) return { outcome: 'refused', digest, code: error.code, message: error.message };
    throw error;
  }
};
