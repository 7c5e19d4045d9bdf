import { mkdirSync } from 'node:fs';
import { type Database, open } from 'lmdb';
import type { JsonObject } from '../event/index.js';
import type { Known } from './domain-actions.js';

/** A domain as the collector last knew it, with the instance and account that it was found to be. */
export type Tracked = Known & { readonly uuid: string; readonly owner?: Owner };

/** The instance of the directory that a domain is. */
export type Owner = { readonly instance: string; readonly account?: string; readonly region?: string };

/** Something that happened and is not in the journal yet. */
export type Pending = {
  /** Its event's id, made when it was noticed: however often it is recorded, it is the same event. */
  readonly id: string;
  /** When it happened, and when it was noticed: milliseconds since the epoch. */
  readonly time: number;
  readonly noticed: number;
  /** The domain that it concerns; absent for what concerns the collector itself. */
  readonly domain?: string;
  readonly uuid?: string;
  /** Whose it was known to be at that moment: an instance that is deleted is soon forgotten. */
  readonly owner?: Owner;
  readonly action: string;
  readonly result: 'success' | 'failure';
  readonly details: JsonObject;
};

/** What one turn changes, all of it or nothing. */
export type Turn = {
  readonly add?: readonly Pending[];
  readonly domains?: Iterable<readonly [name: string, tracked: Tracked | 'gone']>;
  /** Everything up to then is known to have been seen: milliseconds since the epoch. */
  readonly seen?: number;
};

/** The collector's durable state: an LMDB environment with one writer. */
export type CollectorState = {
  readonly domain: (name: string) => Tracked | undefined;
  readonly domains: () => ReadonlyMap<string, Tracked>;
  /** Undefined before the first listing ever. */
  readonly seen: () => number | undefined;
  /** What waits to be recorded, in the order in which it was noticed. */
  readonly pending: () => readonly Pending[];
  /** Resolves when it is on disk; readers see it at once. */
  readonly write: (turn: Turn) => Promise<void>;
  /** Strikes out what is recorded. */
  readonly recorded: (ids: readonly string[]) => Promise<void>;
  readonly close: () => Promise<void>;
};

/** Opens the state in a folder of its own; made where it is missing. */
export const openCollectorState = (path: string): CollectorState => {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const root = open({ path, overlappingSync: false });
  const stored: Database<Tracked, string> = root.openDB<Tracked, string>({ name: 'domains', encoding: 'json' });
  const waiting: Database<Pending, string> = root.openDB<Pending, string>({ name: 'pending', encoding: 'json' });
  const marks: Database<number, string> = root.openDB<number, string>({ name: 'marks', encoding: 'json' });
  const domains = new Map([...stored.getRange()].map(({ key, value }) => [key, value]));
  // Ids are ULIDs that rise: their order is the order of what happened.
  const pending = new Map([...waiting.getRange()].map(({ key, value }) => [key, value]));
  let seen = marks.get('seen');

  const applyInMemory = ({ add = [], domains: changed = [], seen: until }: Turn): void => {
    for (const one of add) pending.set(one.id, one);
    for (const [name, tracked] of changed)
      if (tracked === 'gone') domains.delete(name);
      else domains.set(name, tracked);
    if (until !== undefined) seen = Math.max(seen ?? 0, until);
  };

  return {
    domain: (name) => domains.get(name),
    domains: () => domains,
    seen: () => seen,
    pending: () => [...pending.values()],
    write: async (turn) => {
      const changed = [...(turn.domains ?? [])];
      applyInMemory({ ...turn, domains: changed });
      await root.batch(() => {
        for (const one of turn.add ?? []) void waiting.put(one.id, one);
        for (const [name, tracked] of changed) void (tracked === 'gone' ? stored.remove(name) : stored.put(name, tracked));
        if (seen !== undefined) void marks.put('seen', seen);
      });
    },
    recorded: async (ids) => {
      for (const id of ids) pending.delete(id);
      await root.batch(() => {
        for (const id of ids) void waiting.remove(id);
      });
    },
    close: () => root.close(),
  };
};
