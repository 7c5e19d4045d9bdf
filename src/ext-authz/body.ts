import { isUtf8 } from 'node:buffer';
import type { IncomingHttpHeaders } from 'node:http';
import { readJson } from '../api/index.js';
import type { Json } from '../event/index.js';
import { hasRepeatedMembers, isJsonType } from '../routes/index.js';
import { type Denied, denied, type ProxiedBody } from './types.js';

export type BodyValue = { readonly ok: true; readonly value: Json } | { readonly ok: false; readonly denied: Denied };

const no = (code: string, message: string): BodyValue => ({ ok: false, denied: denied(403, code, message) });

const UNAVAILABLE = no(
  'route.body_unavailable',
  'What is decided here depends on the body, which the proxy does not send to Verdict, or the request has none. (docs/integrations says which proxies can.)',
);
const PARTIAL = no('route.body_partial', 'What is decided here depends on the body, of which the proxy sends only the beginning to Verdict: it is too long.');
const UNREADABLE = no(
  'route.body_unreadable',
  'What is decided here depends on the body, which must be JSON as it stands, in UTF-8: send it with Content-Type: application/json, and not compressed.',
);
const REPEATED = no('json.repeated', 'The body names a member of one object twice: readers differ in which one they take.');

/**
 * The client's body as JSON, where a route picks from it. What the service behind the proxy could read in another way
 * than Verdict is denied: a type that isn't JSON, another charset, a compressed or cut body, a member that stands in an object twice.
 */
export const bodyValue = (body: ProxiedBody | undefined, headers: IncomingHttpHeaders): BodyValue => {
  if (!body || body.bytes.length === 0) return UNAVAILABLE;
  if (body.isPartial) return PARTIAL;
  if (!isJsonType(headers['content-type'])) return UNREADABLE;
  if ((headers['content-encoding'] ?? 'identity') !== 'identity') return UNREADABLE;
  if (!isUtf8(body.bytes)) return UNREADABLE;
  const read = readJson(body.bytes);
  if (!read.ok) return { ok: false, denied: denied(400, read.code, read.message) };
  return hasRepeatedMembers(body.bytes, read.value) ? REPEATED : { ok: true, value: read.value };
};
