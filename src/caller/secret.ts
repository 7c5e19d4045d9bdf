import { hash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const SECRET_BYTES = 32;
/** 62^43 > 2^256, 62^6 > 2^32. */
const SECRET_DIGITS = 43;
const CHECK_DIGITS = 6;

const base62 = (value: bigint, digits: number): string => {
  let rest = value;
  let text = '';
  for (let place = 0; place < digits; place++) {
    text = DIGITS.charAt(Number(rest % 62n)) + text;
    rest /= 62n;
  }
  return text;
};

const checkOf = (text: string): string => base62(BigInt(crc32(text)), CHECK_DIGITS);

/** `prefix`, then 256 random bits in base62, then a CRC-32 of all that in base62: a typo or a cut shows without a look-up. */
export const newSecret = (prefix: string): string => {
  const text = prefix + base62(BigInt(`0x${randomBytes(SECRET_BYTES).toString('hex')}`), SECRET_DIGITS);
  return text + checkOf(text);
};

const KEY = new RegExp(`^vk_([0-7][0-9A-HJKMNP-TV-Z]{25})_([0-9A-Za-z]{${SECRET_DIGITS + CHECK_DIGITS}})$`);

/** What stands before the secret in the text of the key with this id. */
export const keyPrefix = (id: string): string => `vk_${id}_`;

/** The part of a key's text that is hashed: everything after the id. */
export const secretPart = (text: string): string => text.slice(text.lastIndexOf('_') + 1);

/** SHA-256 in lower-case hex. A secret of 256 random bits needs no slow hash: there is nothing to guess. */
export const hashOf = (secret: string): string => hash('sha256', secret);

export type KeyText = { readonly kind: 'key'; readonly id: string; readonly hash: string } | { readonly kind: 'damaged' } | { readonly kind: 'other' };

/** Reads a credential that may be an API key: `damaged` is one that is cut, mistyped or made up. */
export const readKeyText = (token: string): KeyText => {
  if (!token.startsWith('vk_')) return { kind: 'other' };
  const [, id, secret] = KEY.exec(token) ?? [];
  if (id === undefined || secret === undefined) return { kind: 'damaged' };
  if (checkOf(token.slice(0, -CHECK_DIGITS)) !== token.slice(-CHECK_DIGITS)) return { kind: 'damaged' };
  return { kind: 'key', id, hash: hashOf(secret) };
};

const CREDENTIALS = /vk_[0-9A-Za-z_]+|va_[0-9A-Za-z]+|[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*/g;

/** The text without anything in it that looks like a key or a token. */
export const withoutCredentials = (text: string): string => text.replace(CREDENTIALS, '…');
