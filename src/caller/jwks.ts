import { readFile } from 'node:fs/promises';
import { type CryptoKey, createLocalJWKSet, errors, type JSONWebKeySet, type LocalJWKSet } from 'jose';
import { ConfigError } from '../config.js';

/** The key that a token's header points to, or why there is none. `unavailable`: the issuer's keys can't be had at all. */
export type KeyFound =
  | { readonly found: 'key'; readonly key: CryptoKey }
  | { readonly found: 'none' }
  | { readonly found: 'several' }
  | { readonly found: 'unavailable' };

/** One issuer's public keys (RFC 7517), kept fresh. */
export type KeySet = { readonly find: (header: { readonly alg: string; readonly kid?: string }) => Promise<KeyFound> };

export type KeySetDeps = {
  /** Told in a sentence when keys can't be had. */
  readonly warn: (sentence: string) => void;
  /** Milliseconds of a clock that never goes back. */
  readonly clock?: () => number;
};

type Source = {
  readonly load: () => Promise<JSONWebKeySet>;
  /** Keys older than this are fetched again while they stay in use. */
  readonly freshMs: number;
  /** An unknown key makes us look again, but not more often than this. */
  readonly cooldownMs: number;
};

const FETCH_MS = 5_000;
const MAX_BYTES = 1 << 20;
/** Keys older than so many times their fresh time wait for the fetch: after a quiet time they may long be withdrawn. */
const STALE_TIMES = 2;
/** An issuer that can't be reached for so long is no longer believed: its keys may have been withdrawn. */
const OUTAGE_MS = 24 * 3_600_000;
const RETRY_MS = { first: 1_000, most: 30_000 };
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

const readBounded = async (response: Response): Promise<string> => {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of response.body ?? []) {
    size += part.byteLength;
    if (size > MAX_BYTES) throw new Error(`it sends more than ${MAX_BYTES} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
};

const parseSet = (text: string): JSONWebKeySet => {
  try {
    return JSON.parse(text) as JSONWebKeySet;
  } catch {
    throw new Error('it sends no JSON');
  }
};

const fromUrl = (url: string): Source => ({
  freshMs: 600_000,
  cooldownMs: 30_000,
  load: async () => {
    // A redirect could lead away from https, or to somebody else's keys.
    const response = await fetch(url, {
      redirect: 'error',
      signal: AbortSignal.timeout(FETCH_MS),
      headers: { accept: 'application/jwk-set+json, application/json' },
    });
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new Error(`it answers ${response.status}`);
    }
    return parseSet(await readBounded(response));
  },
});

const fromFile = (path: string): Source => ({ freshMs: 5_000, cooldownMs: 1_000, load: async () => parseSet(await readFile(path, 'utf8')) });

const sourceOf = (place: string): Source => {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(place)) return fromFile(place);
  const url = URL.canParse(place) ? new URL(place) : undefined;
  if (url && (url.protocol === 'https:' || (url.protocol === 'http:' && LOOPBACK.test(url.hostname)))) return fromUrl(url.href);
  throw new ConfigError(`auth.issuers: jwks must be an https URL, an http URL on loopback, or a file; not "${place}".`);
};

const causeOf = (error: unknown): string => {
  const { message, cause } = error as Error;
  const inner = cause as NodeJS.ErrnoException | undefined;
  return inner?.code ?? inner?.message ?? message;
};

/**
 * The keys at `place` (URL or file), fetched once they are first needed, and again while they are in use: in the
 * background, or before anything is judged by them where they are well past their fresh time. A fetch that fails leaves
 * the last keys in force for a day and is tried again with growing pauses; an unknown key id makes us look once more, with a cooldown,
 * so that made-up ids can't turn us against the issuer. Throws ConfigError for a place that isn't allowed.
 */
export const keySet = (place: string, deps: KeySetDeps): KeySet => {
  const clock = deps.clock ?? performance.now.bind(performance);
  const source = sourceOf(place);
  let keys: LocalJWKSet | undefined;
  let loadedAt = Number.NEGATIVE_INFINITY;
  let triedAt = Number.NEGATIVE_INFINITY;
  let failures = 0;
  let underWay: Promise<void> | undefined;

  const failed = (error: unknown): void => {
    failures += 1;
    if (failures !== 1 && failures % 100 !== 0) return;
    const consequence = keys ? 'the keys that are known stay in force' : 'its tokens are refused until it can';
    deps.warn(`The signing keys at ${place} can't be read: ${causeOf(error)}; ${consequence}.`);
  };

  const load = async (): Promise<void> => {
    try {
      keys = createLocalJWKSet(await source.load());
      loadedAt = clock();
      failures = 0;
    } catch (error) {
      failed(error);
    } finally {
      underWay = undefined;
    }
  };

  const refresh = (): Promise<void> => {
    if (!underWay) {
      triedAt = clock();
      underWay = load();
    }
    return underWay;
  };

  const pause = (): number => (failures === 0 ? 0 : Math.min(RETRY_MS.first * 2 ** Math.min(failures - 1, 10), RETRY_MS.most));
  const mayTry = (least: number): boolean => underWay !== undefined || clock() - triedAt >= Math.max(least, pause());

  const current = async (): Promise<LocalJWKSet | undefined> => {
    const age = clock() - loadedAt;
    if (age >= source.freshMs && mayTry(0)) {
      const refreshed = refresh();
      if (age >= source.freshMs * STALE_TIMES) await refreshed;
    }
    return clock() - loadedAt < OUTAGE_MS ? keys : undefined;
  };

  const look = async (known: LocalJWKSet, header: { readonly alg: string; readonly kid?: string }): Promise<KeyFound> => {
    try {
      return { found: 'key', key: await known(header) };
    } catch (error) {
      return { found: error instanceof errors.JWKSMultipleMatchingKeys ? 'several' : 'none' };
    }
  };

  return {
    find: async (header) => {
      const known = await current();
      if (!known) return { found: 'unavailable' };
      const found = await look(known, header);
      if (found.found !== 'none' || !mayTry(source.cooldownMs)) return found;
      await refresh();
      return keys && keys !== known ? look(keys, header) : found;
    },
  };
};
