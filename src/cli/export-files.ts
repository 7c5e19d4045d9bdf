import { randomBytes } from 'node:crypto';
import { closeSync, copyFileSync, existsSync, fsyncSync, openSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** Where an export's two files end up, and what stands beside them meanwhile. */
export type Places = {
  readonly file: string;
  readonly manifest: string;
  readonly draft: string;
  readonly manifestDraft: string;
  /** The manifest of an earlier export to the same place, kept until this one is whole. */
  readonly earlier: string;
};

export const placesOf = (file: string): Places => {
  const draft = `${file}.${randomBytes(4).toString('hex')}.partial`;
  return { file, manifest: `${file}.manifest.json`, draft, manifestDraft: `${draft}.manifest`, earlier: `${draft}.earlier` };
};

/** Why nothing can be put at one of the two places: a clause that follows "FILE can't be written: ". */
export const hindrance = ({ file, manifest }: Places): string | undefined => {
  if (file.endsWith('/')) return 'its name is that of a folder; give the name of a file in it';
  const taken = [file, manifest].find((path) => statSync(path, { throwIfNoEntry: false })?.isDirectory());
  return taken === undefined ? undefined : `${taken} is a folder; give the name of a file in it, or another`;
};

const sync = (path: string): void => {
  const handle = openSync(path, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
};

/** Takes away whatever stands beside the places. */
export const discard = ({ draft, manifestDraft, earlier }: Places): void => {
  for (const path of [draft, manifestDraft, earlier]) rmSync(path, { force: true });
};

/**
 * Puts the draft and its manifest in their places: both, or neither, and then what stood there before stands there
 * still. The manifest goes first, so that a FILE is never without one. Nothing of this process runs in between.
 */
export const settle = (places: Places, manifest: object): void => {
  writeFileSync(places.manifestDraft, `${JSON.stringify(manifest, null, 2)}\n`, { mode: 0o600 });
  sync(places.manifestDraft);
  if (existsSync(places.manifest)) copyFileSync(places.manifest, places.earlier);
  renameSync(places.manifestDraft, places.manifest);
  try {
    renameSync(places.draft, places.file);
  } catch (error) {
    if (existsSync(places.earlier)) renameSync(places.earlier, places.manifest);
    else rmSync(places.manifest);
    throw error;
  }
  sync(dirname(places.file));
};
