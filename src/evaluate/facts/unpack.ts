import { isUtf8 } from 'node:buffer';
import { gunzipSync } from 'node:zlib';

/** One text of user data, unpacked. `line` is where it begins in what it came out of, counted from 0. */
export type Part = { readonly text: string; readonly line: number };

/** What user data unpacks to; `refused` says why some of it could not be looked at. */
export type Unpacked = { readonly parts: readonly Part[]; readonly refused?: string };

/** The most that user data may unpack to, all parts together, in bytes; no cloud takes more than 64 KiB packed. */
export const MAX_UNPACKED = 262_144;
const MOST_PARTS = 200;
const DEPTH = 4;
/** The shortest base64 inside a text that is looked into, in characters: a private key has hundreds. */
const SHORTEST = 40;

const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
/** Base64 at the end of a line, by itself or after a key, a dash or a quote, as in cloud-config's `content:`. */
const AT_END = /(?:^|[\s"':,|-])([A-Za-z0-9+/]{16,}={0,2})["']?,?\s*$/;

/** Thrown and caught in here: one sentence that says why the user data isn't looked into further. */
class Refused extends Error {}

type Budget = { readonly take: (bytes: number) => void; readonly left: () => number; readonly part: () => void };

const budgetOf = (): Budget => {
  let bytes = MAX_UNPACKED;
  let parts = MOST_PARTS;
  return {
    left: () => bytes,
    take: (size) => {
      bytes -= size;
      if (bytes < 0) throw new Refused(`unpacked it is larger than ${MAX_UNPACKED} bytes`);
    },
    part: () => {
      parts -= 1;
      if (parts < 0) throw new Refused(`it has more than ${MOST_PARTS} parts`);
    },
  };
};

const isGzip = (bytes: Buffer): boolean => bytes[0] === 0x1f && bytes[1] === 0x8b;

const gunzip = (bytes: Buffer, budget: Budget): Buffer => {
  try {
    return gunzipSync(bytes, { maxOutputLength: Math.max(1, budget.left()) });
  } catch (error) {
    const isTooLarge = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
    throw new Refused(isTooLarge ? `unpacked it is larger than ${MAX_UNPACKED} bytes` : 'it begins as gzip does, but can not be unpacked');
  }
};

/** Whether bytes are text or packed, and not what base64 merely happens to give. */
const isMeant = (bytes: Buffer): boolean => {
  if (isGzip(bytes)) return true;
  for (const byte of bytes.subarray(0, 64)) if (byte < 0x20 && byte !== 9 && byte !== 10 && byte !== 13) return false;
  return bytes.length > 0 && isUtf8(bytes);
};

/** Base64 that stands in a text, line by line: a whole block of lines, or what one line ends with. */
const encodedIn = (text: string): readonly Part[] => {
  const found: Part[] = [];
  let open: { text: string; line: number } | undefined;
  for (const [line, one] of text.split('\n').entries()) {
    const bare = one.trim();
    if (open && BASE64.test(bare)) {
      open.text += bare;
      continue;
    }
    const start = one.length <= 65_536 || BASE64.test(bare) ? AT_END.exec(one)?.[1] : undefined;
    open = start === undefined ? undefined : { text: start, line };
    if (open) found.push(open);
  }
  return found.filter(({ text: { length } }) => length >= SHORTEST);
};

const HEADER_END = /\r?\n\r?\n/;
const BOUNDARY = /^content-type:\s*multipart\/[\s\S]{0,200}?boundary="?([^"\s;]{1,70})"?/im;

const linesIn = (text: string): number => text.split('\n').length - 1;

/** The parts of a multipart MIME text (RFC 2046, section 5.1); undefined where it is none. */
const mimeParts = (text: string): readonly Part[] | undefined => {
  const head = text.slice(0, 4_096).split(HEADER_END, 1)[0] as string;
  const boundary = BOUNDARY.exec(head)?.[1];
  if (boundary === undefined) return undefined;
  const pieces = text.split(`--${boundary}`);
  let line = 0;
  return pieces.map((piece) => {
    const part = { text: piece, line };
    line += linesIn(piece);
    return part;
  });
};

/** A MIME part's body, decoded as its header says (RFC 2045, section 6). */
const bodyOf = ({ text, line }: Part): { readonly bytes: Buffer; readonly line: number } => {
  const end = HEADER_END.exec(text);
  const head = end ? text.slice(0, end.index) : '';
  const body = end ? text.slice(end.index + end[0].length) : text;
  const at = line + linesIn(text.slice(0, text.length - body.length));
  const encoding = /^content-transfer-encoding:\s*(\S+)/im.exec(head)?.[1]?.toLowerCase();
  if (encoding === 'base64') return { bytes: Buffer.from(body, 'base64'), line: at };
  if (encoding !== 'quoted-printable') return { bytes: Buffer.from(body), line: at };
  const plain = body.replaceAll(/=\r?\n/g, '').replaceAll(/=([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return { bytes: Buffer.from(plain, 'latin1'), line: at };
};

const unpackInto = (bytes: Buffer, line: number, depth: number, budget: Budget, into: Part[]): void => {
  budget.part();
  if (isGzip(bytes)) {
    if (depth === 0) throw new Refused('it is packed into itself too often');
    unpackInto(gunzip(bytes, budget), line, depth - 1, budget, into);
    return;
  }
  budget.take(bytes.length);
  const text = bytes.toString('utf8');
  into.push({ text, line });
  const mime = mimeParts(text);
  const inner = mime ? mime.map(bodyOf) : encodedIn(text).map((one) => ({ bytes: Buffer.from(one.text, 'base64'), line: one.line }));
  const worth = mime ? inner.slice(1) : inner.filter(({ bytes: found }) => isMeant(found));
  if (worth.length > 0 && depth === 0) throw new Refused('it is packed into itself too often');
  for (const one of worth) unpackInto(one.bytes, line + one.line, depth - 1, budget, into);
};

/**
 * Every text that cloud-init could find in user data: itself, and what base64, gzip and multipart MIME hold, up to four
 * deep. No more than {@link MAX_UNPACKED} bytes are ever unpacked.
 */
export const unpack = (userData: string): Unpacked => {
  const parts: Part[] = [];
  try {
    const bytes = Buffer.from(userData, isGzip(Buffer.from(userData.slice(0, 2), 'latin1')) ? 'latin1' : 'utf8');
    unpackInto(bytes, 0, DEPTH, budgetOf(), parts);
    return { parts };
  } catch (error) {
    if (error instanceof Refused) return { parts, refused: error.message };
    throw error;
  }
};
