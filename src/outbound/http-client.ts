import { Agent as PlainAgent } from 'node:http';
import { Agent as TlsAgent } from 'node:https';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { GuardedDial } from './dial.js';
import { type Answer, exchange, Late } from './exchange.js';
import { again, type Failure, failureOf, isTlsError } from './failure.js';
import { type TlsConfig, tlsOptions } from './tls.js';
import type { OnStep, Step } from './trial.js';

const compress = promisify(gzip);

export type HttpConfig = {
  readonly url: URL;
  readonly tls?: TlsConfig;
  /** From the beginning to the end of the answer, in milliseconds. */
  readonly timeout_ms: number;
  /** Whether bodies are compressed. */
  readonly gzip: boolean;
};

export type HttpRequest = {
  readonly method: 'GET' | 'POST';
  /** Where it isn't the configured address; of the same origin. */
  readonly url?: URL;
  readonly headers: { readonly [name: string]: string };
  readonly body?: Buffer;
};

/** What came of a request: an answer whatever its status, or a failure and the step at which it happened. */
export type Heard = { readonly ok: true; readonly answer: Answer } | { readonly ok: false; readonly failure: Failure; readonly at: Step['step'] };

export type HttpClient = {
  /** Never rejects. A redirect is an answer like any other: it isn't followed. */
  readonly ask: (request: HttpRequest, signal: AbortSignal, onStep?: OnStep) => Promise<Heard>;
  readonly close: () => void;
};

/** No answer that means anything is longer. */
const MOST_ANSWER = 16 * 1024 * 1024;

/** Steps of a new connection, told from its socket as they happen. */
export const watch = (socket: Socket, place: string, onStep: OnStep, reached: (step: Step['step']) => void): void => {
  const isTls = 'encrypted' in socket;
  socket.once('lookup', (error: Error | null, address: string) => {
    if (error) return;
    onStep('resolve', `${place} is ${address}.`);
    reached('connect');
  });
  socket.once('connect', () => {
    onStep('connect', `Connected to ${socket.remoteAddress} port ${socket.remotePort}.`);
    reached(isTls ? 'tls' : 'send');
  });
  socket.once('secureConnect', () => {
    const { subject } = (socket as TLSSocket).getPeerCertificate();
    onStep('tls', `${(socket as TLSSocket).getProtocol()}, the certificate of ${subject?.CN ?? place} is good.`);
    reached('send');
  });
};

/** HTTP/1.1 to one origin, over connections that are kept. The guard stands behind every connection that is opened. */
export const httpClient = (config: HttpConfig, dial: GuardedDial): HttpClient => {
  const { url, timeout_ms } = config;
  const isTls = url.protocol === 'https:';
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const place = `${host}:${url.port || (isTls ? 443 : 80)}`;
  const agentOptions = { keepAlive: true, maxSockets: 4, lookup: dial.lookup, ...(isTls && tlsOptions(config.tls ?? {})) };
  const agent = isTls ? new TlsAgent(agentOptions) : new PlainAgent(agentOptions as ConstructorParameters<typeof PlainAgent>[0]);

  const once = async (asked: HttpRequest, signal: AbortSignal, onStep: OnStep | undefined): Promise<Heard> => {
    const { method, headers, url: other, body } = asked;
    let at = 'resolve' as Step['step'];
    let wasReused = false;
    const onSocket = (socket: Socket, isReused: boolean): void => {
      wasReused = isReused;
      if (!socket.connecting) at = 'send';
      else watch(socket, host, onStep ?? (() => undefined), (step) => (at = step));
    };
    const onAnswer = (): void => {
      at = 'accepted';
    };
    try {
      const answer = await exchange(
        {
          url: other ?? url,
          method,
          agent,
          headers: { 'user-agent': 'verdict', ...headers },
          ...(body && { body }),
          timeout_ms,
          most_bytes: MOST_ANSWER,
          onSocket,
          onAnswer,
        },
        signal,
      );
      return { ok: true, answer };
    } catch (error) {
      if (signal.aborted) return { ok: false, at, failure: again('It was told to stop.') };
      if (error instanceof Late) return { ok: false, at, failure: again(`${place} did not answer within ${timeout_ms / 1000} s.`) };
      // A kept connection that the other side closed just then says nothing about the destination.
      if (wasReused && at !== 'accepted') return await once(asked, signal, onStep);
      return { ok: false, at: isTlsError(error) ? 'tls' : at, failure: failureOf(error, place) };
    }
  };

  return {
    ask: async (request, signal, onStep) => {
      if (signal.aborted) return { ok: false, at: 'resolve', failure: again('It was told to stop.') };
      try {
        dial.check(host);
      } catch (error) {
        return { ok: false, at: 'connect', failure: failureOf(error, place) };
      }
      const body = request.body && config.gzip ? await compress(request.body) : request.body;
      const headers = request.body && config.gzip ? { ...request.headers, 'content-encoding': 'gzip' } : request.headers;
      return await once({ ...request, headers, ...(body && { body }) }, signal, onStep);
    },
    close: () => agent.destroy(),
  };
};
