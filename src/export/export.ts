import { createHash } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import type { EventFilter, Page, Position, Reach, Store } from '../store/index.js';
import { type ExportFormat, type Format, formatOf } from './formats.js';

export type ExporterConfig = {
  /** Events fetched at once. */
  readonly page_rows?: number;
  /** Bytes of lines turned into the format before other work gets its turn. */
  readonly slice_bytes?: number;
};

/** What an export held, when it is whole. */
export type Manifest = {
  readonly format: ExportFormat;
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
  readonly signal?: AbortSignal;
};

/** The store answered again and again without getting any further back. */
export class ExportStalled extends Error {
  override readonly name = 'ExportStalled';
}

const PAGE_ROWS = 10_000;
const SLICE_BYTES = 256 * 1024;
const MOST_STALLS = 30;
const LF = 10;

/** Where the slice that begins at `start` ends: at a line's end, and not much beyond `size`. */
const sliceEnd = (lines: Buffer, start: number, size: number): number => {
  if (lines.length - start <= size) return lines.length;
  return lines.indexOf(LF, start + size) + 1 || lines.length;
};

/**
 * Files of events: newest first, as they stood when the export began, in constant memory. Pages are fetched whole, one
 * ahead of the one being written; between slices of a page other work of this process gets its turn.
 */
export const newExporter = (config: ExporterConfig, { store }: { readonly store: Pick<Store, 'start' | 'page'> }) => {
  const rows = config.page_rows ?? PAGE_ROWS;
  const slice = config.slice_bytes ?? SLICE_BYTES;

  async function* pages(filter: EventFilter, reach: Reach, start: Position, signal: AbortSignal): AsyncGenerator<Page, void, void> {
    const fetch = (position: Position): Promise<Page> => {
      const page = store.page(filter, reach, position, rows, { signal });
      // Awaited below; until then a failure is not unhandled.
      page.catch(() => undefined);
      return page;
    };
    let ahead: Promise<Page> | undefined = fetch(start);
    let stalls = 0;
    let before = start.before;
    while (ahead) {
      const page: Page = await ahead;
      stalls = page.count === 0 && page.next?.before === before ? stalls + 1 : 0;
      if (stalls > MOST_STALLS)
        throw new ExportStalled('The export was given up: the store reaches its time limit again and again without getting further back.');
      before = page.next?.before ?? before;
      ahead = page.next ? fetch(page.next) : undefined;
      if (page.count > 0) yield page;
    }
  }

  async function* formatted(format: Format, source: AsyncGenerator<Page, void, void>, counted: (rows: number) => void): AsyncGenerator<Buffer, void, void> {
    if (format.begin) yield Buffer.from(format.begin);
    let first = true;
    for await (const page of source) {
      for (let start = 0; start < page.lines.length; ) {
        const end = sliceEnd(page.lines, start, slice);
        yield format.lines(page.lines.subarray(start, end), first);
        first = false;
        start = end;
        await turn();
      }
      counted(page.count);
    }
    if (format.end) yield Buffer.from(format.end);
  }

  /** Begins an export of what matches. Nothing is fetched before the first chunk is asked for. */
  return (filter: EventFilter, reach: Reach, name: ExportFormat, options: ExportOptions = {}): Export => {
    const format = formatOf(name, { csvRaw: options.csvRaw ?? false });
    const start = store.start(filter, reach);
    let manifest: Manifest | undefined;

    async function* chunks(): AsyncGenerator<Buffer, void, void> {
      const abandoned = new AbortController();
      const signal = options.signal ? AbortSignal.any([options.signal, abandoned.signal]) : abandoned.signal;
      const hash = createHash('sha256');
      let count = 0;
      let bytes = 0;
      try {
        const source = formatted(format, pages(filter, reach, start, signal), (more) => {
          count += more;
        });
        for await (const chunk of source) {
          hash.update(chunk);
          bytes += chunk.length;
          yield chunk;
        }
        manifest = { format: name, rows: count, bytes, sha256: hash.digest('hex'), recorded_until: new Date(start.recorded).toISOString() };
      } finally {
        abandoned.abort();
      }
    }

    return { contentType: format.contentType, chunks: chunks(), manifest: () => manifest };
  };
};
