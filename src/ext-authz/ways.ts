import type { IncomingMessage } from 'node:http';

/** The original request as a proxy tells of it, or what it should have told. */
export type Original = { readonly ok: true; readonly method: string; readonly target: string } | { readonly ok: false; readonly message: string };

/** How one kind of proxy asks over HTTP. */
export type Way = {
  readonly name: 'envoy' | 'nginx' | 'traefik' | 'caddy';
  readonly original: (request: IncomingMessage, rest: string) => Original;
  /** Whether it can send its client's body along. */
  readonly sendsBody: boolean;
  /** nginx takes 2xx, 401 and 403; anything else is a 500 to its client. It also drops the body. */
  readonly isNarrow: boolean;
  /** Takes the headers off that `x-envoy-auth-headers-to-remove` names. */
  readonly takesRemovals: boolean;
};

const PREFIX = '/v1/ext-authz/';

const fromHeaders =
  (method: string, target: string) =>
  ({ headers }: IncomingMessage): Original => {
    const [verb, uri] = [headers[method], headers[target]];
    if (typeof verb === 'string' && verb !== '' && typeof uri === 'string' && uri !== '') return { ok: true, method: verb, target: uri };
    return { ok: false, message: `The proxy does not say what was asked: it must send ${method} and ${target} (docs/integrations).` };
  };

const WAYS: readonly Way[] = [
  {
    name: 'envoy',
    original: ({ method = '' }, rest) => ({ ok: true, method, target: rest }),
    sendsBody: true,
    isNarrow: false,
    takesRemovals: true,
  },
  { name: 'nginx', original: fromHeaders('x-original-method', 'x-original-uri'), sendsBody: false, isNarrow: true, takesRemovals: false },
  { name: 'traefik', original: fromHeaders('x-forwarded-method', 'x-forwarded-uri'), sendsBody: true, isNarrow: false, takesRemovals: false },
  { name: 'caddy', original: fromHeaders('x-forwarded-method', 'x-forwarded-uri'), sendsBody: false, isNarrow: false, takesRemovals: false },
];

/** Which way a request came, by its target, and what stands behind the way's own path; undefined for another route. */
export const wayOf = (url: string): { readonly way: Way; readonly rest: string } | undefined => {
  if (!url.startsWith(PREFIX)) return undefined;
  const way = WAYS.find(({ name }) => url.startsWith(name, PREFIX.length));
  if (!way) return undefined;
  const rest = url.slice(PREFIX.length + way.name.length);
  const isIts = way.name === 'envoy' ? /^([/?]|$)/.test(rest) : /^(\?|$)/.test(rest);
  return isIts ? { way, rest } : undefined;
};
