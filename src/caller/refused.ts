import type { Authentication } from './types.js';

export type Refused = Authentication & { readonly ok: false };

const refused = (code: string, message: string): Refused => ({ ok: false, code, message });

export const MISSING = refused('credential.missing', 'This needs a credential: send "Authorization: Bearer <API key or token>".');
export const EXPIRED = refused('credential.expired', 'This credential has expired.');
export const REVOKED = refused('credential.revoked', 'This credential is revoked.');
/** The credential may be good: ask again later. */
export const BUSY = refused('credential.unverified', 'Too many unknown tokens are being checked at this moment; try again.');
export const NO_KEYS = refused('credential.unverified', 'The keys of the token’s issuer can’t be had at the moment, so it can’t be checked; try again.');

/** `why` ends a sentence and holds no part of the credential. */
export const invalid = (why: string): Refused => refused('credential.invalid', `This credential is not valid: ${why}.`);
