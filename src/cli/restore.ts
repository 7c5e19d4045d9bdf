import { createHash } from 'node:crypto';
import {
  closeSync,
  createReadStream,
  createWriteStream,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { type Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { extract as createExtract, type Header } from 'tar-stream';
import { BACKUP_FORMAT, type BackupEntry, type BackupManifest, CONTENT, MANIFEST } from './backup.js';
import { EXIT, Failure } from './failure.js';
import { remark } from './output.js';

const PROGRESS_MS = 2_000;
/** Where a restore works inside the data folder until it is whole: the folder itself may be a mount that can't be renamed. */
const DRAFT = '.restoring';

const damaged = (file: string, why: string): Failure => new Failure(EXIT.check, `${file} can't be restored: ${why}. Nothing was restored.`);

/** The path under the data folder that an entry of the archive names; refuses one that would lead out of it. */
const inside = (file: string, name: string): string => {
  const path = normalize(name.slice(CONTENT.length)).replace(/\/$/, '');
  if (!name.startsWith(CONTENT) || path === '' || path.startsWith('/') || path.split('/').includes('..'))
    throw damaged(file, `its entry "${name}" would lie outside of the data folder`);
  return path;
};

const isOutside = (path: string, target: string): boolean => target.startsWith('/') || relative('/root', join('/root', dirname(path), target)).startsWith('..');

type Extracted = { readonly entries: Map<string, BackupEntry>; manifest: BackupManifest | undefined };

const readText = async (stream: Readable): Promise<string> => {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part as Buffer);
  return Buffer.concat(parts).toString('utf8');
};

const writeEntry = async (stream: Readable, to: string, path: string): Promise<BackupEntry> => {
  const hash = createHash('sha256');
  let bytes = 0;
  const counting = new Transform({
    transform: (part: Buffer, _encoding, done) => {
      hash.update(part);
      bytes += part.length;
      done(null, part);
    },
  });
  mkdirSync(dirname(to), { recursive: true, mode: 0o700 });
  await pipeline(stream, counting, createWriteStream(to, { flags: 'wx', mode: 0o600 }));
  return { path, bytes, sha256: hash.digest('hex') };
};

const takeEntry = async (file: string, draft: string, header: Header, stream: Readable, extracted: Extracted): Promise<void> => {
  if (header.name === MANIFEST) {
    extracted.manifest = JSON.parse(await readText(stream)) as BackupManifest;
    return;
  }
  const path = inside(file, header.name);
  const to = join(draft, path);
  if (header.type === 'file') extracted.entries.set(path, await writeEntry(stream, to, path));
  else if (header.type === 'directory') mkdirSync(to, { recursive: true, mode: 0o700 });
  else if (header.type === 'symlink' && header.linkname && !isOutside(path, header.linkname)) symlinkSync(header.linkname, to);
  else throw damaged(file, `its entry "${header.name}" is neither a file nor a folder, nor a link inside the data folder`);
  stream.resume();
};

const isGzip = (file: string): boolean => {
  const handle = openSync(file, 'r');
  try {
    const start = Buffer.alloc(2);
    readSync(handle, start, 0, 2, 0);
    return start[0] === 0x1f && start[1] === 0x8b;
  } finally {
    closeSync(handle);
  }
};

const extractTo = async (file: string, draft: string): Promise<Extracted> => {
  const extracted: Extracted = { entries: new Map(), manifest: undefined };
  const progress = setInterval(() => remark(`Restoring: ${extracted.entries.size} files so far.`), PROGRESS_MS);
  const archive = createExtract();
  const source = createReadStream(file);
  const fed = isGzip(file) ? pipeline(source, createGunzip(), archive) : pipeline(source, archive);
  fed.catch(() => undefined);
  try {
    for await (const entry of archive) await takeEntry(file, draft, entry.header, entry as unknown as Readable, extracted);
    await fed;
  } catch (error) {
    if (error instanceof Failure) throw error;
    if ((error as NodeJS.ErrnoException).syscall !== undefined)
      throw new Failure(EXIT.failed, `The backup could not be restored: ${(error as Error).message}.`);
    throw damaged(file, `it is no whole archive (${(error as Error).message})`);
  } finally {
    clearInterval(progress);
    source.destroy();
  }
  return extracted;
};

const verify = (file: string, { entries, manifest }: Extracted): BackupManifest => {
  if (!manifest) throw damaged(file, `it ends without ${MANIFEST}: it was cut off, or is no backup of Verdict`);
  if (manifest.format > BACKUP_FORMAT) throw damaged(file, `it was made by a newer version of Verdict (${manifest.verdict})`);
  if (entries.size !== manifest.files.length) throw damaged(file, `it has ${entries.size} files where ${manifest.files.length} must be`);
  for (const wanted of manifest.files) {
    const found = entries.get(wanted.path);
    if (!found || found.bytes !== wanted.bytes || found.sha256 !== wanted.sha256) throw damaged(file, `${wanted.path} in it is not what was backed up`);
  }
  return manifest;
};

const requireEmpty = (folder: string): void => {
  if (!existsSync(folder)) return;
  const there = readdirSync(folder).filter((name) => name !== DRAFT && name !== 'lost+found');
  if (there.length > 0)
    throw new Failure(
      EXIT.failed,
      `The data folder ${folder} is not empty, and a restore overwrites nothing: move it away, or name another one with --data-dir or VERDICT_DATA_DIR.`,
    );
};

const syncFolder = (folder: string): void => {
  const handle = openSync(folder, 'r');
  fsyncSync(handle);
  closeSync(handle);
};

/** node.json moves last: a folder without it holds no node yet. */
const moveInto = (draft: string, folder: string): void => {
  const names = readdirSync(draft).sort((one, other) => Number(one === 'node.json') - Number(other === 'node.json'));
  for (const name of names) renameSync(join(draft, name), join(folder, name));
  rmSync(draft, { recursive: true, force: true });
  syncFolder(folder);
};

/**
 * Fills an empty data folder from an archive that {@link makeBackup} wrote, after every file of it was checked.
 * The node that starts on it opens new logs: what the old one recorded after the backup is not in it.
 */
export const restoreBackup = async (file: string, folder: string): Promise<BackupManifest> => {
  if (!existsSync(file)) throw new Failure(EXIT.notFound, `There is no backup ${file}.`);
  requireEmpty(folder);
  const draft = join(folder, DRAFT);
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(draft, { recursive: true, mode: 0o700 });
  try {
    const manifest = verify(file, await extractTo(file, draft));
    moveInto(draft, folder);
    return manifest;
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
};
