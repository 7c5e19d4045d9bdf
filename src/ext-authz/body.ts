import { isUtf8 } from 'node:buffer';
import type { IncomingHttpHeaders } from 'node:http';
import { mediaTypeOf, readJson } from '../api/index.js';
import type { Json } from '../event/index.js';
import { type Denied, denied, type ProxiedBody } from './types.js';

export type BodyValue = { readonly ok: true; readonly value: Json } | { readonly ok: false; readonly denied: Denied };

/** RFC 6838, section 4.2.8: JSON, or a type with its structured syntax. */
const JSON_TYPE = /^application\/(?:[a-z0-9!#$&^_.+-]+\+)?json$/;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;

const no = (code: string, message: string): BodyValue => ({ ok: false, denied: denied(403, code, message) });

const UNAVAILABLE = no(
  'route.body_unavailable',
  'What is decided here depends on the body, which the proxy does not send to Verdict, or the request has none. (docs/integrations says which proxies can.)',
);
const PARTIAL = no('route.body_partial', 'What is decided here depends on the body, of which the proxy sends only the beginning to Verdict: it is too long.');
const UNREADABLE = no(
  'route.body_unreadable',
  'What is decided here depends on the body, which must be JSON as it stands: send it with Content-Type: application/json, and not compressed.',
);
const REPEATED = no('json.repeated', 'The body names a member of one object twice: readers differ in which one they take.');

/** Members that a JSON text writes: its colons outside strings. */
const writtenMembers = (bytes: Buffer): number => {
  let count = 0;
  for (let at = 0; at < bytes.length; at++) {
    if (bytes[at] === COLON) count++;
    else if (bytes[at] === QUOTE) for (at++; at < bytes.length && bytes[at] !== QUOTE; at++) if (bytes[at] === BACKSLASH) at++;
  }
  return count;
};

const keptMembers = (value: Json): number => {
  if (typeof value !== 'object' || value === null) return 0;
  const children = Object.values(value) as readonly Json[];
  return children.reduce((count: number, child) => count + keptMembers(child), Array.isArray(value) ? 0 : children.length);
};

/**
 * The client's body as JSON, where a route picks from it. What the service behind the proxy could read in another way
 * than Verdict is denied: a type that isn't JSON, a compressed or cut body, a member that stands in an object twice.
 */
export const bodyValue = (body: ProxiedBody | undefined, headers: IncomingHttpHeaders): BodyValue => {
  if (!body || body.bytes.length === 0) return UNAVAILABLE;
  if (body.isPartial) return PARTIAL;
  if (!JSON_TYPE.test(mediaTypeOf(headers['content-type']) ?? '')) return UNREADABLE;
  if ((headers['content-encoding'] ?? 'identity') !== 'identity') return UNREADABLE;
  if (!isUtf8(body.bytes)) return UNREADABLE;
  const read = readJson(body.bytes);
  if (!read.ok) return { ok: false, denied: denied(400, read.code, read.message) };
  return writtenMembers(body.bytes) > keptMembers(read.value) ? REPEATED : { ok: true, value: read.value };
};
