import type { IncomingHttpHeaders } from 'node:http';
import { PROBLEM_TYPE, requestIdOf } from '../api/index.js';
import { identityOf, problemOf, rulingHeaders, toRemove } from './headers.js';
import type { CheckRequest, CheckResponse, HeaderOption, HttpRequest } from './proto.js';
import type { Denied, Proxied, ProxiedBody, Ruling } from './types.js';

/** google.rpc.Code. */
const CODE = { ok: 0, permissionDenied: 7, unauthenticated: 16, unavailable: 14 } as const;

const put = (headers: Record<string, string>, name: string, value: string): void => {
  const before = headers[name];
  headers[name] = before === undefined ? value : `${before}${name === 'cookie' ? '; ' : ', '}${value}`;
};

/** Either form in which Envoy sends headers (`encode_raw_headers` chooses), by their names in small letters. */
const headersOf = ({ headers: plain, header_map: raw }: HttpRequest): IncomingHttpHeaders => {
  const headers: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const [name, value] of Object.entries(plain ?? {})) put(headers, name.toLowerCase(), value);
  for (const { key = '', value = '', raw_value: bytes } of raw?.headers ?? [])
    put(headers, key.toLowerCase(), bytes && bytes.length > 0 ? Buffer.from(bytes).toString('latin1') : value);
  return headers;
};

const bodyOf = ({ body, raw_body: raw }: HttpRequest, headers: IncomingHttpHeaders): ProxiedBody | undefined => {
  const bytes = raw && raw.length > 0 ? Buffer.from(raw) : Buffer.from(body ?? '');
  return bytes.length === 0 ? undefined : { bytes, isPartial: headers['x-envoy-auth-partial-body'] === 'true' };
};

/** What Envoy asks about, and the address that it says its client has; undefined where it names no request. */
export const proxiedOf = (check: CheckRequest): (Omit<Proxied, 'address'> & { readonly source: string }) | undefined => {
  const http = check.attributes?.request?.http;
  if (!http?.method || !http.path) return undefined;
  const headers = headersOf(http);
  return {
    method: http.method,
    target: http.path,
    headers,
    takesRemovals: true,
    body: async () => bodyOf(http, headers),
    source: check.attributes?.source?.address?.socket_address?.address ?? '',
    requestId: requestIdOf(headers['x-request-id']),
  };
};

/** Takes the place of a header of this name. */
const set = ([key, value]: readonly [string, string]): HeaderOption => ({ header: { key, value }, append: { value: false } });

const deniedResponse = (ruling: Denied, requestId: string): CheckResponse => {
  const { status } = ruling;
  const headers: (readonly [string, string])[] = [...rulingHeaders(ruling), ['x-request-id', requestId], ['content-type', PROBLEM_TYPE]];
  if (status === 401) headers.push(['www-authenticate', 'Bearer']);
  if (status === 503) headers.push(['retry-after', '1']);
  const code = status === 401 ? CODE.unauthenticated : status === 503 ? CODE.unavailable : CODE.permissionDenied;
  return {
    status: { code, message: ruling.code },
    denied_response: {
      status: { code: status },
      headers: headers.filter(([, value]) => value !== '').map(set),
      body: JSON.stringify({ ...problemOf(ruling), request_id: requestId }),
    },
  };
};

/**
 * What Envoy is answered. Whatever isn't an allow is a denial in so many words, never an error of the call: Envoy could
 * be set to let requests through where its authority fails (`failure_mode_allow`).
 */
export const checkResponse = (ruling: Ruling, requestId: string, headers: IncomingHttpHeaders): CheckResponse => {
  if (ruling.kind === 'denied') return deniedResponse(ruling, requestId);
  const identity = identityOf(ruling);
  const empty = identity.filter(([, value]) => value === '').map(([name]) => name);
  return {
    status: { code: CODE.ok },
    ok_response: { headers: identity.filter(([, value]) => value !== '').map(set), headers_to_remove: [...toRemove(headers), ...empty] },
  };
};
