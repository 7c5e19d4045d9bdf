import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Database, open, type RootDatabase } from 'lmdb';
import type { WalkPosition } from '../store/index.js';

/** How a feed does. Times are RFC 3339. */
export type FeedState = 'running' | 'paused' | 'waiting' | 'stopped' | 'catching_up';

export type ReplayStatus = {
  readonly id: string;
  readonly state: 'running' | 'waiting' | 'done' | 'stopped';
  readonly sent: number;
  /** Everything recorded before this has been sent. */
  readonly through?: string;
  readonly reason?: string;
};

/** What one node knows of one forwarder. */
export type FeedStatus = {
  readonly state: FeedState;
  /** Why it waits or has stopped, as a sentence. */
  readonly reason?: string;
  readonly next_try?: string;
  /** Events accepted, refused for their content, and held back by residency, ever. */
  readonly sent: number;
  readonly refused: number;
  readonly withheld: number;
  /** Events of the stream not yet looked at, and the age of the oldest of them. */
  readonly lag: { readonly events: number; readonly seconds: number };
  readonly last_success?: string;
  readonly last_error?: { readonly at: string; readonly message: string };
  readonly replays: readonly ReplayStatus[];
  /** What the definition was when this was written (eraOf): a stop counts for that alone. */
  readonly era: string;
  readonly at: string;
};

/** How far a walk through the store has got: kept under what is walked through. */
export type Progress = { readonly key: string; readonly position: WalkPosition; readonly sent: number };

/** What forwarders keep on this node, beside their cursors on the stream. One writer: the pipeline. */
export type ForwardState = {
  readonly status: (id: string) => FeedStatus | undefined;
  /** The forwarders that anything is kept of. */
  readonly ids: () => readonly string[];
  readonly saveStatus: (id: string, status: FeedStatus) => Promise<unknown>;
  readonly progress: (name: string) => Progress | undefined;
  /** Resolves when it is on disk. */
  readonly saveProgress: (name: string, progress: Progress) => Promise<unknown>;
  readonly dropProgress: (name: string) => Promise<unknown>;
  readonly forget: (id: string) => Promise<unknown>;
  readonly close: () => Promise<void>;
};

const statusesIn = (root: RootDatabase): Database<FeedStatus, string> => root.openDB<FeedStatus, string>({ name: 'status', encoding: 'json' });

export const openForwardState = (path: string): ForwardState => {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const root = open({ path, overlappingSync: false });
  const statuses = statusesIn(root);
  const progress = root.openDB<Progress, string>({ name: 'progress', encoding: 'json' });
  return {
    status: (id) => statuses.get(id),
    ids: () => [...statuses.getKeys()],
    saveStatus: (id, status) => statuses.put(id, status),
    progress: (name) => progress.get(name),
    saveProgress: (name, made) => progress.put(name, made),
    dropProgress: (name) => progress.remove(name),
    forget: async (id) => {
      const names = [...progress.getKeys()].filter((name) => name === id || name.startsWith(`${id}/`));
      await root.batch(() => {
        void statuses.remove(id);
        for (const name of names) void progress.remove(name);
      });
    },
    close: () => root.close(),
  };
};

/** The same statuses for another process: nothing, until the pipeline has made them. */
export const readForwardState = (path: string): { readonly status: (id: string) => FeedStatus | undefined; readonly close: () => Promise<void> } => {
  let root: RootDatabase | undefined;
  let statuses: Database<FeedStatus, string> | undefined;
  return {
    status: (id) => {
      if (!statuses) {
        if (!existsSync(join(path, 'data.mdb'))) return undefined;
        root ??= open({ path, readOnly: true });
        try {
          statuses = statusesIn(root);
        } catch {
          // The pipeline is only just making it.
          return undefined;
        }
        if (!statuses) return undefined;
      }
      root?.resetReadTxn();
      return statuses.get(id);
    },
    close: async () => {
      await root?.close();
    },
  };
};
