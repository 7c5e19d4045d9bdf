import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { basename } from 'node:path';
import type { Client, Query } from './client.js';
import { discard, hindrance, type Places, placesOf, settle } from './export-files.js';
import { newRowCounter, type RowCounter } from './export-rows.js';
import { EXIT, Failure } from './failure.js';
import { remark } from './output.js';
import { counted } from './text.js';

export type ExportOptions = { readonly format: string; readonly query: Query; readonly file?: string };

/** What came through, counted here. */
type Received = { readonly rows: number | undefined; readonly bytes: number; readonly sha256: Buffer };

/** What the node says came through, in its trailers. */
type Promised = {
  readonly rows: number;
  readonly sha256: Buffer;
  /** Events recorded later than this (RFC 3339) are not in it. */
  readonly recorded_until: string;
};

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
  const recorded_until = String(message.trailers['verdict-recorded-until'] ?? '');
  if (!Number.isSafeInteger(rows) || rows < 0 || !sha256 || Number.isNaN(Date.parse(recorded_until)))
    throw broken(
      'it ended without the trailers Verdict-Rows, Repr-Digest and Verdict-Recorded-Until, so it can not be told whether it is whole (a proxy on the way may drop trailers)',
    );
  return { rows, sha256, recorded_until };
};

/** Streams the answer into `write`, hashing it and counting its rows on the way; says how far it is every two seconds. */
const receive = async (message: IncomingMessage, counter: RowCounter, write: (part: Buffer) => Promise<unknown>): Promise<Received> => {
  const hash = createHash('sha256');
  let bytes = 0;
  const progress = setInterval(() => remark(`Exporting: ${(bytes / 1e6).toFixed(1)} MB so far.`), PROGRESS_MS);
  try {
    for await (const part of message as AsyncIterable<Buffer>) {
      hash.update(part);
      counter.add(part);
      bytes += part.length;
      await write(part);
    }
  } catch (error) {
    // An error of the disk or of the reader of our output is told as what it is; only the connection's is a broken export.
    if (error instanceof Failure || (error as NodeJS.ErrnoException).syscall === 'write') throw error;
    throw broken(`the connection ended early, after ${counted(bytes, 'byte')}`);
  } finally {
    clearInterval(progress);
  }
  if (!message.complete) throw broken(`the connection ended early, after ${counted(bytes, 'byte')}`);
  return { rows: counter.rows(), bytes, sha256: hash.digest() };
};

/** A reader that leaves early has a cut export: only the exit code can tell, and it must. */
const toStdout = (part: Buffer): Promise<void> =>
  new Promise((resolve, reject) => {
    process.stdout.write(part, (error) => {
      if (!error) return resolve();
      if ((error as NodeJS.ErrnoException).code !== 'EPIPE') return reject(error);
      remark('The export is cut: what reads standard output stopped before its end.');
      process.exit(EXIT.check);
    });
  });

/** Whether all of it is there: the rows that were counted here, and the bytes. */
const verify = (received: Received, promised: Promised): void => {
  if (!received.sha256.equals(promised.sha256))
    throw broken(`its SHA-256 is ${received.sha256.toString('hex')}, but the node sent ${promised.sha256.toString('hex')}`);
  if (received.rows !== undefined && received.rows !== promised.rows)
    throw broken(`it holds ${counted(received.rows, 'event')}, but the node says that it sent ${promised.rows}`);
};

const manifestOf = (client: Client, options: ExportOptions, received: Received, promised: Promised, began: Date) => ({
  file: basename(options.file as string),
  format: options.format,
  rows: promised.rows,
  recorded_until: promised.recorded_until,
  bytes: received.bytes,
  sha256: received.sha256.toString('hex'),
  filters: Object.fromEntries(Object.entries(options.query).filter(([, value]) => value !== undefined)),
  node: client.url,
  began: began.toISOString(),
  ended: new Date().toISOString(),
});

const explain = (file: string, error: NodeJS.ErrnoException): Error =>
  error instanceof Failure ? error : new Failure(EXIT.failed, `${file} can't be written: ${error.message}.`);

/** Runs `work`; an interrupt in its midst leaves nothing behind. */
const tidily = async (places: Places, work: () => Promise<void>): Promise<void> => {
  const interrupted = (signal: NodeJS.Signals): void => {
    discard(places);
    process.exit(signal === 'SIGINT' ? 130 : 143);
  };
  process.once('SIGINT', interrupted);
  process.once('SIGTERM', interrupted);
  try {
    await work();
  } finally {
    discard(places);
    process.off('SIGINT', interrupted);
    process.off('SIGTERM', interrupted);
  }
};

type Whole = { readonly received: Received; readonly promised: Promised };

/** The export as it arrives in `write`, checked against what the node promised. */
const fetchInto = async (client: Client, { format, query }: ExportOptions, write: (part: Buffer) => Promise<unknown>): Promise<Whole> => {
  const message = await client.open('/v1/audit-logs/export', { format, ...query });
  const received = await receive(message, newRowCounter(format, query['compression'] !== undefined), write);
  const promised = promisedBy(message);
  verify(received, promised);
  return { received, promised };
};

/**
 * Writes FILE and FILE.manifest.json, or neither: both are drafts beside their place until the node's row count and
 * SHA-256 are there and agree with what was counted here.
 */
const toFile = async (client: Client, options: ExportOptions, file: string): Promise<void> => {
  const began = new Date();
  const places = placesOf(file);
  await tidily(places, async () => {
    try {
      const why = hindrance(places);
      if (why !== undefined) throw new Failure(EXIT.failed, `${file} can't be written: ${why}.`);
      const out = await open(places.draft, 'wx', 0o600);
      let whole: Whole;
      try {
        whole = await fetchInto(client, options, (part) => out.writeFile(part));
        await out.sync();
      } finally {
        await out.close();
      }
      settle(places, manifestOf(client, options, whole.received, whole.promised, began));
      remark(`${counted(whole.promised.rows, 'event')} in ${file}, SHA-256 ${whole.received.sha256.toString('hex')}; ${places.manifest} says so.`);
    } catch (error) {
      throw explain(file, error as NodeJS.ErrnoException);
    }
  });
};

/** Exports to FILE, or to standard output, where a broken export shows in the exit code only. */
export const exportLogs = async (client: Client, options: ExportOptions): Promise<void> => {
  if (options.file !== undefined) return toFile(client, options, options.file);
  const { received, promised } = await fetchInto(client, options, toStdout);
  remark(`${counted(promised.rows, 'event')}, SHA-256 ${received.sha256.toString('hex')}.`);
};
