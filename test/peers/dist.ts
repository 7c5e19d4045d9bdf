import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '../..');
const CACHE = join(ROOT, '.cache', 'test-dist');
const KEPT_MS = 3_600_000;

const sources = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
    .map((file) => join(folder, file))
    .sort();

/** Names the sources as they are now, so that a build is made again only when one of them has changed. */
const stateOf = (files: readonly string[]): string => {
  const hash = createHash('sha256');
  for (const file of files) {
    const { mtimeMs, size } = statSync(file);
    hash.update(`${file} ${mtimeMs} ${size}\n`);
  }
  return hash.digest('hex').slice(0, 16);
};

const dropOld = (keep: string): void => {
  for (const name of readdirSync(CACHE)) {
    const folder = join(CACHE, name);
    if (name !== keep && Date.now() - statSync(folder).mtimeMs > KEPT_MS) rmSync(folder, { recursive: true, force: true });
  }
};

/**
 * The compiled sources, for tests that start real processes: built once for each state of the sources, also when
 * several test files ask at the same time. Type errors don't stop it (the type check is a test of its own).
 */
export const distFolder = (): string => {
  const state = stateOf(sources(join(ROOT, 'src')));
  const folder = join(CACHE, state);
  if (existsSync(folder)) return folder;
  mkdirSync(CACHE, { recursive: true });
  const temporary = `${folder}.${process.pid}`;
  spawnSync(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', join(ROOT, 'tsconfig.json'), '--outDir', temporary], { stdio: 'ignore' });
  if (!existsSync(temporary)) throw new Error(`The sources could not be compiled to ${temporary}.`);
  try {
    renameSync(temporary, folder);
  } catch {
    rmSync(temporary, { recursive: true, force: true });
  }
  dropOld(state);
  return folder;
};
