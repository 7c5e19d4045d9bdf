/** Counts the rows of an export while its bytes come in, cut anywhere. */
export type RowCounter = {
  readonly add: (part: Buffer) => void;
  /** The rows so far, without what frames them; undefined where they can't be told without reading the whole file back. */
  readonly rows: () => number | undefined;
};

const LF = 10;
const QUOTE = 34;
/** Lines of each format that hold no event: the first and the last of the JSON document, the header of CSV. */
const FRAME: { readonly [format: string]: number } = { json: 2, jsonl: 0, csv: 1, syslog: 0, ocsf: 0, cef: 0 };

const linesIn = (part: Buffer): number => {
  let count = 0;
  for (let at = part.indexOf(LF); at >= 0; at = part.indexOf(LF, at + 1)) count += 1;
  return count;
};

/** Lines outside quotes: a quote inside a cell is written twice, which leaves the state as it was (RFC 4180, section 2.7). */
const newRecordsIn = (): ((part: Buffer) => number) => {
  let isQuoted = false;
  return (part) => {
    let count = 0;
    for (const byte of part) {
      if (byte === QUOTE) isQuoted = !isQuoted;
      else if (byte === LF && !isQuoted) count += 1;
    }
    return count;
  };
};

const UNCOUNTED: RowCounter = { add: () => undefined, rows: () => undefined };

/**
 * A counter for what `GET /v1/audit-logs/export` writes as `format`: csv has a record an event, all else a line.
 * A packed file's rows, and Parquet's, are the node's word; its digest is checked all the same.
 */
export const newRowCounter = (format: string, isPacked: boolean): RowCounter => {
  if (isPacked || !(format in FRAME)) return UNCOUNTED;
  const ended = format === 'csv' ? newRecordsIn() : linesIn;
  let lines = 0;
  return {
    add: (part) => {
      lines += ended(part);
    },
    rows: () => Math.max(0, lines - (FRAME[format] ?? 0)),
  };
};
