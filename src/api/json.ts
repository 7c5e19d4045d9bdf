import { isUtf8 } from 'node:buffer';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Json } from '../event/index.js';

/** A text read as JSON, or why not: a stable code and a sentence. */
export type JsonRead = { readonly ok: true; readonly value: Json } | { readonly ok: false; readonly code: JsonFault; readonly message: string };

export type JsonFault = 'json.invalid' | 'json.depth' | 'json.number' | 'json.text' | 'json.key';

/** How deep objects and arrays may be nested. */
export const MAX_DEPTH = 64;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

const LONE_SURROGATE = /\p{Surrogate}/u;
/** Numbers up to this many characters without an exponent are always kept exactly enough. */
const SHORT_NUMBER = 15;

const fault = (code: JsonFault, message: string): JsonRead => ({ ok: false, code, message });

/**
 * Reads JSON from bytes that nobody has looked at yet. Beyond RFC 8259 it asks for what keeps a record faithful
 * (RFC 7493, I-JSON): UTF-8, no lone surrogates or NUL, no `__proto__` keys, whole numbers within ±(2^53 − 1), finite
 * ones otherwise, and at most {@link MAX_DEPTH} levels. Depth is counted over the bytes, before anything recurses.
 */
export const readJson = (bytes: Buffer): JsonRead => {
  const found = scan(bytes);
  if (found) return found;
  if (!isUtf8(bytes)) return fault('json.text', 'The body is not valid UTF-8.');
  const text = bytes.toString('utf8');
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch {
    return fault('json.invalid', 'The body is not valid JSON.');
  }
  // Escapes are the only way to a lone surrogate, a NUL, or a hidden key: texts without them need no second look.
  if (text.includes('\\u') || text.includes('__proto__')) return inspect(value) ?? { ok: true, value };
  return { ok: true, value };
};

/** Strings shorter than this are gone through byte by byte; in longer ones the closing quote is searched for. */
const SHORT_STRING = 32;

/** Where a string that begins at `start` ends: the place of its closing quote, or the end of the bytes. */
const endOfString = (bytes: Buffer, start: number): number => {
  let at = start + 1;
  const short = Math.min(bytes.length, at + SHORT_STRING);
  while (at < short && bytes[at] !== QUOTE) at += bytes[at] === BACKSLASH ? 2 : 1;
  if (at < short || at >= bytes.length) return at;
  // `at` stands behind a whole escape: only the backslashes from there on decide about a quote.
  for (let quote = bytes.indexOf(QUOTE, at); quote >= 0; quote = bytes.indexOf(QUOTE, quote + 1)) {
    let first = quote;
    while (first > at && bytes[first - 1] === BACKSLASH) first--;
    if ((quote - first) % 2 === 0) return quote;
    at = quote + 1;
  }
  return bytes.length;
};

const isDigit = (byte: number): boolean => byte >= 0x30 && byte <= 0x39;
const isExponent = (byte: number): boolean => byte === 0x65 || byte === 0x45;
const isNumberPart = (byte: number): boolean => isDigit(byte) || isExponent(byte) || byte === 0x2e || byte === 0x2b || byte === 0x2d;

const scan = (bytes: Buffer): JsonRead | undefined => {
  let depth = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] as number;
    if (byte === QUOTE) at = endOfString(bytes, at);
    else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
      depth++;
      if (depth > MAX_DEPTH) return fault('json.depth', `The body is nested more than ${MAX_DEPTH} levels deep.`);
    } else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) depth--;
    else if (isDigit(byte)) {
      const start = at;
      let exponent = false;
      while (at + 1 < bytes.length && isNumberPart(bytes[at + 1] as number)) {
        at++;
        exponent ||= isExponent(bytes[at] as number);
      }
      if ((exponent || at - start >= SHORT_NUMBER) && !isFaithful(bytes.toString('latin1', start, at + 1)))
        return fault('json.number', 'The body has a number that can not be kept as it is (RFC 7493, section 2.2); send it as a string.');
    }
  }
  return undefined;
};

const isFaithful = (text: string): boolean => {
  const number = Number(text);
  if (Number.isNaN(number)) return true; // Not a number at all: the parser says so.
  return Number.isFinite(number) && (!/^\d+$/.test(text) || Number.isSafeInteger(number));
};

const inspect = (value: Json): JsonRead | undefined => {
  if (typeof value === 'string') return inspectText(value);
  if (value === null || typeof value !== 'object') return undefined;
  if (Array.isArray(value)) {
    for (const child of value as readonly Json[]) {
      const found = inspect(child);
      if (found) return found;
    }
    return undefined;
  }
  for (const [name, child] of Object.entries(value)) {
    if (name === '__proto__') return fault('json.key', 'The body has a key named "__proto__"; it is not accepted.');
    const found = inspectText(name) ?? inspect(child);
    if (found) return found;
  }
  return undefined;
};

const inspectText = (text: string): JsonRead | undefined => {
  if (text.includes('\u0000')) return fault('json.text', 'The body has a NUL character in a string; it is not accepted.');
  if (LONE_SURROGATE.test(text)) return fault('json.text', 'The body has half of a surrogate pair in a string: it is no Unicode text.');
  return undefined;
};

const isSpace = (byte: number | undefined): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

const skipSpace = (bytes: Buffer, from: number): number => {
  let at = from;
  while (at < bytes.length && isSpace(bytes[at])) at++;
  return at;
};

/** True if the first thing in the bytes is an array's bracket. */
export const startsArray = (bytes: Buffer): boolean => bytes[skipSpace(bytes, 0)] === OPEN_ARRAY;

/** After so many bytes of searching, others have their turn. */
const TURN_BYTES = 1024 * 1024;

/**
 * The elements of a JSON array as slices of its bytes, so that a long one can be read piece by piece. Undefined if the
 * brackets and commas don't add up; what stands between them is for {@link readJson} to judge. Stops after `most` + 1
 * elements, and within one that is nested too deeply: it is the last one then, and no JSON.
 */
export const splitArray = async (bytes: Buffer, most: number): Promise<readonly Buffer[] | undefined> => {
  const elements: Buffer[] = [];
  let start = skipSpace(bytes, 0) + 1;
  const first = skipSpace(bytes, start);
  if (bytes[first] === CLOSE_ARRAY) return skipSpace(bytes, first + 1) === bytes.length ? [] : undefined;
  let depth = 0;
  let turn = TURN_BYTES;
  for (let at = first; at < bytes.length; at++) {
    if (at > turn) {
      turn = at + TURN_BYTES;
      await nextTurn();
    }
    const byte = bytes[at];
    if (byte === QUOTE) at = endOfString(bytes, at);
    else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
      depth++;
      if (depth > MAX_DEPTH) return [...elements, bytes.subarray(start, at + 1)];
    } else if (depth > 0 && (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY)) depth--;
    else if (byte === COMMA && depth === 0) {
      elements.push(bytes.subarray(start, at));
      if (elements.length > most) return elements;
      start = at + 1;
    } else if (byte === CLOSE_ARRAY) {
      elements.push(bytes.subarray(start, at));
      return skipSpace(bytes, at + 1) === bytes.length ? elements : undefined;
    }
  }
  return undefined;
};

/** The lines of NDJSON, blank ones left out. Stops after `most` + 1. */
export const splitNdjson = (bytes: Buffer, most: number): readonly Buffer[] => {
  const lines: Buffer[] = [];
  let start = 0;
  while (start < bytes.length && lines.length <= most) {
    const newline = bytes.indexOf(0x0a, start);
    const end = newline < 0 ? bytes.length : newline;
    if (skipSpace(bytes.subarray(start, end), 0) < end - start) lines.push(bytes.subarray(start, end));
    start = end + 1;
  }
  return lines;
};
