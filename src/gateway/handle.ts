import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { requestIdOf } from '../api/index.js';
import { JournalUnavailable } from '../ingest/index.js';
import { clear } from './clear.js';
import { type Forwarded, forward } from './forward.js';
import { record, unknownAbout } from './record.js';
import { type Refusal, replyProblem } from './reply.js';
import { traceOf } from './trace.js';
import { openTunnel } from './tunnel.js';
import type { Cleared, Exchange, GatewayDeps } from './types.js';

/** The client's end of a connection that wants to be switched over. */
export type ClientEnd = { readonly socket: Duplex; readonly head: Buffer };

/** How a request came. */
export type Came = { readonly expectsContinue?: boolean; readonly isSpoilt?: () => boolean; readonly client?: ClientEnd };

export type Handle = (request: IncomingMessage, response: ServerResponse, came?: Came) => Promise<void>;

export type Tunnels = { readonly add: (end: () => void) => void; readonly delete: (end: () => void) => void };

const exchangeOf = (request: IncomingMessage, response: ServerResponse, came: Came, deps: GatewayDeps): Exchange => ({
  request,
  response,
  method: request.method as string,
  target: request.url as string,
  id: requestIdOf(request.headers['x-request-id']),
  trace: traceOf(request.headers['traceparent']),
  address: deps.addressOf(request),
  begun: performance.now(),
  expectsContinue: came.expectsContinue ?? false,
  isUpgrade: came.client !== undefined,
  isSpoilt: came.isSpoilt ?? (() => false),
});

const ACTED = 'The upstream was asked and may have acted, but that could not be recorded, so its answer is not shown.';

/** Nothing is answered without its record: where the journal takes nothing, this is all there is to say. */
const unrecorded = (exchange: Exchange, error: JournalUnavailable, acted: boolean): Refusal => ({
  about: unknownAbout(exchange),
  status: 503,
  code: error.code,
  message: acted ? `${ACTED} ${error.message}` : error.message,
  extra: { acted },
  retryAfter: 1,
});

/** Takes one request from its headers to its answer. Never rejects. */
export const createHandle = (deps: GatewayDeps, tunnels: Tunnels): Handle => {
  const refuse = async (exchange: Exchange, refusal: Refusal, acted: boolean): Promise<void> => {
    const { about, status, code, message } = refusal;
    deps.metrics.refused(code);
    await record(exchange, about, { status, code, message, ...(status === 499 && { result: 'error' as const }) }, deps);
    deps.metrics.answered((performance.now() - exchange.begun) / 1000, status);
    replyProblem(exchange, acted ? { ...refusal, extra: { ...refusal.extra, acted } } : refusal);
  };

  const switchOver = async (
    exchange: Exchange,
    cleared: Cleared,
    client: ClientEnd,
    outcome: Extract<Forwarded, { kind: 'upgraded' }>['outcome'],
  ): Promise<void> => {
    const { answer, socket, head } = outcome;
    socket.on('error', () => undefined);
    try {
      await record(exchange, cleared.about, { status: 101 }, deps);
    } catch (error) {
      socket.destroy();
      throw error;
    }
    deps.metrics.answered((performance.now() - exchange.begun) / 1000, 101);
    if (client.socket.destroyed) return void socket.destroy();
    exchange.response.detachSocket(client.socket as Parameters<ServerResponse['detachSocket']>[0]);
    const end = openTunnel(client, { socket, head }, { answer, requestId: exchange.id, decisions: cleared.decisions }, () => tunnels.delete(end));
    tunnels.add(end);
  };

  const answer = async (exchange: Exchange, cleared: Cleared, client: ClientEnd | undefined): Promise<void> => {
    const forwarded = await forward(exchange, cleared, deps);
    if (forwarded.kind === 'refused') return refuse(exchange, forwarded, forwarded.acted);
    if (forwarded.kind !== 'upgraded') return;
    if (client) return switchOver(exchange, cleared, client, forwarded.outcome);
    forwarded.outcome.socket.destroy();
    const message = 'The upstream switched protocols, which nobody had asked for.';
    await refuse(exchange, { about: cleared.about, status: 502, code: 'upstream.invalid', message }, true);
  };

  return async (request, response, came = {}) => {
    const exchange = exchangeOf(request, response, came, deps);
    let hasLeft = false;
    request.on('error', () => undefined);
    try {
      const clearing = await clear(exchange, deps);
      if (clearing.kind === 'refused') return await refuse(exchange, clearing, false);
      hasLeft = true;
      await answer(exchange, clearing.cleared, came.client);
    } catch (error) {
      if (error instanceof JournalUnavailable) {
        deps.metrics.refused(error.code);
        return replyProblem(exchange, unrecorded(exchange, error, hasLeft));
      }
      deps.log.error({ request: exchange.id, error: (error as Error).stack }, 'a request could not be answered');
      const message = 'The gateway has a fault of its own; its log tells of it under this request id.';
      await refuse(exchange, { about: unknownAbout(exchange), status: 500, code: 'gateway.fault', message }, hasLeft).catch(() => response.destroy());
    }
  };
};
