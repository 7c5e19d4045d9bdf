import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { setImmediate as turn } from 'node:timers/promises';
import { createGzip } from 'node:zlib';
import { type Pack, pack } from 'tar-stream';
import type { JsonObject } from '../../event/index.js';
import { formatOf } from '../files.js';
import type { ArchivedFile, ExportJob, Part } from './job.js';
import { newTally, type PartsDeps, type Written, whoseName } from './write-parts.js';

/** What an account has beside its events: each kind a file of JSON lines, without secrets. */
export type Belongings = (account: string) => readonly { readonly name: string; readonly lines: Iterable<JsonObject> }[];

export type ArchiveDeps = PartsDeps & {
  readonly belongings: Belongings;
  /** Events recorded later than this (RFC 3339) are not in it. */
  readonly recorded_until: string;
};

/** Files that an archive is made of are counted on from here: `clearParts` knows them by their number. */
const LOOSE = '0000';

/** Writes pieces as a file, hashed and on disk. */
const writeFile = async (path: string, pieces: AsyncIterable<{ readonly bytes: Buffer; readonly rows: number }>): Promise<Omit<ArchivedFile, 'name'>> => {
  const hash = createHash('sha256');
  let bytes = 0;
  let rows = 0;
  const file: FileHandle = await open(path, 'w', 0o600);
  try {
    for await (const piece of pieces) {
      hash.update(piece.bytes);
      bytes += piece.bytes.length;
      rows += piece.rows;
      await file.writeFile(piece.bytes);
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return { rows, bytes, sha256: hash.digest('hex') };
};

async function* asLines(objects: Iterable<JsonObject>, signal: AbortSignal) {
  for (const one of objects) {
    signal.throwIfAborted();
    yield { bytes: Buffer.from(`${JSON.stringify(one)}\n`), rows: 1 };
    await turn();
  }
}

const entry = (tar: Pack, name: string, size: number, from: AsyncIterable<Buffer>): Promise<void> =>
  new Promise((resolve, reject) => {
    const sink = tar.entry({ name, size }, (error) => (error ? reject(error) : resolve()));
    pipeline(from, sink as unknown as NodeJS.WritableStream).catch(reject);
  });

/**
 * Writes all of an account as one archive (tar, gzipped): `events.jsonl` as an export has them, a file for each kind of
 * its belongings, and `manifest.json`, which tells of the others. Throws what the lines throw, or the signal's reason.
 */
export const writeArchive = async (job: ExportJob, lines: AsyncIterator<Buffer>, deps: ArchiveDeps): Promise<Written> => {
  const { place, signal } = deps;
  const account = job.account as string;
  const tally = newTally();
  const files: ArchivedFile[] = [];
  const loose = (name: string): string => place(`archive-${LOOSE}.${name}`);
  let rows = 0;
  let bytes = 0;

  async function* events() {
    const format = formatOf('jsonl', { csvRaw: false });
    for (let next = await lines.next(), first = true; !next.done; next = await lines.next(), first = false) {
      signal.throwIfAborted();
      const shown = format.lines(next.value, first);
      const count = tally.add(next.value);
      rows += count;
      bytes += shown.length;
      deps.progress(rows, bytes, []);
      yield { bytes: shown, rows: count };
      await turn();
    }
  }

  files.push({ name: 'events.jsonl', ...(await writeFile(loose('events.jsonl'), events())) });
  for (const { name, lines: objects } of deps.belongings(account)) files.push({ name, ...(await writeFile(loose(name), asLines(objects, signal))) });

  const told = tally.done();
  const { by, created, policy } = job;
  const manifest = Buffer.from(
    `${JSON.stringify({ account, by, asked: created, policy, recorded_until: deps.recorded_until, files, ...told }, undefined, 2)}\n`,
  );
  const name = `account-${whoseName(account)}-0001.tar.gz`;
  const tar = pack();
  const filling = (async () => {
    await entry(
      tar,
      'manifest.json',
      manifest.length,
      (async function* () {
        yield manifest;
      })(),
    );
    for (const file of files) await entry(tar, file.name, file.bytes, createReadStream(loose(file.name)));
    tar.finalize();
  })();
  filling.catch((error: Error) => tar.destroy(error));
  async function* packed() {
    const gzip = createGzip();
    const feeding = pipeline(tar as unknown as NodeJS.ReadableStream, gzip, { signal });
    feeding.catch(() => undefined);
    for await (const piece of gzip as AsyncIterable<Buffer>) yield { bytes: piece, rows: 0 };
    await feeding;
  }
  const { bytes: size, sha256 } = await writeFile(place(name), packed());
  await filling;
  for (const file of files) await rm(loose(file.name), { force: true });
  const part: Part = { name, rows, bytes: size, sha256 };
  return { rows, parts: [part], files, ...told };
};
