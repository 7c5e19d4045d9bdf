import type { JsonObject } from '../../event/index.js';
import type { Destination, SenderDeps } from '../destination.js';
import type { Sender } from '../sender.js';
import { addressOf, type HttpSettings, httpConfig, httpProperties, httpSender, urlProperty } from './http-sender.js';
import { type Statuses, verdictOf } from './verdict.js';

/** Where Datadog's logs go (its API v2, `POST /api/v2/logs`). */
export type DatadogConfig = HttpSettings & {
  readonly api_key: string;
  readonly site?: string;
  readonly url?: string;
  readonly service?: string;
  readonly tags?: string;
  readonly hostname?: string;
};

const SITE = 'datadoghq.com';
const MEGABYTE = 1_000_000;
/** What one request may hold, uncompressed; with room for the brackets. */
const LIMITS = { events: 1000, bytes: 5 * MEGABYTE - 1024, between: 1 } as const;
/** A longer log is cut by Datadog without a word. */
const MOST_LOG = MEGABYTE;

/** The statuses that Datadog's reference of "Send logs" (v2) names. */
const STATUSES: Statuses = {
  202: 'accepted',
  200: 'accepted',
  400: 'refused',
  401: 'stopped',
  403: 'stopped',
  408: 'again',
  413: 'large',
  429: 'again',
  500: 'again',
  503: 'again',
};
const ADVICE = { 401: 'Give the API key in api_key.', 403: 'Check api_key, and that site is the one that it is of.' };

const text = (maxLength: number, description: string) => ({ type: 'string', minLength: 1, maxLength, description }) as const;

export const datadogSchema = {
  type: 'object',
  required: ['api_key'],
  additionalProperties: false,
  properties: {
    api_key: { ...text(256, 'An API key of the organisation.'), 'x-secret': true },
    site: { ...text(253, 'The site that the organisation is on.'), default: SITE, pattern: '^[a-z0-9.-]+$' },
    url: urlProperty('Where logs are taken, if not by the site: a proxy, for example.'),
    service: { ...text(100, 'The `service` of each log.'), default: 'verdict' },
    tags: text(2000, 'Tags for each log, with commas between: `env:prod,team:sec`.'),
    hostname: text(253, 'The `hostname` of each log.'),
    ...httpProperties,
  },
} as const;

/** Sends to Datadog: accepted when the intake answers 202. */
export const datadogSender = (config: DatadogConfig, deps: SenderDeps): Sender => {
  const { api_key, site = SITE, service = 'verdict', tags, hostname, now = Date.now } = { ...config, ...deps };
  const url = addressOf(config.url ?? `https://http-intake.logs.${site}/api/v2/logs`, config);
  const fixed = { ddsource: 'verdict', service, ...(tags !== undefined && { ddtags: tags }), ...(hostname !== undefined && { hostname }) };
  return httpSender(
    httpConfig(url, config),
    {
      name: 'datadog',
      limits: { events: LIMITS.events, bytes: LIMITS.bytes },
      request: LIMITS,
      piece: (_, line) => Buffer.from(JSON.stringify({ ...fixed, message: line })),
      compose: (pieces) => ({
        method: 'POST',
        headers: { 'dd-api-key': api_key, 'content-type': 'application/json' },
        body: Buffer.concat([Buffer.from('['), ...pieces.flatMap(({ bytes }, n) => (n === 0 ? [bytes] : [Buffer.from(','), bytes])), Buffer.from(']')]),
      }),
      judge: ({ answer }, pieces) => {
        const verdict = verdictOf('Datadog', STATUSES, answer, { now: now(), secrets: [api_key], advice: ADVICE });
        const long = pieces.flatMap(({ bytes }, index) =>
          bytes.length > MOST_LOG ? [{ index, reason: `It has ${bytes.length} bytes; Datadog cuts a log at 1 MB.` }] : [],
        );
        return verdict.meaning === 'accepted' && long.length > 0 ? { ...verdict, refused: long } : verdict;
      },
      arrived: 'Datadog accepted it for processing: look for it in the Log Explorer.',
    },
    deps,
  );
};

export const datadog: Destination = {
  type: 'datadog',
  schema: datadogSchema as unknown as Destination['schema'],
  formats: ['json', 'ocsf', 'ecs', 'cloudevents', 'cef', 'leef'],
  make: (config: JsonObject, deps) => datadogSender(config as unknown as DatadogConfig, deps),
};
