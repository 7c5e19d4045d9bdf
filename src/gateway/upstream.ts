import { Agent, type ClientRequest, type IncomingMessage, request as requestHttp, type ServerResponse } from 'node:http';
import { request as requestHttps, Agent as SecureAgent } from 'node:https';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { attempt, callFailure, type Stale } from './attempt.js';
import type { HeaderList } from './headers.js';

export type UpstreamConfig = {
  /** http or https, host and port; no path. */
  readonly url: URL;
  readonly tls: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  readonly max_connections: number;
  /** Milliseconds: until connected; from the request's end to the answer's headers; between two pieces of a body; that an unused connection is kept. */
  readonly connect_ms: number;
  readonly headers_ms: number;
  readonly idle_ms: number;
  readonly keep_alive_ms: number;
};

/** What goes upstream. `body` is a stream where nobody had to read it, bytes where they were read, or nothing. */
export type Call = {
  readonly method: string;
  readonly target: string;
  readonly headers: HeaderList;
  readonly body: IncomingMessage | Buffer | undefined;
  /** The body waits until the upstream says 100 Continue, as the client does. */
  readonly expectsContinue: boolean;
};

export type CallEvents = {
  /** The upstream wants the body now: the client is told so. */
  readonly onContinue: () => void;
  /** 102, 103. */
  readonly onInformation: (status: number, headers: IncomingMessage['headers']) => void;
  /** What the client is answered with: where that closes before anything was answered, the client is gone. */
  readonly client: ServerResponse;
};

/** Why there is no answer. `blame` says whose doing it is: only the upstream's counts for the breaker. */
export type CallFailure = {
  readonly kind: 'failed';
  readonly status: 408 | 499 | 502 | 503 | 504;
  readonly code: string;
  readonly message: string;
  readonly blame: 'upstream' | 'client' | 'nobody';
};
export type CallOutcome =
  /** `stopBody`: nothing more of the request's body is handed on. */
  | { readonly kind: 'answered'; readonly answer: IncomingMessage; readonly stopBody: () => void }
  | { readonly kind: 'upgraded'; readonly answer: IncomingMessage; readonly socket: Duplex; readonly head: Buffer }
  | CallFailure;

export type Upstream = {
  /** Asks the upstream. Resolves with the answer's headers, its body unread; never rejects. */
  readonly call: (call: Call, events: CallEvents) => Promise<CallOutcome>;
  /** Host and port as its own requests name them. */
  readonly host: string;
  readonly close: () => void;
};

/** What an answer's headers may come to, in bytes. */
const MOST_ANSWER_HEADERS = 64 * 1024;

/** The API behind the gateway, over connections that are kept. */
export const createUpstream = (config: UpstreamConfig, onRetry: () => void = () => undefined): Upstream => {
  const isSecure = config.url.protocol === 'https:';
  const { max_connections: most, keep_alive_ms: timeout } = config;
  const options = { keepAlive: true, maxSockets: most, maxFreeSockets: most, timeout, scheduling: 'lifo' } as const;
  const agent = isSecure ? new SecureAgent({ ...options, ...config.tls }) : new Agent(options);
  const request = isSecure ? requestHttps : requestHttp;
  const host = config.url.hostname.replace(/^\[|\]$/g, '');
  const target = {
    host,
    port: config.url.port || (isSecure ? 443 : 80),
    maxHeaderSize: MOST_ANSWER_HEADERS,
    // The certificate is the upstream's own, whatever Host is passed on; an address has no name to ask for (RFC 6066, section 3).
    ...(isSecure && { ...config.tls, servername: isIP(host) ? '' : host }),
  };

  const make = async (call: Call, events: CallEvents, isFresh: boolean): Promise<CallOutcome | Stale> => {
    let outgoing: ClientRequest;
    try {
      outgoing = request({ ...target, method: call.method, path: call.target, headers: call.headers as string[], agent: isFresh ? false : agent });
    } catch (error) {
      // A field or target that node:http doesn't write; nothing was sent.
      return callFailure(502, 'upstream.unsendable', `The request can't be sent to the upstream: ${(error as Error).message}.`, 'nobody');
    }
    return attempt(outgoing, call, events, config, isSecure ? 'secureConnect' : 'connect');
  };

  return {
    host: config.url.host,
    call: async (call, events) => {
      const first = await make(call, events, false);
      if (first.kind !== 'stale') return first;
      onRetry();
      const second = await make(call, events, true);
      return second.kind === 'stale' ? second.failure : second;
    },
    close: () => agent.destroy(),
  };
};
