import { hash, timingSafeEqual } from 'node:crypto';
import type { Config } from '../config.js';
import type { Directory } from '../evaluate/directory/types.js';
import { jwtVerifier } from './jwt.js';
import { KEY_TYPE, readKey } from './key-entity.js';
import type { LastUse } from './last-use.js';
import { lru } from './lru.js';
import { EXPIRED, invalid, MISSING, REVOKED, type Refused } from './refused.js';
import { readKeyText } from './secret.js';
import { type Authenticate, type Authentication, type Caller, PERMISSIONS } from './types.js';

export type AuthenticatorConfig = Pick<Config, 'auth'> & {
  /** The configured one, or the one made at the first start; empty: none is accepted. */
  readonly admin_token: string;
};

export type AuthenticatorDeps = {
  readonly directory: Pick<Directory, 'get' | 'generation'>;
  /** Told of each call with an API key. */
  readonly lastUse?: Pick<LastUse, 'touch'>;
  /** Told in a sentence when an issuer's keys can't be had. */
  readonly warn: (sentence: string) => void;
};

/** Every permission on every account. */
export const ADMIN: Caller = { id: 'admin', name: 'admin', accounts: 'all', permissions: new Set(PERMISSIONS) };

type Accepted = Authentication & { readonly ok: true };

/** A credential that was found good; an API key as long as its entity stays at `version`. */
type Known = {
  readonly answer: Accepted;
  readonly until: number;
  readonly key: { readonly id: string; readonly version: number } | undefined;
  /** For a key: the directory's generation at which its version was last looked at. */
  generation: number;
};
type Rejected = { readonly answer: Refused; readonly until: number };

/** The longest `Authorization` header, in characters. */
const MAX_HEADER = 8 * 1024;
const SCHEME = /^bearer +/i;
const CREDENTIAL = /^[\x21-\x7e]+$/;
const ACCEPTED = 10_000;
/** Refusals have a cache of their own, so that made-up tokens push out nothing but each other. */
const REJECTED = 2_000;
const REJECTED_MS = 5_000;

const digestOf = (text: string): Buffer => hash('sha256', text, 'buffer');

/** The credential in the header (RFC 6750, section 2.1), or the refusal. */
const bearerOf = (authorization: string | undefined): string | Refused => {
  if (authorization === undefined || authorization === '') return MISSING;
  if (authorization.length > MAX_HEADER) return invalid(`the header is longer than ${MAX_HEADER} characters`);
  // By far the most headers are spelled so.
  const token = authorization.startsWith('Bearer ') && authorization[7] !== ' ' ? authorization.slice(7) : afterScheme(authorization);
  if (token === undefined) return invalid('the scheme must be Bearer');
  return CREDENTIAL.test(token) ? token : invalid('it has characters that no credential has');
};

const afterScheme = (authorization: string): string | undefined => {
  const scheme = SCHEME.exec(authorization)?.[0];
  return scheme === undefined ? undefined : authorization.slice(scheme.length);
};

/**
 * Answers who presents a credential: the admin token, an API key or a JWT of a configured issuer. A caller known from
 * before is answered synchronously; one whose API key has changed in the directory is looked at again first.
 * Throws ConfigError for an issuer whose `jwks` isn't allowed. Never rejects.
 */
export const authenticator = (config: AuthenticatorConfig, deps: AuthenticatorDeps): Authenticate => {
  const { directory } = deps;
  const cacheMs = config.auth.cache_seconds * 1000;
  const adminDigest = config.admin_token === '' ? undefined : digestOf(config.admin_token);
  const verifyJwt = jwtVerifier(config.auth.issuers, { warn: deps.warn });
  const accepted = lru<Known>(ACCEPTED);
  const rejected = lru<Rejected>(REJECTED);
  const underWay = new Map<string, Promise<Authentication>>();

  const accept = (digest: string, caller: Caller, until: number, key?: Known['key']): Accepted => {
    const answer: Accepted = { ok: true, caller };
    accepted.set(digest, { answer, until, key, generation: key ? directory.generation() : 0 });
    return answer;
  };

  const isGood = (known: Known, now: number): boolean => {
    if (known.until <= now) return false;
    if (!known.key) return true;
    const generation = directory.generation();
    if (known.generation === generation) return true;
    if (directory.get(KEY_TYPE, known.key.id)?.version !== known.key.version) return false;
    known.generation = generation;
    return true;
  };

  const judgeKey = (text: string, digest: string, now: number): Authentication | undefined => {
    const read = readKeyText(text);
    if (read.kind === 'other') return undefined;
    if (read.kind === 'damaged') return invalid('the API key is incomplete or mistyped');
    const entity = directory.get(KEY_TYPE, read.id);
    const key = entity && readKey(entity);
    // Whoever hasn't the secret learns nothing of the key, not even that it is there.
    if (!key || !timingSafeEqual(Buffer.from(read.hash, 'hex'), Buffer.from(key.hash, 'hex'))) return invalid('no API key is like it');
    if (key.revoked !== undefined) return REVOKED;
    const expires = key.expires === undefined ? undefined : Date.parse(key.expires);
    if (expires !== undefined && expires <= now) return EXPIRED;
    const { name, accounts } = key;
    const caller: Caller = { id: `key:${read.id}`, name, accounts, permissions: new Set(key.permissions), ...(expires !== undefined && { expires }) };
    deps.lastUse?.touch(caller.id, now);
    return accept(digest, caller, Math.min(now + cacheMs, expires ?? Number.POSITIVE_INFINITY), { id: read.id, version: entity.version });
  };

  const judgeJwt = async (token: string, digest: string, now: number): Promise<Authentication> => {
    const verified = await verifyJwt(token, now);
    if (verified.ok) return accept(digest, verified.caller, Math.min(now + cacheMs, verified.until));
    // What may be good in a moment is asked again.
    if (verified.code !== 'credential.unverified') rejected.set(digest, { answer: verified, until: now + REJECTED_MS });
    return verified;
  };

  const judgeOnce = (token: string, digest: string, now: number): Promise<Authentication> => {
    const already = underWay.get(digest);
    if (already) return already;
    const judged = judgeJwt(token, digest, now).finally(() => underWay.delete(digest));
    underWay.set(digest, judged);
    return judged;
  };

  const judge = (token: string, digest: string, now: number): Authentication | Promise<Authentication> => {
    if (adminDigest && timingSafeEqual(Buffer.from(digest, 'hex'), adminDigest)) return accept(digest, ADMIN, Number.POSITIVE_INFINITY);
    const byKey = judgeKey(token, digest, now);
    if (byKey) return byKey;
    return token.split('.', 4).length === 3 ? judgeOnce(token, digest, now) : invalid('it is neither an API key nor a token');
  };

  return (authorization, now) => {
    const token = bearerOf(authorization);
    if (typeof token !== 'string') return token;
    const digest = hash('sha256', token);
    const known = accepted.get(digest);
    if (known) {
      if (isGood(known, now)) {
        if (known.key) deps.lastUse?.touch(known.answer.caller.id, now);
        return known.answer;
      }
      accepted.delete(digest);
    }
    const before = rejected.get(digest);
    if (before && before.until > now) return before.answer;
    return judge(token, digest, now);
  };
};
