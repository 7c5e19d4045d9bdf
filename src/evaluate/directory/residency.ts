import type { Directory } from './types.js';

/** Whether an account's events may go to a destination in this region (undefined: it names none). */
export type Residency = (account: string, region: string | undefined) => boolean;

const MOST_KNOWN = 50_000;

/** An account whose entity names `regions` is kept there: its events go to destinations in one of them alone. */
export const residencyOf = (directory: Pick<Directory, 'get' | 'generation'>): Residency => {
  let known = new Map<string, readonly string[] | undefined>();
  let generation = -1;

  const regionsOf = (account: string): readonly string[] | undefined => {
    if (known.has(account)) return known.get(account);
    const regions = directory.get('account', account)?.properties['regions'];
    const names = Array.isArray(regions) ? regions.filter((one): one is string => typeof one === 'string') : [];
    const found = names.length > 0 ? names : undefined;
    if (known.size < MOST_KNOWN) known.set(account, found);
    return found;
  };

  return (account, region) => {
    const now = directory.generation();
    if (now !== generation) {
      known = new Map();
      generation = now;
    }
    const regions = regionsOf(account);
    return regions === undefined || (region !== undefined && regions.includes(region));
  };
};
