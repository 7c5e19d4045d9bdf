import { again, type Failure } from '../../outbound/index.js';
import type { Outgoing, Sender, Sent } from '../sender.js';
import type { Settings } from './config.js';
import { type Connected, newConnect, placeOf } from './connect.js';
import { newOverlap } from './overlap.js';
import { type Down, newKeeper, type Up } from './reconnect.js';
import { openRelp, type RelpSession } from './relp-session.js';
import type { SenderParts } from './stream.js';
import { unlessAborted } from './unless-aborted.js';

const CLOSE_MS = 5_000;

/** A batch on its way, message by message. */
type Progress = {
  readonly answered: Promise<void>;
  /** The first index without an answer. */
  readonly from: () => number;
  readonly refused: () => readonly { readonly index: number; readonly reason: string }[];
  /** Nothing more of it is written. */
  readonly give: () => void;
};

/** Submits a batch; `onAccepted` is given each message that the server acknowledged. */
const submitted = (session: RelpSession, count: number, line: (index: number) => Buffer, onAccepted: (bytes: Buffer) => void): Progress => {
  const answers = new Uint8Array(count);
  const refused: { index: number; reason: string }[] = [];
  let isGiven = false;
  let left = count;
  let all: () => void = () => undefined;
  const answered = new Promise<void>((resolve) => {
    all = resolve;
  });
  if (count === 0) all();
  session.submit(
    Array.from({ length: count }, (_, index) => {
      let bytes: Buffer | undefined;
      return {
        bytes: () => {
          bytes = isGiven ? undefined : line(index);
          return bytes;
        },
        done: (refusal) => {
          answers[index] = 1;
          if (refusal === undefined) onAccepted(bytes as Buffer);
          else refused.push({ index, reason: refusal });
          bytes = undefined;
          left -= 1;
          if (left === 0) all();
        },
      };
    }),
  );
  return {
    answered,
    from: () => {
      const open = answers.indexOf(0);
      // A batch that was refused in part is told of from the first refusal on: only a whole answer can say which.
      return refused.reduce((least, { index }) => Math.min(least, index), open < 0 ? count : open);
    },
    refused: () => refused,
    give: () => {
      isGiven = true;
    },
  };
};

/**
 * Syslog over RELP: each message is acknowledged, and `send` resolves when all of a batch are. A receiver that keeps
 * what it acknowledged in memory alone loses it when it is killed; so the last of it is sent again where a session
 * ended without the server's word.
 */
export const newRelpSender = (settings: Settings, parts: SenderParts): Pick<Sender, 'send' | 'close'> => {
  const { now, random, line } = parts;
  const place = placeOf(settings);
  const overlap = newOverlap<Buffer>(settings.overlap, now);
  const trimming = setInterval(overlap.trim, 1_000).unref();
  let hasAccepted = false;

  const prepare = async (connected: Connected, signal: AbortSignal): Promise<Up<RelpSession> | Down> => {
    const session = await openRelp(connected, { place, ...settings }, overlap.hold);
    if ('outcome' in session) return { ok: false, failure: session };
    const { link } = session;
    const stop = (): void => link.give(again('The sender was closed.'));
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    const kept = overlap.entries();
    await Promise.race([
      submitted(
        session,
        kept.length,
        (index) => kept[index] as Buffer,
        () => undefined,
      ).answered,
      link.ended,
    ]);
    signal.removeEventListener('abort', stop);
    const failure = link.failure();
    if (failure) return { ok: false, failure };
    overlap.hold(false);
    overlap.renew();
    void link.ended.then(() => session.isOrderly() && overlap.clear());
    return { ok: true, up: session };
  };

  const keeper = newKeeper({
    connect: newConnect(settings, parts),
    prepare,
    isOwing: () => overlap.bytes() > 0,
    onDown: () => overlap.hold(true),
    random,
  });

  let turn: Promise<unknown> = Promise.resolve();
  let breaks = 0;

  const onAccepted = (bytes: Buffer): void => {
    hasAccepted = true;
    overlap.add(bytes, bytes.length);
  };

  const submit = async (batch: readonly Outgoing[], signal: AbortSignal, era: number): Promise<Up<{ session: RelpSession; progress: Progress }> | Down> => {
    if (era !== breaks) return { ok: false, failure: again(`An earlier batch did not reach ${place}.`) };
    const ready = await unlessAborted(keeper.up(), signal);
    if (!ready.ok) return ready;
    const progress = submitted(ready.up, batch.length, (index) => Buffer.from(line(batch[index] as Outgoing)), onAccepted);
    return { ok: true, up: { session: ready.up, progress } };
  };

  const settle = async (
    batch: readonly Outgoing[],
    { session, progress }: { session: RelpSession; progress: Progress },
    signal: AbortSignal,
  ): Promise<Sent> => {
    const end = (failure: Failure): Sent => {
      progress.give();
      return failure.outcome === 'again' ? { ...failure, from: progress.from() } : failure;
    };
    let leave: () => void = () => undefined;
    const outcome = new Promise<Failure | undefined>((resolve) => {
      leave = session.link.onEnded(resolve);
      void progress.answered.then(() => resolve(undefined));
    });
    try {
      const failure = await unlessAborted(outcome, signal);
      if (failure) return end(failure);
    } catch {
      return end(again('It was told to stop.'));
    } finally {
      leave();
    }
    const refused = [...progress.refused()].sort((a, b) => a.index - b.index);
    if (refused.length === 0) return { outcome: 'accepted' };
    // Who has never taken anything refuses the sender, not these messages.
    if (refused.length === batch.length && !hasAccepted) return again(`${place} refuses every message: ${refused[0]?.reason}.`);
    return { outcome: 'accepted', refused };
  };

  const attempt = async (batch: readonly Outgoing[], signal: AbortSignal, era: number): Promise<Sent> => {
    const submitting = turn.then(() => submit(batch, signal, era));
    turn = submitting.catch(() => undefined);
    const under = await submitting;
    return under.ok ? settle(batch, under.up, signal) : under.failure;
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
      await keeper.current()?.close(CLOSE_MS);
    },
  };
};
