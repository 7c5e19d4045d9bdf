import type { Destination } from '../export/destination.js';

/** Every kind of destination, by its type. */
export type Destinations = ReadonlyMap<string, Destination>;

export const destinationsOf = (kinds: readonly Destination[]): Destinations => new Map(kinds.map((kind) => [kind.type, kind]));
