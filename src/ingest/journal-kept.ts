import type { Cursor } from './journal-missed.js';

/** One commit that a holding consumer has handled, and whose journal it stands in. */
export type Handled = { readonly slot: string; readonly log: string; readonly seq: number; readonly bytes: number };

const isBehind = (one: { readonly log: string; readonly seq: number }, other: { readonly log: string; readonly seq: number }): boolean =>
  one.log < other.log || (one.log === other.log && one.seq < other.seq);

/**
 * Keeps a little of each journal for followers that are just behind, so that they need not ask the store for what was
 * there a moment ago. It is bounded by bytes: who is further behind than that holds nothing back.
 */
export const keptForFollowers = (mostBytes: number) => {
  const followers = new Map<string, ReadonlyMap<string, Cursor>>();
  const kept = new Map<string, { commits: Handled[]; bytes: number; released: Cursor | undefined }>();

  const of = (slot: string) => {
    const known = kept.get(slot);
    if (known) return known;
    const fresh = { commits: [], bytes: 0, released: undefined };
    kept.set(slot, fresh);
    return fresh;
  };

  const isNeeded = (commit: Handled): boolean => {
    for (const cursors of followers.values()) {
      const at = cursors.get(commit.slot);
      if (at && isBehind(at, commit)) return true;
    }
    return false;
  };

  return {
    /** A follower runs, and is so far. */
    follow: (name: string, cursors: ReadonlyMap<string, Cursor>): void => void followers.set(name, new Map(cursors)),
    /** A follower stands still or is gone: nothing is kept for it. */
    leave: (name: string): void => void followers.delete(name),
    /** The store has these. */
    passed: (handled: readonly Handled[]): void => {
      for (const commit of handled) {
        const one = of(commit.slot);
        one.commits.push(commit);
        one.bytes += commit.bytes;
      }
    },
    /** How far a slot's journal may be removed, where every holding consumer has handled it up to `last`. */
    released: (slot: string, last: Cursor): Cursor | undefined => {
      const one = of(slot);
      let count = 0;
      for (const commit of one.commits) {
        if (isBehind(last, commit) || (one.bytes <= mostBytes && isNeeded(commit))) break;
        one.bytes -= commit.bytes;
        one.released = { log: commit.log, seq: commit.seq };
        count += 1;
      }
      if (count > 0) one.commits.splice(0, count);
      // What was handled before this process began isn't known here, and isn't kept.
      if (one.commits.length === 0) one.released = last;
      return one.released;
    },
  };
};
