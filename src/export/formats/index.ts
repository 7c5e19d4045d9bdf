import { cef } from './cef.js';
import { cloudEvents } from './cloudevents.js';
import { ecs } from './ecs.js';
import type { EventFormat } from './format.js';
import { leef } from './leef.js';
import { native } from './native.js';
import { ocsf } from './ocsf.js';

/** Every way to write one event on a line. */
export const EVENT_FORMATS = { json: native, ocsf, cef, leef, ecs, cloudevents: cloudEvents } as const satisfies { readonly [name: string]: EventFormat };

export type EventFormatName = keyof typeof EVENT_FORMATS;
export const EVENT_FORMAT_NAMES = Object.keys(EVENT_FORMATS) as readonly EventFormatName[];

/** The format of a name; throws a sentence where there is none. */
export const eventFormat = (name: string): EventFormat => {
  if (!Object.hasOwn(EVENT_FORMATS, name)) throw new Error(`There is no format "${name}"; there are ${EVENT_FORMAT_NAMES.join(', ')}.`);
  return EVENT_FORMATS[name as EventFormatName];
};

export { FIELD_NAMES, type FieldName } from './fields.js';
export type { EventFormat, MappedTo } from './format.js';
