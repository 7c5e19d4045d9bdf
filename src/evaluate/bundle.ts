import { createHash } from 'node:crypto';
import { crc32, gunzipSync } from 'node:zlib';
import { extract, pack } from 'tar-stream';

/** A bundle or policy that can't be used. The message is one sentence that names what is wrong. */
export class PolicyError extends Error {
  override readonly name = 'PolicyError';
}

/** A bundle's files: path without a leading slash → content. */
export type BundleFiles = ReadonlyMap<string, Buffer>;

/** The most that a bundle may unpack to, in bytes: what it holds stands in memory. */
const MAX_UNPACKED_BYTES = 512 * 1024 * 1024;

const unzip = (bytes: Uint8Array): Buffer => {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b)
    throw new PolicyError('The policy bundle is not a gzip file: a bundle.tar.gz from `verdict policy build` or `opa build -t wasm` is expected.');
  try {
    return gunzipSync(bytes, { maxOutputLength: MAX_UNPACKED_BYTES });
  } catch (error) {
    throw new PolicyError(`The policy bundle can't be unpacked: ${(error as Error).message}.`);
  }
};

const withoutSlash = (name: string): string => name.replace(/^(\.?\/)+/, '');

/** Unpacks a bundle.tar.gz. Rejects with {@link PolicyError} if it is no gzip, no tar, or holds a link or one path twice. */
export const readBundle = async (bytes: Uint8Array): Promise<BundleFiles> => {
  const files = new Map<string, Buffer>();
  const tar = extract();
  tar.end(unzip(bytes));
  try {
    for await (const entry of tar) {
      const parts: Buffer[] = [];
      for await (const part of entry) parts.push(part as Buffer);
      if (entry.header.type === 'directory') continue;
      const name = withoutSlash(entry.header.name);
      if (entry.header.type !== 'file') throw new PolicyError(`The policy bundle holds ${name}, which is not a file but a ${entry.header.type}.`);
      if (files.has(name)) throw new PolicyError(`The policy bundle holds ${name} twice.`);
      files.set(name, Buffer.concat(parts));
    }
  } catch (error) {
    if (error instanceof PolicyError) throw error;
    throw new PolicyError(`The policy bundle is not a tar archive: ${(error as Error).message}.`);
  }
  return files;
};

const byName = (files: BundleFiles): readonly [string, Buffer][] => [...files].sort(([a], [b]) => (a < b ? -1 : 1));

/**
 * The content hash that names a bundle: lower-case hex SHA-256 over each file in order of its path, as the path's
 * and the content's length (64 bits, big-endian) and bytes. Neither compression nor tar headers count.
 */
export const revisionOf = (files: BundleFiles): string => {
  const hash = createHash('sha256');
  const add = (bytes: Buffer): void => {
    const length = Buffer.alloc(8);
    length.writeBigUInt64BE(BigInt(bytes.length));
    hash.update(length).update(bytes);
  };
  for (const [name, content] of byName(files)) {
    add(Buffer.from(name));
    add(content);
  }
  return hash.digest('hex');
};

const MAX_STORED_BLOCK = 0xffff;

/**
 * A gzip file (RFC 1952) of stored blocks (RFC 1951, section 3.2.4). Compressors differ from release to release
 * of zlib and Go; stored bytes are the same everywhere.
 */
const gzipStored = (content: Buffer): Buffer => {
  const parts: Buffer[] = [Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255])];
  for (let at = 0; at === 0 || at < content.length; at += MAX_STORED_BLOCK) {
    const block = content.subarray(at, at + MAX_STORED_BLOCK);
    const header = Buffer.alloc(5);
    header.writeUInt8(at + MAX_STORED_BLOCK >= content.length ? 1 : 0, 0);
    header.writeUInt16LE(block.length, 1);
    header.writeUInt16LE(~block.length & 0xffff, 3);
    parts.push(header, block);
  }
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(crc32(content), 0);
  trailer.writeUInt32LE(content.length % 2 ** 32, 4);
  return Buffer.concat([...parts, trailer]);
};

/** Packs files into a bundle.tar.gz whose bytes depend on their paths and contents alone. */
export const packBundle = async (files: BundleFiles): Promise<Buffer> => {
  const tar = pack();
  for (const [name, content] of byName(files)) tar.entry({ name: `/${name}`, mode: 0o644, mtime: new Date(0), uid: 0, gid: 0 }, content);
  tar.finalize();
  const parts: Buffer[] = [];
  for await (const part of tar) parts.push(part as Buffer);
  return gzipStored(Buffer.concat(parts));
};
