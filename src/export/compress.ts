import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { compress, init } from '@bokuweb/zstd-wasm';

/** How a file is packed, and what its name then ends with. */
export const COMPRESSIONS = { gzip: 'gz', zstd: 'zst' } as const;
export type Compression = keyof typeof COMPRESSIONS;

/** So many bytes become one Zstandard frame: a file of frames is a file (RFC 8878, section 3.1), and none needs more memory than this. */
const FRAME_BYTES = 1 << 20;
const ZSTD_LEVEL = 3;

async function* gzipped(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, void> {
  const gzip = createGzip();
  const feeding = pipeline(Readable.from(chunks, { objectMode: false }), gzip);
  // A failure of what is packed comes out of `gzip` as well; it is told once.
  feeding.catch(() => undefined);
  for await (const part of gzip as AsyncIterable<Buffer>) yield part;
  await feeding;
}

async function* framed(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, void> {
  await init();
  let waiting: Buffer[] = [];
  let size = 0;
  const frame = (): Buffer => {
    const packed = Buffer.from(compress(Buffer.concat(waiting), ZSTD_LEVEL));
    waiting = [];
    size = 0;
    return packed;
  };
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length; at += FRAME_BYTES) {
      const piece = chunk.subarray(at, at + FRAME_BYTES);
      waiting.push(piece);
      size += piece.length;
      if (size >= FRAME_BYTES) yield frame();
    }
  }
  // Nothing at all is packed, too: an empty file is none that a reader takes.
  yield frame();
}

/** The bytes, packed in constant memory (RFC 1952, RFC 8878). Throws what `chunks` throws. */
export const compressed = (chunks: AsyncIterable<Buffer>, compression: Compression | undefined): AsyncIterable<Buffer> => {
  switch (compression) {
    case undefined:
      return chunks;
    case 'gzip':
      return gzipped(chunks);
    case 'zstd':
      return framed(chunks);
  }
};
