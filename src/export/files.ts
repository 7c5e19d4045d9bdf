import { fromLine } from '../event/index.js';
import { csvHeader, csvRow } from './csv.js';
import { EVENT_FORMATS, type EventFormat } from './formats/index.js';
import { newParquet } from './parquet.js';
import { saltsAt, shownLine } from './shown-line.js';
import { layoutOf, newLineMaker } from './syslog/index.js';

/** Turns lines as they were recorded into an export's bytes. */
export type Format = {
  readonly contentType: string;
  readonly begin: string;
  /** Whole lines, each ended by a newline; `first`: nothing was written before them. */
  readonly lines: (lines: Buffer, first: boolean) => Buffer;
  readonly end: () => string | Buffer;
};

const nothing = (): string => '';

const LF = 10;
const COMMA = 44;
const BRACE = 125;

/** What is written for a line that doesn't end with its salts. */
const parsedLine = (lines: Buffer, start: number, end: number): Buffer => Buffer.from(shownLine(lines.toString('utf8', start, end)));

/** The lines without their salts; `comma`: the events of a JSON list, with one in front of each but the first. */
const withoutSalts = (lines: Buffer, comma: boolean, first: boolean): Buffer => {
  const parts: Buffer[] = [];
  let out = Buffer.allocUnsafe(lines.length);
  let at = 0;
  for (let start = 0; start < lines.length; ) {
    const end = lines.indexOf(LF, start);
    const salts = saltsAt(lines, start, end);
    if (comma && (start > 0 || !first)) out[at++] = COMMA;
    if (salts < 0) {
      parts.push(out.subarray(0, at), parsedLine(lines, start, end));
      // room for what follows, and for this line's newline
      out = Buffer.allocUnsafe(lines.length - end);
      at = 0;
    } else {
      at += lines.copy(out, at, start, salts);
      out[at++] = BRACE;
    }
    out[at++] = LF;
    start = end + 1;
  }
  return parts.length === 0 ? out.subarray(0, at) : Buffer.concat([...parts, out.subarray(0, at)]);
};

const csv = (raw: boolean): Format => ({
  contentType: 'text/csv; charset=utf-8; header=present',
  begin: csvHeader,
  lines: (lines) => {
    let rows = '';
    for (const line of lines.toString('utf8', 0, lines.length - 1).split('\n')) rows += csvRow(line, raw);
    return Buffer.from(rows);
  },
  end: nothing,
});

const parquet = (): Format => {
  const file = newParquet();
  return { contentType: 'application/vnd.apache.parquet', begin: '', lines: file.lines, end: file.end };
};

/** More than any event takes: what is cut to fit a receiver is whole in a file. */
const UNCUT = 1_048_576;

/** RFC 5424, a message a line, as a forwarder with its defaults would send it from this machine. */
const syslog = (): Format => {
  const message = newLineMaker(layoutOf({}, UNCUT));
  return {
    contentType: 'text/plain; charset=utf-8',
    begin: '',
    lines: (lines) => {
      let messages = '';
      for (const line of lines.toString('utf8', 0, lines.length - 1).split('\n')) messages += `${message(fromLine(line), { text: shownLine(line) })}\n`;
      return Buffer.from(messages);
    },
    end: nothing,
  };
};

/** One event a line, in a format that forwarders send too. */
const oneByOne = ({ contentType, line }: EventFormat): Format => ({
  contentType,
  begin: '',
  lines: (lines) => {
    let written = '';
    for (const raw of lines.toString('utf8', 0, lines.length - 1).split('\n')) written += `${line({ event: fromLine(raw), raw })}\n`;
    return Buffer.from(written);
  },
  end: nothing,
});

/** A form of an export, made anew for each file; `csvRaw` leaves what looks like a formula as it is. */
export const formatOf = (name: ExportFormat, { csvRaw }: { readonly csvRaw: boolean }): Format => {
  switch (name) {
    case 'json':
      return { contentType: 'application/json', begin: '{"data":{"events":[\n', lines: (lines, first) => withoutSalts(lines, true, first), end: () => ']}}\n' };
    case 'jsonl':
      return { contentType: 'application/x-ndjson', begin: '', lines: (lines) => withoutSalts(lines, false, true), end: nothing };
    case 'csv':
      return csv(csvRaw);
    case 'parquet':
      return parquet();
    case 'syslog':
      return syslog();
    case 'ocsf':
    case 'cef':
      return oneByOne(EVENT_FORMATS[name]);
  }
};

export const EXPORT_FORMATS = ['json', 'jsonl', 'csv', 'parquet', 'syslog', 'ocsf', 'cef'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];
