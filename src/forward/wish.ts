import type { ValidateFunction } from 'ajv';
import { isObject, type JsonObject, nearest, newAjv, sayError } from '../event/index.js';
import type { Destination } from '../export/destination.js';
import type { Forwarder, ForwarderFilter } from './definition.js';
import type { Destinations } from './destinations.js';

/** What a caller may say of a forwarder. In a change, what is absent stays; `region: null` takes it away. */
export type ForwarderWish = {
  readonly name: string;
  readonly accounts?: 'all' | readonly string[];
  readonly filter?: ForwarderFilter;
  readonly format?: string;
  readonly destination: JsonObject;
  readonly region?: string | null;
  /** RFC 3339, or a date: what was recorded from then on goes out. Now, where it is absent. */
  readonly since?: string;
};

export type Fault = { readonly code: string; readonly message: string };
export type Checked =
  | { readonly ok: true; readonly kind: Destination; readonly config: JsonObject; readonly format: string }
  | ({ readonly ok: false } & Fault);

const fault = (code: string, message: string): Checked => ({ ok: false, code, message });

/** What was probably meant, as a sentence of its own. */
const meant = (word: string, words: readonly string[]): string => {
  const near = nearest(word, words);
  return near === undefined ? '' : ` Did you mean "${near}"?`;
};

/** Checks destinations against their kinds' schemas. */
export const destinationCheck = (destinations: Destinations) => {
  const compiled = new Map<string, ValidateFunction>();
  const validatorOf = (kind: Destination): ValidateFunction => {
    const known = compiled.get(kind.type);
    if (known) return known;
    const ajv = newAjv({ useDefaults: true });
    ajv.addKeyword('x-secret');
    // The words of JSON Schema 2019-09, as OpenAPI 3.1 has them, for what draft-07 calls dependencies.
    ajv.addKeyword({ keyword: 'dependentRequired', type: 'object', macro: (needed: object) => ({ dependencies: needed }) });
    const fresh = ajv.compile({ ...kind.schema });
    compiled.set(kind.type, fresh);
    return fresh;
  };

  /** The destination's own configuration, with its defaults; `format` is one that it takes. */
  return (destination: JsonObject, wished: string | undefined): Checked => {
    const { type, ...given } = destination;
    const kind = typeof type === 'string' ? destinations.get(type) : undefined;
    const names = [...destinations.keys()];
    if (!kind)
      return fault(
        'forwarder.destination',
        `There is no destination "${String(type).slice(0, 64)}"; there are ${names.join(', ')}.${meant(String(type), names)}`,
      );
    const config = structuredClone(given) as JsonObject;
    const validate = validatorOf(kind);
    if (!validate(config)) return fault('forwarder.destination', sayError(validate.errors, 'destination'));
    const format = wished ?? kind.formats[0];
    const formats: readonly string[] = kind.formats;
    if (!formats.includes(format))
      return fault('forwarder.format', `${kind.type} takes the formats ${formats.join(', ')}, not "${format.slice(0, 64)}".${meant(format, formats)}`);
    return { ok: true, kind, config, format };
  };
};

const DATE = /^\d{4}-\d{2}-\d{2}$/;

/** A date (its beginning, UTC) or an RFC 3339 time, in milliseconds since 1970; undefined for what is neither. */
export const readTime = (text: string): number | undefined => {
  if (!DATE.test(text) && !/^\d{4}-\d{2}-\d{2}T/.test(text)) return undefined;
  const time = Date.parse(text);
  return Number.isNaN(time) ? undefined : time;
};

/** The forwarder with a wish's plain parts laid over it. */
export const withWish = (forwarder: Forwarder, wish: Partial<ForwarderWish>): Forwarder => {
  const { region: before, ...rest } = forwarder;
  const region = wish.region === undefined ? before : (wish.region ?? undefined);
  return {
    ...rest,
    ...(wish.name !== undefined && { name: wish.name }),
    ...(wish.accounts !== undefined && { accounts: wish.accounts }),
    ...(wish.filter !== undefined && { filter: isObject(wish.filter) ? wish.filter : forwarder.filter }),
    ...(region !== undefined && { region }),
  };
};
