/** Where in the order (timestamp, account, source, id) a page ended: the last event it showed. */
export type Key = { readonly timestamp: number; readonly account: string; readonly source: string; readonly id: string };

/** Where the next page goes on. */
export type Position = {
  /** Events recorded later than this (milliseconds since the epoch) belong to no page of this walk. */
  readonly recorded: number;
  /** Everything at or after this timestamp (milliseconds) has been looked through, but for what `after` leaves. */
  readonly before: number;
  /** The last event shown: those of the same timestamp that come behind it are still to be shown. */
  readonly after?: Omit<Key, 'timestamp'>;
  /** The width of the window to look through next, in milliseconds. */
  readonly window: number;
};

/** A cursor that this version didn't make. */
export class CursorError extends Error {
  override readonly name = 'CursorError';
  readonly code = 'cursor.invalid';
  constructor() {
    super('The cursor is not valid: use next_cursor of the page before, unchanged, with the same filters.');
  }
}

const VERSION = 1;

/** An opaque text for a position: base64url of a JSON array. */
export const encodeCursor = (position: Position): string => {
  const { after } = position;
  const tail = after ? [after.account, after.source, after.id] : [];
  return Buffer.from(JSON.stringify([VERSION, position.recorded, position.before, position.window, ...tail])).toString('base64url');
};

const parse = (cursor: string): unknown => {
  if (!/^[A-Za-z0-9_-]+$/.test(cursor)) return undefined;
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
  } catch {
    return undefined;
  }
};

/** The widest time that a JavaScript date can have, in milliseconds on either side of 1970. */
const MAX_TIME = 8.64e15;
const isTime = (value: unknown): value is number => typeof value === 'number' && Number.isInteger(value) && Math.abs(value) <= MAX_TIME;

/** The position that a cursor stands for. Throws {@link CursorError}. */
export const decodeCursor = (cursor: string): Position => {
  const parts = parse(cursor);
  if (!Array.isArray(parts) || (parts.length !== 4 && parts.length !== 7) || parts[0] !== VERSION) throw new CursorError();
  const [, recorded, before, window, ...tail] = parts as unknown[];
  if (!isTime(recorded) || !isTime(before) || !isTime(window) || window < 1) throw new CursorError();
  if (tail.length === 0) return { recorded, before, window };
  const [account, source, id] = tail;
  if (typeof account !== 'string' || typeof source !== 'string' || typeof id !== 'string') throw new CursorError();
  return { recorded, before, window, after: { account, source, id } };
};
