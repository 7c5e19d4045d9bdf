import { type IncomingHttpHeaders, Agent as PlainAgent } from 'node:http';
import { Agent as TlsAgent } from 'node:https';
import type { GuardedDial } from './dial.js';
import { exchange } from './exchange.js';
import { type TlsConfig, tlsOptions } from './tls.js';

/** One request on its way out. The body is sent as it is. */
export type OutboundRequest = {
  readonly url: string;
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer | string;
  readonly tls?: TlsConfig;
  /** Without a word from the other side for so long, in milliseconds, it has failed. */
  readonly silence_ms?: number;
};

export type OutboundAnswer = {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string /** Where it came from in the end. */;
  readonly url: string;
};

const SILENCE_MS = 30_000;
const MOST_REDIRECTS = 3;
/** An answer that is longer is a failure: reasons are short. */
const MOST_BYTES = 4 << 20;
/** Only these keep method and body (RFC 9110, sections 15.4.8 and 15.4.9). */
const REDIRECTS = new Set([307, 308]);
/** Never carried to another origin. */
const OWN = new Set(['authorization', 'cookie', 'proxy-authorization']);

const once = async (dial: GuardedDial, { url: address, method, headers = {}, body, tls, silence_ms = SILENCE_MS }: OutboundRequest, signal: AbortSignal) => {
  const url = new URL(address);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw new Error(`${url.protocol} is neither http nor https.`);
  dial.check(url.hostname);
  const answer = await exchange(
    {
      url,
      method,
      headers,
      ...(body !== undefined && { body: Buffer.from(body) }),
      lookup: dial.lookup,
      // A connection that is kept was looked up by whoever opened it: each request opens its own, past the guard.
      agent: url.protocol === 'https:' ? new TlsAgent() : new PlainAgent(),
      ...(tls && { tls: tlsOptions(tls) }),
      silence_ms,
      most_bytes: MOST_BYTES,
    },
    signal,
  );
  return { ...answer, body: answer.body.toString('utf8'), url: url.href };
};

const redirected = (asked: OutboundRequest, answer: OutboundAnswer): OutboundRequest | undefined => {
  const location = answer.headers.location;
  if (!REDIRECTS.has(answer.status) || location === undefined) return undefined;
  const from = new URL(answer.url);
  const to = new URL(location, from);
  if (from.protocol === 'https:' && to.protocol !== 'https:')
    throw new Error(`${from.origin} leads to ${to.origin}, which is not encrypted: it is not followed.`);
  const headers = Object.fromEntries(Object.entries(asked.headers ?? {}).filter(([name]) => to.origin === from.origin || !OWN.has(name.toLowerCase())));
  const { tls, ...rest } = asked;
  // A client certificate is for the place it was given for.
  return { ...rest, url: to.href, headers, ...(tls && { tls: to.origin === from.origin ? tls : { ...(tls.ca !== undefined && { ca: tls.ca }) } }) };
};

/**
 * One HTTP request through the guard, which is asked again for each redirect (307 and 308; any other is the answer).
 * Rejects with GuardedAddress, or with what the network or the certificate says.
 */
export const outboundRequest =
  (dial: GuardedDial) =>
  async (asked: OutboundRequest, signal: AbortSignal): Promise<OutboundAnswer> => {
    let next = asked;
    for (let hops = 0; ; hops += 1) {
      const answer = await once(dial, next, signal);
      const further = redirected(next, answer);
      if (!further) return answer;
      if (hops === MOST_REDIRECTS) throw new Error(`${asked.url} was redirected more than ${MOST_REDIRECTS} times.`);
      next = further;
    }
  };
