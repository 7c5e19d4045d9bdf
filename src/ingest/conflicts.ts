import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { type Database, open } from 'lmdb';
import type { Event, Position } from '../event/index.js';
import type { Fingerprint } from './journal-types.js';

type Seen = Position & { readonly content: string };

/** The ids that producers brought, with what they stood for, so that the same id with other content is found. */
export type Conflicts = {
  /** Whether the event repeats an id with other content; then the first one's place. Otherwise it is noted. */
  readonly check: (event: Event) => Position | undefined;
  /** Resolves when everything noted is on disk. */
  readonly flush: () => Promise<void>;
  readonly close: () => Promise<void>;
};

const REMEMBER_MS = 48 * 3_600_000;
const FORGET_AT_ONCE = 500;

/** What an event says, apart from where and when Verdict recorded it: JSON with its keys in order, hashed. */
export const fingerprintOf = (event: Omit<Event, 'recorded' | 'log' | 'seq' | 'salts'>): Fingerprint => {
  const { recorded: _recorded, log: _log, seq: _seq, salts: _salts, ...said } = event as Event;
  return {
    key: digest(`${event.account}\u0000${event.source}\u0000${event.id}`),
    content: digest(JSON.stringify(sorted(said))),
  };
};

const digest = (text: string): string => createHash('sha256').update(text).digest('base64url');

const sorted = (value: unknown): unknown => {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map(sorted);
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, child]) => [name, sorted(child)]),
  );
};

/** The consumer's own memory of ids, for two days, in an LMDB environment. */
export const openConflicts = (path: string, now: () => number = Date.now): Conflicts => {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const root = open({ path, overlappingSync: false });
  const ids: Database<Seen, string> = root.openDB<Seen, string>({ name: 'ids', encoding: 'json' });
  const times: Database<string, [number, string]> = root.openDB<string, [number, string]>({ name: 'times', encoding: 'string' });
  const fresh = new Map<string, Seen>();

  const forgetOld = (): void => {
    for (const key of times.getKeys({ end: [now() - REMEMBER_MS, ''], limit: FORGET_AT_ONCE, snapshot: false })) {
      void ids.remove(key[1]);
      void times.remove(key);
    }
  };

  return {
    check: (event) => {
      const { key, content } = fingerprintOf(event);
      const seen = fresh.get(key) ?? ids.get(key);
      if (!seen) fresh.set(key, { content, log: event.log, seq: event.seq });
      return seen && seen.content !== content ? { log: seen.log, seq: seen.seq } : undefined;
    },
    flush: async () => {
      await root.batch(() => {
        for (const [key, seen] of fresh) {
          void ids.put(key, seen);
          void times.put([now(), key], '');
        }
        forgetOld();
      });
      fresh.clear();
    },
    close: () => root.close(),
  };
};
