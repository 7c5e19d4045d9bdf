import { constants, copyFileSync, linkSync, lstatSync, mkdirSync, readdirSync, readlinkSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { EXIT, Failure } from './failure.js';

/** A part of a MergeTree table, by its name: partition, first and last block, level, and mutation. Never changed once it has that name. */
const PART = /^\S+_\d+_\d+_\d+(_\d+)?$/;

/** What ClickHouse makes and removes while it works, and what says that it runs. */
const PASSING = /^(tmp|shadow|detached|status|.*\.tmp|(delete_)?tmp[_-].*|delete_.*|.*\.lock)$/;

const MOST_TRIES = 200;

/** What stands in a store at one moment: parts by name, other files by what identifies their content. */
type Listing = ReadonlyMap<string, string>;

const isGone = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT';

const listInto = (listing: Map<string, string>, root: string, folder: string): void => {
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    if (PASSING.test(entry.name)) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory() && PART.test(entry.name)) listing.set(path, 'part');
    else if (entry.isDirectory()) {
      listing.set(path, 'folder');
      listInto(listing, root, path);
    } else if (entry.isSymbolicLink()) listing.set(path, 'link');
    else {
      const { ino, size, mtimeMs } = lstatSync(join(root, path));
      listing.set(path, `${ino} ${size} ${mtimeMs}`);
    }
  }
};

const list = (root: string): Listing | undefined => {
  const listing = new Map<string, string>();
  try {
    listInto(listing, root, '');
    return listing;
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
};

const linkFile = (from: string, to: string): void => {
  try {
    linkSync(from, to);
  } catch (error) {
    if (isGone(error)) throw error;
    // A file system without hard links: the bytes are copied.
    copyFileSync(from, to, constants.COPYFILE_EXCL);
  }
};

const linkTree = (from: string, to: string): void => {
  mkdirSync(to, { recursive: true, mode: 0o700 });
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    if (entry.isDirectory()) linkTree(join(from, entry.name), join(to, entry.name));
    else linkFile(join(from, entry.name), join(to, entry.name));
  }
};

/** Puts one thing into the snapshot; false if it went away meanwhile. */
const take = (root: string, target: string, path: string, kind: string): boolean => {
  const from = join(root, path);
  const to = join(target, path);
  try {
    mkdirSync(dirname(to), { recursive: true, mode: 0o700 });
    if (kind === 'folder') mkdirSync(to, { recursive: true, mode: 0o700 });
    else if (kind === 'part') linkTree(from, to);
    else if (kind === 'link') symlinkSync(readlinkSync(from), to);
    else linkFile(from, to);
    return true;
  } catch (error) {
    rmSync(to, { recursive: true, force: true });
    if (isGone(error)) return false;
    throw error;
  }
};

const isSame = (one: Listing, other: Listing): boolean => one.size === other.size && [...one].every(([path, mark]) => other.get(path) === mark);

/**
 * Makes `target` the state of the embedded store in `root` at one moment, with hard links, whether the store runs or not.
 *
 * Parts never change once they have their name, and appear and go as a whole by a rename; so if the same things stand
 * there before and after all of them were linked, they all stood there together. Until then, what changed is taken again.
 */
export const snapshotStore = (root: string, target: string): void => {
  mkdirSync(target, { recursive: true, mode: 0o700 });
  const taken = new Map<string, string>();
  for (let tries = 0; tries < MOST_TRIES; tries += 1) {
    const before = list(root);
    if (!before) continue;
    for (const [path, mark] of taken)
      if (before.get(path) !== mark) {
        rmSync(join(target, path), { recursive: true, force: true });
        taken.delete(path);
      }
    for (const [path, mark] of before) if (!taken.has(path) && take(root, target, path, mark)) taken.set(path, mark);
    const after = list(root);
    if (after && isSame(after, taken)) return;
  }
  throw new Failure(EXIT.failed, `The store in ${root} changes too fast for a snapshot; run the backup again at a quieter time, or with the node stopped.`);
};
