import { fromLine } from '../event/index.js';
import { type Cell, COLUMNS, type Column } from './columns.js';

/** The names of the columns, in order. */
export const CSV_COLUMNS: readonly string[] = COLUMNS.map(({ name }) => name);

/** The header row (RFC 4180, section 2.3). */
export const csvHeader = `${CSV_COLUMNS.join(',')}\r\n`;

/** What a spreadsheet takes for a formula, or for the way out of its cell; full-width signs (U+FF1D and such) are signs to some. */
const FORMULA = /^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/;
/** A semicolon separates cells where the comma is the decimal sign. */
const TO_QUOTE = /[",;\r\n]/;
/** Neither: most cells. */
const PLAIN = /^[^=+\-@\t\uff1d\uff0b\uff0d\uff20",;\r\n][^",;\r\n]*$/;

const quoted = (text: string): string => (TO_QUOTE.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

const cellOf = (value: Cell, raw: boolean): string => {
  if (typeof value === 'string') {
    if (PLAIN.test(value)) return value;
    return quoted(!raw && FORMULA.test(value) ? `'${value}` : value);
  }
  if (value === undefined) return '';
  return typeof value === 'object' ? quoted(JSON.stringify(value)) : String(value);
};

/** Any cells as a row of RFC 4180, ended by CRLF, with what a spreadsheet would take for a formula made text. */
export const csvLine = (cells: readonly string[]): string => `${cells.map((cell) => cellOf(cell, false)).join(',')}\r\n`;

/**
 * One event as a row of RFC 4180, ended by CRLF. Objects stand as JSON. Unless `raw`, a text that a spreadsheet would
 * take for a formula gets an apostrophe in front.
 */
export const csvRow = (line: string, raw: boolean): string => {
  const event = fromLine(line);
  let row = cellOf(event.id, raw);
  for (let column = 1; column < COLUMNS.length; column += 1) row += `,${cellOf((COLUMNS[column] as Column).cell(event), raw)}`;
  return `${row}\r\n`;
};
