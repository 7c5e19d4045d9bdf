import { createHash, randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { basename, dirname } from 'node:path';
import type { Client, Query } from './client.js';
import { EXIT, Failure } from './failure.js';
import { remark } from './output.js';
import { counted } from './text.js';

export type ExportOptions = { readonly format: string; readonly query: Query; readonly file?: string };

/** What came through, counted here. */
type Received = { readonly bytes: number; readonly sha256: Buffer };

/** What the node says came through, in its trailers. */
type Promised = { readonly rows: number; readonly sha256: Buffer };

const PROGRESS_MS = 2_000;

const broken = (why: string): Failure => new Failure(EXIT.check, `The export is broken: ${why}. Nothing of it is kept; run it again.`);

/** RFC 9530: `sha-256=:<base64>:`, possibly among other algorithms. */
const digestIn = (header: string): Buffer | undefined => {
  const found = /(?:^|,)\s*sha-256=:([A-Za-z0-9+/]{43}=):/.exec(header);
  return found ? Buffer.from(found[1] as string, 'base64') : undefined;
};

const promisedBy = (message: IncomingMessage): Promised => {
  const rows = Number(message.trailers['verdict-rows'] ?? Number.NaN);
  const sha256 = digestIn(String(message.trailers['repr-digest'] ?? ''));
  if (!Number.isSafeInteger(rows) || rows < 0 || !sha256)
    throw broken(
      'it ended without the trailers Verdict-Rows and Repr-Digest, so it can not be told whether it is whole (a proxy on the way may drop trailers)',
    );
  return { rows, sha256 };
};

/** Streams the answer into `write`, hashing it on the way; says how far it is every two seconds. */
const receive = async (message: IncomingMessage, write: (part: Buffer) => Promise<unknown>): Promise<Received> => {
  const hash = createHash('sha256');
  let bytes = 0;
  const progress = setInterval(() => remark(`Exporting: ${(bytes / 1e6).toFixed(1)} MB so far.`), PROGRESS_MS);
  try {
    for await (const part of message as AsyncIterable<Buffer>) {
      hash.update(part);
      bytes += part.length;
      await write(part);
    }
  } catch (error) {
    // An error of the disk or of the reader of our output is told as what it is; only the connection's is a broken export.
    if ((error as NodeJS.ErrnoException).syscall === 'write') throw error;
    throw broken(`the connection ended early, after ${counted(bytes, 'byte')}`);
  } finally {
    clearInterval(progress);
  }
  if (!message.complete) throw broken(`the connection ended early, after ${counted(bytes, 'byte')}`);
  return { bytes, sha256: hash.digest() };
};

const toStdout = (part: Buffer): Promise<void> =>
  new Promise((resolve) => {
    if (process.stdout.write(part)) resolve();
    else process.stdout.once('drain', resolve);
  });

const verify = (received: Received, promised: Promised): void => {
  if (!received.sha256.equals(promised.sha256))
    throw broken(`its SHA-256 is ${received.sha256.toString('hex')}, but the node sent ${promised.sha256.toString('hex')}`);
};

const syncFolder = (folder: string): void => {
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
};

const syncFile = syncFolder;

const manifestOf = (client: Client, options: ExportOptions, received: Received, promised: Promised, began: Date) => ({
  file: basename(options.file as string),
  format: options.format,
  rows: promised.rows,
  bytes: received.bytes,
  sha256: received.sha256.toString('hex'),
  filters: Object.fromEntries(Object.entries(options.query).filter(([, value]) => value !== undefined)),
  node: client.url,
  began: began.toISOString(),
  ended: new Date().toISOString(),
});

const explain = (file: string, error: NodeJS.ErrnoException): Error =>
  error instanceof Failure ? error : new Failure(EXIT.failed, `${file} can't be written: ${error.message}.`);

/**
 * Writes FILE and FILE.manifest.json, or neither: both are drafts beside their place until the node's row count and
 * SHA-256 are there and agree. The manifest is put in its place first, so that a FILE is never without one.
 */
const toFile = async (client: Client, options: ExportOptions, file: string): Promise<void> => {
  const began = new Date();
  const draft = `${file}.${randomBytes(4).toString('hex')}.partial`;
  const manifestDraft = `${draft}.manifest`;
  const discard = (): void => {
    for (const path of [draft, manifestDraft]) rmSync(path, { force: true });
  };
  const interrupted = (signal: NodeJS.Signals): void => {
    discard();
    process.exit(signal === 'SIGINT' ? 130 : 143);
  };
  process.once('SIGINT', interrupted);
  process.once('SIGTERM', interrupted);
  try {
    const out = await open(draft, 'wx', 0o600);
    let received: Received;
    let promised: Promised;
    try {
      const message = await client.open('/v1/audit-logs/export', { format: options.format, ...options.query });
      received = await receive(message, (part) => out.writeFile(part));
      promised = promisedBy(message);
      verify(received, promised);
      await out.sync();
    } finally {
      await out.close();
    }
    writeFileSync(manifestDraft, `${JSON.stringify(manifestOf(client, options, received, promised, began), null, 2)}\n`, { mode: 0o600 });
    syncFile(manifestDraft);
    await rename(manifestDraft, `${file}.manifest.json`);
    await rename(draft, file);
    syncFolder(dirname(file));
    remark(`${counted(promised.rows, 'event')} in ${file}, SHA-256 ${received.sha256.toString('hex')}; ${file}.manifest.json says so.`);
  } catch (error) {
    throw explain(file, error as NodeJS.ErrnoException);
  } finally {
    discard();
    process.off('SIGINT', interrupted);
    process.off('SIGTERM', interrupted);
  }
};

/** Exports to FILE, or to standard output, where a broken export shows in the exit code only. */
export const exportLogs = async (client: Client, options: ExportOptions): Promise<void> => {
  if (options.file !== undefined) return toFile(client, options, options.file);
  const message = await client.open('/v1/audit-logs/export', { format: options.format, ...options.query });
  const received = await receive(message, toStdout);
  const promised = promisedBy(message);
  verify(received, promised);
  remark(`${counted(promised.rows, 'event')}, SHA-256 ${received.sha256.toString('hex')}.`);
};
