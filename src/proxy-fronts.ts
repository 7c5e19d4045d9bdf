import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import { type Authenticate, type Guard, type Refusals, tlsContext } from './caller/index.js';
import type { Config } from './config.js';
import type { Decide, Directory } from './evaluate/index.js';
import { authorizer, extAuthzFront, type Front, grpcFront } from './ext-authz/index.js';
import type { Journal } from './ingest/index.js';
import { identify, type RouteTable } from './routes/index.js';

type Listener = (request: IncomingMessage, response: ServerResponse) => void;

export type ProxyFrontsDeps = {
  /** Undefined where routes.file names none. */
  readonly table: RouteTable | undefined;
  readonly directory: Directory;
  readonly journal: Pick<Journal, 'append'>;
  readonly decide: Decide;
  readonly guard: Guard;
  readonly authenticate: Authenticate;
  readonly addressOf: (request: IncomingMessage) => string;
  readonly refused: Refusals['refused'];
  readonly observe: (seconds: number, status: number) => void;
  readonly log: Logger;
};

/**
 * Puts together how proxies ask: over HTTP on the API's own listener, before `other`, and where ext_authz.grpc_port is
 * set on a listener of its own. Throws ConfigError for TLS files.
 */
export const proxyFronts = (config: Config, deps: ProxyFrontsDeps, other: Listener): { readonly listener: Listener; readonly fronts: readonly Front[] } => {
  const { directory, journal, log, ...asked } = deps;
  const warn = (sentence: string): void => log.warn(sentence);
  const authorize = authorizer({
    identify: identify(config.end_users, { directory, warn }),
    append: (drafts) => journal.append(drafts),
    directory,
    region: config.region,
    ...asked,
  });
  const listener = extAuthzFront({ ...asked, authorize }, other);
  const { grpc_tls: files, ...address } = config.ext_authz;
  if (address.grpc_port === 0) return { listener, fronts: [] };
  const tls = files.cert === '' ? undefined : tlsContext(files, { warn, info: (sentence) => log.info(sentence), section: 'ext_authz.grpc_tls' });
  const error = (sentence: string): void => log.error(sentence);
  return { listener, fronts: [grpcFront({ ...address, drainMs: config.http.drain_ms }, { ...asked, authorize, error, ...(tls && { tls }) })] };
};
