import { setImmediate as nextTurn } from 'node:timers/promises';
import { MAX_EVENT_BYTES } from '../event/index.js';
import type { Posted } from '../ingest/record.js';
import { readJson, splitArray, splitNdjson, startsArray } from './json.js';
import { type Problem, problem } from './problem.js';

/** The media types of JSON values one on a line. */
export const NDJSON_TYPES = ['application/x-ndjson', 'application/ndjson', 'application/jsonl'] as const;

export type BatchRead = { readonly ok: true; readonly items: readonly Posted[] } | { readonly ok: false; readonly problem: Problem };

/** After so many bytes of parsing, others have their turn. */
const TURN_BYTES = 256 * 1024;

/** The longest text that can be read as something of {@link MAX_EVENT_BYTES}: six bytes for each, as \\u escapes have, and some room. */
const PIECE_BYTES = 7 * MAX_EVENT_BYTES;
const TOO_LONG = 'item.too_large';

const tooMany = (most: number): BatchRead => ({
  ok: false,
  problem: problem(413, 'batch.too_many', `At most ${most} at a time; this request has more.`),
});
const empty: BatchRead = { ok: false, problem: problem(400, 'batch.empty', 'The body has nothing in it to take.') };

/**
 * Reads one JSON value, an array of them, or NDJSON, piece by piece. A line of NDJSON that can't be read is a fault in
 * its place; an array that can't be read is no JSON at all.
 */
export const readBatch = async (bytes: Buffer, isNdjson: boolean, most: number): Promise<BatchRead> => {
  if (isNdjson) return readLines(bytes, most);
  if (!startsArray(bytes)) {
    const [read] = await readEach([bytes]);
    if (!read || read.ok || read.code === TOO_LONG) return { ok: true, items: read ? [read] : [] };
    return { ok: false, problem: problem(400, read.code, read.detail) };
  }
  const elements = await splitArray(bytes, most);
  if (!elements) return { ok: false, problem: problem(400, 'json.invalid', 'The body is not valid JSON.') };
  if (elements.length > most) return tooMany(most);
  if (elements.length === 0) return empty;
  const items = await readEach(elements);
  const broken = items.findIndex((item) => !item.ok && item.code !== TOO_LONG);
  const fault = items[broken];
  if (fault && !fault.ok) return { ok: false, problem: problem(400, fault.code, `At index ${broken}: ${fault.detail}`) };
  return { ok: true, items };
};

const readLines = async (bytes: Buffer, most: number): Promise<BatchRead> => {
  const lines = splitNdjson(bytes, most);
  if (lines.length > most) return tooMany(most);
  return lines.length === 0 ? empty : { ok: true, items: await readEach(lines) };
};

const readEach = async (pieces: readonly Buffer[]): Promise<readonly Posted[]> => {
  const items: Posted[] = [];
  let sinceTurn = 0;
  for (const piece of pieces) {
    sinceTurn += piece.length;
    if (sinceTurn > TURN_BYTES) {
      sinceTurn = 0;
      await nextTurn();
    }
    if (piece.length > PIECE_BYTES) {
      items.push({ ok: false, status: 413, code: TOO_LONG, detail: `It has ${piece.length} bytes of JSON, and can not be small enough in any spelling.` });
      continue;
    }
    const read = readJson(piece);
    items.push(read.ok ? read : { ok: false, code: read.code, detail: read.message });
  }
  return items;
};
