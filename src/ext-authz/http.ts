import type { IncomingMessage, ServerResponse } from 'node:http';
import { DECISION_BYTES, PROBLEM_TYPE, readBody, requestIdOf } from '../api/index.js';
import type { Authenticate, Caller, RefusedRequest } from '../caller/index.js';
import type { Authorize } from './authorize.js';
import { KEY_HEADER, problemHeader, problemOf, rulingHeaders, toRemove } from './headers.js';
import { denied, type Proxied, type ProxiedBody, type Ruling, unauthenticated } from './types.js';
import { type Way, wayOf } from './ways.js';

export type HttpFrontDeps = {
  readonly authorize: Authorize;
  readonly authenticate: Authenticate;
  readonly addressOf: (request: IncomingMessage) => string;
  readonly refused: (caller: Caller | undefined, call: RefusedRequest) => Promise<void>;
  readonly observe: (seconds: number, status: number) => void;
  readonly now?: () => number;
};

type Listener = (request: IncomingMessage, response: ServerResponse) => void;

const TOO_LARGE: ProxiedBody = { bytes: Buffer.from(' '), isPartial: true };

/** The client's body, if the proxy sends it. One that is over the limit counts as cut off: it isn't read to its end. */
const bodyOf =
  (request: IncomingMessage, way: Way): Proxied['body'] =>
  async () => {
    const length = request.headers['content-length'];
    const isThere = request.headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0');
    if (!way.sendsBody || !isThere) return undefined;
    const read = await readBody(request, DECISION_BYTES);
    if (!read.ok) return read.problem.status === 413 ? TOO_LARGE : undefined;
    return { bytes: read.bytes, isPartial: request.headers['x-envoy-auth-partial-body'] === 'true' };
  };

/** nginx takes 2xx, 401 and 403; anything else that denies is a 403 there. */
const statusFor = (way: Way, ruling: Ruling): number => {
  if (ruling.kind === 'allowed') return 200;
  return way.isNarrow && ruling.status !== 401 ? 403 : ruling.status;
};

/**
 * Answers proxies that ask over HTTP before they let a request through: Envoy's ext_authz, nginx's auth_request, and
 * the forward authentication of Traefik and Caddy. Hands every other request on.
 */
export const extAuthzFront = (deps: HttpFrontDeps, other: Listener): Listener => {
  const now = deps.now ?? Date.now;

  const rulingOn = async (request: IncomingMessage, way: Way, rest: string, requestId: string): Promise<Ruling> => {
    const key = request.headers[KEY_HEADER];
    const known = deps.authenticate(typeof key === 'string' && key !== '' ? `Bearer ${key}` : undefined, now());
    const authentication = known instanceof Promise ? await known : known;
    const address = deps.addressOf(request);
    if (!authentication.ok) {
      await deps.refused(undefined, { address, requestId, code: authentication.code, path: `/v1/ext-authz/${way.name}` });
      return unauthenticated(KEY_HEADER, authentication);
    }
    const original = way.original(request, rest);
    if (!original.ok) return denied(403, 'proxy.misconfigured', original.message);
    const { method, target } = original;
    const { takesRemovals } = way;
    const proxied: Proxied = { method, target, headers: request.headers, takesRemovals, body: bodyOf(request, way), address, requestId };
    return deps.authorize(proxied, authentication.caller);
  };

  const write = (request: IncomingMessage, response: ServerResponse, way: Way, ruling: Ruling, requestId: string): number => {
    const status = statusFor(way, ruling);
    if (response.destroyed) return status;
    const headers: (readonly [name: string, value: string])[] = [...rulingHeaders(ruling), ['x-request-id', requestId], ['cache-control', 'no-store']];
    let text = '';
    if (ruling.kind === 'denied') {
      const found = { ...problemOf({ ...ruling, status }), request_id: requestId };
      text = JSON.stringify(found);
      headers.push(['content-type', PROBLEM_TYPE]);
      if (status === 401) headers.push(['www-authenticate', 'Bearer']);
      if (status === 503) headers.push(['retry-after', '1']);
      if (way.isNarrow) headers.push(['x-verdict-problem', problemHeader(found)]);
    } else if (way.takesRemovals) headers.push(['x-envoy-auth-headers-to-remove', toRemove(request.headers).join(', ')]);
    headers.push(['content-length', String(Buffer.byteLength(text))]);
    response.writeHead(status, headers.flat());
    response.end(text);
    return status;
  };

  const answer = async (request: IncomingMessage, response: ServerResponse, way: Way, rest: string): Promise<void> => {
    const started = performance.now();
    const requestId = requestIdOf(request.headers['x-request-id']);
    const ruling = await rulingOn(request, way, rest, requestId);
    // What wasn't read of the body would stand in the way of the connection's next request.
    request.resume();
    deps.observe((performance.now() - started) / 1000, write(request, response, way, ruling, requestId));
  };

  return (request, response) => {
    const found = wayOf(request.url ?? '');
    if (!found) return other(request, response);
    answer(request, response, found.way, found.rest).catch((error: unknown) => {
      response.destroy(error instanceof Error ? error : undefined);
    });
  };
};
