// @ts-check
import { createHash, randomBytes, scryptSync, timingSafeEqual } from 'node:crypto';

/** An id that nobody guesses: `inst-3f9c…`. */
export const newId = (/** @type {string} */ prefix) => `${prefix}-${randomBytes(6).toString('hex')}`;

/** A token is 256 random bits: a fast hash is enough, for there is nothing to guess. */
export const newToken = () => {
  const secret = `plat_${randomBytes(32).toString('base64url')}`;
  return { secret, hash: createHash('sha256').update(secret).digest('hex') };
};

/** A password is made by a person: it is kept by a slow hash. */
export const hashPassword = (/** @type {string} */ password, salt = randomBytes(16).toString('hex')) =>
  `${salt}:${scryptSync(password, salt, 32).toString('hex')}`;

const NOBODYS = hashPassword(randomBytes(16).toString('hex'));

/** Takes as long for who isn't known. */
export const isPassword = (/** @type {string} */ password, /** @type {string | undefined} */ kept) => {
  const known = kept ?? NOBODYS;
  const [salt] = known.split(':');
  return timingSafeEqual(Buffer.from(hashPassword(password, salt)), Buffer.from(known)) && kept !== undefined;
};

/** Ten single-use codes, as people type them. */
export const newRecoveryCodes = () =>
  Array.from({ length: 10 }, () =>
    randomBytes(5)
      .toString('hex')
      .replace(/^(.{5})/, '$1-'),
  );

const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
/** The secret of a time-based one-time password (RFC 6238): 160 bits in base 32. */
export const newTotpSecret = () => [...randomBytes(32)].map((byte) => BASE32[byte % 32]).join('');
