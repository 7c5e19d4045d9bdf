import type { Destination, EventFormat } from '../src/export/index.js';

/** docs/formats.md for these formats, by their names. */
export const renderFormats: (formats: { readonly [name: string]: EventFormat }, fields: readonly string[]) => string;

/** The settings of a destination, as a table. */
export const renderSettings: (destination: Pick<Destination, 'schema'>) => string;

/** A page of docs/integrations with its settings as the schema has them. */
export const withSettings: (page: string, destination: Pick<Destination, 'schema'>) => string;
