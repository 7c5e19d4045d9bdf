/** What is read off an event's line without parsing it. */
export type Scanned = {
  readonly id: string;
  readonly timestamp: string;
  readonly account: string;
  readonly action: string;
  readonly source: string;
  readonly log: string;
  readonly seq: number;
};

const LOG_LENGTH = 26;
/** `,"salts":["…","…"]}` with 32 hexadecimal digits in each. */
const SALTS_LENGTH = 81;

/** The string that starts at `from`, up to its closing quote; undefined where it has an escape, which only a parser may read. */
const plain = (text: string, from: number, end: number): string | undefined => {
  const close = text.indexOf('"', from);
  if (close < 0 || close >= end) return undefined;
  const value = text.slice(from, close);
  return value.includes('\\') ? undefined : value;
};

/**
 * Reads the fields at the two ends of a line that `toLine` made (event/line.ts fixes their order), in `text[start, end)`
 * without the newline. `text` is the line's bytes as latin1; so are the answers (see {@link utf8}). Undefined for
 * anything else: the caller parses then. It is sure of what it answers as far as the line is an event's: a quote inside
 * a JSON string is always escaped, so none of the marks it looks for can stand inside a value.
 */
export const scan = (text: string, start: number, end: number): Scanned | undefined => {
  const field = (mark: string, at: number): string | undefined => (text.startsWith(mark, at) ? plain(text, at + mark.length, end) : undefined);

  const id = field('{"id":"', start);
  if (id === undefined) return undefined;
  let at = start + 7 + id.length;
  const timestamp = field('","timestamp":"', at);
  if (timestamp?.length !== 24) return undefined;
  at += 15 + 24;
  const recorded = field('","recorded":"', at);
  if (recorded?.length !== 24) return undefined;
  at += 14 + 24;
  const account = field('","account":"', at);
  if (account === undefined) return undefined;
  at += 13 + account.length;
  const kind = field('","kind":"', at);
  if (kind !== 'decision' && kind !== 'activity') return undefined;
  at += 10 + kind.length;
  if (!text.startsWith('","actor":{"', at)) return undefined;
  const afterActor = text.indexOf('"},"action":"', at);
  if (afterActor < 0 || afterActor >= end) return undefined;
  const action = plain(text, afterActor + 13, end);
  const tail = scanTail(text, start, end);
  return action === undefined || tail === undefined ? undefined : { id, timestamp, account, action, ...tail };
};

const scanTail = (text: string, start: number, end: number): Pick<Scanned, 'source' | 'log' | 'seq'> | undefined => {
  const seqEnd = end - SALTS_LENGTH;
  if (seqEnd <= start || !text.startsWith(',"salts":["', seqEnd) || !text.endsWith('"]}', end)) return undefined;
  const seqStart = text.lastIndexOf(':', seqEnd) + 1;
  const seq = Number(text.slice(seqStart, seqEnd));
  const logStart = seqStart - 8 - LOG_LENGTH;
  if (logStart <= start || !text.startsWith('","seq":', seqStart - 8) || !Number.isSafeInteger(seq) || seq < 1) return undefined;
  if (!text.startsWith('","log":"', logStart - 9)) return undefined;
  const sourceStart = text.lastIndexOf('"source":"', logStart - 9) + 10;
  if (sourceStart < start + 10) return undefined;
  const source = plain(text, sourceStart, end);
  return source === undefined || sourceStart + source.length !== logStart - 9 ? undefined : { source, log: text.slice(logStart, seqStart - 8), seq };
};

/** A scanned string as it was meant: latin1 back to the UTF-8 that it was read from. */
export const utf8 = (latin1: string): string => {
  for (let index = 0; index < latin1.length; index += 1) if (latin1.charCodeAt(index) > 0x7f) return Buffer.from(latin1, 'latin1').toString('utf8');
  return latin1;
};
