import { existsSync, readFileSync, readlinkSync, statSync } from 'node:fs';

/** A process of the family, and the folder that it works on (device, inode and process namespace): a copied folder's marks mean nothing. */
export type ProcessMark = { readonly pid: number; readonly started: string; readonly folder: string };

/** When a process started, as the kernel counts it: tells a living process from a later one with the same id. Empty if there is none. */
const startedAt = (pid: number): string => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // One that ended and that its parent never asked for (Z) holds nothing any more.
    return fields[0] === 'Z' ? '' : (fields[19] ?? '');
  } catch {
    try {
      process.kill(pid, 0);
      return existsSync('/proc/self/stat') ? '' : 'unknown';
    } catch {
      return '';
    }
  }
};

const processNamespace = (): string => {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return '';
  }
};

const folderMark = (folder: string): string => {
  const { dev, ino } = statSync(folder, { bigint: true });
  return `${dev}:${ino} ${processNamespace()}`;
};

/** The marks of these processes as those that work on this folder. */
export const marksOf = (folder: string, pids: readonly number[]): readonly ProcessMark[] => {
  const mark = folderMark(folder);
  return pids.map((pid) => ({ pid, started: startedAt(pid), folder: mark }));
};

const readMarks = (file: string): readonly ProcessMark[] => {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as ProcessMark[];
  } catch {
    return [];
  }
};

const ORPHANS_MS = 5_000;

/**
 * Ends what an earlier family left running on this folder, by the marks in `file`. Its supervisor is dead, as the
 * caller has the folder's lock, and its children end by themselves when they notice: in another namespace only so.
 */
export const endOrphans = async (folder: string, file: string): Promise<void> => {
  const mark = folderMark(folder);
  const isAlive = ({ pid, started }: ProcessMark): boolean => started !== '' && startedAt(pid) === started;
  const orphans = readMarks(file).filter((one) => one.folder === mark && one.pid !== process.pid && isAlive(one));
  for (const { pid } of orphans) process.kill(pid, 'SIGKILL');
  const until = Date.now() + ORPHANS_MS;
  while (orphans.some(isAlive) && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 20));
};
