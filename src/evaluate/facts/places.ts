import type { Json, JsonObject } from '../../event/index.js';
import type { Entity } from '../directory/types.js';
import type { Question } from '../question.js';

const NOTHING: readonly never[] = [];
const REGION_NAMES = ['region', 'target_region', 'target_regions', 'destination_region', 'replica_regions'] as const;
/** Stands for a region that is no name: it is none of an account's. */
const NO_NAME = 'what is no region';

const isWord = (value: Json | undefined): value is string => typeof value === 'string' && value !== '';

/** Tags as a list of texts: a list's own, or `key:value` of an object's. What is no text, number or boolean is left out. */
export const tagsIn = (value: Json | undefined): readonly string[] => {
  if (typeof value !== 'object' || value === null) return NOTHING;
  if (Array.isArray(value)) return value.filter(isWord);
  return Object.entries(value).flatMap(([key, one]) => (typeof one === 'object' ? [] : [`${key}:${one}`]));
};

const known = new WeakMap<Entity, readonly string[]>();

/** An entity's tags, read once for each version. */
export const tagsOf = (entity: Entity | undefined): readonly string[] => {
  const tags = entity?.properties['tags'];
  if (!entity || tags === undefined) return NOTHING;
  const before = known.get(entity);
  if (before) return before;
  const now = tagsIn(tags);
  known.set(entity, now);
  return now;
};

export type Places = { readonly tags?: readonly string[]; readonly directory_tags?: readonly string[]; readonly region?: string };

/**
 * Where a resource is and what it is tagged with: as the directory knows it; only what the directory doesn't know is
 * taken from the question. `directory_tags` are the directory's alone. Absent where there is nothing.
 */
export const placesOf = (asked: JsonObject | undefined, resource: Entity | undefined): Places => {
  const own = tagsOf(resource);
  const tags = resource ? own : tagsIn(asked?.['tags']);
  const region = (resource ? resource.properties : asked)?.['region'];
  return {
    ...(tags.length > 0 && { tags }),
    ...(own.length > 0 && { directory_tags: own }),
    ...(isWord(region) && { region }),
  };
};

const collect = (from: JsonObject | undefined, into: Set<string>): void => {
  if (!from) return;
  for (const name of REGION_NAMES) {
    const value = from[name];
    if (value === undefined || value === null) continue;
    for (const one of Array.isArray(value) ? (value as readonly Json[]) : [value]) into.add(isWord(one) ? one : NO_NAME);
  }
};

/** Where the question's action would put data, as its action, resource and context name it; undefined where they name no region. */
export const targetRegionsOf = ({ action, resource, context }: Question): readonly string[] | undefined => {
  const regions = new Set<string>();
  collect(action.properties, regions);
  collect(resource.properties, regions);
  collect(context, regions);
  return regions.size > 0 ? [...regions] : undefined;
};
