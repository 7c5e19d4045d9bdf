import { setTimeout as delay, setImmediate as turnOfOthers } from 'node:timers/promises';
import { again, type Failure } from '../../outbound/index.js';
import type { Dial, Outgoing, Sender, Sent } from '../sender.js';
import type { Settings } from './config.js';
import { type Connected, newConnect, placeOf } from './connect.js';
import { framed } from './framing.js';
import { type Link, newLink } from './link.js';
import { newOverlap } from './overlap.js';
import { type Down, newKeeper, type Up } from './reconnect.js';
import { unlessAborted } from './unless-aborted.js';

export type SenderParts = {
  readonly dial: Dial;
  readonly now: () => number;
  readonly random: () => number;
  /** The message for one event. */
  readonly line: (outgoing: Outgoing) => string;
};

/** Bytes written at once: whole messages. */
const CHUNK_BYTES = 65_536;
const CLOSE_MS = 5_000;
/** Other work of this process waits no longer than so many milliseconds. */
const TURN_MS = 5;

/** The frames of a batch in pieces, each made when the one before it has been taken. */
function* chunksOf(batch: readonly Outgoing[], line: (outgoing: Outgoing) => string, framing: Settings['framing']): Generator<Buffer, void, void> {
  let text = '';
  for (const outgoing of batch) {
    text += framed(line(outgoing), framing);
    if (text.length >= CHUNK_BYTES) {
      yield Buffer.from(text);
      text = '';
    }
  }
  if (text !== '') yield Buffer.from(text);
}

/** Gives timers and other sockets their turn: a receiver that takes everything at once would leave them none. */
const newTurns = (now: () => number): (() => Promise<void>) => {
  let last = now();
  return async () => {
    if (now() - last < TURN_MS) return;
    await turnOfOthers();
    last = now();
  };
};

/**
 * Syslog over TCP (RFC 6587) and TLS (RFC 5425). Neither says what the receiver has read, so `send` resolves when the
 * system has taken the bytes and the connection is out of its grace period, and the last of what was sent is kept and
 * sent again on the next connection, before anything new. Batches may be handed over before the last one has resolved;
 * they go in that order, and where the connection breaks all of them come back.
 */
export const newStreamSender = (settings: Settings, parts: SenderParts): Pick<Sender, 'send' | 'close'> => {
  const { now, random, line } = parts;
  const place = placeOf(settings);
  const turns = newTurns(now);
  const overlap = newOverlap<Buffer>(settings.overlap, now);
  const trimming = setInterval(overlap.trim, 1_000).unref();

  const prepare = async ({ socket, ms }: Connected, signal: AbortSignal): Promise<Up<{ readonly link: Link }> | Down> => {
    const link = newLink(socket, { place, ...settings }, { onData: () => undefined, onBlocked: overlap.hold });
    const stop = (): void => link.give(again('The sender was closed.'));
    signal.addEventListener('abort', stop, { once: true });
    // A refusal that comes after the handshake is on its way now: better to hear of it before anything is written.
    if (settings.tls) await Promise.race([link.ended, delay(Math.min(settings.grace_ms, ms))]);
    for (const chunk of overlap.entries()) {
      if (!(await link.write(chunk))) break;
      await turns();
    }
    signal.removeEventListener('abort', stop);
    const failure = link.failure();
    if (failure) return { ok: false, failure };
    overlap.hold(false);
    overlap.renew();
    return { ok: true, up: { link } };
  };

  const keeper = newKeeper({
    connect: newConnect(settings, parts),
    prepare,
    isOwing: () => overlap.bytes() > 0,
    onDown: () => overlap.hold(true),
    random,
  });

  /** Batches are written one after another; one that fails takes those with it that were to follow it on the same connection. */
  let turn: Promise<unknown> = Promise.resolve();
  let breaks = 0;

  type Written = { readonly ok: true; readonly link: Link; readonly chunks: readonly Buffer[] };

  const write = async (batch: readonly Outgoing[], signal: AbortSignal, era: number): Promise<Written | Down> => {
    if (era !== breaks) return { ok: false, failure: again(`An earlier batch did not reach ${place}.`) };
    const ready = await unlessAborted(keeper.up(), signal);
    if (!ready.ok) return ready;
    const { link } = ready.up;
    const chunks: Buffer[] = [];
    for (const chunk of chunksOf(batch, line, settings.framing)) {
      chunks.push(chunk);
      if (!(await unlessAborted(link.write(chunk), signal))) return { ok: false, failure: link.failure() as Failure };
      await turns();
    }
    return { ok: true, link, chunks };
  };

  const settle = async ({ link, chunks }: Written, signal: AbortSignal): Promise<Sent> => {
    const isSafe = (await unlessAborted(link.flushed(), signal)) && (await unlessAborted(link.graced, signal));
    if (!isSafe) return link.failure() as Failure;
    for (const chunk of chunks) overlap.add(chunk, chunk.length);
    return { outcome: 'accepted' };
  };

  const attempt = async (batch: readonly Outgoing[], signal: AbortSignal, era: number): Promise<Sent> => {
    const writing = turn.then(() => write(batch, signal, era));
    turn = writing.catch(() => undefined);
    const written = await writing;
    return written.ok ? settle(written, signal) : written.failure;
  };

  return {
    send: async (batch, signal) => {
      const era = breaks;
      const sent = await attempt(batch, signal, era).catch(() => again('It was told to stop.'));
      if (sent.outcome !== 'accepted' && era === breaks) breaks += 1;
      return sent;
    },
    close: async () => {
      keeper.close();
      clearInterval(trimming);
      await keeper.current()?.link.finish(CLOSE_MS);
    },
  };
};
