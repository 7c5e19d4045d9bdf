import type { Entry } from './kafka-entries.js';
import type { BatchLimits } from './stream.js';

/** Messages fetched and not yet handed on. Fetching waits while it is full, handing on while it is neither full nor old. */
export type EntryBuffer = {
  readonly push: (entries: readonly Entry[]) => void;
  /** Forgets everything, as it will be fetched again, and begins a new epoch. */
  readonly clear: () => void;
  /** Counts the calls of `clear`: what was fetched or taken in an earlier epoch is not this consumer's to settle. */
  readonly epoch: () => number;
  readonly isFull: () => boolean;
  readonly holds: (partition: number) => boolean;
  /** Resolves when there is room again, or after `ms`, or when it is closed. */
  readonly room: (ms: number) => Promise<void>;
  /** The next batch, in order, when `bytes` are there or the oldest has waited `age_ms`; undefined once closed. */
  readonly take: () => Promise<Taken | undefined>;
  /** When the first message was sent, in milliseconds since 1970; undefined if there is none. */
  readonly oldest: () => number | undefined;
  readonly close: () => void;
};

export type Taken = { readonly entries: readonly Entry[]; readonly epoch: number };

export const entryBuffer = ({ bytes: limit, age_ms }: BatchLimits): EntryBuffer => {
  let entries: Entry[] = [];
  let bytes = 0;
  let since = 0;
  let epoch = 0;
  let isClosed = false;
  let wakeTaker: () => void = () => undefined;
  const waitingForRoom = new Set<() => void>();

  const wakeFetchers = (): void => {
    for (const wake of waitingForRoom) wake();
  };

  const cut = (): Taken => {
    let count = 0;
    let size = 0;
    for (const { value } of entries) {
      if (count > 0 && size + value.length + 1 > limit) break;
      size += value.length + 1;
      count += 1;
    }
    const taken = entries.slice(0, count);
    entries = entries.slice(count);
    bytes -= size;
    since = Date.now();
    wakeFetchers();
    return { entries: taken, epoch };
  };

  return {
    push: (more) => {
      if (entries.length === 0) since = Date.now();
      for (const entry of more) {
        entries.push(entry);
        bytes += entry.value.length + 1;
      }
      wakeTaker();
    },
    clear: () => {
      entries = [];
      bytes = 0;
      epoch += 1;
      wakeFetchers();
    },
    epoch: () => epoch,
    isFull: () => bytes >= limit,
    holds: (partition) => entries.some((entry) => entry.partition === partition),
    room: (ms) =>
      new Promise((resolve) => {
        const done = (): void => {
          clearTimeout(timer);
          waitingForRoom.delete(done);
          resolve();
        };
        const timer = setTimeout(done, ms);
        waitingForRoom.add(done);
        if (isClosed || bytes < limit) done();
      }),
    take: async () => {
      for (;;) {
        if (isClosed) return undefined;
        const age = Date.now() - since;
        if (entries.length > 0 && (bytes >= limit || age >= age_ms)) return cut();
        await new Promise<void>((resolve) => {
          const timer = entries.length > 0 ? setTimeout(resolve, age_ms - age) : undefined;
          wakeTaker = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
    },
    oldest: () => entries[0]?.time,
    close: () => {
      isClosed = true;
      wakeTaker();
      wakeFetchers();
    },
  };
};
