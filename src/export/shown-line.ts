import { fromLine, shown } from '../event/index.js';

/** The end of a line as src/event/line.ts writes it: `,"salts":["<32 hex>","<32 hex>"]}`. */
const HEAD = ',"salts":["';
const MIDDLE = '","';
const TAIL = '"]}';
const HEX = 32;
/** How many bytes (all ASCII) the salts take at the end of a line, the closing brace included. */
export const SALTS_LENGTH = HEAD.length + HEX + MIDDLE.length + HEX + TAIL.length;
const SALTED = new RegExp(`${HEAD.replace('[', '\\[')}[0-9a-f]{${HEX}}${MIDDLE}[0-9a-f]{${HEX}}"\\]\\}$`);

/**
 * What may be shown of an event's line: all but its salts, otherwise byte for byte. A quote inside a string is
 * escaped, so this ending can only be the outermost object's last field; a line that ends otherwise is parsed.
 */
export const shownLine = (line: string): string =>
  SALTED.test(line.slice(-SALTS_LENGTH)) ? `${line.slice(0, -SALTS_LENGTH)}}` : JSON.stringify(shown(fromLine(line)));

const head = Buffer.from(HEAD);
const middle = Buffer.from(MIDDLE);
const tail = Buffer.from(TAIL);

const isHex = (bytes: Buffer, from: number): boolean => {
  for (let at = from; at < from + HEX; at += 1) {
    const byte = bytes[at] as number;
    if (!((byte >= 48 && byte <= 57) || (byte >= 97 && byte <= 102))) return false;
  }
  return true;
};

const standsAt = (bytes: Buffer, at: number, expected: Buffer): boolean => {
  for (let n = 0; n < expected.length; n += 1) if (bytes[at + n] !== expected[n]) return false;
  return true;
};

/** Where the salts begin in the line that ends before `end`; -1 where it doesn't end as expected. The same test as in {@link shownLine}, on bytes. */
export const saltsAt = (bytes: Buffer, start: number, end: number): number => {
  const at = end - SALTS_LENGTH;
  if (at < start || !standsAt(bytes, at, head)) return -1;
  const first = at + HEAD.length;
  const second = first + HEX + MIDDLE.length;
  return isHex(bytes, first) && standsAt(bytes, first + HEX, middle) && isHex(bytes, second) && standsAt(bytes, second + HEX, tail) ? at : -1;
};
