/**
 * What was sent and may still be lost with the receiver: nobody says what it has read, so the last of it is kept, by
 * time and by bytes, and sent again after a connection broke.
 */
export type Overlap<T> = {
  /** Keeps what was just sent. */
  readonly add: (entry: T, bytes: number) => void;
  /** All that is kept, oldest first. */
  readonly entries: () => readonly T[];
  /** All that is kept has just been sent again: it is as young as new, but not for ever where connections keep breaking. */
  readonly renew: () => void;
  /** Time stands still for what is kept: the receiver takes nothing, or there is none. */
  readonly hold: (isHeld: boolean) => void;
  /** Forgets what is too old. */
  readonly trim: () => void;
  /** Forgets everything: the receiver has said that it has it. */
  readonly clear: () => void;
  readonly bytes: () => number;
};

type Kept<T> = { readonly entry: T; readonly bytes: number; at: number; renewals: number };

/** A receiver, or something on the way, that breaks each idle connection must not get the same events for ever. */
const RENEWALS = 5;

/** `ms`: for how long; `bytes`: at most so many, the oldest go first. */
export const newOverlap = <T>({ ms, bytes: most }: { readonly ms: number; readonly bytes: number }, now: () => number): Overlap<T> => {
  let kept: Kept<T>[] = [];
  /** Those before it are forgotten: taking off the front of a long list one by one would move it every time. */
  let first = 0;
  let total = 0;
  let heldSince: number | undefined;
  let heldFor = 0;

  /** The time without that in which nothing moved. */
  const flowing = (): number => (heldSince ?? now()) - heldFor;

  const trim = (): void => {
    const oldest = flowing() - ms;
    for (let next = kept[first]; next && (total > most || next.at <= oldest); next = kept[first]) {
      total -= next.bytes;
      kept[first] = undefined as unknown as Kept<T>;
      first += 1;
    }
    if (first > 1024 && first * 2 > kept.length) {
      kept = kept.slice(first);
      first = 0;
    }
  };

  return {
    add: (entry, bytes) => {
      kept.push({ entry, bytes, at: flowing(), renewals: 0 });
      total += bytes;
      trim();
    },
    entries: () => kept.slice(first).map(({ entry }) => entry),
    renew: () => {
      const at = flowing();
      for (const one of kept.slice(first)) {
        one.renewals += 1;
        if (one.renewals <= RENEWALS) one.at = at;
      }
    },
    hold: (isHeld) => {
      if (isHeld) heldSince ??= now();
      else if (heldSince !== undefined) {
        heldFor += now() - heldSince;
        heldSince = undefined;
      }
    },
    trim,
    clear: () => {
      kept = [];
      first = 0;
      total = 0;
    },
    bytes: () => total,
  };
};
