import { setTimeout as delay } from 'node:timers/promises';
import type { Outgoing } from '../export/sender.js';
import { type Store, type Walk, type WalkPage, type WalkPosition, walkStart } from '../store/index.js';
import { outgoingOf } from './match.js';
import type { ForwardState } from './state.js';

export type CatchUpDeps = {
  readonly walk: Store['walk'];
  readonly state: Pick<ForwardState, 'progress' | 'saveProgress' | 'dropProgress'>;
  /** One at a time, whoever asks: feeds that are behind share what the store has to spare. */
  readonly inTurn: <T>(act: () => Promise<T>) => Promise<T>;
};

export type Errand = {
  /** Where its progress is kept. */
  readonly name: string;
  /** Names what is walked through: progress in anything else doesn't count. */
  readonly key: string;
  readonly walk: Walk;
  /** Whether it is one of those that are meant and go out. */
  readonly wants: (event: Outgoing) => boolean;
  /** Hands over in order; resolves when all are safe. */
  readonly deliver: (events: readonly Outgoing[]) => Promise<void>;
  /** Told after each page: everything recorded before `through` (milliseconds since 1970) is done. */
  readonly onProgress?: (progress: { readonly through: number; readonly sent: number }) => void;
};

/** After each page the store is left alone for this part of the time that the page took: live decisions share its machine. */
const REST = 0.25;
const LONGEST_REST_MS = 1_000;

/** One call after the other. */
export const oneAtATime = () => {
  let last: Promise<unknown> = Promise.resolve();
  return <T>(act: () => Promise<T>): Promise<T> => {
    const mine = last.then(act);
    last = mine.catch(() => undefined);
    return mine;
  };
};

/**
 * Sends what stands in the store, in the order in which it was recorded, a page at a time: while one is on its way, the
 * next is read. Where it has got to is on disk after each page, and kept when it is done: asked for the same errand
 * again, it sends nothing. Rejects where the store can't be reached, or `deliver` rejects.
 */
export const runErrand = async ({ walk, state, inTurn }: CatchUpDeps, errand: Errand, signal: AbortSignal): Promise<void> => {
  const before = state.progress(errand.name);
  const isSame = before?.key === errand.key;
  let sent = isSame ? before.sent : 0;
  const fetch = (position: WalkPosition): Promise<WalkPage> => {
    const page = inTurn(async () => {
      signal.throwIfAborted();
      const started = performance.now();
      const found = await walk(errand.walk, position, { signal });
      await delay(Math.min(LONGEST_REST_MS, (performance.now() - started) * REST), undefined, { signal });
      return found;
    });
    // Awaited below; until then a failure is not unhandled.
    page.catch(() => undefined);
    return page;
  };
  let ahead: Promise<WalkPage> | undefined = fetch(isSame ? before.position : walkStart(errand.walk));
  while (ahead) {
    const { lines, next }: WalkPage = await ahead;
    ahead = next && fetch(next);
    const events = lines.flatMap((line) => {
      const event = outgoingOf(line);
      return event && errand.wants(event) ? [event] : [];
    });
    if (events.length > 0) await errand.deliver(events);
    sent += events.length;
    const position = next ?? { ...walkStart(errand.walk), recorded: errand.walk.to + 1 };
    if (events.length > 0 || !next) await state.saveProgress(errand.name, { key: errand.key, position, sent });
    errand.onProgress?.({ through: Math.min(position.recorded, errand.walk.to + 1), sent });
  }
};
