import type { Json } from '../../event/index.js';
import type { Entity } from '../directory/types.js';

const RFC3339 = /^(\d{4}-\d{2}-\d{2})[Tt]([01]\d|2[0-3]):([0-5]\d):([0-5]\d|60)(?:\.(\d+))?(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))$/;
const MINUTE_MS = 60_000;

/**
 * A time as RFC 3339 (section 5.6) writes it, in milliseconds since 1970; null for anything else, a day that its month
 * doesn't have included. Finer fractions are cut off; second 60 is the first of the next minute.
 */
export const timeOf = (value: Json | undefined): number | null => {
  const found = typeof value === 'string' && value.length <= 64 ? RFC3339.exec(value) : null;
  if (!found) return null;
  const [, date, hours, minutes, seconds, fraction = '', sign, offsetHours, offsetMinutes] = found;
  const day = Date.parse(`${date}T00:00:00.000Z`);
  if (Number.isNaN(day) || !new Date(day).toISOString().startsWith(date as string)) return null;
  const within = (Number(hours) * 60 + Number(minutes)) * MINUTE_MS + Number(seconds) * 1000 + Number(fraction.slice(0, 3).padEnd(3, '0'));
  const offset = sign === undefined ? 0 : (Number(offsetHours) * 60 + Number(offsetMinutes)) * MINUTE_MS;
  return day + within + (sign === '-' ? offset : -offset);
};

/** Names of times that the policy is given, as far as the directory has them; null where what stands there is no time. */
export type Times = {
  readonly [name in 'token_created' | 'token_expires' | 'token_not_before' | 'required_since' | 'joined' | 'membership_ends']?: number | null;
};

type Readings = { readonly [name in keyof Times]?: (entity: Entity) => Json | undefined };

const property =
  (name: string) =>
  ({ properties }: Entity): Json | undefined =>
    properties[name];

/** An account's `require_2fa` is off where it is absent or false; what says no time is a time that can't be read. */
const requiredSince = ({ properties }: Entity): Json | undefined => {
  const required = properties['require_2fa'];
  if (required === undefined || required === false) return undefined;
  return typeof required === 'object' && required !== null && 'since' in required ? required['since'] : null;
};

const OF_TOKEN: Readings = { token_created: property('created'), token_expires: property('expires'), token_not_before: property('not_before') };
const OF_ACCOUNT: Readings = { required_since: requiredSince };
const OF_MEMBERSHIP: Readings = { joined: property('joined'), membership_ends: property('ends') };

/** What was read of an entity's version: entities are immutable, so each is read once. */
const read = new WeakMap<Entity, Times | undefined>();

const readingOf = (entity: Entity | undefined, readings: Readings): Times | undefined => {
  if (!entity) return undefined;
  if (read.has(entity)) return read.get(entity);
  const present = Object.entries(readings).flatMap(([name, from]) => {
    const value = from(entity);
    return value === undefined ? [] : [[name, timeOf(value)] as const];
  });
  const times = present.length > 0 ? (Object.fromEntries(present) as Times) : undefined;
  read.set(entity, times);
  return times;
};

/** The times of those a question rests on; undefined where none of them has one. */
export const timesOf = (account: Entity | undefined, membership: Entity | undefined, token: Entity | undefined): Times | undefined => {
  const required = readingOf(account, OF_ACCOUNT);
  const member = readingOf(membership, OF_MEMBERSHIP);
  const owned = readingOf(token, OF_TOKEN);
  return required || member || owned ? { ...required, ...member, ...owned } : undefined;
};
