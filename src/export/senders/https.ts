import type { JsonObject } from '../../event/index.js';
import type { HttpRequest } from '../../outbound/index.js';
import type { Destination, SenderDeps } from '../destination.js';
import { eventFormat } from '../formats/index.js';
import type { Sender } from '../sender.js';
import { addressOf, type HttpSettings, httpConfig, httpProperties, httpSender, urlProperty } from './http-sender.js';
import type { Piece } from './requests.js';
import { type Statuses, verdictOf } from './verdict.js';
import { WEBHOOK_SECRET, webhookHeaders, webhookKey } from './webhook-signature.js';

/** Any HTTPS endpoint. */
export type HttpsConfig = HttpSettings & {
  readonly url: string;
  readonly body?: 'ndjson' | 'json';
  readonly authorization?: string;
  readonly headers?: { readonly [name: string]: string };
  readonly signing_secret?: string;
  readonly previous_signing_secret?: string;
  readonly batch_events?: number;
  readonly batch_bytes?: number;
};

const BATCH = { events: 1_000, bytes: 1_000_000 } as const;

/** Any 2xx is good; 410 means that nothing more is wanted (Standard Webhooks, "Deliverability"). */
const STATUSES: Statuses = {
  ...Object.fromEntries([200, 201, 202, 203, 204, 205].map((status) => [status, 'accepted' as const])),
  400: 'refused',
  401: 'stopped',
  403: 'stopped',
  404: 'stopped',
  405: 'stopped',
  408: 'again',
  409: 'accepted',
  410: 'stopped',
  413: 'large',
  415: 'stopped',
  422: 'refused',
  425: 'again',
  429: 'again',
};
const ADVICE = {
  401: 'Check authorization and signing_secret.',
  403: 'Check authorization and signing_secret.',
  409: 'It has it already.',
  410: 'The endpoint wants nothing more.',
};

/** What is set by us, or would break the request. */
const RESERVED = "^(?!(?:host|content-length|content-type|content-encoding|transfer-encoding|connection|authorization|webhook-.*)$)[!#$%&'*+.^_`|~0-9a-z-]+$";
const secret = (description: string) => ({ type: 'string', maxLength: 128, pattern: WEBHOOK_SECRET, description, 'x-secret': true }) as const;

export const httpsSchema = {
  type: 'object',
  required: ['url'],
  additionalProperties: false,
  properties: {
    url: urlProperty('Where events are posted.'),
    body: {
      enum: ['ndjson', 'json'],
      default: 'ndjson',
      description: 'One event a line, or one JSON list. Formats that are no JSON stand as texts in a list.',
    },
    authorization: {
      type: 'string',
      minLength: 1,
      maxLength: 4096,
      pattern: '^[ -~]+$',
      description: 'The header Authorization: `Bearer …`.',
      'x-secret': true,
    },
    headers: {
      type: 'object',
      maxProperties: 20,
      propertyNames: { pattern: RESERVED },
      additionalProperties: { type: 'string', maxLength: 1024, pattern: '^[ -~]*$' },
      description: 'Further headers, their names in lower case. They are no secrets: what is one goes into authorization.',
    },
    signing_secret: secret('Signs each request by Standard Webhooks: `whsec_` and 24 to 64 bytes in base64.'),
    previous_signing_secret: secret('The secret before, while receivers still know that one alone: requests carry a signature of each.'),
    batch_events: { type: 'integer', minimum: 1, maximum: 10_000, default: BATCH.events, description: 'The most events in one request.' },
    batch_bytes: {
      type: 'integer',
      minimum: 1,
      maximum: 16_000_000,
      default: BATCH.bytes,
      description: 'The most bytes in one request, before compression; an event that is longer goes alone.',
    },
    ...httpProperties,
    gzip: { ...httpProperties.gzip, default: false },
  },
} as const;

const bodyOf = (pieces: readonly Piece[], isList: boolean): Buffer => {
  if (!isList) return Buffer.concat(pieces.flatMap(({ bytes }) => [bytes, Buffer.from('\n')]));
  return Buffer.concat([Buffer.from('['), ...pieces.flatMap(({ bytes }, n) => (n === 0 ? [bytes] : [Buffer.from(','), bytes])), Buffer.from(']')]);
};

/** Posts to any endpoint: accepted when it answers 2xx. What it can't read is looked for event by event. */
export const httpsSender = (config: HttpsConfig, deps: SenderDeps): Sender => {
  const {
    body = 'ndjson',
    authorization,
    headers = {},
    signing_secret,
    previous_signing_secret,
    batch_events = BATCH.events,
    batch_bytes = BATCH.bytes,
  } = config;
  const { now = Date.now } = deps;
  const { isJson } = eventFormat(deps.format);
  const isList = body === 'json';
  if (previous_signing_secret !== undefined && signing_secret === undefined)
    throw new Error('previous_signing_secret is there without signing_secret: give the new secret as that.');
  const keys = Object.entries({ signing_secret, previous_signing_secret }).flatMap(([name, value]) => (value === undefined ? [] : [webhookKey(value, name)]));
  const contentType = isList ? 'application/json' : isJson ? 'application/x-ndjson' : 'text/plain; charset=utf-8';
  const compose = (pieces: readonly Piece[]): HttpRequest => {
    const bytes = bodyOf(pieces, isList);
    // Signed as it is before compression: that is what a receiver's program sees.
    const signed = webhookHeaders(keys, bytes, now());
    return {
      method: 'POST',
      headers: { ...headers, ...signed, ...(authorization !== undefined && { authorization }), 'content-type': contentType },
      body: bytes,
    };
  };
  const secrets = [authorization ?? '', (authorization ?? '').split(' ').at(-1) ?? '', signing_secret ?? '', previous_signing_secret ?? ''];
  return httpSender(
    httpConfig(addressOf(config.url, config), { ...config, gzip: config.gzip ?? false }),
    {
      name: 'https',
      limits: { events: batch_events, bytes: batch_bytes },
      request: { events: batch_events, bytes: batch_bytes, between: 1 },
      piece: (_, line) => Buffer.from(isList && !isJson ? JSON.stringify(line) : line),
      compose,
      judge: ({ answer }) => verdictOf('The endpoint', STATUSES, answer, { now: now(), secrets, advice: ADVICE }),
      arrived: 'The endpoint took it.',
    },
    deps,
  );
};

export const https: Destination = {
  type: 'https',
  schema: httpsSchema as unknown as Destination['schema'],
  formats: ['json', 'ocsf', 'cloudevents', 'ecs', 'cef', 'leef'],
  make: (config: JsonObject, deps) => httpsSender(config as unknown as HttpsConfig, deps),
};
