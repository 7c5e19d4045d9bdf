import type { Directory } from '../evaluate/index.js';
import type { Identified, Identify } from '../routes/index.js';

/** Credentials that are remembered at most; then all are forgotten. */
const MOST_KNOWN = 10_000;
/** What could be a JWT by its form (RFC 7519, section 3). */
const SIGNED = /\.[\w-]+\.[\w-]*\s*$/;

/**
 * Remembers who an opaque token is for as long as the directory stands still: hashing it and looking it up took 6 % of a
 * request. Any change in the directory forgets them all, so that one revoked or given to somebody else counts at once.
 * What a JWT says ends with time as well, and is asked for each time, whatever its issuer's subjects are called.
 */
export const knownTokens = (identify: Identify, directory: Pick<Directory, 'generation'>): Identify => {
  const known = new Map<string, Identified>();
  let generation = Number.NaN;
  return async (headers, now) => {
    const current = directory.generation();
    if (current !== generation || known.size >= MOST_KNOWN) known.clear();
    generation = current;
    const { authorization } = headers;
    if (authorization === undefined) return identify(headers, now);
    const before = known.get(authorization);
    if (before) return before;
    const found = await identify(headers, now);
    if (found.ok && found.user.subject.type === 'token' && !SIGNED.test(authorization) && generation === current) known.set(authorization, found);
    return found;
  };
};
