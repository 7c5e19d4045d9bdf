import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import type { PartStatus } from './api/index.js';
import { type Refusals, tlsContext, trustedPeer } from './caller/index.js';
import { type Decide, type Directory, type WriteDeps, writeEntities } from './evaluate/index.js';
import { createGateway, type GatewayParts, knownTokens } from './gateway/index.js';
import type { Journal } from './ingest/index.js';
import { identify, type RouteTable } from './routes/index.js';
import { type Start, toSupervisor } from './serve/messages.js';
import type { Front } from './serve/worker.js';

export type GatewayFrontDeps = {
  /** Undefined where routes.file names none; a gateway has one. */
  readonly table: RouteTable | undefined;
  readonly directory: Directory;
  readonly journal: Journal;
  readonly decide: Decide;
  readonly writing: WriteDeps;
  readonly addressOf: GatewayParts['addressOf'];
  readonly refused: Refusals['refused'];
  readonly registry: Registry;
  readonly log: Logger;
};

/** What the gateway writes into the directory is its own doing: it saw the upstream's answer. */
const entityWriter =
  (writing: WriteDeps, region: string): GatewayParts['writeEntities'] =>
  (changes, { requestId, address }) =>
    writeEntities(writing, changes, () => ({
      timestamp: new Date().toISOString(),
      actor: { type: 'credential', id: 'gateway', ip: address },
      source: 'gateway',
      request: { id: requestId },
      ...(region !== '' && { region }),
    }));

const urlOf = (host: string, port: number, isSecure: boolean): string => {
  const name = host === '0.0.0.0' || host === '::' ? 'localhost' : host.includes(':') ? `[${host}]` : host;
  return `${isSecure ? 'https' : 'http'}://${name}:${port}`;
};

/** The gateway as a front of one decision worker, and what it says of the upstream; undefined where none is configured. Throws ConfigError. */
export const gatewayFront = (
  { config }: Pick<Start, 'config'>,
  deps: GatewayFrontDeps,
): { readonly front: Front; readonly status: () => PartStatus } | undefined => {
  const { gateway, http, region } = config;
  const { table, directory, journal, log } = deps;
  if (gateway.upstream === '' || !table) return undefined;
  const warn = (sentence: string): void => log.warn(sentence);
  const isSecure = gateway.tls.cert !== '';
  const made = createGateway(gateway, {
    table,
    identify: knownTokens(identify(config.end_users, { directory, warn }), directory),
    decide: deps.decide,
    append: (drafts) => journal.append(drafts),
    directory,
    writeEntities: entityWriter(deps.writing, region),
    addressOf: deps.addressOf,
    isTrustedPeer: trustedPeer(http.trusted_proxies),
    refused: (request) => deps.refused(undefined, request),
    log,
    region,
    registry: deps.registry,
    drainMs: http.drain_ms,
    ...(isSecure && { tls: tlsContext({ ...gateway.tls, client_ca: '' }, { warn, info: (sentence) => log.info(sentence), section: 'gateway.tls' }) }),
  });
  const listen = async (): Promise<void> => {
    const port = await made.listen();
    toSupervisor({ kind: 'front', name: 'The gateway', url: urlOf(gateway.host, port, isSecure) });
  };
  return { front: { name: 'gateway', listen, stop: made.stop }, status: made.status };
};
