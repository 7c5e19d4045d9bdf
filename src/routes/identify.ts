import { createHash } from 'node:crypto';
import { jwtProver, lru } from '../caller/index.js';
import type { EndUsersConfig } from '../config.js';
import type { Directory } from '../evaluate/index.js';
import type { EndUser, Identified, Identify } from './types.js';

export type IdentifyDeps = { readonly directory: Pick<Directory, 'get' | 'tokenOf'>; readonly warn: (sentence: string) => void };

const MISSING: Identified = { ok: false, code: 'credential.missing', message: 'This needs a credential: send "Authorization: Bearer <token>".' };
const UNKNOWN: Identified = { ok: false, code: 'credential.invalid', message: 'This credential is not valid: nobody knows this token.' };
const KNOWN_TOKENS = 10_000;
const MOST_BYTES = 8 * 1024;
const BEARER = /^Bearer +([\x21-\x7e]+) *$/i;
const JWT = /^[\w-]+\.[\w-]+\.[\w-]*$/;

/** What a token's entity carries of it: SHA-256 in small hexadecimal letters. Tokens are random, so nobody can guess their way back. */
export const tokenHash = (token: string): string => createHash('sha256').update(token).digest('hex');

/** What an event can carry as an id (src/event/schema.ts). */
const ID = /^[^\p{Cc}\p{Surrogate}]{1,256}$/u;
const textOf = (value: unknown): string | undefined => (typeof value === 'string' && ID.test(value) ? value : undefined);

/** A cookie's value; undefined where there is none, or two that differ: nobody knows which one the service takes (RFC 6265, section 5.4). */
const cookieOf = (header: string | undefined, name: string): string | undefined => {
  if (header === undefined || name === '') return undefined;
  const values = header.split(';').flatMap((pair) => {
    const at = pair.indexOf('=');
    return at > 0 && pair.slice(0, at).trim() === name ? [pair.slice(at + 1).trim()] : [];
  });
  return new Set(values).size === 1 ? values[0] : undefined;
};

/**
 * Says who an end user is by the request's bearer token, or by a cookie where one is configured: a JWT of a configured
 * issuer, or a token whose hash stands in an entity of type `token`. A token that is revoked or over still says who it is:
 * the policy denies it, with its own reason. An answer for a JWT is known for `cache_seconds` at most, and never beyond its end.
 */
export const identify = (config: EndUsersConfig, { directory, warn }: IdentifyDeps): Identify => {
  const prove = jwtProver(config.issuers, 'end_users.issuers', { warn });
  const known = lru<{ readonly user: EndUser; readonly until: number }>(KNOWN_TOKENS);

  const opaque = (token: string): Identified => {
    const entity = directory.tokenOf(tokenHash(token));
    if (!entity) return UNKNOWN;
    const owner = textOf(entity.properties['owner']);
    const email = owner === undefined ? undefined : textOf(directory.get('user', owner)?.properties['email']);
    const user: EndUser = {
      subject: { type: 'token', id: entity.id },
      ...(entity.account !== undefined && { account: entity.account }),
      token: entity.id,
      ...(email !== undefined && { email }),
    };
    return { ok: true, user };
  };

  const signed = async (token: string, now: number): Promise<Identified> => {
    const key = tokenHash(token);
    const before = known.get(key);
    if (before && before.until > now) return { ok: true, user: before.user };
    const proven = await prove(token, now);
    if (!proven.ok) return { ok: false, code: proven.code, message: proven.message };
    const { claims, issuer } = proven;
    const id = textOf(claims[issuer.subject_claim]);
    if (id === undefined)
      return { ok: false, code: 'credential.invalid', message: `This credential is not valid: its claim ${issuer.subject_claim} names nobody.` };
    const account = issuer.account_claim === '' ? undefined : textOf(claims[issuer.account_claim]);
    const email = issuer.email_claim === '' ? undefined : textOf(claims[issuer.email_claim]);
    const own = issuer.token_claim === '' ? undefined : textOf(claims[issuer.token_claim]);
    const user: EndUser = {
      subject: { type: issuer.subject_type, id },
      ...(account !== undefined && { account }),
      ...(own !== undefined && { token: own }),
      ...(email !== undefined && { email }),
    };
    known.set(key, { user, until: Math.min(proven.until, now + config.cache_seconds * 1000) });
    return { ok: true, user };
  };

  return async (headers, now) => {
    const found = headers.authorization === undefined ? cookieOf(headers.cookie, config.cookie) : BEARER.exec(headers.authorization)?.[1];
    if (found === undefined) return headers.authorization === undefined ? MISSING : UNKNOWN;
    if (found.length > MOST_BYTES) return UNKNOWN;
    // A platform's own token could look like a JWT; one that the directory knows is one.
    const plain = opaque(found);
    return plain.ok || !JWT.test(found) || config.issuers.length === 0 ? plain : signed(found, now);
  };
};
