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
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { newUlid } from '../event/index.js';

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
  readonly usage: string;
  readonly policy: string;
  readonly store: string;
  /** Notes the family's processes, so that a start after a crash can end what is left of them. */
  readonly noteProcesses: (pids: readonly number[]) => void;
  readonly unlock: () => void;
};

/** Where things lie in a data folder. */
export const layout = (path: string) => ({
  journal: (slot: string) => join(path, 'journal', slot),
  directory: join(path, 'directory'),
  ingest: join(path, 'ingest'),
  quarantine: join(path, 'quarantine'),
  usage: join(path, 'usage'),
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

type ProcessMark = { readonly pid: number; readonly started: string };

/** When a process started, as the kernel counts it: tells a living process from a later one with the same id. Empty if there is none. */
const startedAt = (pid: number): string => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    try {
      process.kill(pid, 0);
      return existsSync('/proc/self/stat') ? '' : 'unknown';
    } catch {
      return '';
    }
  }
};

const markOf = (pid: number): ProcessMark => ({ pid, started: startedAt(pid) });
const isAlive = (mark: ProcessMark): boolean => mark.started !== '' && startedAt(mark.pid) === mark.started;

/** Less than this, in bytes, and nothing could be kept for long; memory-mapped files even end a process on a full disk. */
const LEAST_SPACE = 64 * 1024 * 1024;

const checkSpace = (path: string): void => {
  const { bavail, bsize } = statfsSync(path);
  if (bavail * bsize < LEAST_SPACE)
    throw new StartError(
      `The data folder ${path} can't be used: its disk is full (${Math.floor((bavail * bsize) / 1024)} KiB free, at least ${LEAST_SPACE / 1024 / 1024} MiB are needed). Free space there, or set VERDICT_DATA_DIR to another disk.`,
    );
};

const readMarks = (path: string): readonly ProcessMark[] => {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as ProcessMark[];
  } catch {
    return [];
  }
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

/**
 * Makes or opens the data folder and takes it for this process family alone. What an earlier family left running
 * after a crash is ended by its process ids. Throws {@link StartError}.
 */
export const openDataFolder = async (path: string): Promise<DataFolder> => {
  const lock = join(path, 'processes.json');
  const nodeFile = join(path, 'node.json');
  let node: string;
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    const known = readNode(nodeFile);
    if (known && known.version > VERSION)
      throw new StartError(
        `The data folder ${path} was written by a newer version of Verdict (layout ${known.version}, this one knows ${VERSION}). Start that version, or restore a backup made by this one.`,
      );
    checkSpace(path);
    await alone(path, async () => {
      await takeOver(path, lock);
      writeDurably(lock, JSON.stringify([markOf(process.pid)]));
    });
    node = known?.node ?? newUlid();
    if (!known) writeDurably(nodeFile, `${JSON.stringify({ version: VERSION, node })}\n`);
  } catch (error) {
    throw error instanceof StartError ? error : explain(path, error);
  }
  return {
    path,
    node,
    ...layout(path),
    noteProcesses: (pids) => writeDurably(lock, JSON.stringify([process.pid, ...pids].map(markOf))),
    unlock: () => rmSync(lock, { force: true }),
  };
};

/** Lets one starting process at a time look who has the folder: of two at once, the second sees the first. */
const alone = async (path: string, look: () => Promise<void>): Promise<void> => {
  const gate = join(path, 'starting.json');
  for (;;)
    try {
      writeFileSync(gate, JSON.stringify([markOf(process.pid)]), { flag: 'wx', mode: 0o600 });
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      const [holder] = readMarks(gate);
      if (holder && isAlive(holder))
        throw new StartError(`The data folder ${path} is in use by another Verdict that is just starting (process ${holder.pid}).`);
      rmSync(gate, { force: true });
    }
  try {
    await look();
  } finally {
    rmSync(gate, { force: true });
  }
};

const ORPHANS_MS = 5_000;

/** The first mark is the supervisor: if it lives, the folder is in use; if not, its children are orphans to be ended. */
const takeOver = async (path: string, lock: string): Promise<void> => {
  const [supervisor, ...children] = readMarks(lock);
  if (supervisor && supervisor.pid !== process.pid && isAlive(supervisor))
    throw new StartError(
      `The data folder ${path} is in use by another Verdict (process ${supervisor.pid}). Stop that one, or set VERDICT_DATA_DIR to another folder.`,
    );
  for (const child of children) if (isAlive(child)) process.kill(child.pid, 'SIGKILL');
  const until = Date.now() + ORPHANS_MS;
  while (children.some(isAlive) && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 20));
};
