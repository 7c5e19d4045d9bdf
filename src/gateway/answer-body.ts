import type { IncomingMessage } from 'node:http';
import { mediaTypeOf, readJson } from '../api/index.js';
import type { Json } from '../event/index.js';

/** What was read of an answer's body: all of it, or so much that the rest goes on unread; or it broke off. */
export type AnswerBody =
  | { readonly kind: 'whole'; readonly bytes: Buffer }
  | { readonly kind: 'too_large'; readonly bytes: Buffer }
  | { readonly kind: 'broken' }
  | { readonly kind: 'idle' };

/** Reads an answer up to `limit` bytes; one that is longer is left paused behind what was read. */
export const readAnswer = (answer: IncomingMessage, limit: number, idleMs: number): Promise<AnswerBody> =>
  new Promise((resolve) => {
    const pieces: Buffer[] = [];
    let size = 0;
    const idle = setTimeout(() => done({ kind: 'idle' }), idleMs);
    const done = (outcome: AnswerBody): void => {
      clearTimeout(idle);
      answer.off('data', onData).off('end', onEnd).off('close', onBroken);
      resolve(outcome);
    };
    const onData = (piece: Buffer): void => {
      idle.refresh();
      size += piece.length;
      pieces.push(piece);
      if (size <= limit) return;
      answer.pause();
      done({ kind: 'too_large', bytes: Buffer.concat(pieces, size) });
    };
    const onEnd = (): void => done(answer.complete ? { kind: 'whole', bytes: Buffer.concat(pieces, size) } : { kind: 'broken' });
    const onBroken = (): void => done({ kind: 'broken' });
    answer.on('data', onData).on('end', onEnd).on('close', onBroken);
  });

/** An answer as JSON; or, as a sentence, why it is none. */
export const answerJson = ({ headers }: Pick<IncomingMessage, 'headers'>, bytes: Buffer): { readonly value: Json } | { readonly fault: string } => {
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') return { fault: `The answer is compressed (${encoding}), though it was asked for as it is.` };
  if (!/json$/.test(mediaTypeOf(headers['content-type']) ?? '')) return { fault: 'The answer is no JSON by its Content-Type.' };
  const read = readJson(bytes);
  return read.ok ? { value: read.value } : { fault: read.message.replace('The body', 'The answer') };
};
