import type { Directory, Entity } from './types.js';

/** An entity as cases and examples write it down. */
export type WrittenEntity = Pick<Entity, 'type' | 'id' | 'account' | 'properties'> & Partial<Pick<Entity, 'version' | 'updated'>>;

const EPOCH = '1970-01-01T00:00:00.000Z';

const READ_ONLY = 'This directory was written down beforehand; it can not be changed.';

const compare = (left: string, right: string): number => Buffer.compare(Buffer.from(left), Buffer.from(right));

/** A directory that holds what it is given and never changes: for cases, explanations and examples. Versions are 1 where none is given. */
export const fixedDirectory = (entities: readonly WrittenEntity[]): Directory => {
  const known = new Map(entities.map((entity) => [`${entity.type}/${entity.id}`, { version: 1, updated: EPOCH, ...entity }] as const));
  const sorted = [...known.values()].sort((left, right) => Buffer.compare(Buffer.from(left.id), Buffer.from(right.id)));
  const grantees = new Map<string, Entity[]>();
  for (const entity of sorted) {
    if (entity.type !== 'acl') continue;
    const key = JSON.stringify([entity.account, entity.properties['grantee']]);
    grantees.set(key, [...(grantees.get(key) ?? []), entity]);
  }
  return {
    get: (type, id) => known.get(`${type}/${id}`),
    list: (type, { account, after, limit }) =>
      sorted
        .filter((one) => one.type === type && (account === undefined || (one.account ?? '') === account))
        .filter(({ id }) => after === undefined || Buffer.compare(Buffer.from(id), Buffer.from(after)) > 0)
        .slice(0, limit),
    ofAccount: (account, { after, limit }) =>
      sorted
        .filter((one) => (one.account ?? '') === account)
        .sort((one, other) => compare(one.type, other.type) || compare(one.id, other.id))
        .filter(({ type, id }) => after === undefined || (compare(type, after.type) || compare(id, after.id)) > 0)
        .slice(0, limit),
    grantedTo: (account, grantee) => grantees.get(JSON.stringify([account, grantee])) ?? [],
    tokenOf: (hash) => sorted.find((one) => one.type === 'token' && one.properties['hash'] === hash),
    apply: async (changes) => changes.map(() => ({ outcome: 'unavailable', reason: READ_ONLY })),
    outcomeOf: () => undefined,
    staleness: () => 0,
    generation: () => 0,
    isEmpty: () => known.size === 0,
    close: async () => undefined,
  };
};
