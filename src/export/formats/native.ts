import { shownLine } from '../shown-line.js';
import { FIELD_NAMES } from './fields.js';
import type { EventFormat } from './format.js';

/** The record itself, byte for byte, without its salts. */
export const native: EventFormat = {
  title: 'Native JSON',
  version: '1',
  contentType: 'application/x-ndjson',
  isJson: true,
  // A line without that word anywhere has no salts to take off.
  line: ({ raw }) => (raw.includes('"salts"') ? shownLine(raw) : raw),
  mapping: Object.fromEntries(FIELD_NAMES.map((name) => [name, [{ to: name }]])) as unknown as EventFormat['mapping'],
  beside: [],
};
