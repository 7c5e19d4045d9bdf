import type { IncomingMessage } from 'node:http';
import type { Writable } from 'node:stream';
import { passedTrailers } from './headers.js';

export type PumpEvents = {
  readonly idleMs: number;
  /** Nothing has moved for `idleMs`; `isFull`: it is the taker who doesn't take. */
  readonly onIdle: (isFull: boolean) => void;
  /** Everything was handed over, trailers included. */
  readonly onEnd: () => void;
  /** What it comes from broke off. */
  readonly onBroken: () => void;
  /** Told of each piece's bytes. */
  readonly onBytes?: (bytes: number) => void;
};

type Taker = Writable & { readonly addTrailers: (trailers: readonly (readonly [string, string])[]) => void };

/**
 * Hands a message's body on, piece by piece, and its trailers: reads no faster than the taker takes, so that a body of
 * any length needs the memory of a few pieces. Returns what stops it; a stopped pump tells nothing more.
 */
export const pump = (from: IncomingMessage, to: Writable, events: PumpEvents): (() => void) => {
  let isDone = false;
  const idle = setTimeout(() => {
    if (!isDone) events.onIdle(to.writableNeedDrain);
  }, events.idleMs);

  const stop = (): void => {
    isDone = true;
    clearTimeout(idle);
    from.off('data', onData).off('end', onEnd).off('close', onBroken).off('error', onBroken);
    to.off('drain', onDrain);
  };
  const onData = (piece: Buffer): void => {
    idle.refresh();
    events.onBytes?.(piece.length);
    if (!to.write(piece)) from.pause();
  };
  const onDrain = (): void => {
    idle.refresh();
    from.resume();
  };
  const onEnd = (): void => {
    stop();
    if (!from.complete) {
      events.onBroken();
      return;
    }
    const trailers = passedTrailers(from.rawTrailers);
    if (trailers.length > 0) (to as Taker).addTrailers(trailers);
    to.end();
    events.onEnd();
  };
  const onBroken = (): void => {
    stop();
    events.onBroken();
  };

  from.on('data', onData).on('end', onEnd).on('close', onBroken).on('error', onBroken);
  to.on('drain', onDrain);
  if (from.destroyed && !from.readableEnded) onBroken();
  return stop;
};
