import type { JsonObject } from '../../event/index.js';
import type { Directory, Entity } from '../directory/types.js';

/** An entity as people write it into a file: its version is 1 unless they say another. */
export type WrittenEntity = {
  readonly type: string;
  readonly id: string;
  readonly account?: string;
  readonly properties: JsonObject;
  readonly version?: number;
};

const UPDATED = '2026-01-01T00:00:00.000Z';

const byId = (a: Entity, b: Entity): number => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);

/** A directory that holds these entities and takes no changes. */
export const fixedDirectory = (written: readonly WrittenEntity[]): Directory => {
  const known = new Map<string, Entity>(written.map((one) => [`${one.type}/${one.id}`, { version: 1, updated: UPDATED, ...one }]));
  return {
    get: (type, id) => known.get(`${type}/${id}`),
    list: (type, { account, after, limit }) =>
      [...known.values()]
        .filter((one) => one.type === type && (account === undefined || one.account === account) && (after === undefined || one.id > after))
        .sort(byId)
        .slice(0, limit),
    apply: async (changes) => changes.map(() => ({ outcome: 'unavailable', reason: 'This directory was read from a file, and takes no changes.' })),
    outcomeOf: () => undefined,
    staleness: () => 0,
    generation: () => 1,
    isEmpty: () => known.size === 0,
    close: async () => {},
  };
};
