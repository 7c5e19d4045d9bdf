import type { JsonObject } from '../../event/index.js';
import type { Answer } from '../../outbound/index.js';
import type { Destination, SenderDeps } from '../destination.js';
import type { Outgoing, Sender } from '../sender.js';
import { addressOf, type HttpSettings, httpConfig, httpProperties, httpSender, urlProperty } from './http-sender.js';
import { jsonOf, type Meaning, type Statuses, type Verdict, verdictOf } from './verdict.js';

/** An index or data stream of Elasticsearch (or OpenSearch, whose `_bulk` is the same). */
export type ElasticConfig = HttpSettings & {
  readonly url: string;
  readonly index: string;
  readonly api_key?: string;
  readonly username?: string;
  readonly password?: string;
  readonly pipeline?: string;
};

/** Elastic advises a few megabytes a request. */
const LIMITS = { events: 2_000, bytes: 4_000_000, between: 0 } as const;

/** Of the whole request. */
const STATUSES: Statuses = {
  200: 'accepted',
  400: 'stopped',
  401: 'stopped',
  403: 'stopped',
  404: 'stopped',
  406: 'stopped',
  408: 'again',
  413: 'large',
  429: 'again',
};
const ADVICE = { 401: 'Check api_key, or username and password.', 403: 'The credential needs the privilege create_doc on the index.' };
/** Of one item: 409 is the answer to an event that is there already, which is what sending again leads to. */
const ITEMS: Statuses = {
  200: 'accepted',
  201: 'accepted',
  409: 'accepted',
  400: 'refused',
  401: 'stopped',
  403: 'stopped',
  404: 'stopped',
  413: 'refused',
  429: 'again',
};
/** Of what a bulk request answers, no more than is read here. */
const FILTER = 'errors,items.*.status,items.*.error.type,items.*.error.reason,items.*.error.caused_by.reason';

const text = (maxLength: number, description: string) => ({ type: 'string', minLength: 1, maxLength, description }) as const;

export const elasticSchema = {
  type: 'object',
  required: ['url', 'index'],
  additionalProperties: false,
  properties: {
    url: urlProperty('The address of the cluster.'),
    index: { ...text(255, 'The data stream or index to write to, `logs-verdict.audit-default` for example.'), pattern: '^[^\\s/?*"<>|,#A-Z\\\\]+$' },
    api_key: { ...text(1024, 'An API key, in its encoded form.'), 'x-secret': true },
    username: text(256, 'A user, where there is no API key.'),
    password: { ...text(1024, "The user's password."), 'x-secret': true },
    pipeline: text(255, 'An ingest pipeline that events go through.'),
    ...httpProperties,
  },
} as const;

type Item = {
  readonly status?: number;
  readonly error?: { readonly type?: string; readonly reason?: string; readonly caused_by?: { readonly reason?: string } };
};

const itemsIn = (answer: Answer): readonly Item[] | undefined => {
  const body = jsonOf(answer) as { readonly items?: readonly { readonly create?: Item }[] } | undefined;
  return Array.isArray(body?.items) ? body.items.map((item) => item.create ?? {}) : undefined;
};

const meaningOf = ({ status = 0 }: Item): Meaning => ITEMS[status] ?? (status >= 500 || status === 0 ? 'again' : 'stopped');
const sayItem = ({ status, error }: Item): string =>
  `Elasticsearch answered ${status ?? 'nothing'} for the event: ${[error?.type, error?.reason, error?.caused_by?.reason].filter(Boolean).join(': ')}.`.slice(
    0,
    500,
  );

/** Item by item: a 200 says nothing of the items. */
const judgeItems = (answer: Answer, count: number): Verdict => {
  const items = itemsIn(answer);
  if (!items || items.length !== count) return { meaning: 'again', reason: `Elasticsearch answered ${items?.length ?? 'no'} items where ${count} were sent.` };
  const halting = items.find((item) => meaningOf(item) === 'stopped');
  if (halting) return { meaning: 'stopped', reason: sayItem(halting) };
  const from = items.findIndex((item) => meaningOf(item) === 'again');
  const refused = items.flatMap((item, index) => (meaningOf(item) === 'refused' ? [{ index, reason: sayItem(item) }] : []));
  // What was refused before goes again with the rest, so that its refusal isn't forgotten.
  if (from >= 0) return { meaning: 'again', reason: sayItem(items[from] as Item), from: Math.min(from, refused[0]?.index ?? from) };
  return { meaning: 'accepted', refused };
};

/** The document's id: the event's place, which is the same however often it is sent. */
const idOf = ({ log, seq }: Outgoing): string => `${log}-${seq}`;

const authorization = ({ api_key, username, password }: ElasticConfig): { readonly authorization?: string } => {
  if (api_key !== undefined) return { authorization: `ApiKey ${api_key}` };
  if (username !== undefined && password !== undefined) return { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` };
  if (username !== undefined || password !== undefined) throw new Error('username and password belong together: give both, or api_key.');
  return {};
};

/** Sends by `_bulk` with `create`: accepted when each item is created, or was there already. */
export const elasticSender = (config: ElasticConfig, deps: SenderDeps): Sender => {
  const { index, pipeline, api_key = '', password = '' } = config;
  const { now = Date.now } = deps;
  const url = addressOf(config.url, config);
  const bulk = new URL(`${url.pathname.replace(/\/$/, '')}/${encodeURIComponent(index)}/_bulk`, url);
  bulk.searchParams.set('filter_path', FILTER);
  if (pipeline !== undefined) bulk.searchParams.set('pipeline', pipeline);
  const headers = { ...authorization(config), 'content-type': 'application/x-ndjson' };
  return httpSender(
    httpConfig(bulk, config),
    {
      name: 'elastic',
      limits: { events: LIMITS.events, bytes: LIMITS.bytes },
      request: LIMITS,
      piece: (outgoing, line) => Buffer.from(`{"create":{"_id":"${idOf(outgoing)}"}}\n${line}\n`),
      compose: (pieces) => ({ method: 'POST', headers, body: Buffer.concat(pieces.map(({ bytes }) => bytes)) }),
      judge: ({ answer }, pieces) => {
        const verdict = verdictOf('Elasticsearch', STATUSES, answer, { now: now(), secrets: [api_key, password], advice: ADVICE });
        return verdict.meaning === 'accepted' ? judgeItems(answer, pieces.length) : verdict;
      },
      arrived: `Elasticsearch has it in ${index}.`,
    },
    deps,
  );
};

export const elastic: Destination = {
  type: 'elastic',
  schema: elasticSchema as unknown as Destination['schema'],
  formats: ['ecs', 'json', 'ocsf', 'cloudevents'],
  make: (config: JsonObject, deps) => elasticSender(config as unknown as ElasticConfig, deps),
};
