import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { TLSSocket } from 'node:tls';
import { again, type Failure, failureOf } from '../../outbound/index.js';

export type LinkConfig = {
  readonly place: string;
  /** So long after its beginning, in milliseconds, a connection may still turn out to be refused. */
  readonly grace_ms: number;
  /** A receiver that takes nothing for so long, in milliseconds, counts as gone. */
  readonly stall_ms: number;
};

export type LinkDeps = {
  /** What the receiver says. */
  readonly onData: (bytes: Buffer) => void;
  /** Whether the receiver keeps us waiting. */
  readonly onBlocked: (isBlocked: boolean) => void;
};

/** One connection's life: it begins connected, and breaks once. */
export type Link = {
  /** Resolves when there is room for more; false where the connection broke. */
  readonly write: (bytes: Buffer) => Promise<boolean>;
  /** Resolves when the system has taken all that was written before; false where the connection broke first. */
  readonly flushed: () => Promise<boolean>;
  /** True when the grace period is over, false where the connection broke within it. */
  readonly graced: Promise<boolean>;
  /** Resolves when it has broken: with why. Waited for once a connection; for each batch there is {@link Link.onEnded}. */
  readonly ended: Promise<Failure>;
  /** Tells `listener` when it breaks, or at once where it has; returns what takes it back. A promise would keep each that ever waited. */
  readonly onEnded: (listener: (why: Failure) => void) => () => void;
  readonly failure: () => Failure | undefined;
  /** Breaks it from here. */
  readonly give: (failure: Failure) => void;
  /** Sends what is left, says that nothing more comes, and waits at most so many milliseconds for the receiver to close as well. */
  readonly finish: (ms: number) => Promise<void>;
};

const KEEP_ALIVE_MS = 30_000;

/** What a break within the grace period can mean with TLS 1.3, where a certificate is refused after the handshake (RFC 8446, section 4.4.2.4). */
const lateRefusal = (socket: Socket, failure: Failure): Failure => {
  if (failure.outcome !== 'again' || !(socket instanceof TLSSocket)) return failure;
  return again(`${failure.reason} It did so right after the handshake: it may have refused our client certificate (tls.cert, tls.key), or miss one.`);
};

type Waiter = { readonly at: number; readonly done: (whole: boolean) => void };

/**
 * Watches over a connection. A receiver that closes its side has gone: a half-closed connection takes bytes that nobody
 * reads (RFC 9293, section 3.6), so it is broken here at once.
 */
export const newLink = (socket: Socket, { place, grace_ms, stall_ms }: LinkConfig, { onData, onBlocked }: LinkDeps): Link => {
  let failure: Failure | undefined;
  let isFinishing = false;
  let written = 0;
  let taken = 0;
  let room: (() => void)[] = [];
  const flushes: Waiter[] = [];
  let stall: NodeJS.Timeout | undefined;
  let inGrace = true;
  const listeners = new Set<(why: Failure) => void>();
  let end: (why: Failure) => void = () => undefined;
  const ended = new Promise<Failure>((resolve) => {
    end = resolve;
  });

  const unblock = (): void => {
    clearTimeout(stall);
    stall = undefined;
    onBlocked(false);
    const waiting = room;
    room = [];
    for (const go of waiting) go();
  };
  const settleFlushes = (): void => {
    while (flushes[0] && (failure || flushes[0].at <= taken)) (flushes.shift() as Waiter).done(!failure);
  };
  const give = (why: Failure): void => {
    if (failure) return;
    failure = inGrace && !isFinishing ? lateRefusal(socket, why) : why;
    socket.destroy();
    unblock();
    settleFlushes();
    end(failure);
    for (const listener of listeners) listener(failure);
    listeners.clear();
  };

  const graceOver = new AbortController();
  const graced = Promise.race([
    delay(grace_ms, true, { signal: graceOver.signal }).catch(() => false),
    ended.then(() => {
      graceOver.abort();
      return false;
    }),
  ]).then((isOver) => {
    inGrace = false;
    return isOver;
  });

  socket.setNoDelay(true);
  socket.setKeepAlive(true, KEEP_ALIVE_MS);
  socket.on('data', onData);
  socket.on('drain', unblock);
  socket.on('error', (error) => give(failureOf(error, place)));
  socket.on('end', () => give(again(`${place} closed the connection.`)));
  socket.on('close', () => give(again(`${place} closed the connection.`)));

  const wait = (): Promise<boolean> =>
    new Promise((resolve) => {
      room.push(() => resolve(!failure));
      if (stall) return;
      onBlocked(true);
      stall = setTimeout(() => give(again(`${place} has taken nothing for ${stall_ms} ms.`)), stall_ms);
    });

  return {
    write: async (bytes) => {
      if (failure) return false;
      written += 1;
      const isRoom = socket.write(bytes, (error) => {
        if (error) return;
        taken += 1;
        settleFlushes();
      });
      return isRoom || wait();
    },
    flushed: async () => {
      if (failure) return false;
      return taken === written || new Promise((done) => flushes.push({ at: written, done }));
    },
    graced,
    ended,
    onEnded: (listener) => {
      if (failure) listener(failure);
      else listeners.add(listener);
      return () => listeners.delete(listener);
    },
    failure: () => failure,
    give,
    finish: async (ms) => {
      isFinishing = true;
      if (!failure) socket.end();
      const late = new AbortController();
      await Promise.race([ended, delay(ms, undefined, { signal: late.signal }).catch(() => undefined)]);
      late.abort();
      give(again('The connection was closed from here.'));
    },
  };
};
