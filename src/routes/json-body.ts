import type { Json } from '../event/index.js';

/** RFC 6838, section 4.2.8: JSON, or a type with its structured syntax. */
const JSON_TYPE = /^application\/(?:[a-z0-9!#$&^_.+-]+\+)?json$/;
const UTF_8 = /;\s*charset="?utf-?8"?\s*(?=;|$)/gi;

/**
 * Whether a Content-Type says that the body is JSON in UTF-8 (RFC 8259, section 8.1). One with another charset is none:
 * what is decided on is read as UTF-8, and a service that goes by the charset would read other members (UTF-7 alone
 * spells quotes in letters).
 */
export const isJsonType = (contentType: string | undefined): boolean => {
  if (contentType === undefined || !JSON_TYPE.test((contentType.split(';', 1)[0] as string).trim().toLowerCase())) return false;
  return !/charset/i.test(contentType.replaceAll(UTF_8, ''));
};

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;

/** Members that a JSON text writes: colons outside strings. */
const writtenMembers = (bytes: Buffer): number => {
  let count = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === COLON) count++;
    else if (byte === QUOTE) for (at++; at < bytes.length && bytes[at] !== QUOTE; at++) if (bytes[at] === BACKSLASH) at++;
  }
  return count;
};

const keptMembers = (value: Json): number => {
  if (typeof value !== 'object' || value === null) return 0;
  const children = Object.values(value) as readonly Json[];
  let count = Array.isArray(value) ? 0 : children.length;
  for (const child of children) count += keptMembers(child);
  return count;
};

/**
 * Whether a JSON text names a member of one object twice (RFC 8259, section 4): readers differ in which they take, so
 * that the service might do another thing than the one decided on. `value` is what the text was read as.
 */
export const hasRepeatedMembers = (bytes: Buffer, value: Json): boolean => writtenMembers(bytes) > keptMembers(value);
