import { type EventDraft, EventTooLarge, MAX_EVENT_BYTES } from '../event/index.js';
import type { Clock } from './input.js';

/** The question can't be recorded whole, so it isn't answered. */
export type TooLarge = { readonly kind: 'too_large'; readonly message: string };

export const TOO_LARGE: TooLarge = {
  kind: 'too_large',
  message: `The record of this question would be over ${MAX_EVENT_BYTES} bytes; send less in properties and context.`,
};

/** How long one request's questions keep others waiting at most, in milliseconds; a question itself is the watchdog's affair. */
export const TURN_MS = 20;

/** The time, made into text once a millisecond. */
export const clockOf = (now: () => number): (() => Clock) => {
  let clock: Clock = { ms: Number.NaN, text: '' };
  return () => {
    const ms = now();
    if (ms !== clock.ms) clock = { ms, text: new Date(ms).toISOString() };
    return clock;
  };
};

/** Records drafts in one commit, without those too large for a record and what they caused: ids of the large are the result. */
export const recorder =
  (append: (drafts: readonly EventDraft[]) => Promise<unknown>) =>
  async (drafts: readonly EventDraft[]): Promise<ReadonlySet<string>> => {
    const tooLarge = new Set<string>();
    let left = drafts;
    while (left.length > 0) {
      try {
        await append(left);
        break;
      } catch (error) {
        if (!(error instanceof EventTooLarge)) throw error;
        const { id, caused_by: cause } = left[error.index] as EventDraft;
        const decision = cause ?? id;
        tooLarge.add(decision);
        left = left.filter((draft) => draft.id !== decision && draft.caused_by !== decision);
      }
    }
    return tooLarge;
  };
