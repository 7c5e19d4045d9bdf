import type { JsonObject } from '../../event/index.js';
import type { Destination, SenderDeps } from '../destination.js';
import type { Sender } from '../sender.js';
import { addressOf, type HttpSettings, httpConfig, httpProperties, httpSender, urlProperty } from './http-sender.js';
import { type Statuses, verdictOf } from './verdict.js';

/** An HTTP source of Sumo Logic. Its address is its credential. */
export type SumoLogicConfig = HttpSettings & {
  readonly url: string;
  readonly category?: string;
  readonly source_name?: string;
  readonly host?: string;
  readonly fields?: string;
};

/** What Sumo Logic advises for one request: 100 KB to 1 MB before it is compressed. */
const LIMITS = { events: 10_000, bytes: 1_000_000, between: 1 } as const;

/** The statuses that "Troubleshooting HTTP Sources" names. 408: taken, but perhaps not processed. */
const STATUSES: Statuses = { 200: 'accepted', 401: 'stopped', 408: 'again', 413: 'large', 429: 'again', 503: 'again', 504: 'again' };
const ADVICE = { 401: "The token in the url is wrong, or the source is gone: give the source's address anew." };

/** One line, as a header's value may be: printable ASCII. */
const header = (description: string) => ({ type: 'string', minLength: 1, maxLength: 1024, pattern: '^[ -~]+$', description }) as const;

export const sumoLogicSchema = {
  type: 'object',
  required: ['url'],
  additionalProperties: false,
  properties: {
    url: { ...urlProperty('The address of the HTTP source. Whoever has it can write there: it is kept as a secret.'), 'x-secret': true },
    category: header('Overrides the source category (X-Sumo-Category).'),
    source_name: header('Overrides the source name (X-Sumo-Name).'),
    host: header('Overrides the source host (X-Sumo-Host).'),
    fields: header('Fields for each log, `key=value` with commas between (X-Sumo-Fields).'),
    ...httpProperties,
  },
} as const;

/** Sends to an HTTP source, a line an event: accepted when it answers 200. */
export const sumoLogicSender = (config: SumoLogicConfig, deps: SenderDeps): Sender => {
  const { category, source_name, host, fields } = config;
  const url = addressOf(config.url, config);
  const secrets = [config.url, url.pathname, url.pathname.split('/').at(-1) ?? ''];
  const named = { 'x-sumo-category': category, 'x-sumo-name': source_name, 'x-sumo-host': host, 'x-sumo-fields': fields };
  const headers = Object.fromEntries(Object.entries(named).filter((pair): pair is [string, string] => pair[1] !== undefined));
  const { now = Date.now } = deps;
  return httpSender(
    httpConfig(url, config),
    {
      name: 'sumo-logic',
      limits: { events: LIMITS.events, bytes: LIMITS.bytes },
      request: LIMITS,
      piece: (_, line) => Buffer.from(`${line}\n`),
      compose: (pieces) => ({
        method: 'POST',
        headers: { ...headers, 'content-type': 'text/plain; charset=utf-8' },
        body: Buffer.concat(pieces.map(({ bytes }) => bytes)),
      }),
      judge: ({ answer }) => verdictOf('Sumo Logic', STATUSES, answer, { now: now(), secrets, advice: ADVICE }),
      arrived: 'The source took it: look for it in Live Tail.',
    },
    deps,
  );
};

export const sumoLogic: Destination = {
  type: 'sumo-logic',
  schema: sumoLogicSchema as unknown as Destination['schema'],
  formats: ['json', 'ocsf', 'ecs', 'cloudevents', 'cef', 'leef'],
  make: (config: JsonObject, deps) => sumoLogicSender(config as unknown as SumoLogicConfig, deps),
};
