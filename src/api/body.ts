import type { IncomingMessage } from 'node:http';
import { type Problem, problem } from './problem.js';

export type BodyRead = { readonly ok: true; readonly bytes: Buffer } | { readonly ok: false; readonly problem: Problem };

/** The largest body of a decision. */
export const DECISION_BYTES = 256 * 1024;
/** The largest body of events or of entities in bulk. */
export const BULK_BYTES = 40 * 1024 * 1024;
/** The largest body of everything else. */
export const PLAIN_BYTES = 256 * 1024;

const tooLarge = (limit: number): BodyRead => ({
  ok: false,
  problem: problem(413, 'body.too_large', `The body is over the ${limit} bytes that this address takes; send less at a time.`),
});

/** Reads a request's body up to `limit` bytes. A body that says it is longer isn't read at all. */
export const readBody = async (incoming: IncomingMessage, limit: number): Promise<BodyRead> => {
  const encoding = incoming.headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity')
    return { ok: false, problem: problem(415, 'body.encoding', 'The body is compressed (Content-Encoding); send it as it is.') };
  if (Number(incoming.headers['content-length'] ?? 0) > limit) return tooLarge(limit);
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const done = (outcome: BodyRead): void => {
      incoming.off('data', onData).off('end', onEnd).off('error', onBroken).off('close', onBroken);
      resolve(outcome);
    };
    const onData = (chunk: Buffer): void => {
      size += chunk.length;
      chunks.push(chunk);
      if (size <= limit) return;
      done(tooLarge(limit));
      // What still comes is let go: unread, it would stand in the way of the connection's next request.
      incoming.resume();
    };
    const onEnd = (): void => done({ ok: true, bytes: chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, size) });
    const onBroken = (): void => done({ ok: false, problem: problem(400, 'body.incomplete', 'The connection ended before the body did.') });
    incoming.on('data', onData).on('end', onEnd).on('error', onBroken).on('close', onBroken);
  });
};

/** A Content-Type's media type in lower case, without parameters; undefined where there is none. */
export const mediaTypeOf = (contentType: string | undefined): string | undefined => contentType?.split(';', 1)[0]?.trim().toLowerCase() || undefined;
