import { type ClientRequest, Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { VerdictError } from './types.js';

export type TransportConfig = {
  /** Where Verdict listens: `https://verdict.internal:8088`. */
  readonly url: string;
  /** An API key or JWT, or what gives one: it is asked before each request. */
  readonly token: string | (() => string | Promise<string>);
  /** How long an answer may take in all, tries and pauses included; 2,000 milliseconds unless told. */
  readonly timeoutMs?: number;
  /** How often is asked again at most, where that is safe; twice unless told. */
  readonly retries?: number;
  /** The most connections that are kept and used at once; 64 unless told. */
  readonly maxConnections?: number;
  /** PEM texts: whom to trust, and who we are where Verdict asks for a client certificate. */
  readonly tls?: { readonly ca?: string | Buffer; readonly cert?: string | Buffer; readonly key?: string | Buffer };
};

export type Send = {
  readonly body: unknown;
  /** Whether it may be sent again after a connection that broke: nothing happens twice by it. */
  readonly again: boolean;
  readonly requestId?: string;
  readonly signal?: AbortSignal;
};

export type Transport = {
  /** Posts JSON; the answer of a 2xx as JSON. Rejects with {@link VerdictError}. */
  readonly post: (path: string, send: Send) => Promise<unknown>;
  readonly close: () => void;
};

type Answer = { readonly status: number; readonly text: string; readonly retryAfter: string | undefined };

const TIMEOUT_MS = 2_000;
const RETRIES = 2;
const CONNECTIONS = 64;
/** An answer of a search page or a batch is far smaller. */
const MOST_BYTES = 32 * 1024 * 1024;
const FIRST_PAUSE_MS = 25;

/** The request never left: whatever it was, it didn't happen. */
const NEVER_SENT = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']);

class Broken extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

const read = (response: IncomingMessage): Promise<string> =>
  new Promise((done, failed) => {
    const chunks: Buffer[] = [];
    let size = 0;
    response.on('data', (chunk: Buffer) => {
      size += chunk.length;
      chunks.push(chunk);
      if (size > MOST_BYTES) response.destroy(new VerdictError('client.answer', `The answer is over ${MOST_BYTES} bytes.`, response.statusCode));
    });
    response.on('end', () => done(Buffer.concat(chunks).toString('utf8')));
    response.on('error', failed);
    response.on('close', () => failed(new Broken('ECONNRESET', 'The connection ended before the answer did.')));
  });

/** Verdict's own sentence of what went wrong (RFC 9457), or one made of the status. */
const errorOf = ({ status, text }: Answer): VerdictError => {
  let problem: { readonly code?: unknown; readonly detail?: unknown } = {};
  try {
    problem = (JSON.parse(text) as typeof problem | null) ?? {};
  } catch {
    // A proxy on the way has its own words.
  }
  const { code, detail } = problem;
  const sentence = typeof detail === 'string' ? detail : `Verdict, or something before it, answered with status ${status}.`;
  return new VerdictError(typeof code === 'string' ? code : 'client.answer', sentence, status);
};

const parsed = ({ status, text }: Answer): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    throw new VerdictError('client.answer', 'The answer is not JSON: is this the address of Verdict?', status);
  }
};

/** The pause that an answer asks for, in milliseconds; undefined where it asks for none that can be understood (RFC 9110, section 10.2.3). */
const pauseOf = (retryAfter: string | undefined): number | undefined => {
  if (retryAfter === undefined) return undefined;
  const ms = /^\d{1,9}$/.test(retryAfter) ? Number(retryAfter) * 1000 : Date.parse(retryAfter) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
};

/** Requests over a pool of kept connections, with one deadline for all tries. */
export const createTransport = (config: TransportConfig): Transport => {
  const base = new URL(config.url);
  if (base.protocol !== 'http:' && base.protocol !== 'https:') throw new TypeError(`"${config.url}" is no address of Verdict: give it as https://HOST:PORT.`);
  const isSecure = base.protocol === 'https:';
  const pool = { keepAlive: true, maxSockets: config.maxConnections ?? CONNECTIONS };
  const agent = isSecure ? new HttpsAgent({ ...pool, ...config.tls }) : new HttpAgent(pool);
  const prefix = base.pathname.replace(/\/+$/, '');
  const timeoutMs = config.timeoutMs ?? TIMEOUT_MS;
  const retries = config.retries ?? RETRIES;

  const once = (path: string, text: string, headers: Record<string, string>, signal: AbortSignal): Promise<Answer> =>
    new Promise((done, failed) => {
      const options = { method: 'POST', agent, signal, headers, hostname: base.hostname.replace(/^\[|\]$/g, ''), port: base.port, path: `${prefix}${path}` };
      const heard = (response: IncomingMessage): void => {
        const retryAfter = response.headers['retry-after'];
        read(response).then((body) => done({ status: response.statusCode ?? 0, text: body, retryAfter }), failed);
      };
      const outgoing: ClientRequest = isSecure ? httpsRequest(options, heard) : httpRequest(options, heard);
      outgoing.on('error', failed);
      outgoing.end(text);
    });

  const tokenNow = async (): Promise<string> => {
    if (typeof config.token === 'string') return config.token;
    try {
      return await config.token();
    } catch (error) {
      throw new VerdictError('client.token', `There is no token to ask with: ${(error as Error).message}.`);
    }
  };

  const headersOf = async (text: string, requestId: string | undefined): Promise<Record<string, string>> => ({
    authorization: `Bearer ${await tokenNow()}`,
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(text)),
    ...(requestId !== undefined && { 'x-request-id': requestId }),
  });

  /** How long to wait before the next try; undefined: there is none. */
  const pauseBefore = (attempt: number, again: boolean, failure: Answer | Error): number | undefined => {
    if (attempt >= retries) return undefined;
    const own = FIRST_PAUSE_MS * 2 ** attempt * (0.5 + Math.random());
    if (!(failure instanceof Error)) return failure.status === 503 ? pauseOf(failure.retryAfter) : undefined;
    const { code } = failure as NodeJS.ErrnoException;
    if (failure instanceof VerdictError || code === undefined) return undefined;
    return again || NEVER_SENT.has(code) ? own : undefined;
  };

  const post = async (path: string, { body, again, requestId, signal: given }: Send): Promise<unknown> => {
    const end = performance.now() + timeoutMs;
    const timeout = AbortSignal.timeout(timeoutMs);
    const signal = given ? AbortSignal.any([given, timeout]) : timeout;
    const text = JSON.stringify(body);
    const late = (): VerdictError => new VerdictError('client.timeout', `Verdict gave no answer within ${timeoutMs} ms.`);
    for (let attempt = 0; ; attempt++) {
      const outcome = await headersOf(text, requestId)
        .then((headers) => once(path, text, headers, signal))
        .catch((error: unknown) => (error instanceof Error ? error : new Error(String(error))));
      if (!(outcome instanceof Error) && outcome.status >= 200 && outcome.status < 300) return parsed(outcome);
      if (given?.aborted) throw new VerdictError('client.aborted', 'The caller gave up waiting.');
      if (timeout.aborted) throw late();
      const pause = pauseBefore(attempt, again, outcome);
      if (pause === undefined || performance.now() + pause >= end) throw failureOf(outcome, base);
      await sleep(pause, undefined, { signal }).catch(() => undefined);
    }
  };

  return { post, close: () => agent.destroy() };
};

const failureOf = (outcome: Answer | Error, { origin }: URL): VerdictError => {
  if (outcome instanceof VerdictError) return outcome;
  if (!(outcome instanceof Error)) return errorOf(outcome);
  const { code } = outcome as NodeJS.ErrnoException;
  return new VerdictError('client.unreachable', `Verdict can't be reached at ${origin}: ${code ?? outcome.message}.`);
};
