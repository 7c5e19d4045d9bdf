import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { newUlid } from '../event/index.js';
import { type FolderLock, lockFolder } from './folder-lock.js';
import { endOrphans, marksOf } from './process-marks.js';

/** Something that keeps a node from starting. The message is one sentence for the operator. */
export class StartError extends Error {
  override readonly name = 'StartError';
}

/** The layout of the data folder; one with a higher number is a newer Verdict's. */
const VERSION = 1;

export type DataFolder = {
  readonly path: string;
  /** This node's name for life. */
  readonly node: string;
  readonly journal: (slot: string) => string;
  readonly directory: string;
  readonly ingest: string;
  readonly quarantine: string;
  readonly forward: string;
  readonly usage: string;
  readonly exports: string;
  readonly policy: string;
  readonly store: string;
  /** Notes the family's processes, so that a start after a crash can end what is left of them. */
  readonly noteProcesses: (pids: readonly number[]) => void;
  /** Gives the folder back: removes this family's own lock and marks. */
  readonly unlock: () => void;
};

/** Where things lie in a data folder. */
export const layout = (path: string) => ({
  journal: (slot: string) => join(path, 'journal', slot),
  directory: join(path, 'directory'),
  ingest: join(path, 'ingest'),
  quarantine: join(path, 'quarantine'),
  forward: join(path, 'forward'),
  usage: join(path, 'usage'),
  exports: join(path, 'exports'),
  policy: join(path, 'policy'),
  store: join(path, 'store'),
});

/** The slots that have a journal in this data folder, and those that are about to. */
export const journalSlots = (path: string, wanted: readonly string[]): readonly string[] => {
  const folder = join(path, 'journal');
  const present = existsSync(folder) ? readdirSync(folder) : [];
  return [...new Set([...wanted, ...present])].sort();
};

const writeDurably = (path: string, text: string): void => {
  const draft = `${path}.new`;
  const file = openSync(draft, 'w', 0o600);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(draft, path);
};

/** Less than this, in bytes, and nothing could be kept for long; memory-mapped files even end a process on a full disk. */
const LEAST_SPACE = 64 * 1024 * 1024;

const checkSpace = (path: string): void => {
  const { bavail, bsize } = statfsSync(path);
  if (bavail * bsize < LEAST_SPACE)
    throw new StartError(
      `The data folder ${path} can't be used: its disk is full (${Math.floor((bavail * bsize) / 1024)} KiB free, at least ${LEAST_SPACE / 1024 / 1024} MiB are needed). Free space there, or set VERDICT_DATA_DIR to another disk.`,
    );
};

/** Node answers ENOENT where a folder can't be made in a read-only file system: its parent says more. */
const codeOf = (path: string, error: NodeJS.ErrnoException): string | undefined => {
  if (error.code !== 'ENOENT') return error.code;
  try {
    accessSync(dirname(path), constants.W_OK);
    return error.code;
  } catch (denied) {
    return (denied as NodeJS.ErrnoException).code;
  }
};

const explain = (path: string, error: unknown): StartError => {
  const { message } = error as NodeJS.ErrnoException;
  const code = codeOf(path, error as NodeJS.ErrnoException);
  const why =
    code === 'EROFS' || code === 'EACCES' || code === 'EPERM'
      ? 'it is not writable by this user'
      : code === 'ENOSPC'
        ? 'its disk is full'
        : code === 'ENOTDIR' || code === 'EEXIST'
          ? 'a file stands in its place'
          : message;
  return new StartError(`The data folder ${path} can't be used: ${why}. Set VERDICT_DATA_DIR to a folder that this user may write, or free space there.`);
};

const readNode = (file: string): { readonly version: number; readonly node: string } | undefined => {
  if (!existsSync(file)) return undefined;
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as { version: number; node: string };
  } catch {
    throw new StartError(`${file} is damaged: it names this node and must be JSON. Restore it from a backup.`);
  }
};

/** The name of the node that the folder belongs to, if it has one already and can be used. */
const nodeOf = (path: string): string | undefined => {
  const known = readNode(join(path, 'node.json'));
  if (known && known.version > VERSION)
    throw new StartError(
      `The data folder ${path} was written by a newer version of Verdict (layout ${known.version}, this one knows ${VERSION}). Start that version, or restore a backup made by this one.`,
    );
  checkSpace(path);
  return known?.node;
};

const locked = async (path: string): Promise<FolderLock> => {
  const taken = await lockFolder(path);
  switch (taken.outcome) {
    case 'held':
      return taken.lock;
    case 'in use':
      throw new StartError(
        `The data folder ${path} is in use by another Verdict (process ${taken.holder}, as it is counted where that one runs: here or in a container). Stop that one, or set VERDICT_DATA_DIR to another folder.`,
      );
    case 'unsupported':
      throw new StartError(
        `The data folder ${path} can't be used: its file system holds no Unix sockets (${taken.reason}), by which Verdict knows that no other uses the folder. Set VERDICT_DATA_DIR to a folder on a local disk.`,
      );
  }
};

const PROCESSES = 'processes.json';

/**
 * Makes or opens the data folder and takes it for this process family alone. What an earlier family left running
 * after a crash is ended by its process ids. Throws {@link StartError}.
 */
export const openDataFolder = async (path: string): Promise<DataFolder> => {
  let lock: FolderLock | undefined;
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    const held = await locked(path);
    lock = held;
    const known = nodeOf(path);
    const note = (pids: readonly number[]): void => writeDurably(held.within(PROCESSES), JSON.stringify(marksOf(held.within('.'), pids)));
    await endOrphans(held.within('.'), held.within(PROCESSES));
    note([process.pid]);
    const node = known ?? newUlid();
    if (!known) writeDurably(join(path, 'node.json'), `${JSON.stringify({ version: VERSION, node })}\n`);
    return {
      path,
      node,
      ...layout(path),
      noteProcesses: (pids) => note([process.pid, ...pids]),
      unlock: () => {
        rmSync(held.within(PROCESSES), { force: true });
        held.release();
      },
    };
  } catch (error) {
    lock?.release();
    throw error instanceof StartError ? error : explain(path, error);
  }
};
