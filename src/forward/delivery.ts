import { setTimeout as delay } from 'node:timers/promises';
import type { Outgoing, Sender, Sent } from '../export/sender.js';
import { RETRY, type RetryRule, retryPause } from '../outbound/index.js';

/** The destination refuses everything: a person must act. */
export class FeedStopped extends Error {
  override readonly name = 'FeedStopped';
}

export type Refused = { readonly event: Outgoing; readonly reason: string };

export type DeliveryDeps = {
  readonly sender: Pick<Sender, 'limits' | 'send'>;
  /** Told of events that are safe at the destination. */
  readonly onSent: (count: number) => void;
  /** Sets events aside that the destination refuses for their content; resolves when they are durable. */
  readonly onRefused: (refused: readonly Refused[]) => Promise<void>;
  /** It waits, until then (milliseconds since 1970) and for this reason; undefined: it goes on. */
  readonly onWaiting: (waiting: { readonly reason: string; readonly until: number } | undefined) => void;
  readonly rule?: RetryRule;
  readonly random?: () => number;
};

/** Hands over events in order, each as often as it takes. Resolves when all are safe or set aside. */
export type Deliver = (events: readonly Outgoing[], signal: AbortSignal) => Promise<void>;

/** Where the batch that begins at `start` ends: as much as the destination takes at once, and at least one event. */
const batchEnd = (events: readonly Outgoing[], start: number, { events: most, bytes }: Sender['limits']): number => {
  let end = start;
  let size = 0;
  while (end < events.length && end - start < Math.max(1, most)) {
    size += (events[end] as Outgoing).raw.length + 1;
    if (end > start && size > bytes) break;
    end += 1;
  }
  return end;
};

/** A sender never rejects for what the network does; one that does so all the same is tried again. */
const sendSafely = async (sender: Pick<Sender, 'send'>, batch: readonly Outgoing[], signal: AbortSignal): Promise<Sent> => {
  try {
    return await sender.send(batch, signal);
  } catch (error) {
    return { outcome: 'again', reason: `The sender failed: ${(error as Error).message}` };
  }
};

/**
 * Delivers through one sender. Rejects with {@link FeedStopped} where the destination refuses everything, and with the
 * signal's reason where it is aborted: what was not told as sent then comes again.
 */
export const deliveryOf = (deps: DeliveryDeps): Deliver => {
  const { sender, rule = RETRY, random = Math.random } = deps;

  const rest = async (attempt: number, { reason, after_ms }: Sent & { readonly outcome: 'again' }, signal: AbortSignal): Promise<void> => {
    const pause = retryPause(attempt, after_ms, rule, random);
    deps.onWaiting({ reason, until: Date.now() + pause });
    await delay(pause, undefined, { signal });
  };

  const deliverBatch = async (batch: readonly Outgoing[], signal: AbortSignal): Promise<void> => {
    let left = batch;
    for (let attempt = 1; ; attempt += 1) {
      signal.throwIfAborted();
      const sent = await sendSafely(sender, left, signal);
      switch (sent.outcome) {
        case 'accepted': {
          const refused = (sent.refused ?? []).flatMap(({ index, reason }) => (left[index] ? [{ event: left[index], reason }] : []));
          if (refused.length > 0) await deps.onRefused(refused);
          deps.onSent(left.length - refused.length);
          deps.onWaiting(undefined);
          return;
        }
        case 'again': {
          const done = Math.min(left.length, Math.max(0, sent.from ?? 0));
          if (done > 0) {
            deps.onSent(done);
            attempt = 1;
          }
          left = left.slice(done);
          if (left.length === 0) return;
          await rest(attempt, sent, signal);
          break;
        }
        case 'stopped':
          throw new FeedStopped(sent.reason);
      }
    }
  };

  return async (events, signal) => {
    for (let start = 0; start < events.length; ) {
      const end = batchEnd(events, start, sender.limits);
      await deliverBatch(events.slice(start, end), signal);
      start = end;
    }
  };
};
