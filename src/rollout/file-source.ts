import { type FSWatcher, watch } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { PolicyError } from '../evaluate/index.js';
import type { BundleSource, FollowDeps, Following, Offer } from './source.js';

export type FileSourceConfig = { readonly path: string; readonly poll_seconds: number; readonly max_bytes: number };

/** A file counts as written when it stayed the same for so long. */
const SETTLE_MS = 300;

/** What tells one state of the file from another, without reading it. Rejects where it can't be seen. */
const stateOf = async (path: string): Promise<string> => {
  const { ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
  return [ino, size, mtimeNs, ctimeNs].join(' ');
};

const readBundleFile = async ({ path, max_bytes: most }: FileSourceConfig): Promise<Offer> => {
  try {
    const { size } = await stat(path);
    if (size <= most) return { bytes: await readFile(path), etag: '' };
  } catch (error) {
    throw new PolicyError(`The policy bundle ${path} can't be read: ${(error as Error).message}.`);
  }
  throw new PolicyError(`The policy bundle ${path} has more than ${most} bytes (policy.max_bytes).`);
};

/** Watches the folder, not the file: one that is renamed into its place is another file. Where that fails, polling is enough. */
const watchFolder = (path: string, changed: () => void): FSWatcher | undefined => {
  try {
    const watcher = watch(dirname(path), { persistent: false }, changed);
    watcher.on('error', () => watcher.close());
    return watcher;
  } catch {
    return undefined;
  }
};

const following = (config: FileSourceConfig, { offer, seen, trouble }: FollowDeps): Following => {
  let taken = '';
  let last = '';
  let isGood = true;
  let soon: NodeJS.Timeout | undefined;
  let isStopped = false;
  let looking = Promise.resolve();

  const take = async (state: string): Promise<void> => {
    try {
      const found = await readBundleFile(config);
      // Written to while it was read: the next look tells.
      if ((await stateOf(config.path).catch(() => '')) !== state) return lookSoon();
      if (!isStopped) await offer(found);
      isGood = true;
    } catch (error) {
      isGood = false;
      trouble((error as Error).message);
    }
    taken = state;
  };
  const look = async (): Promise<void> => {
    const state = await stateOf(config.path).catch((error: Error) => error.message);
    if (isStopped) return;
    const isSettled = state === last;
    last = state;
    if (state === taken) return isGood ? seen() : undefined;
    if (isSettled) await take(state);
    else lookSoon();
  };
  const lookSoon = (): void => {
    if (isStopped) return;
    soon ??= setTimeout(() => {
      soon = undefined;
      looking = looking.then(look);
    }, SETTLE_MS);
  };

  const watcher = watchFolder(config.path, lookSoon);
  const poll = setInterval(lookSoon, config.poll_seconds * 1000);
  lookSoon();
  return {
    look: () => {
      taken = '';
      lookSoon();
    },
    stop: () => {
      isStopped = true;
      watcher?.close();
      clearInterval(poll);
      clearTimeout(soon);
    },
  };
};

/** The bundle in a file, whoever puts it there: written in place, or renamed into it (Kubernetes' ConfigMaps included). */
export const fileSource = (config: FileSourceConfig): BundleSource => ({
  origin: config.path,
  read: () => readBundleFile(config),
  follow: (_etag, deps) => following(config, deps),
});
