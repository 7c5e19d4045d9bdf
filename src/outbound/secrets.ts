import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { ConfigError } from '../config.js';

/** A secret that can't be had: no key, another key, or bytes that were changed. The message is a sentence without any of the secret. */
export class SecretError extends Error {
  override readonly name = 'SecretError';
  constructor(
    readonly code: 'secrets.no_key' | 'secrets.unknown_key' | 'secrets.damaged',
    message: string,
  ) {
    super(message);
  }
}

/** Secrets at rest: AES-256-GCM, bound to whom they belong. */
export type Secrets = {
  /** Whether anything can be sealed: `secrets.key` is set. */
  readonly canSeal: boolean;
  /** `owner` says whose it is and which (`verdict.forwarder/<id>/token`): it opens for the same owner only. Throws SecretError without a key. */
  readonly seal: (secret: string, owner: string) => string;
  /** The secret of a sealed text. Throws {@link SecretError}. */
  readonly open: (sealed: string, owner: string) => string;
  /** Whether it was sealed with another key than the present one, or can't be opened by it. */
  readonly isOld: (sealed: string) => boolean;
};

type Key = { readonly id: string; readonly bytes: Buffer };

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const SEALED = /^sealed:v1:([0-9a-f]{8}):([A-Za-z0-9_-]+)$/;
const HEX = /^[0-9a-fA-F]{64}$/;
const BASE64 = /^[A-Za-z0-9+/_-]{43}=?$/;

export const isSealed = (text: unknown): text is string => typeof text === 'string' && SEALED.test(text);

const readKey = (text: string, where: string): Key => {
  const bytes = HEX.test(text) ? Buffer.from(text, 'hex') : BASE64.test(text) ? Buffer.from(text, 'base64') : undefined;
  if (bytes?.length !== KEY_BYTES)
    throw new ConfigError(`${where} must be ${KEY_BYTES} random bytes as base64 or as hex: make one with \`openssl rand -base64 32\`.`);
  return { id: createHash('sha256').update('verdict secrets ').update(bytes).digest('hex').slice(0, 8), bytes };
};

/** Throws ConfigError for a key that is none. `old_keys` open what was sealed before a rotation; nothing new is sealed with them. */
export const openSecrets = ({ key, old_keys }: { readonly key: string; readonly old_keys: readonly string[] }): Secrets => {
  const present = key === '' ? undefined : readKey(key, 'secrets.key');
  const old = old_keys.map((one, index) => readKey(one, `secrets.old_keys[${index}]`));
  const keys = new Map([...old, ...(present ? [present] : [])].map((one) => [one.id, one.bytes]));

  return {
    canSeal: present !== undefined,
    seal: (secret, owner) => {
      if (!present) throw new SecretError('secrets.no_key', 'No secret can be kept without a key to encrypt it: set secrets.key (VERDICT_SECRETS_KEY).');
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv('aes-256-gcm', present.bytes, nonce).setAAD(Buffer.from(owner, 'utf8'));
      const text = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()]);
      return `sealed:v1:${present.id}:${Buffer.concat([nonce, cipher.getAuthTag(), text]).toString('base64url')}`;
    },
    open: (sealed, owner) => {
      const [, id, body] = SEALED.exec(sealed) ?? [];
      const bytes = id === undefined ? undefined : keys.get(id);
      if (id === undefined || body === undefined) throw new SecretError('secrets.damaged', `The secret of ${owner} is no sealed text: set it again.`);
      if (!bytes)
        throw new SecretError(
          'secrets.unknown_key',
          `The secret of ${owner} was sealed with the key ${id}, which is neither secrets.key nor among secrets.old_keys: add it there, or set the secret again.`,
        );
      try {
        const parts = Buffer.from(body, 'base64url');
        const decipher = createDecipheriv('aes-256-gcm', bytes, parts.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
        decipher.setAAD(Buffer.from(owner, 'utf8')).setAuthTag(parts.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
        return Buffer.concat([decipher.update(parts.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()]).toString('utf8');
      } catch {
        throw new SecretError('secrets.damaged', `The secret of ${owner} does not open: it was changed, or belongs elsewhere. Set it again.`);
      }
    },
    isOld: (sealed) => SEALED.exec(sealed)?.[1] !== present?.id,
  };
};
