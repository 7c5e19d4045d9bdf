/** CRC-32C (Castagnoli, RFC 3720 appendix B.4), eight bytes at a time. */
const POLYNOMIAL = 0x82f63b78;

/** Eight tables of 256 entries, one after the other. */
const tables = (() => {
  const made = new Uint32Array(8 * 256);
  for (let byte = 0; byte < 256; byte += 1) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    made[byte] = crc;
  }
  for (let byte = 0; byte < 256; byte += 1)
    for (let table = 1; table < 8; table += 1) {
      const before = made[(table - 1) * 256 + byte] as number;
      made[table * 256 + byte] = (before >>> 8) ^ (made[before & 0xff] as number);
    }
  return made;
})();

/** The checksum of `bytes[start, end)`, unsigned. */
export const crc32c = (bytes: Uint8Array, start: number, end: number): number => {
  // Typed arrays answer numbers inside their bounds; the casts only tell the compiler.
  const t = tables as unknown as readonly number[];
  const b = bytes as unknown as readonly number[];
  let crc = 0xffffffff;
  let at = start;
  for (const last = end - 8; at <= last; at += 8) {
    const low = crc ^ (b[at]! | (b[at + 1]! << 8) | (b[at + 2]! << 16) | (b[at + 3]! << 24));
    crc =
      t[1792 + (low & 0xff)]! ^
      t[1536 + ((low >>> 8) & 0xff)]! ^
      t[1280 + ((low >>> 16) & 0xff)]! ^
      t[1024 + (low >>> 24)]! ^
      t[768 + b[at + 4]!]! ^
      t[512 + b[at + 5]!]! ^
      t[256 + b[at + 6]!]! ^
      t[b[at + 7]!]!;
  }
  for (; at < end; at += 1) crc = (crc >>> 8) ^ t[(crc ^ b[at]!) & 0xff]!;
  return (crc ^ 0xffffffff) >>> 0;
};
