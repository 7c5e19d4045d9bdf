import type { Event, Json, JsonObject } from '../../event/index.js';
import { FIELD_NAMES, type FieldName, readField } from './fields.js';
import type { MappedTo } from './format.js';

/** One place of a field in a format. `as` gives undefined where this value can't stand there. */
export type Place = MappedTo & { readonly as?: (value: Json, event: Event) => Json | undefined };

/** Where each field goes. */
export type Mapping = { readonly [field in FieldName]: readonly Place[] };

type Slot = { [key: string]: Slot | Slot[] | Json };

/** The object under a key; of a list (`resources[]`) its first. Made where it isn't there yet. */
const within = (slot: Slot, segment: string): Slot => {
  const isList = segment.endsWith('[]');
  const key = isList ? segment.slice(0, -2) : segment;
  slot[key] ??= isList ? [{}] : {};
  return (isList ? (slot[key] as Slot[])[0] : slot[key]) as Slot;
};

/** `a.b[].c`: the object under a, the first of the list b, its c. */
const put = (root: Slot, path: readonly string[], value: Json): void => {
  let slot = root;
  for (let n = 0; n < path.length - 1; n += 1) slot = within(slot, path[n] as string);
  slot[path.at(-1) as string] = value;
};

/** Fills an object as the mapping says. `base` has what stands there in any case, and is written to. */
export const newFiller = (mapping: Mapping): ((event: Event, base: JsonObject) => JsonObject) => {
  const places = FIELD_NAMES.flatMap((field) => mapping[field].map(({ to, as }) => ({ field, path: to.split('.'), as })));
  return (event, base) => {
    for (const { field, path, as } of places) {
      const value = readField(event, field);
      if (value === undefined) continue;
      const written = as ? as(value, event) : value;
      if (written !== undefined) put(base as Slot, path, written);
    }
    return base;
  };
};

/** Keys and texts for the formats that know no nesting, in the order of the fields. */
export const flatten = (mapping: Mapping, event: Event): (readonly [key: string, value: string])[] => {
  const pairs: (readonly [string, string])[] = [];
  for (const field of FIELD_NAMES) {
    const value = readField(event, field);
    if (value === undefined) continue;
    for (const { to, as } of mapping[field]) {
      const written = as ? as(value, event) : value;
      if (written !== undefined) pairs.push([to, typeof written === 'string' ? written : JSON.stringify(written)]);
    }
  }
  return pairs;
};
