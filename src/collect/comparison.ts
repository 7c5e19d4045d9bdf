import type { Tracked } from './collector-state.js';
import type { Listed } from './virsh.js';

/** A domain that is listed otherwise than it was known; absent on the side where it isn't. */
export type Difference = { readonly name: string; readonly before: Tracked | undefined; readonly after: Listed | undefined };

/** What is listed otherwise than it is tracked. */
export const differences = (tracked: ReadonlyMap<string, Tracked>, listed: readonly Listed[]): readonly Difference[] => {
  const now = new Map(listed.map((one) => [one.name, one]));
  const names = new Set([...tracked.keys(), ...now.keys()]);
  return [...names].flatMap((name) => {
    const before = tracked.get(name);
    const after = now.get(name);
    const isSame = before && after && before.state === after.state && before.persistent === after.persistent && before.uuid === after.uuid;
    return isSame ? [] : [{ name, before, after }];
  });
};

/** What is known of a domain from now on. */
export const trackedOf = ({ name: _name, ...seen }: Listed, before: Tracked | undefined): Tracked =>
  before && before.uuid === seen.uuid ? { ...before, ...seen, leaving: before.leaving === true && seen.state !== 'off' } : seen;
