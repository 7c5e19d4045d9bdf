import { randomUUID } from 'node:crypto';
import type { JsonObject } from '../../event/index.js';
import { type HttpClient, type HttpRequest, httpClient, newTrial } from '../../outbound/index.js';
import type { Destination, SenderDeps } from '../destination.js';
import { eventFormat } from '../formats/index.js';
import type { Outgoing, Sender, Sent, Step } from '../sender.js';
import { addressOf, type HttpSettings, httpConfig, httpProperties, piecesOf, urlProperty } from './http-sender.js';
import { inRequests, type Piece } from './requests.js';
import { type Awaited, awaitAcks } from './splunk-acks.js';
import { judgeHec } from './splunk-answers.js';
import { conclude } from './trial.js';
import type { Verdict } from './verdict.js';

/** Splunk's HTTP Event Collector. */
export type SplunkConfig = HttpSettings & {
  readonly url: string;
  readonly token: string;
  readonly index?: string;
  readonly sourcetype?: string;
  readonly source?: string;
  readonly host?: string;
  readonly acknowledgement?: 'auto' | 'required' | 'off';
  readonly ack_wait_ms?: number;
  readonly ack_poll_ms?: number;
};

/** One request; HEC's own limit is 1 MB at first. Several go out before their acknowledgements are waited for. */
const REQUEST = { events: 5_000, bytes: 900_000, between: 0 } as const;
const LIMITS = { events: 10_000, bytes: 4 * REQUEST.bytes } as const;
const ACK_WAIT_MS = 120_000;
const ACK_POLL_MS = 1_000;

const text = (maxLength: number, description: string) => ({ type: 'string', minLength: 1, maxLength, description }) as const;

export const splunkSchema = {
  type: 'object',
  required: ['url', 'token'],
  additionalProperties: false,
  properties: {
    url: urlProperty('Where the collector listens: `https://splunk.example.com:8088`.'),
    token: { ...text(256, "The collector's token."), 'x-secret': true, pattern: '^[!-~]+$' },
    index: text(80, "The index; the token's own where it isn't given."),
    sourcetype: { ...text(256, 'The source type.'), default: 'verdict:<format>' },
    source: { ...text(256, 'The source.'), default: 'verdict' },
    host: text(253, 'The host.'),
    acknowledgement: {
      enum: ['auto', 'required', 'off'],
      default: 'auto',
      description:
        'auto: events count as sent when they are indexed, where the token has indexer acknowledgement, else when they are received. required: nothing is sent by a token without it.',
    },
    ack_wait_ms: {
      type: 'integer',
      minimum: 100,
      maximum: 3_600_000,
      default: ACK_WAIT_MS,
      description: 'How long an acknowledgement may take before events are sent again.',
    },
    ack_poll_ms: { type: 'integer', minimum: 10, maximum: 60_000, default: ACK_POLL_MS, description: 'How often it is asked for.' },
    ...httpProperties,
  },
} as const;

/** The collector's paths, under whatever the address has. */
const pathOf = (url: URL, name: 'event' | 'ack', channel: string): URL => {
  const base = url.pathname.replace(/\/(services\/collector(\/event)?)?\/?$/, '');
  const found = new URL(`${base}/services/collector/${name}`, url);
  if (name === 'ack') found.searchParams.set('channel', channel);
  return found;
};

/** Seconds with milliseconds, as HEC takes its time. */
const seconds = (timestamp: string): number => Date.parse(timestamp) / 1000;

const envelopeOf = ({ index, sourcetype, source = 'verdict', host }: SplunkConfig, format: string, isJson: boolean) => {
  const fixed = { source, sourcetype: sourcetype ?? `verdict:${format}`, ...(index !== undefined && { index }), ...(host !== undefined && { host }) };
  const head = JSON.stringify(fixed).slice(0, -1);
  return ({ event }: Outgoing, line: string): Buffer =>
    Buffer.from(`${head},"time":${seconds(event.timestamp)},"event":${isJson ? line : JSON.stringify(line)}}\n`);
};

/** Sends to the HTTP Event Collector. */
export const splunkSender = (config: SplunkConfig, deps: SenderDeps): Sender => {
  const { token, acknowledgement = 'auto', ack_wait_ms = ACK_WAIT_MS, ack_poll_ms = ACK_POLL_MS } = config;
  const { now = Date.now, dial } = deps;
  const format = eventFormat(deps.format);
  const channel = randomUUID();
  const url = addressOf(config.url, config);
  const http = httpConfig(pathOf(url, 'event', channel), config);
  const client = httpClient(http, dial);
  const headers = {
    authorization: `Splunk ${token}`,
    'content-type': 'application/json',
    ...(acknowledgement !== 'off' && { 'x-splunk-request-channel': channel }),
  };
  const product = { piece: envelopeOf(config, deps.format, format.isJson) };

  const compose = (pieces: readonly Piece[]): HttpRequest => ({ method: 'POST', headers, body: Buffer.concat(pieces.map(({ bytes }) => bytes)) });
  const ackRequest = (acks: readonly number[]): HttpRequest => ({
    method: 'POST',
    url: pathOf(url, 'ack', channel),
    headers,
    body: Buffer.from(JSON.stringify({ acks })),
  });
  const unacknowledged = 'The token has no indexer acknowledgement, which acknowledgement: required asks for. Enable it in Splunk, or set it to auto.';

  /** One request; where Splunk names the event at fault, the others go again without it. What came before it may be there twice then. */
  const post = async (through: HttpClient, awaited: Awaited[], portion: readonly Piece[], signal: AbortSignal): Promise<Verdict> => {
    const refused: { readonly index: number; readonly reason: string }[] = [];
    let left = portion.map((piece, position) => ({ piece, position }));
    while (left.length > 0) {
      const heard = await through.ask(compose(left.map(({ piece }) => piece)), signal);
      if (!heard.ok) {
        const { outcome, ...rest } = heard.failure;
        return { meaning: outcome, ...rest };
      }
      const verdict = judgeHec(heard.answer, { now: now(), secrets: [token] });
      const { ackId, at, ...plain } = verdict;
      if (verdict.meaning === 'accepted') {
        if (ackId === undefined && acknowledgement === 'required') return { meaning: 'stopped', reason: unacknowledged };
        if (ackId !== undefined && acknowledgement !== 'off') awaited.push({ ackId, index: (portion[0] as Piece).index });
        return { meaning: 'accepted', refused };
      }
      const culprit = at === undefined ? undefined : left[at];
      if (verdict.meaning !== 'refused' || !culprit) return plain;
      refused.push({ index: culprit.position, reason: verdict.reason });
      left = left.filter((one) => one !== culprit);
    }
    return { meaning: 'accepted', refused };
  };

  const sendBy = async (through: HttpClient, batch: readonly Outgoing[], signal: AbortSignal): Promise<Sent> => {
    const awaited: Awaited[] = [];
    const sent = await inRequests(piecesOf(product, format, batch), REQUEST, (portion) => post(through, awaited, portion, signal));
    if (awaited.length === 0 || sent.outcome === 'stopped') return sent;
    const acks = await awaitAcks(awaited, through, ackRequest, { poll_ms: ack_poll_ms, wait_ms: ack_wait_ms, now, secrets: [token] }, signal);
    if (acks.meaning === 'accepted') return sent;
    if (acks.meaning !== 'again') return { outcome: 'stopped', reason: acks.reason };
    // Again from the first that is neither indexed nor told of.
    const known = sent.outcome === 'accepted' ? (sent.refused ?? []).map(({ index }) => index) : [sent.from ?? 0];
    return { outcome: 'again', reason: acks.reason, from: Math.min(acks.from ?? 0, ...known), ...(acks.after_ms !== undefined && { after_ms: acks.after_ms }) };
  };

  const test: Sender['test'] = async (message, signal) => {
    const own = httpClient(http, dial);
    const trial = newTrial(now);
    let failedAt: Step['step'] | undefined;
    const watched: HttpClient = {
      ...own,
      ask: async (request, aborted) => {
        const heard = await own.ask(request, aborted, trial.done);
        if (!heard.ok) failedAt = heard.at;
        else if (request.url === undefined) trial.done('send', `The event left, and ${heard.answer.status} was answered.`);
        return heard;
      },
    };
    try {
      const sent = await sendBy(watched, [message], signal);
      if (failedAt === undefined || sent.outcome === 'accepted') return conclude(trial, sent, 'Splunk took it.');
      trial.failed(failedAt, sent);
      return trial.steps;
    } finally {
      own.close();
    }
  };

  return { name: 'splunk', limits: LIMITS, send: (batch, signal) => sendBy(client, batch, signal), test, close: async () => client.close() };
};

export const splunk: Destination = {
  type: 'splunk',
  schema: splunkSchema as unknown as Destination['schema'],
  formats: ['json', 'ocsf', 'ecs', 'cloudevents', 'cef', 'leef'],
  make: (config: JsonObject, deps) => splunkSender(config as unknown as SplunkConfig, deps),
};
