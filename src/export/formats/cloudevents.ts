import { type Event, type JsonObject, shown } from '../../event/index.js';
import { FIELD_NAMES } from './fields.js';
import type { EventFormat, MappedTo } from './format.js';
import { wellFormed } from './words.js';

/** What no attribute may hold (CloudEvents 1.0.2, section 3.1.1): control characters, and what is no character. */
const FORBIDDEN = /[\p{Cc}\p{Noncharacter_Code_Point}]/gu;
const text = (value: string): string => wellFormed(value).replaceAll(FORBIDDEN, '\ufffd');
const uriPart = (value: string): string => encodeURIComponent(wellFormed(value));

const envelope = (event: Event): JsonObject => ({
  specversion: '1.0',
  id: text(event.id),
  // An id is unique within the account and the source that brought it, and source + id have to be unique here.
  source: `${uriPart(event.account)}/${uriPart(event.source)}`,
  type: text(event.action),
  time: event.timestamp,
  subject: text(`${event.resource.type}/${event.resource.id}`),
  datacontenttype: 'application/json',
  account: text(event.account),
  log: event.log,
  // As text: an Integer of CloudEvents has 32 bits.
  seq: String(event.seq),
  data: shown(event) as unknown as JsonObject,
});

const ATTRIBUTES: { readonly [field: string]: readonly MappedTo[] } = {
  id: [{ to: 'id' }],
  timestamp: [{ to: 'time' }],
  account: [{ to: 'account' }, { to: 'source', note: 'percent-encoded, before the `/`' }],
  action: [{ to: 'type' }],
  'resource.type': [{ to: 'subject', note: 'before the `/`' }],
  'resource.id': [{ to: 'subject', note: 'behind the `/`' }],
  source: [{ to: 'source', note: 'percent-encoded, behind the `/`' }],
  log: [{ to: 'log' }],
  seq: [{ to: 'seq', note: 'as text' }],
};

/** CloudEvents 1.0.2 in the structured mode of its JSON format; the whole event is in `data`. */
export const cloudEvents: EventFormat = {
  title: 'CloudEvents',
  version: '1.0.2',
  contentType: 'application/x-ndjson',
  isJson: true,
  line: ({ event }) => JSON.stringify(envelope(event)),
  mapping: Object.fromEntries(FIELD_NAMES.map((name) => [name, [...(ATTRIBUTES[name] ?? []), { to: `data.${name}` }]])) as unknown as EventFormat['mapping'],
  beside: [
    { key: 'specversion', value: '1.0' },
    { key: 'datacontenttype', value: 'application/json' },
  ],
};
