import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** When each API key was last used, as far as this node's processes know. Times are milliseconds since the epoch. */
export type LastUse = {
  /** Costs a map's set; written to disk later. */
  readonly touch: (callerId: string, now: number) => void;
  /** The latest use that any worker of this node has seen. */
  readonly get: (callerId: string) => number | undefined;
  readonly flush: () => Promise<void>;
  /** Flushes and ends; nothing may be touched afterwards. */
  readonly close: () => Promise<void>;
};

export type LastUseConfig = {
  /** This worker's own file. The other files of its folder are the other workers'. */
  readonly path: string;
  readonly flushMs?: number;
};
export type LastUseDeps = { readonly warn: (sentence: string) => void };

const FLUSH_MS = 10_000;
/** How long what other workers wrote is taken for current. */
const FRESH_MS = 1_000;

type Uses = ReadonlyMap<string, number>;

/** A file that is missing, cut or no use list counts as empty: nothing is decided by it. */
const readUses = (path: string): Uses => {
  try {
    const entries = Object.entries(JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>);
    return new Map(entries.filter((entry): entry is [string, number] => typeof entry[1] === 'number'));
  } catch {
    return new Map();
  }
};

const filesIn = (folder: string): readonly string[] => {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
};

const othersIn = (folder: string, own: string): Uses => {
  const merged = new Map<string, number>();
  for (const name of filesIn(folder)) {
    if (name === own || name.endsWith('.new')) continue;
    for (const [id, time] of readUses(join(folder, name))) merged.set(id, Math.max(time, merged.get(id) ?? 0));
  }
  return merged;
};

/** Keeps last uses in memory and writes them to the worker's file every ten seconds; a crash loses those seconds. */
export const lastUse = ({ path, flushMs = FLUSH_MS }: LastUseConfig, deps: LastUseDeps): LastUse => {
  const folder = dirname(path);
  const own = basename(path);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const uses = new Map(readUses(path));
  let isDirty = false;
  let isFailing = false;
  let others: Uses = new Map();
  let readAt = Number.NEGATIVE_INFINITY;
  let writing: Promise<void> = Promise.resolve();

  const write = async (): Promise<void> => {
    if (!isDirty) return;
    isDirty = false;
    try {
      await writeFile(`${path}.new`, JSON.stringify(Object.fromEntries(uses)), { mode: 0o600 });
      await rename(`${path}.new`, path);
      isFailing = false;
    } catch (error) {
      isDirty = true;
      if (!isFailing) deps.warn(`When API keys were last used can't be written to ${path}: ${(error as Error).message}.`);
      isFailing = true;
    }
  };
  const flush = (): Promise<void> => {
    writing = writing.then(write);
    return writing;
  };
  const timer = setInterval(() => void flush(), flushMs);
  timer.unref();

  return {
    touch: (id, now) => {
      uses.set(id, now);
      isDirty = true;
    },
    get: (id) => {
      if (performance.now() - readAt > FRESH_MS) {
        others = othersIn(folder, own);
        readAt = performance.now();
      }
      const times = [uses.get(id), others.get(id)].filter((time) => time !== undefined);
      return times.length === 0 ? undefined : Math.max(...times);
    },
    flush,
    close: () => {
      clearInterval(timer);
      return flush();
    },
  };
};
