import { decodeJwt, decodeProtectedHeader, type JWTPayload, jwtVerify } from 'jose';
import type { IssuerConfig } from '../config.js';
import { type KeySet, type KeySetDeps, keySet } from './jwks.js';
import { isAccountName, isCallerId, nameFault } from './name.js';
import { BUSY, EXPIRED, invalid, NO_KEYS, type Refused } from './refused.js';
import { turns } from './turns.js';
import { type Caller, isPermission, type Permission } from './types.js';

/** A token's caller and until when it may be believed (milliseconds since the epoch, tolerance included); or why not. */
export type Verified = { readonly ok: true; readonly caller: Caller; readonly until: number } | Refused;

export type VerifyJwt = (token: string, now: number) => Promise<Verified>;

/** What must be known of an issuer to prove its tokens, whatever their claims are for. */
export type ProvenIssuer = Pick<IssuerConfig, 'issuer' | 'audience' | 'jwks' | 'algorithms' | 'clock_tolerance_seconds'>;

/** A token whose signature, issuer, audience and times hold, with its claims; or why not. */
export type Proven<I extends ProvenIssuer> = { readonly ok: true; readonly claims: JWTPayload; readonly issuer: I; readonly until: number } | Refused;

type WithKeys<I> = { readonly config: I; readonly keys: KeySet };
type Unproven<I> = { readonly issuer: WithKeys<I>; readonly alg: string; readonly kid: string | undefined };

/** Signatures checked at once, and tokens that may wait for it. */
const VERIFYING = { atOnce: 2, waiting: 512 };
/** The last instant that a Date can hold. */
const END_OF_TIME = 8.64e15;

const strings = (value: unknown): readonly string[] => (Array.isArray(value) ? value.filter((one) => typeof one === 'string') : []);

/** `all` or `*`, one account, or a list of accounts, in which nothing means "all". */
const accountsOf = (claim: unknown): Caller['accounts'] => {
  if (claim === 'all' || claim === '*') return 'all';
  return (typeof claim === 'string' ? [claim] : strings(claim)).filter(isAccountName);
};

/** A list, or words with spaces between (as OAuth's scope, RFC 6749, section 3.3). What Verdict doesn't know opens nothing. */
const permissionsOf = (claim: unknown): ReadonlySet<Permission> =>
  new Set((typeof claim === 'string' ? claim.split(' ') : strings(claim)).filter(isPermission));

const numberOf = (value: unknown): number | undefined => (typeof value === 'number' && Number.isFinite(value) ? value : undefined);

/** When the claims say that the token is good at all, before anything is spent on its signature. */
const timesFault = (claims: JWTPayload, tolerance: number, now: number): Refused | undefined => {
  const exp = numberOf(claims.exp);
  if (exp === undefined) return invalid('the token does not say when it ends (exp)');
  if ((exp + tolerance) * 1000 <= now) return EXPIRED;
  if (claims.nbf !== undefined && numberOf(claims.nbf) === undefined) return invalid('the token’s nbf is no number');
  return claims.nbf !== undefined && (claims.nbf - tolerance) * 1000 > now ? invalid('the token is not valid yet (nbf)') : undefined;
};

const expiryOf = ({ exp }: JWTPayload): number => Math.min((exp as number) * 1000, END_OF_TIME);

const callerOf = (claims: JWTPayload, issuer: IssuerConfig, until: number): Verified => {
  const sub = claims.sub as string;
  const id = `jwt:${issuer.issuer}#${sub}`;
  if (!isCallerId(id)) return invalid('the token’s subject is too long or has control characters');
  const named = claims[issuer.name_claim];
  const name = typeof named === 'string' && named !== '' ? named : sub.slice(0, 128);
  const fault = nameFault(name);
  if (fault) return invalid(`the token’s name claim ${fault}`);
  const caller: Caller = {
    id,
    name,
    accounts: accountsOf(claims[issuer.accounts_claim]),
    permissions: permissionsOf(claims[issuer.permissions_claim]),
    expires: expiryOf(claims),
  };
  return { ok: true, caller, until };
};

const decode = (token: string): { readonly claims: JWTPayload; readonly alg: string; readonly kid: string | undefined } | undefined => {
  try {
    const { alg, kid } = decodeProtectedHeader(token);
    if (typeof alg !== 'string' || (kid !== undefined && typeof kid !== 'string')) return undefined;
    return { claims: decodeJwt(token), alg, kid };
  } catch {
    return undefined;
  }
};

/**
 * Proves JWTs (RFC 7519, with the counsel of RFC 8725): issuer, audience, times with tolerance, a subject, an
 * algorithm that the issuer is pinned to, and the signature by a key of the issuer's set. What can be told from the
 * unproven claims is told first, so that made-up tokens rarely cost a signature. `place` names the configuration where
 * the issuers stand. Throws ConfigError for a bad `jwks`.
 */
export const jwtProver = <I extends ProvenIssuer>(
  configured: readonly I[],
  place: string,
  deps: KeySetDeps,
): ((token: string, now: number) => Promise<Proven<I>>) => {
  const sets = new Map<string, KeySet>();
  const setFor = (at: string): KeySet => {
    const keys = sets.get(at) ?? keySet(at, deps);
    sets.set(at, keys);
    return keys;
  };
  const issuers: readonly WithKeys<I>[] = configured.map((config) => ({ config, keys: setFor(config.jwks) }));
  const inTurn = turns(VERIFYING);

  const screen = (token: string, now: number): Unproven<I> | Refused => {
    const decoded = decode(token);
    if (!decoded) return invalid('it is no JWT that can be read');
    const { claims, alg, kid } = decoded;
    const ofIssuer = issuers.filter(({ config }) => config.issuer === claims.iss);
    if (ofIssuer.length === 0) return invalid(`the token’s issuer is not among ${place}`);
    const audiences = typeof claims.aud === 'string' ? [claims.aud] : strings(claims.aud);
    const issuer = ofIssuer.find(({ config }) => audiences.includes(config.audience));
    if (!issuer) return invalid('the token is meant for another audience');
    if (!issuer.config.algorithms.includes(alg)) return invalid('the token’s algorithm is none that its issuer is pinned to');
    return timesFault(claims, issuer.config.clock_tolerance_seconds, now) ?? { issuer, alg, kid };
  };

  const verify = async (token: string, { issuer, alg, kid }: Unproven<I>, now: number): Promise<Proven<I>> => {
    const { config } = issuer;
    const found = await issuer.keys.find({ alg, ...(kid !== undefined && { kid }) });
    if (found.found === 'unavailable') return NO_KEYS;
    if (found.found === 'several') return invalid('the token names no key (kid), and its issuer has several');
    if (found.found === 'none') return invalid('its issuer has no such key');
    const options = { issuer: config.issuer, audience: config.audience, algorithms: [...config.algorithms], clockTolerance: config.clock_tolerance_seconds };
    const proven = inTurn(() => jwtVerify(token, found.key, { ...options, requiredClaims: ['exp', 'sub'], currentDate: new Date(now) }));
    if (!proven) return BUSY;
    return proven.then(
      ({ payload }): Proven<I> => {
        if (typeof payload.sub !== 'string' || payload.sub === '') return invalid('the token has no subject (sub)');
        return { ok: true, claims: payload, issuer: config, until: expiryOf(payload) + config.clock_tolerance_seconds * 1000 };
      },
      () => invalid('the token’s signature or claims do not hold'),
    );
  };

  return async (token, now) => {
    const screened = screen(token, now);
    return 'ok' in screened ? screened : verify(token, screened, now);
  };
};

/** Checks the JWTs of those who call Verdict, and reads from their claims who they are: see {@link jwtProver}. */
export const jwtVerifier = (configured: readonly IssuerConfig[], deps: KeySetDeps): VerifyJwt => {
  const prove = jwtProver(configured, 'auth.issuers', deps);
  return async (token, now) => {
    const proven = await prove(token, now);
    return proven.ok ? callerOf(proven.claims, proven.issuer, proven.until) : proven;
  };
};
