import { readFileSync } from 'node:fs';
import type { Server as SecureServer } from 'node:https';
import type { Registry } from 'prom-client';
import { ConfigError, type GatewayConfig } from '../config.js';
import { unknownResource } from '../routes/index.js';
import { createBreaker } from './breaker.js';
import { createHandle } from './handle.js';
import { gatewayMetrics } from './metrics.js';
import { createListener } from './server.js';
import type { GatewayDeps } from './types.js';
import { createUpstream } from './upstream.js';

/** What a gateway needs of its node; the rest it makes itself. */
export type GatewayParts = Omit<GatewayDeps, 'unknownOf' | 'upstream' | 'breaker' | 'metrics' | 'limits' | 'now'> & {
  readonly registry: Registry;
  /** Where gateway.tls is configured: the options of a TLS listener, and how it follows changed certificates. */
  readonly tls?: { readonly options: object; readonly follow: (server: SecureServer) => () => void };
  /** How long requests in flight may take at a stop, in milliseconds. */
  readonly drainMs: number;
};

export type Gateway = {
  /** Resolves with the port when it listens; rejects with one sentence where it can't. */
  readonly listen: () => Promise<number>;
  /** No new requests; resolves when those in flight are answered and recorded, and upgraded connections are closed. */
  readonly stop: () => Promise<void>;
  /** Whether the upstream answers, for /readyz. */
  readonly status: () => { readonly name: string; readonly ok: boolean; readonly message?: string };
};

const IDLE_CHECK_MS = 20;

const pem = (path: string, name: string): string | undefined => {
  if (path === '') return undefined;
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new ConfigError(`gateway.upstream_tls.${name}: ${path} can't be read: ${(error as Error).message}.`);
  }
};

const upstreamTls = ({ upstream_tls: files }: GatewayConfig) => {
  const [ca, cert, key] = [pem(files.ca, 'ca'), pem(files.cert, 'cert'), pem(files.key, 'key')];
  return { ...(ca !== undefined && { ca }), ...(cert !== undefined && { cert }), ...(key !== undefined && { key }) };
};

const quietMs = ({ connect_ms, headers_ms, idle_ms }: GatewayConfig): number => connect_ms + headers_ms + idle_ms;

/** The enforcing reverse proxy of one decision worker. */
export const createGateway = (config: GatewayConfig, parts: GatewayParts): Gateway => {
  const breaker = createBreaker(config.breaker);
  const tunnels = new Set<() => void>();
  let inFlight = 0;
  const metrics = gatewayMetrics(parts.registry, () => ({ inFlight, tunnels: tunnels.size, isOpen: breaker.state().open }));
  const upstream = createUpstream({ ...config, url: new URL(config.upstream), tls: upstreamTls(config) }, metrics.retried);
  const deps: GatewayDeps = {
    ...parts,
    unknownOf: unknownResource(parts.table, parts.directory),
    upstream,
    breaker,
    metrics,
    limits: { ...config, quiet_ms: quietMs(config) },
    now: Date.now,
  };
  const handle = createHandle(deps, tunnels);
  const server = createListener(
    async (request, response, came) => {
      inFlight += 1;
      const over = (): void => {
        inFlight -= 1;
      };
      // A connection that was switched over is answered, though its response never ends.
      if (came?.client) await handle(request, response, came).finally(over);
      else {
        response.once('close', over);
        await handle(request, response, came);
      }
    },
    parts.tls?.options,
    deps,
  );
  let unfollow: () => void = () => undefined;

  return {
    listen: () =>
      new Promise((resolve, reject) => {
        server.once('error', (error: NodeJS.ErrnoException) =>
          reject(
            new ConfigError(
              error.code === 'EADDRINUSE'
                ? `The gateway's port ${config.port} on ${config.host} is in use by another process: stop that one, or set VERDICT_GATEWAY_PORT.`
                : `The gateway can't listen on ${config.host}:${config.port}: ${error.message}.`,
            ),
          ),
        );
        server.listen(config.port, config.host, () => {
          unfollow = parts.tls?.follow(server as SecureServer) ?? unfollow;
          const address = server.address();
          resolve(typeof address === 'object' && address ? address.port : config.port);
        });
      }),
    stop: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      const endTunnels = (): void => {
        for (const end of tunnels) end();
      };
      const idle = setInterval(() => {
        server.closeIdleConnections();
        // An upgraded connection has no end of its own: it ends when everybody else has been answered.
        if (inFlight === 0) endTunnels();
      }, IDLE_CHECK_MS);
      const late = setTimeout(() => {
        endTunnels();
        server.closeAllConnections();
      }, parts.drainMs);
      await closed;
      clearInterval(idle);
      clearTimeout(late);
      unfollow();
      upstream.close();
    },
    status: () => {
      const state = breaker.state();
      return state.open ? { name: 'upstream', ok: false, message: state.reason } : { name: 'upstream', ok: true };
    },
  };
};
