import { createHash } from 'node:crypto';
import {
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { newUlid } from '../../event/index.js';
import { type ExportJob, hasEnded, type JobManifest, type JobState, NOTHING_YET } from './job.js';

const ID = /^exp-[0-9A-HJKMNP-TV-Z]{26}$/;
const LOCK = 'busy-';
/** A folder without its job after so long is what a crash left of one that nobody was told of. */
const HALF_MADE_MS = 60_000;

const writeDurably = (path: string, value: unknown): void => {
  const draft = `${path}.new`;
  const file = openSync(draft, 'w', 0o600);
  try {
    writeSync(file, JSON.stringify(value));
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(draft, path);
};

const readOr = <T>(path: string, fallback: T): T => {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as T;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return fallback;
    throw error;
  }
};

/**
 * The exports of this node: a folder each, with what was asked (`job.json`), how far it is (`state.json`), the parts and
 * the manifest. Decision workers take jobs and serve their files; the pipeline alone runs and removes them.
 */
export const jobFolder = (path: string) => {
  const at = (id: string, name: string): string => join(path, id, name);
  const lockOf = (account: string | undefined): string =>
    join(
      path,
      `${LOCK}${createHash('sha256')
        .update(account ?? '')
        .digest('hex')
        .slice(0, 32)}`,
    );
  const names = (): readonly string[] => (existsSync(path) ? readdirSync(path) : []);
  const job = (id: string): ExportJob | undefined => (ID.test(id) ? readOr<ExportJob | undefined>(at(id, 'job.json'), undefined) : undefined);
  const state = (id: string): JobState => readOr(at(id, 'state.json'), NOTHING_YET);
  const remove = (id: string): void => rmSync(join(path, id), { recursive: true, force: true });

  /** Takes the account's one place; the id of the job that has it, where it is taken. */
  const lock = (account: string | undefined, id: string): string | undefined => {
    try {
      const file = openSync(lockOf(account), 'wx', 0o600);
      writeSync(file, id);
      closeSync(file);
      return undefined;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      return readFileSync(lockOf(account), 'utf8');
    }
  };
  const unlock = (account: string | undefined): void => rmSync(lockOf(account), { force: true });

  return {
    path,
    part: (id: string, name: string): string => at(id, name),
    job,
    state,
    manifest: (id: string): JobManifest | undefined => readOr<JobManifest | undefined>(at(id, 'manifest.json'), undefined),
    /** Ids of all jobs, oldest first. */
    ids: (): readonly string[] =>
      names()
        .filter((name) => ID.test(name) && existsSync(at(name, 'job.json')))
        .sort(),
    /** Takes a job: resolves when it is on disk, after `record`. Where its account has one that hasn't ended, that one's id is the answer. */
    take: async (wish: ExportJob, record: () => Promise<unknown>): Promise<{ readonly busy?: string }> => {
      mkdirSync(path, { recursive: true, mode: 0o700 });
      const busy = lock(wish.account, wish.id);
      if (busy !== undefined) return { busy };
      try {
        mkdirSync(join(path, wish.id), { mode: 0o700 });
        await record();
        writeDurably(at(wish.id, 'job.json'), wish);
      } catch (error) {
        remove(wish.id);
        unlock(wish.account);
        throw error;
      }
      return {};
    },
    /** One that has ended gives its account's place free. */
    setState: (id: string, now: JobState): void => {
      writeDurably(at(id, 'state.json'), now);
      if (hasEnded(now)) unlock(job(id)?.account);
    },
    setManifest: (id: string, manifest: JobManifest): void => writeDurably(at(id, 'manifest.json'), manifest),
    /** Takes in an export that was made elsewhere, its parts moved here; its id. */
    adopt: (made: ExportJob, manifest: JobManifest, ended: JobState, pathOf: (name: string) => string): string => {
      const id = `exp-${newUlid()}`;
      mkdirSync(join(path, id), { recursive: true, mode: 0o700 });
      for (const { name } of ended.parts) copyFileSync(pathOf(name), at(id, name));
      writeDurably(at(id, 'manifest.json'), { ...manifest, id });
      writeDurably(at(id, 'state.json'), ended);
      writeDurably(at(id, 'job.json'), { ...made, id });
      return id;
    },
    /** Asks the pipeline to end a job and remove it. */
    dismiss: (id: string): void => writeDurably(at(id, 'dismissed.json'), {}),
    isDismissed: (id: string): boolean => existsSync(at(id, 'dismissed.json')),
    clearParts: (id: string): void => {
      for (const name of readdirSync(join(path, id))) if (/-\d{4}\./.test(name)) rmSync(at(id, name), { force: true });
    },
    remove,
    /** Removes what belongs to no job that goes on: places taken for ended jobs, and halves of jobs. */
    tidy: (now: number): void => {
      for (const name of names()) {
        if (ID.test(name) && !existsSync(at(name, 'job.json')) && now - statSync(join(path, name)).mtimeMs > HALF_MADE_MS) remove(name);
        if (!name.startsWith(LOCK)) continue;
        const holder = readFileSync(join(path, name), 'utf8');
        const isGone = ID.test(holder) && !existsSync(join(path, holder));
        if (isGone || (job(holder) && hasEnded(state(holder)))) rmSync(join(path, name), { force: true });
      }
    },
  };
};

export type JobFolder = ReturnType<typeof jobFolder>;
