import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { EventDraft } from '../event/index.js';
import type { Highest } from './admit.js';

/** What this node remembers of its policy across restarts. */
export type PolicyState = {
  readonly version: 1;
  /** The bundle in force, where it came from, and the server's name for it. */
  readonly active?: { readonly origin: string; readonly revision: string; readonly digest: string; readonly etag: string; readonly sequence?: number };
  readonly highest?: Highest;
  /** The content that was refused last, so that it is told once. */
  readonly refused?: string;
  /** Events that are not known to be recorded yet. */
  readonly unrecorded: readonly EventDraft[];
};

export type Kept = {
  readonly state: () => PolicyState;
  /** Resolves nothing and leaves nothing half done: it is on disk when this returns. Throws where the disk refuses. */
  readonly save: (state: PolicyState) => void;
  /** Keeps a bundle's bytes under their digest; call it before a state that names them. */
  readonly keep: (digest: string, bytes: Uint8Array) => void;
  /** The last good bundle's bytes; undefined where there are none. */
  readonly bundle: () => Buffer | undefined;
};

const DIGEST = /^[0-9a-f]{64}$/;

const syncFolder = (path: string): void => {
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
};

/** Writes a file that is there whole, or not at all, whatever happens. */
const writeWhole = (folder: string, name: string, content: Uint8Array): void => {
  const draft = join(folder, `${name}.new`);
  const file = openSync(draft, 'w', 0o600);
  try {
    for (let at = 0; at < content.length; ) at += writeSync(file, content, at);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(draft, join(folder, name));
  syncFolder(folder);
};

const readState = (file: string): PolicyState => {
  if (!existsSync(file)) return { version: 1, unrecorded: [] };
  try {
    const state = JSON.parse(readFileSync(file, 'utf8')) as PolicyState;
    if (state.version === 1 && Array.isArray(state.unrecorded)) return state;
  } catch {
    // Said below.
  }
  throw new Error(
    `${file} is damaged: it says which policy bundle was the newest, so that an old one can't be put back. Restore it from a backup, or move it away to begin anew.`,
  );
};

const nameOf = (digest: string): string => `bundle-${digest}.tar.gz`;

/** Opens what is kept in `folder`. Throws an Error, in one sentence, where it is damaged or can't be written. */
export const openKept = (folder: string): Kept => {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, 'state.json');
  let state = readState(file);

  const dropOthers = (): void => {
    const own = state.active && nameOf(state.active.digest);
    for (const name of readdirSync(folder)) if (/^bundle-.*\.tar\.gz(\.new)?$/.test(name) && name !== own) rmSync(join(folder, name), { force: true });
  };

  return {
    state: () => state,
    save: (next) => {
      const before = state.active?.digest;
      writeWhole(folder, 'state.json', Buffer.from(`${JSON.stringify(next)}\n`));
      state = next;
      if (before !== state.active?.digest) dropOthers();
    },
    keep: (digest, bytes) => writeWhole(folder, nameOf(digest), bytes),
    bundle: () => {
      const digest = state.active?.digest;
      if (!digest || !DIGEST.test(digest)) return undefined;
      const path = join(folder, nameOf(digest));
      return existsSync(path) ? readFileSync(path) : undefined;
    },
  };
};
