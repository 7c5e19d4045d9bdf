import type { IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import grpc, { type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js';
import { requestIdOf } from '../api/index.js';
import type { Authenticate, Caller, RefusedRequest, TlsContext } from '../caller/index.js';
import type { ExtAuthzConfig } from '../config.js';
import type { Authorize } from './authorize.js';
import { checkResponse, proxiedOf } from './check.js';
import { authorizationService, type CheckRequest, type CheckResponse } from './proto.js';
import { type Denied, denied, type Ruling, unauthenticated } from './types.js';

/** A further listener of a decision worker. */
export type Front = { readonly name: string; readonly listen: () => Promise<void>; readonly stop: () => Promise<void> };

export type GrpcFrontConfig = Pick<ExtAuthzConfig, 'grpc_host' | 'grpc_port'> & {
  /** How long calls in flight may take at a stop, in milliseconds. */
  readonly drainMs: number;
};

export type GrpcFrontDeps = {
  readonly authorize: Authorize;
  readonly authenticate: Authenticate;
  readonly addressOf: (request: IncomingMessage) => string;
  readonly refused: (caller: Caller | undefined, call: RefusedRequest) => Promise<void>;
  readonly observe: (seconds: number, status: number) => void;
  readonly error: (sentence: string) => void;
  /** Present where ext_authz.grpc_tls is configured. */
  readonly tls?: TlsContext;
  readonly now?: () => number;
};

type Call = ServerUnaryCall<CheckRequest, CheckResponse>;

const PATH = '/envoy.service.auth.v3.Authorization/Check';
/** A message holds a body of 256 KiB and headers at most. */
const MOST_BYTES = 512 * 1024;
const MOST_STREAMS = 1_000;

/** `127.0.0.1:50051`, `[::1]:50051`. */
const peerAddress = (peer: string): string => peer.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');

/** Credentials that follow the files of their certificate. */
class FollowingCredentials extends grpc.ServerCredentials {
  constructor({ options: { requestCert, rejectUnauthorized, minVersion, ...pems } }: TlsContext) {
    super({ requestCert, rejectUnauthorized, minVersion }, pems);
  }
  override _equals(other: grpc.ServerCredentials): boolean {
    return this === other;
  }
  setSecureContext(options: Parameters<TlsContext['follow']>[0]['setSecureContext'] extends (options: infer O) => void ? O : never): void {
    this.updateSecureContextOptions(options);
  }
}

/**
 * Answers Envoy's `envoy.service.auth.v3.Authorization/Check`. Envoy shows its own credential in the call's metadata
 * (`authorization: Bearer <API key>`, by `initial_metadata`). Whatever goes wrong is a denial, not an error of the call.
 */
export const grpcFront = (config: GrpcFrontConfig, deps: GrpcFrontDeps): Front => {
  const now = deps.now ?? Date.now;
  const server = new grpc.Server({ 'grpc.max_receive_message_length': MOST_BYTES, 'grpc.max_concurrent_streams': MOST_STREAMS });

  const callerOf = async (call: Call, address: string, requestId: string): Promise<Caller | Denied> => {
    const [shown] = call.metadata.get('authorization');
    const known = deps.authenticate(typeof shown === 'string' ? shown : undefined, now());
    const authentication = known instanceof Promise ? await known : known;
    if (authentication.ok) return authentication.caller;
    await deps.refused(undefined, { address, requestId, code: authentication.code, path: PATH });
    return unauthenticated('the metadata "authorization: Bearer <API key>"', authentication);
  };

  const rule = async (call: Call): Promise<CheckResponse> => {
    const asked = proxiedOf(call.request);
    const requestId = asked?.requestId ?? requestIdOf(undefined);
    const remoteAddress = peerAddress(call.getPeer());
    const say = (ruling: Ruling): CheckResponse => checkResponse(ruling, requestId, asked?.headers ?? {});
    try {
      const caller = await callerOf(call, remoteAddress, requestId);
      if ('kind' in caller) return say(caller);
      if (!asked) return say(denied(400, 'request.invalid', 'This is no CheckRequest with an HTTP request in it (attributes.request.http).'));
      const { source, ...proxied } = asked;
      const said = { socket: { remoteAddress }, headers: source === '' ? {} : { 'x-forwarded-for': source } };
      return say(await deps.authorize({ ...proxied, address: deps.addressOf(said as IncomingMessage) }, caller));
    } catch (error) {
      deps.error(`A request that Envoy asked about could not be ruled on: ${(error as Error).message}`);
      return say(denied(503, 'decision.failed', 'Verdict could not decide; the log says why.'));
    }
  };

  const check = (call: Call, callback: sendUnaryData<CheckResponse>): void => {
    const started = performance.now();
    void rule(call).then((response) => {
      deps.observe((performance.now() - started) / 1000, response.denied_response?.status.code ?? 200);
      callback(null, response);
    });
  };
  server.addService(authorizationService(), { Check: check });

  const credentials = deps.tls ? new FollowingCredentials(deps.tls) : grpc.ServerCredentials.createInsecure();
  let unfollow: (() => void) | undefined;

  const listen = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const { grpc_host: host, grpc_port: port } = config;
      // With node:cluster the supervisor holds the socket, and hands connections to the workers in turn.
      server.bindAsync(`${host.includes(':') ? `[${host}]` : host}:${port}`, credentials, (error) => {
        if (error) return reject(new Error(`Verdict can't listen for gRPC on ${host}:${port} (ext_authz.grpc_port): ${error.message}.`));
        if (deps.tls && credentials instanceof FollowingCredentials) unfollow = deps.tls.follow(credentials);
        resolve();
      });
    });

  const stop = async (): Promise<void> => {
    unfollow?.();
    const drained = new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
    await Promise.race([drained, sleep(config.drainMs, undefined, { ref: false })]);
    server.forceShutdown();
  };

  return { name: 'ext_authz gRPC', listen, stop };
};
