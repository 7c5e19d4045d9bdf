import type { Directory, Entity } from '../evaluate/directory/index.js';
import type { Owner } from './collector-state.js';

const REBUILD_MS = 2_000;
const PAGE = 1_000;
const TYPE = 'instance';

/** Finds the instance that a domain is, and whose it is, if the directory knows it. */
export type FindOwner = (name: string, uuid: string | undefined) => Owner | undefined;

export type OwnersConfig = {
  /** The property of an instance that names its domain, by name or UUID; empty: its id alone does. */
  readonly property: string;
};

type Read = Pick<Directory, 'get' | 'list' | 'generation'>;

/** Every instance by what its property says. */
const indexOf = (directory: Read, property: string): ReadonlyMap<string, Entity> => {
  const found = new Map<string, Entity>();
  for (let after: string | undefined; ; ) {
    const page = directory.list(TYPE, { limit: PAGE, ...(after !== undefined && { after }) });
    for (const entity of page) {
      const domain = entity.properties[property];
      if (typeof domain === 'string') found.set(domain, entity);
    }
    if (page.length < PAGE) return found;
    after = page.at(-1)?.id;
  }
};

/** By the domain's name or UUID as the instance's id; else by the property, whose index is made anew when the directory has changed, every two seconds at most. */
export const ownerFinder = (
  { property }: OwnersConfig,
  { directory, now = Date.now }: { readonly directory: Read; readonly now?: () => number },
): FindOwner => {
  let index: ReadonlyMap<string, Entity> = new Map();
  let generation: number | undefined;
  let made = Number.NEGATIVE_INFINITY;

  const byProperty = (key: string): Entity | undefined => {
    if (property === '') return undefined;
    if (directory.generation() !== generation && now() - made >= REBUILD_MS) {
      generation = directory.generation();
      made = now();
      index = indexOf(directory, property);
    }
    return index.get(key);
  };

  const byId = (id: string): Entity | undefined => directory.get(TYPE, id) ?? byProperty(id);

  return (name, uuid) => {
    const entity = byId(name) ?? (uuid ? byId(uuid) : undefined);
    if (!entity) return undefined;
    const { region } = entity.properties;
    return { instance: entity.id, ...(entity.account !== undefined && { account: entity.account }), ...(typeof region === 'string' && { region }) };
  };
};
