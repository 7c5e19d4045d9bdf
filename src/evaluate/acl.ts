import type { JsonObject } from '../event/index.js';
import type { Directory, Entity } from './directory/types.js';
import { timeOf } from './facts/times.js';

/** An ACL entry as the policy is given it; `ends_ms` is null where its end is no time. */
export type AclEntry = {
  readonly type: string;
  readonly id: string;
  readonly account: string;
  readonly properties: JsonObject;
  readonly version: number;
  readonly ends_ms?: number | null;
};

/** Who asks: the subject as `type/id`, and the groups of its membership. */
const granteesOf = (subject: { readonly type: string; readonly id: string }, membership: Entity | undefined): readonly string[] => {
  const groups = membership?.properties['groups'];
  const names = Array.isArray(groups) ? groups.filter((group): group is string => typeof group === 'string') : [];
  return [`${subject.type}/${subject.id}`, ...new Set(names.map((name) => `group/${name}`))];
};

/** Whether an entry's target could be about the resource: modules always may, for the policy alone knows the action's. */
const couldConcern = (entry: Entity, resource: string, tags: readonly string[]): boolean => {
  const target = entry.properties['target'];
  if (typeof target !== 'object' || target === null || Array.isArray(target)) return false;
  const { module, resource: single, tag } = target as JsonObject;
  return module !== undefined || single === resource || (typeof tag === 'string' && tags.includes(tag));
};

const shown = new WeakMap<Entity, AclEntry>();

const show = (entity: Entity): AclEntry => {
  const known = shown.get(entity);
  if (known) return known;
  const { type, id, account = '', properties, version } = entity;
  const ends = properties['ends'];
  const entry = { type, id, account, properties, version, ...(ends !== undefined && { ends_ms: timeOf(ends) }) };
  shown.set(entity, entry);
  return entry;
};

export type AclAsked = {
  readonly account: string;
  readonly subject: { readonly type: string; readonly id: string };
  readonly membership: Entity | undefined;
  /** `type/id`. */
  readonly resource: string;
  /** As the directory knows them. */
  readonly tags: readonly string[];
};

/** The account's entries for the subject and its groups that could be about the question, and the entities they are. */
export const aclFor = (
  directory: Pick<Directory, 'grantedTo'>,
  { account, subject, membership, resource, tags }: AclAsked,
): { readonly acl: readonly AclEntry[]; readonly entities: readonly Entity[] } => {
  const entities = granteesOf(subject, membership)
    .flatMap((grantee) => directory.grantedTo(account, grantee))
    .filter((entry) => couldConcern(entry, resource, tags));
  return { acl: entities.map(show), entities };
};
