import { type Agent, type IncomingHttpHeaders, type IncomingMessage, request as plainRequest } from 'node:http';
import { request as tlsRequest } from 'node:https';
import type { LookupFunction, Socket } from 'node:net';
import type { SecureContextOptions } from 'node:tls';

/** One request to one place, and what bounds it. The guard stands behind `lookup`, or behind the agent's. */
export type Exchange = {
  readonly url: URL;
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Buffer;
  readonly agent?: Agent;
  readonly lookup?: LookupFunction;
  readonly tls?: SecureContextOptions;
  /** It has failed when it isn't done after so long, or when nothing is heard for so long; both in milliseconds. */
  readonly timeout_ms?: number;
  readonly silence_ms?: number;
  readonly most_bytes: number;
  readonly onSocket?: (socket: Socket, isReused: boolean) => void;
  /** Told when the answer begins. */
  readonly onAnswer?: () => void;
};

export type Answer = { readonly status: number; readonly headers: IncomingHttpHeaders; readonly body: Buffer };

/** The other side took too long. */
export class Late extends Error {
  override readonly name = 'Late';
}

const bodyOf = async (message: IncomingMessage, most: number): Promise<Buffer> => {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of message as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > most) throw new Error(`the answer is longer than ${most} bytes`);
    parts.push(part);
  }
  if (!message.complete) throw Object.assign(new Error('the answer broke off'), { code: 'ECONNRESET' });
  return Buffer.concat(parts);
};

/**
 * One HTTP request and its whole answer; a redirect is an answer like any other. Rejects with {@link Late}, or with
 * what the network, the certificate, the guard or the signal says.
 */
export const exchange = async (asked: Exchange, signal: AbortSignal): Promise<Answer> => {
  signal.throwIfAborted();
  const { url, method, headers, body, agent, lookup, tls, timeout_ms, silence_ms, most_bytes } = asked;
  const outgoing = (url.protocol === 'https:' ? tlsRequest : plainRequest)(url, {
    method,
    headers: { ...headers, ...(body && { 'content-length': String(body.length) }) },
    ...(agent && { agent }),
    ...(lookup && { lookup }),
    ...(url.protocol === 'https:' && { rejectUnauthorized: true, minVersion: 'TLSv1.2' as const, ...tls }),
    ...(silence_ms !== undefined && { timeout: silence_ms }),
  });
  const stop = (): void => void outgoing.destroy(new Error('told to stop'));
  signal.addEventListener('abort', stop, { once: true });
  const late =
    timeout_ms === undefined ? undefined : setTimeout(() => outgoing.destroy(new Late(`It did not answer within ${timeout_ms / 1000} s.`)), timeout_ms);
  outgoing.on('timeout', () => outgoing.destroy(new Late(`It said nothing for ${(silence_ms as number) / 1000} s.`)));
  outgoing.on('socket', (socket) => asked.onSocket?.(socket, outgoing.reusedSocket));
  try {
    const message = await new Promise<IncomingMessage>((resolve, reject) => {
      outgoing.on('response', resolve);
      outgoing.on('error', reject);
      outgoing.end(body);
    });
    asked.onAnswer?.();
    return { status: message.statusCode ?? 0, headers: message.headers, body: await bodyOf(message, most_bytes) };
  } finally {
    clearTimeout(late);
    signal.removeEventListener('abort', stop);
    outgoing.destroy();
  }
};
