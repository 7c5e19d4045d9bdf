import { closeSync, existsSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { newUlid } from '../event/index.js';

export type FolderLock = {
  /** Where a file of the locked folder lies, even if the folder is moved and another takes its place. */
  readonly within: (name: string) => string;
  readonly release: () => void;
};

export type Locked =
  | { readonly outcome: 'held'; readonly lock: FolderLock }
  /** `holder` is the process id as the holder counts it itself: in another container it is another's number. */
  | { readonly outcome: 'in use'; readonly holder: string }
  | { readonly outcome: 'unsupported'; readonly reason: string };

/** What another start on the folder answers. `unclear`: it ended while it was asked. */
type Answer = { readonly state: 'holds' | 'looks' | 'gone' | 'unclear'; readonly pid: string };

const LOCK = /^\.lock-[0-9A-Z]{26}$/;
const ANSWER_MS = 1_000;
const AGAIN_MS = 20;
const TRIES = 250;
const GONE: readonly unknown[] = ['ECONNREFUSED', 'ENOENT'];
const ENDED: readonly unknown[] = ['ECONNRESET', 'EPIPE'];
const FORBIDDEN: readonly unknown[] = ['EACCES', 'EROFS', 'ENOSPC'];
const unknownPid = 'unknown';

/** One that is there and doesn't answer in time, as a stopped process, counts as the holder. */
const ask = (socket: string): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const connection = connect(socket).setEncoding('utf8');
    let said = '';
    const done = (answer: Answer): void => {
      connection.destroy();
      resolve(answer);
    };
    connection.setTimeout(ANSWER_MS, () => done({ state: 'holds', pid: unknownPid }));
    connection.on('data', (text: string) => {
      said += text;
    });
    connection.on('end', () => {
      const [state, pid = unknownPid] = said.split(' ');
      done({ state: state === 'holds' || state === 'looks' ? state : 'unclear', pid });
    });
    connection.on('error', ({ code }: NodeJS.ErrnoException) => {
      if (GONE.includes(code)) done({ state: 'gone', pid: unknownPid });
      else if (ENDED.includes(code)) done({ state: 'unclear', pid: unknownPid });
      else if (FORBIDDEN.includes(code)) reject(Object.assign(new Error(`${code} at ${socket}`), { code }));
      else done({ state: 'holds', pid: unknownPid });
    });
  });

/** Waits until no other is there. Resolves with the process id of one that has the folder, or comes first. */
const outlast = async (inside: string, own: string): Promise<string | undefined> => {
  let last = unknownPid;
  for (let attempt = 0; attempt < TRIES; attempt++) {
    let isAlone = true;
    for (const name of readdirSync(inside).filter((one) => LOCK.test(one) && one !== own)) {
      const { state, pid } = await ask(join(inside, name));
      if (state === 'holds' || (state === 'looks' && name < own)) return pid;
      if (state === 'gone') rmSync(join(inside, name), { force: true });
      else isAlone = false;
      last = pid;
    }
    if (isAlone) return undefined;
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
  return last;
};

/**
 * Takes a folder for this process alone, on this machine: over process namespaces too, as containers on one volume
 * have them. The lock is a Unix socket in the folder on which its holder listens, so the kernel drops it with the
 * holder's death; one that nobody listens on, as in a copied folder, counts for nothing.
 *
 * Each start listens under a name of its own before it looks for others: of two at once, one at least sees the other,
 * and the earlier name wins. Names are never used twice, so to remove a dead one can hit no living one.
 * Rejects where the folder can't be written.
 */
export const lockFolder = async (path: string): Promise<Locked> => {
  const folder = openSync(path, 'r');
  // A socket's path is cut after 107 bytes; this one is short wherever the folder lies.
  const short = `/proc/self/fd/${folder}`;
  const inside = existsSync(short) ? short : path;
  const name = `.lock-${newUlid()}`;
  let state: Answer['state'] = 'looks';
  const server = createServer((connection) => connection.on('error', () => undefined).end(`${state} ${process.pid}`)).unref();
  const release = (): void => {
    rmSync(join(inside, name), { force: true });
    server.close();
    closeSync(folder);
  };
  try {
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(join(inside, `${name}.new`), resolve));
    server.on('error', () => undefined);
    // Under its real name nobody finds it before it listens, and takes it for a dead one.
    renameSync(join(inside, `${name}.new`), join(inside, name));
    const holder = await outlast(inside, name);
    if (holder === undefined) {
      state = 'holds';
      return { outcome: 'held', lock: { within: (file) => join(inside, file), release } };
    }
    release();
    return { outcome: 'in use', holder };
  } catch (error) {
    release();
    const { code, syscall } = error as NodeJS.ErrnoException;
    if (syscall !== 'listen' || FORBIDDEN.includes(code)) throw error;
    return { outcome: 'unsupported', reason: String(code) };
  }
};
