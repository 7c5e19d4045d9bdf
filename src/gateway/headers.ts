import type { IncomingMessage } from 'node:http';
import { isIPv6 } from 'node:net';
import { connectionOptions, type EndUser } from '../routes/index.js';
import type { Trace } from './trace.js';

/** Fields of one connection, not of the message (RFC 9110, section 7.6.1). Framing and Host are set by the gateway itself. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'transfer-encoding',
  'upgrade',
]);

/** What the gateway says itself, and a client therefore can't. */
const OWN: ReadonlySet<string> = new Set([
  'host',
  'content-length',
  'expect',
  'forwarded',
  'x-request-id',
  'traceparent',
  'via',
  'x-real-ip',
  'x-client-ip',
  'true-client-ip',
  'cf-connecting-ip',
  'fastly-client-ip',
  'x-cluster-client-ip',
  'x-forwarded',
  'x-original-host',
]);

/** Fields by which frameworks take a request for another one than was decided on. */
const OTHER_REQUEST: ReadonlySet<string> = new Set([
  'x-http-method',
  'x-http-method-override',
  'x-method-override',
  'x-original-url',
  'x-original-method',
  'x-rewrite-url',
]);

/** Fields that a request has once at most: a second one would leave open which of them was decided on. */
const SINGULAR: ReadonlySet<string> = new Set(['host', 'authorization', 'content-type', 'content-encoding', 'content-length', 'transfer-encoding']);

/** Headers as node:http takes them: name, value, name, value … */
export type HeaderList = readonly string[];

/** CGI and its heirs know no difference between `_` and `-`: a field that could be taken for another one is that one. */
const plainName = (name: string): string => {
  const lower = name.toLowerCase();
  return lower.includes('_') ? lower.replaceAll('_', '-') : lower;
};

const isReserved = (name: string): boolean =>
  OWN.has(name) || OTHER_REQUEST.has(name) || HOP_BY_HOP.has(name) || name.startsWith('x-verdict-') || name.startsWith('x-forwarded-');

const NONE: ReadonlySet<string> = new Set();

/** Names that a Connection field makes a matter of this connection. */
const namedBy = (connection: string | undefined): ReadonlySet<string> => {
  if (connection === undefined || connection === 'keep-alive' || connection === 'close') return NONE;
  return new Set(connectionOptions(connection));
};

/** The first field that stands in a request twice and may not; undefined where there is none. */
export const repeatedField = (raw: HeaderList): string | undefined => {
  let seen: Set<string> | undefined;
  for (let at = 0; at < raw.length; at += 2) {
    const name = (raw[at] as string).toLowerCase();
    if (!SINGULAR.has(name)) continue;
    seen ??= new Set();
    if (seen.has(name)) return name;
    seen.add(name);
  }
  return undefined;
};

/**
 * The fields of a request that go on: those that were decided on, in the form they were read in (several of one name as
 * one), without the connection's own, the gateway's own, and those that would make another request of it.
 */
const passedOn = ({ headers }: Pick<IncomingMessage, 'headers'>, isTraceContinued: boolean): string[] => {
  const named = namedBy(headers.connection);
  const list: string[] = [];
  for (const name in headers) {
    const value = headers[name];
    if (value === undefined || isReserved(plainName(name)) || named.has(name) || (name === 'tracestate' && !isTraceContinued)) continue;
    if (typeof value === 'string') list.push(name, value);
    else for (const one of value) list.push(name, one);
  }
  return list;
};

/** What the gateway knows of a request and tells the upstream. */
export type Introduction = {
  readonly requestId: string;
  readonly trace: Trace;
  /** The client's address, and the connection's where a trusted proxy stands between. */
  readonly client: string;
  readonly peer: string;
  readonly protocol: 'http' | 'https';
  /** The Host that the client asked for, and the one to ask the upstream for. */
  readonly host: string;
  readonly upstreamHost: string;
  /** Absent where nobody had to be known. */
  readonly user?: EndUser;
  /** The decisions that allowed it. */
  readonly decisions: readonly string[];
};

/** RFC 7239, section 6: an IPv6 address stands in brackets and quotes. */
const forwardedNode = (address: string): string => (address === '' ? 'unknown' : isIPv6(address) ? `"[${address}]"` : address);

const PLAIN = /^[\x21-\x24\x26-\x7e]*$/;
/** Ids may be any text; in a header they are percent-encoded where they aren't plain. */
const plainValue = (text: string): string => (PLAIN.test(text) ? text : encodeURIComponent(text));

/** Decisions that are named to the upstream and the client: those of a bulk request are in its record. */
const MOST_DECISIONS = 10;

/** X-Verdict-Decision's value. */
export const decisionField = (decisions: readonly string[]): string => decisions.slice(0, MOST_DECISIONS).join(', ');

const identity = ({ user, decisions }: Introduction): string[] => {
  const list: string[] = [];
  if (user) {
    list.push('X-Verdict-Subject', `${plainValue(user.subject.type)}/${plainValue(user.subject.id)}`);
    list.push('X-Verdict-Subject-Type', plainValue(user.subject.type), 'X-Verdict-Subject-Id', plainValue(user.subject.id));
    if (user.account !== undefined) list.push('X-Verdict-Account', plainValue(user.account));
    if (user.token !== undefined) list.push('X-Verdict-Token-Id', plainValue(user.token));
  }
  if (decisions.length > 0) list.push('X-Verdict-Decision', decisionField(decisions));
  return list;
};

/** How the request's body goes on: as long as it said, in chunks, or of a length that is known by now. */
export type Framing = { readonly kind: 'none' } | { readonly kind: 'length'; readonly length: string } | { readonly kind: 'chunked' };

const framingFields = (framing: Framing): string[] => {
  if (framing.kind === 'length') return ['Content-Length', framing.length];
  return framing.kind === 'chunked' ? ['Transfer-Encoding', 'chunked'] : [];
};

/** Of the connection's own fields, those that are said anew to the upstream. */
export type Hop = { readonly upgrade?: string; readonly expectsContinue: boolean; readonly wantsPlainAnswer: boolean };

const hopFields = ({ headers }: Pick<IncomingMessage, 'headers'>, hop: Hop): string[] => {
  if (hop.upgrade !== undefined) return ['Connection', 'Upgrade', 'Upgrade', hop.upgrade];
  const list: string[] = hop.expectsContinue ? ['Expect', '100-continue'] : [];
  // RFC 9110, section 10.1.4: TE is said hop by hop, and named in Connection.
  if (/(^|,)\s*trailers\s*(,|;|$)/i.test(String(headers.te ?? ''))) list.push('TE', 'trailers', 'Connection', 'keep-alive, TE');
  return list;
};

/** The upstream request's headers. What is read of the answer itself is asked for uncompressed (`wantsPlainAnswer`). */
export const upstreamHeaders = (request: Pick<IncomingMessage, 'headers'>, about: Introduction, framing: Framing, hop: Hop): HeaderList => {
  const { client, peer, protocol, host } = about;
  const list = passedOn(request, about.trace.isContinued);
  if (hop.wantsPlainAnswer) removeField(list, 'accept-encoding');
  const nodes = peer === client || peer === '' ? [client] : [client, peer];
  list.push('Host', about.upstreamHost, 'X-Request-ID', about.requestId, 'traceparent', about.trace.parent, 'Via', '1.1 verdict');
  list.push('Forwarded', nodes.map((node, at) => `for=${forwardedNode(node)}${at === 0 ? `;host="${host}";proto=${protocol}` : ''}`).join(', '));
  list.push('X-Forwarded-For', nodes.join(', '), 'X-Forwarded-Host', host, 'X-Forwarded-Proto', protocol);
  list.push(...framingFields(framing), ...hopFields(request, hop), ...identity(about));
  return list;
};

const removeField = (list: string[], name: string): void => {
  for (let at = list.length - 2; at >= 0; at -= 2) if (list[at] === name) list.splice(at, 2);
};

/** What of the upstream's answer is the gateway's to say. */
const OWN_IN_ANSWERS: ReadonlySet<string> = new Set(['x-request-id', 'x-verdict-decision']);

/** The answer's headers as the client gets them, in the order and spelling they came in (Set-Cookie each by itself). */
export const answerHeaders = (answer: Pick<IncomingMessage, 'rawHeaders' | 'headers'>, requestId: string, decisions: readonly string[]): string[] => {
  const named = namedBy(answer.headers.connection);
  const raw = answer.rawHeaders;
  const list: string[] = [];
  for (let at = 0; at < raw.length; at += 2) {
    const name = (raw[at] as string).toLowerCase();
    if (HOP_BY_HOP.has(name) || OWN_IN_ANSWERS.has(name) || (named !== NONE && named.has(name))) continue;
    list.push(raw[at] as string, raw[at + 1] as string);
  }
  list.push('X-Request-ID', requestId);
  if (decisions.length > 0) list.push('X-Verdict-Decision', decisionField(decisions));
  return list;
};

/** Fields that may not stand in trailers (RFC 9110, section 6.5.1), and the gateway's own. */
const NO_TRAILER: ReadonlySet<string> = new Set([...HOP_BY_HOP, ...SINGULAR, 'trailer', 'content-range', 'set-cookie', 'cookie', 'expect', 'te']);

/** Trailers that go on, as pairs. */
export const passedTrailers = (raw: HeaderList): [string, string][] => {
  const list: [string, string][] = [];
  for (let at = 0; at < raw.length; at += 2) {
    const name = plainName(raw[at] as string);
    if (!NO_TRAILER.has(name) && !isReserved(name)) list.push([raw[at] as string, raw[at + 1] as string]);
  }
  return list;
};
