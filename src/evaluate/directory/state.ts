import type { Entity, EntityChange, EntityOutcome } from './types.js';

/** What stands under one (type, id): a living entity, or the mark that a deleted one leaves so that the count goes on. */
export type EntityState =
  | { readonly kind: 'live'; readonly entity: Entity /** Which change made this version. */; readonly change: string }
  | { readonly kind: 'mark'; readonly version: number; readonly change: string /** RFC 3339, UTC, milliseconds. */; readonly deleted: string };

/** The version of what stands there; a mark counts, nothing is 0. */
export const versionOf = (state: EntityState | undefined): number => (state === undefined ? 0 : state.kind === 'live' ? state.entity.version : state.version);

/** The entity, if it lives. */
export const entityOf = (state: EntityState | undefined): Entity | undefined => (state?.kind === 'live' ? state.entity : undefined);

/** What a change comes to: its outcome, and what then stands there if it was made. */
export type Judged = { readonly outcome: EntityOutcome; readonly next?: EntityState };

type Put = EntityChange & { readonly op: 'put' };

const create = (change: Put, last: number, time: string): Judged => {
  if (change.expected !== undefined && change.expected !== 0) return { outcome: { outcome: 'version_mismatch', current: undefined } };
  const { type, id, account, properties } = change;
  const entity: Entity = { type, id, ...(account !== undefined && { account }), properties, version: last + 1, updated: time };
  return { outcome: { outcome: 'applied', entity, created: true }, next: { kind: 'live', entity, change: change.change } };
};

const update = (change: Put, current: Entity, time: string): Judged => {
  if (change.account !== undefined && change.account !== current.account) return { outcome: { outcome: 'account_mismatch', current } };
  if (change.expected !== undefined && change.expected !== current.version) return { outcome: { outcome: 'version_mismatch', current } };
  const entity: Entity = { ...current, properties: change.properties, version: current.version + 1, updated: time };
  return { outcome: { outcome: 'applied', entity, created: false }, next: { kind: 'live', entity, change: change.change } };
};

const remove = (change: EntityChange, current: Entity | undefined, time: string): Judged => {
  if (!current) return { outcome: { outcome: 'not_found' } };
  if (change.expected !== undefined && change.expected !== current.version) return { outcome: { outcome: 'version_mismatch', current } };
  const entity: Entity = { ...current, version: current.version + 1, updated: time };
  return { outcome: { outcome: 'deleted', entity }, next: { kind: 'mark', version: entity.version, change: change.change, deleted: time } };
};

/**
 * Compare-and-set, as a function of what stands there. A change without an account keeps the entity's; one with another
 * account than the entity's (none is an account too) never moves it. The entity of a deletion is its last state with the
 * version that the deletion took. `time` is RFC 3339, UTC, milliseconds.
 */
export const judge = (state: EntityState | undefined, change: EntityChange, time: string): Judged => {
  const current = entityOf(state);
  if (change.op === 'delete') return remove(change, current, time);
  return current ? update(change, current, time) : create(change, versionOf(state), time);
};
