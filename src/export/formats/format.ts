import type { Outgoing } from '../sender.js';
import type { FieldName } from './fields.js';

/** A row of docs/formats.md: where a field goes, and in words what becomes of it on the way. */
export type MappedTo = { readonly to: string; readonly note?: string };

/** One way to write an event. Pure, and total over every event that the schema takes; salts are in none of them. */
export type EventFormat = {
  readonly title: string;
  /** Of the format's own specification. */
  readonly version: string;
  /** The media type of many of them, a line each. */
  readonly contentType: string;
  /** Whether a line is one JSON object. */
  readonly isJson: boolean;
  /** One event as one line, without the newline. */
  readonly line: (outgoing: Pick<Outgoing, 'event' | 'raw'>) => string;
  /** Where each field goes, for the documentation. */
  readonly mapping: { readonly [field in FieldName]: readonly MappedTo[] };
  /** What else is in it, for the documentation. */
  readonly beside: readonly { readonly key: string; readonly value: string }[];
};
