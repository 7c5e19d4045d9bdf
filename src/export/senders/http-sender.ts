import type { JsonObject } from '../../event/index.js';
import {
  type Heard,
  type HttpClient,
  type HttpConfig,
  type HttpRequest,
  httpClient,
  newTrial,
  type OnStep,
  type TlsConfig,
  tlsSchema,
} from '../../outbound/index.js';
import type { SenderDeps } from '../destination.js';
import { type EventFormat, eventFormat } from '../formats/index.js';
import type { Outgoing, Sender } from '../sender.js';
import { inRequests, type Piece, type RequestLimits } from './requests.js';
import { conclude } from './trial.js';
import type { Verdict } from './verdict.js';

/** What every HTTP destination's configuration may have. */
export type HttpSettings = { readonly tls?: TlsConfig; readonly timeout_ms?: number; readonly gzip?: boolean; readonly plain_http?: boolean };

const TIMEOUT_MS = 60_000;

export const httpProperties = {
  tls: tlsSchema as unknown as JsonObject,
  timeout_ms: { type: 'integer', minimum: 100, maximum: 600_000, default: TIMEOUT_MS, description: 'How long an answer may take, in milliseconds.' },
  gzip: { type: 'boolean', default: true, description: 'Whether requests are compressed.' },
  plain_http: { type: 'boolean', default: false, description: 'Allows http instead of https: events and secrets cross the network as they are.' },
} as const;

export const urlProperty = (description: string) => ({ type: 'string', minLength: 1, maxLength: 2048, pattern: '^https?://', description }) as const;

/** The address of a destination. Throws a sentence for what is none, carries a password, or is http without leave. */
export const addressOf = (text: string, { plain_http = false }: HttpSettings): URL => {
  // Not repeated: an address may be a secret.
  if (!URL.canParse(text)) throw new Error('The url is no address: give one such as https://collector.example.com:8088.');
  const url = new URL(text);
  if (url.username !== '' || url.password !== '') throw new Error('The url has a name or password in it: give them in the settings meant for them.');
  if (url.protocol === 'http:' && !plain_http)
    throw new Error('The url begins with http: set plain_http to true if events and secrets may cross the network unencrypted.');
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new Error('The url must begin with https.');
  return url;
};

/** One product's way with a request. */
export type Product = {
  readonly name: string;
  readonly limits: Sender['limits'];
  readonly request: RequestLimits;
  /** An event as it stands in a request. */
  readonly piece: (outgoing: Outgoing, line: string) => Buffer;
  readonly compose: (pieces: readonly Piece[]) => HttpRequest;
  readonly judge: (heard: Heard & { readonly ok: true }, pieces: readonly Piece[]) => Verdict;
  /** Said of a message that arrived. */
  readonly arrived: string;
};

export type Exchange = (pieces: readonly Piece[], signal: AbortSignal, onStep?: OnStep) => Promise<Verdict>;

/** Posts and judges one request. */
export const exchangeBy =
  (client: HttpClient, { compose, judge }: Pick<Product, 'compose' | 'judge'>): Exchange =>
  async (pieces, signal, onStep) => {
    const heard = await client.ask(compose(pieces), signal, onStep);
    if (heard.ok) return judge(heard, pieces);
    const { outcome, ...rest } = heard.failure;
    return { meaning: outcome, ...rest };
  };

export const piecesOf = ({ piece }: Pick<Product, 'piece'>, format: EventFormat, batch: readonly Outgoing[]): readonly Piece[] =>
  batch.map((outgoing, index) => ({ index, bytes: piece(outgoing, format.line(outgoing)) }));

/** What an HTTP destination is told by: `config.url` is checked already. */
export const httpConfig = (url: URL, { tls, timeout_ms = TIMEOUT_MS, gzip = true }: HttpSettings): HttpConfig => ({
  url,
  timeout_ms,
  gzip,
  ...(tls && { tls }),
});

/** The steps of one message on a connection of its own; the first that failed is the last. */
export const tryOut = async (config: HttpConfig, { dial, now }: SenderDeps, product: Product, piece: Piece, signal: AbortSignal) => {
  const client = httpClient(config, dial);
  const trial = newTrial(now);
  try {
    const heard = await client.ask(product.compose([piece]), signal, trial.done);
    if (!heard.ok) {
      trial.failed(heard.at, heard.failure);
      return trial.steps;
    }
    trial.done('send', `${piece.bytes.length} bytes left, and ${heard.answer.status} was answered.`);
    return conclude(trial, await inRequests([piece], product.request, async () => product.judge(heard, [piece])), product.arrived);
  } finally {
    client.close();
  }
};

/** A sender that posts batches and knows by the answer what became of them. */
export const httpSender = (config: HttpConfig, product: Product, deps: SenderDeps): Sender => {
  const format = eventFormat(deps.format);
  const client = httpClient(config, deps.dial);
  const exchange = exchangeBy(client, product);
  return {
    name: product.name,
    limits: product.limits,
    send: (batch, signal) => inRequests(piecesOf(product, format, batch), product.request, (portion) => exchange(portion, signal)),
    test: async (message, signal) => tryOut(config, deps, product, piecesOf(product, format, [message])[0] as Piece, signal),
    close: async () => client.close(),
  };
};
