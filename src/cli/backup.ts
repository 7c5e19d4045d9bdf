import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { copyFile, open as openFile, rename } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { open } from 'lmdb';
import { pack as createPack, type Pack } from 'tar-stream';
import { version } from '../version.js';
import { EXIT, Failure } from './failure.js';
import { remark } from './output.js';
import { snapshotStore } from './store-snapshot.js';

/** The form of a backup's archive; one with a higher number is a newer Verdict's. */
export const BACKUP_FORMAT = 1;
/** The last entry of the archive: what must be in it. An archive without it was cut off. */
export const MANIFEST = 'backup.json';
/** Everything of the data folder stands under this folder of the archive. */
export const CONTENT = 'data/';

export type BackupEntry = { readonly path: string; readonly bytes: number; readonly sha256: string };
export type BackupLink = { readonly path: string; readonly target: string };
export type BackupManifest = {
  readonly format: number;
  readonly verdict: string;
  readonly made: string;
  readonly node: string;
  readonly files: readonly BackupEntry[];
  readonly folders: readonly string[];
  readonly links: readonly BackupLink[];
};

const PROGRESS_MS = 2_000;
const DIRECTORY_TRIES = 5;

/** This node's name, from its data folder. */
const nodeOf = (folder: string): string => {
  try {
    return (JSON.parse(readFileSync(join(folder, 'node.json'), 'utf8')) as { readonly node: string }).node;
  } catch {
    throw new Failure(
      EXIT.failed,
      `${folder} is no data folder of Verdict: it has no readable node.json. Name the folder with --data-dir or VERDICT_DATA_DIR.`,
    );
  }
};

/** The LMDB environments of a data folder, by their paths in it; one may stand inside another's folder. */
const environments = (root: string, folder = ''): readonly string[] => {
  const inside = readdirSync(join(root, folder), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.') && !(folder === '' && entry.name === 'store'))
    .flatMap((entry) => environments(root, join(folder, entry.name)));
  return existsSync(join(root, folder, 'data.mdb')) ? [folder, ...inside] : inside;
};

const reader = (path: string) => open({ path, readOnly: true, maxDbs: 16, overlappingSync: false });

/** Copies one environment as it stands at this moment, without its free pages; its writer may go on writing. */
const copyEnvironment = async (root: string, target: string, path: string): Promise<void> => {
  const environment = reader(join(root, path));
  try {
    rmSync(join(target, path), { recursive: true, force: true });
    mkdirSync(join(target, path), { recursive: true, mode: 0o700 });
    await environment.backup(join(target, path), true);
  } finally {
    await environment.close();
  }
};

const lastChange = async (root: string, path: string): Promise<number> => {
  const environment = reader(join(root, path));
  try {
    return (environment.getStats() as { readonly lastTxnId: number }).lastTxnId;
  } finally {
    await environment.close();
  }
};

/**
 * Copies every environment. Journals come before what reads them and before the store, so that an event is in one copy
 * at least; cursors come before what they rest on, so that none is ahead of it; and the directory must not change
 * between its copy and the journals', so that each change has its event.
 */
const copyEnvironments = async (root: string, target: string): Promise<void> => {
  const all = environments(root);
  const journals = all.filter((path) => path.startsWith('journal/'));
  const hasDirectory = all.includes('directory');
  for (let tries = 1; tries <= DIRECTORY_TRIES; tries += 1) {
    const before = hasDirectory ? await lastChange(root, 'directory') : 0;
    for (const path of journals) await copyEnvironment(root, target, path);
    if (!hasDirectory) break;
    await copyEnvironment(root, target, 'directory');
    if ((await lastChange(root, 'directory')) === before) break;
    if (tries === DIRECTORY_TRIES) remark('The directory kept changing: its latest changes may be in the backup without their events.');
  }
  const rest = all.filter((path) => path !== 'directory' && !journals.includes(path));
  const cursors = rest.filter((path) => path.startsWith('ingest/cursors'));
  for (const path of [...cursors, ...rest.filter((one) => !cursors.includes(one))]) await copyEnvironment(root, target, path);
};

/** Single files that belong to a node: not those of running processes, nor drafts. */
const copyFiles = async (root: string, target: string): Promise<void> => {
  for (const entry of readdirSync(root, { withFileTypes: true })) {
    const isPassing = entry.name.startsWith('.') || entry.name.endsWith('.new') || entry.name === 'processes.json';
    if (entry.isFile() && !isPassing) await copyFile(join(root, entry.name), join(target, entry.name));
  }
};

type Found = { readonly files: readonly string[]; readonly folders: readonly string[]; readonly links: readonly string[] };

const walk = (root: string, folder = ''): Found => {
  const found: { files: string[]; folders: string[]; links: string[] } = { files: [], folders: [], links: [] };
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isSymbolicLink()) found.links.push(path);
    else if (entry.isFile() && entry.name !== 'lock.mdb') found.files.push(path);
    else if (entry.isDirectory()) {
      const inside = walk(root, path);
      found.folders.push(path, ...inside.folders);
      found.files.push(...inside.files);
      found.links.push(...inside.links);
    }
  }
  return found;
};

/** Adds one file to the archive; what was read is hashed on its way. */
const addFile = async (archive: Pack, root: string, path: string): Promise<BackupEntry> => {
  const { size } = lstatSync(join(root, path));
  const hash = createHash('sha256');
  const entry = archive.entry({ name: `${CONTENT}${path}`, size, mode: 0o600 });
  const hashed = new Transform({
    transform: (part: Buffer, _encoding, done) => {
      hash.update(part);
      done(null, part);
    },
  });
  await pipeline(createReadStream(join(root, path)), hashed, entry);
  return { path, bytes: size, sha256: hash.digest('hex') };
};

const writeEntries = async (archive: Pack, root: string, node: string): Promise<BackupManifest> => {
  const { files, folders, links } = walk(root);
  const entries: BackupEntry[] = [];
  let bytes = 0;
  const progress = setInterval(() => remark(`Backing up: ${entries.length} of ${files.length} files, ${(bytes / 1e6).toFixed(0)} MB so far.`), PROGRESS_MS);
  try {
    for (const path of folders) archive.entry({ name: `${CONTENT}${path}`, type: 'directory', mode: 0o700 });
    for (const path of files) {
      const entry = await addFile(archive, root, path);
      entries.push(entry);
      bytes += entry.bytes;
    }
  } finally {
    clearInterval(progress);
  }
  const targets = links.map((path): BackupLink => ({ path, target: readlinkSync(join(root, path)) }));
  for (const { path, target } of targets) archive.entry({ name: `${CONTENT}${path}`, type: 'symlink', linkname: target });
  const manifest: BackupManifest = { format: BACKUP_FORMAT, verdict: version(), made: new Date().toISOString(), node, files: entries, folders, links: targets };
  archive.entry({ name: MANIFEST, mode: 0o600 }, `${JSON.stringify(manifest, null, 2)}\n`);
  archive.finalize();
  return manifest;
};

const writeArchive = async (root: string, node: string, file: string): Promise<BackupManifest> => {
  const draft = `${file}.${randomBytes(4).toString('hex')}.partial`;
  try {
    const archive = createPack();
    const out = createWriteStream(draft, { flags: 'wx', mode: 0o600 });
    const written = file.endsWith('.gz') ? pipeline(archive, createGzip(), out) : pipeline(archive, out);
    const [manifest] = await Promise.all([writeEntries(archive, root, node), written]);
    const handle = await openFile(draft, 'r');
    await handle.sync();
    await handle.close();
    await rename(draft, file);
    return manifest;
  } catch (error) {
    throw new Failure(EXIT.failed, `The backup could not be written to ${file}: ${(error as Error).message}.`);
  } finally {
    rmSync(draft, { force: true });
  }
};

/** Removes what backups left behind that were killed. */
const clearStale = (folder: string): void => {
  for (const name of readdirSync(folder)) {
    const pid = Number(/^\.backup-(\d+)$/.exec(name)?.[1]);
    if (!pid) continue;
    try {
      process.kill(pid, 0);
    } catch {
      rmSync(join(folder, name), { recursive: true, force: true });
    }
  }
};

/** FILE itself, or a new file in DIR, named by node and time. */
const fileFor = (output: string, node: string): string => {
  const isFolder = output.endsWith('/') || (existsSync(output) && lstatSync(output).isDirectory());
  if (!isFolder) return output;
  mkdirSync(output, { recursive: true, mode: 0o700 });
  return join(output, `verdict-${node}-${new Date().toISOString().replace(/[:.]/g, '-')}.tar`);
};

/**
 * Writes a data folder into one archive: `data/…`, then `backup.json` with the SHA-256 of each file. The node may run:
 * LMDB copies itself at one moment, the store's immutable parts are hard-linked first and copied then.
 */
export const makeBackup = async (folder: string, output: string): Promise<{ readonly file: string; readonly manifest: BackupManifest }> => {
  const node = nodeOf(folder);
  clearStale(folder);
  const staging = join(folder, `.backup-${process.pid}`);
  const discard = (): void => rmSync(staging, { recursive: true, force: true });
  const interrupted = (): void => {
    discard();
    process.exit(130);
  };
  process.once('SIGINT', interrupted);
  process.once('SIGTERM', interrupted);
  try {
    mkdirSync(staging, { mode: 0o700 });
    await copyEnvironments(folder, staging);
    if (existsSync(join(folder, 'store'))) snapshotStore(join(folder, 'store'), join(staging, 'store'));
    await copyFiles(folder, staging);
    const file = fileFor(output, node);
    return { file, manifest: await writeArchive(staging, node, file) };
  } finally {
    discard();
    process.off('SIGINT', interrupted);
    process.off('SIGTERM', interrupted);
  }
};

/** The path of `file` as a person in this folder would write it. */
export const nearPath = (file: string): string => {
  const near = relative(process.cwd(), file);
  return near.startsWith('..') ? file : near || basename(file);
};
