import type { IncomingHttpHeaders } from 'node:http';
import type { Json, Reason } from '../event/index.js';

/** What a proxy sent along of its client's body. */
export type ProxiedBody = {
  readonly bytes: Buffer;
  /** The proxy says that there is more of it. */
  readonly isPartial: boolean;
};

/** A request that a proxy holds back until it is told, as its client sent it. */
export type Proxied = {
  readonly method: string;
  /** The request target exactly as it came in (RFC 9112, section 3.2). */
  readonly target: string;
  readonly headers: IncomingHttpHeaders;
  /** The proxy takes off what the answer names. Where it doesn't, a header that it can't take off denies the request. */
  readonly takesRemovals: boolean;
  /** Read only where the route table picks something from it. `undefined`: the proxy sent none. */
  readonly body: () => Promise<ProxiedBody | undefined>;
  /** The client's address. */
  readonly address: string;
  readonly requestId: string;
};

/** Let it through: who asked, for the service behind the proxy. `event` is absent where a public route isn't recorded. */
export type Allowed = {
  readonly kind: 'allowed';
  readonly event: string | undefined;
  /** `<type>/<id>`; empty on a public route. */
  readonly subject: string;
  /** Empty where the question named none. */
  readonly account: string;
};

/** Turn it away: with which status, and why. `code` is stable. */
export type Denied = {
  readonly kind: 'denied';
  readonly status: number;
  readonly code: string;
  readonly message: string;
  /** The event that tells of it, where there is one. */
  readonly event?: string;
  readonly reasons?: readonly Reason[];
  readonly advice?: readonly Json[];
};

export type Ruling = Allowed | Denied;

export const denied = (status: number, code: string, message: string): Denied => ({ kind: 'denied', status, code, message });

/** A proxy that doesn't show who it is. `where` says how it would: `Authorization` carries the end user's credential. */
export const unauthenticated = (where: string, { code, message }: { readonly code: string; readonly message: string }): Denied =>
  denied(
    403,
    'proxy.unauthenticated',
    code === 'credential.missing'
      ? `The proxy shows no credential of its own: it must send an API key of Verdict's in ${where}.`
      : `The proxy's own credential, in ${where}, does not count: ${message}`,
  );
