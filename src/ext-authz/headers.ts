import type { IncomingHttpHeaders } from 'node:http';
import { type Problem, problem } from '../api/index.js';
import type { Json } from '../event/index.js';
import type { Allowed, Denied, Ruling } from './types.js';

/** What the service behind a proxy is told of an allowed request. Nobody else may say it. */
export const IDENTITY = ['x-verdict-decision', 'x-verdict-subject', 'x-verdict-account'] as const;

/** The proxy's own credential, in the way that every proxy can send it: `Authorization` carries the end user's. */
export const KEY_HEADER = 'x-verdict-key';

/** By these some frameworks do another thing than method and path say, which are what was decided on. */
const OVERRIDES = ['x-http-method-override', 'x-http-method', 'x-method-override', 'x-original-url', 'x-rewrite-url'] as const;

/** Printable ASCII but the percent sign, and the slash between type and id. */
const PLAIN = /[^\x21-\x24\x26-\x7e]/gu;

/** Text as a header can carry it: what is no printable ASCII is percent-encoded (RFC 3986, section 2.1). */
const headerText = (text: string): string => text.replaceAll(/\p{Surrogate}/gu, '\ufffd').replaceAll(PLAIN, encodeURIComponent);

/** The three headers of an allowed request, each always there: an empty one takes the place of what a client brought. */
export const identityOf = ({ event, subject, account }: Allowed): readonly (readonly [name: (typeof IDENTITY)[number], value: string])[] => [
  ['x-verdict-decision', event ?? ''],
  ['x-verdict-subject', headerText(subject)],
  ['x-verdict-account', headerText(account)],
];

/** Some servers read an underscore as the hyphen it stands for in a variable's name (RFC 3875, section 4.1.18). */
const spelled = (name: string): string => name.toLowerCase().replaceAll('_', '-');

/** What a client brought that it may not: spellings of Verdict's headers, and those that turn a request into another. */
export const broughtAlong = (headers: IncomingHttpHeaders): readonly string[] => {
  const own = new Set<string>(IDENTITY);
  return Object.keys(headers).filter((name) => {
    const plain = spelled(name);
    return !own.has(name) && (plain.startsWith('x-verdict-') || (OVERRIDES as readonly string[]).includes(plain));
  });
};

/** The first header that is spelled with underscores for one that a client may not bring. Proxies take off the plain spellings. */
export const misspelled = (headers: IncomingHttpHeaders): string | undefined => broughtAlong(headers).find((name) => name.includes('_'));

/** All that is to be taken off an allowed request: what is brought along, and what can only be brought along. */
export const toRemove = (headers: IncomingHttpHeaders): readonly string[] => [...new Set([...OVERRIDES, KEY_HEADER, ...broughtAlong(headers)])];

/** The problem that a denied request is answered with (RFC 9457): the policy's reasons and advice, and the event's id. */
export const problemOf = ({ status, code, message, event, reasons, advice }: Denied): Problem =>
  problem(status, code, message, {
    ...(event !== undefined && { decision: event }),
    ...(reasons && { reasons: reasons as unknown as Json }),
    ...(advice && { advice }),
  });

/** The longest header that carries a problem: proxies give all of an answer's headers 4 KiB and more. */
const MOST_PROBLEM = 2_048;

const asciiJson = (value: unknown): string =>
  JSON.stringify(value).replaceAll(/[^\x20-\x7e]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);

/** A problem as one header, for proxies that drop the body: without its reasons' sentences where it would be too long. */
export const problemHeader = (found: Problem & { readonly request_id: string }): string => {
  const whole = asciiJson(found);
  if (whole.length <= MOST_PROBLEM) return whole;
  const { type, title, status, code, request_id } = found;
  return asciiJson({ type, title, status, detail: 'The reasons are in the audit log.', code, request_id });
};

/** The event on every answer; with an allow, who it is for. */
export const rulingHeaders = (ruling: Ruling): readonly (readonly [string, string])[] =>
  ruling.kind === 'allowed' ? identityOf(ruling) : [['x-verdict-decision', ruling.event ?? '']];
