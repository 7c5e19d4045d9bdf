import { createHash } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import type { EventFilter, Reach, Store } from '../store/index.js';
import { type Compression, compressed } from './compress.js';
import { type ExportFormat, formatOf } from './files.js';

export type ExporterConfig = {
  /** Events asked for at once. */
  readonly segment_rows?: number;
};

/** What an export held, when it is whole. */
export type Manifest = {
  readonly format: ExportFormat;
  readonly compression?: Compression;
  readonly rows: number;
  readonly bytes: number;
  /** SHA-256 of every byte, in hex. */
  readonly sha256: string;
  /** Events recorded later than this (RFC 3339) are not in it. */
  readonly recorded_until: string;
};

export type Export = {
  readonly contentType: string;
  /** The bytes. Ends only when the export is whole; where the store fails midway it throws, and what was written is to be thrown away. */
  readonly chunks: AsyncGenerator<Buffer, void, void>;
  /** Undefined until `chunks` has ended. */
  readonly manifest: () => Manifest | undefined;
};

export type ExportOptions = {
  /** Leave what looks like a spreadsheet formula as it is. */
  readonly csvRaw?: boolean;
  /** Packs the file; its digest and its bytes are those of the packed one. */
  readonly compression?: Compression;
  readonly signal?: AbortSignal;
};

const LF = 10;

const countLines = (lines: Buffer): number => {
  let count = 0;
  for (let at = lines.indexOf(LF); at >= 0; at = lines.indexOf(LF, at + 1)) count += 1;
  return count;
};

/**
 * Files of events: newest first, as they stood when the export began, in constant memory. Between the parts other work
 * of this process gets its turn.
 */
export const newExporter =
  (config: ExporterConfig, { store }: { readonly store: Pick<Store, 'scan'> }) =>
  /** Begins an export of what matches. Nothing is fetched before the first chunk is asked for. */
  (filter: EventFilter, reach: Reach, name: ExportFormat, options: ExportOptions = {}): Export => {
    const format = formatOf(name, { csvRaw: options.csvRaw ?? false });
    const scan = store.scan(filter, reach, { ...config, ...(options.signal ? { signal: options.signal } : {}) });
    const packing = options.compression ? { compression: options.compression } : {};
    let manifest: Manifest | undefined;
    let rows = 0;

    async function* formatted(): AsyncGenerator<Buffer, void, void> {
      if (format.begin) yield Buffer.from(format.begin);
      for await (const lines of scan.chunks) {
        yield format.lines(lines, rows === 0);
        rows += countLines(lines);
        await turn();
      }
      const end = format.end();
      if (end.length > 0) yield Buffer.from(end);
    }

    async function* chunks(): AsyncGenerator<Buffer, void, void> {
      const hash = createHash('sha256');
      let bytes = 0;
      for await (const chunk of compressed(formatted(), options.compression)) {
        hash.update(chunk);
        bytes += chunk.length;
        yield chunk;
      }
      manifest = { format: name, ...packing, rows, bytes, sha256: hash.digest('hex'), recorded_until: new Date(scan.recorded).toISOString() };
    }

    return { contentType: format.contentType, chunks: chunks(), manifest: () => manifest };
  };
