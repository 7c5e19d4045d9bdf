import { PROBLEM_TYPE, problem } from '../api/index.js';
import type { JsonObject } from '../event/index.js';
import { decisionField } from './headers.js';
import type { About, Exchange } from './types.js';

/** What the gateway answers itself: what it is recorded with, and what the client is told. */
export type Refusal = {
  readonly about: About;
  readonly status: number;
  /** Stable. */
  readonly code: string;
  readonly message: string;
  /** Further members of the problem. */
  readonly extra?: JsonObject;
  /** Seconds after which asking again may help. */
  readonly retryAfter?: number;
};

/** Bytes of a body that nobody wants, and milliseconds, for which a connection is kept so that its client reads the answer. */
const LINGER_BYTES = 16 * 1024 * 1024;
const LINGER_MS = 10_000;

/**
 * Lets go what still comes of a request's body. Unread, it would stand in the way of the connection's next request; cut
 * off at once, the client would see a reset instead of its answer. Beyond a bound the connection ends.
 */
export const discardBody = ({ request }: Pick<Exchange, 'request'>): void => {
  if (request.complete || request.destroyed) return;
  let bytes = 0;
  const end = (): void => {
    request.socket.destroy();
  };
  const late = setTimeout(end, LINGER_MS).unref();
  request.on('data', (piece: Buffer) => {
    bytes += piece.length;
    if (bytes > LINGER_BYTES) end();
  });
  request.on('close', () => clearTimeout(late));
  request.resume();
};

/** Answers with a problem (RFC 9457). Nothing may have been written yet. */
export const replyProblem = (exchange: Exchange, refusal: Refusal): void => {
  const { request, response, id } = exchange;
  // A connection that was told already that it speaks no HTTP is told nothing more.
  if (response.destroyed || response.headersSent || exchange.isSpoilt()) return;
  const { status, code, message, extra, about, retryAfter } = refusal;
  const body = JSON.stringify({ ...problem(status, code, message, extra), request_id: id });
  const headers = ['Content-Type', PROBLEM_TYPE, 'Content-Length', String(Buffer.byteLength(body)), 'X-Request-ID', id, 'Cache-Control', 'no-store'];
  const decisions = about.acts.flatMap((act) => act.decisions);
  if (decisions.length > 0) headers.push('X-Verdict-Decision', decisionField(decisions));
  if (status === 401) headers.push('WWW-Authenticate', 'Bearer');
  if (retryAfter !== undefined) headers.push('Retry-After', String(retryAfter));
  // Who waits for 100 Continue doesn't send its body now, and who was promised to be switched over has no next request.
  if (exchange.isUpgrade || (exchange.expectsContinue && !request.complete)) headers.push('Connection', 'close');
  response.writeHead(status, headers);
  response.end(body);
  discardBody(exchange);
};
