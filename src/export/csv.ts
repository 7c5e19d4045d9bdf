import { type Event, fromLine, type Json } from '../event/index.js';

type Cell = Json | undefined;
type Column = readonly [name: string, cell: (event: Event) => Cell];

/** The columns of a CSV export, in the order of the event's fields. Fixed: what is added comes at the end. */
const COLUMNS: readonly Column[] = [
  ['id', (event) => event.id],
  ['timestamp', (event) => event.timestamp],
  ['recorded', (event) => event.recorded],
  ['account', (event) => event.account],
  ['kind', (event) => event.kind],
  ['actor_type', (event) => event.actor.type],
  ['actor_id', (event) => event.actor.id],
  ['actor_email', (event) => event.actor.email],
  ['actor_ip', (event) => event.actor.ip],
  ['actor_user_agent', (event) => event.actor.user_agent],
  ['action', (event) => event.action],
  ['resource_type', (event) => event.resource.type],
  ['resource_id', (event) => event.resource.id],
  ['resource_name', (event) => event.resource.name],
  ['result', (event) => event.result],
  ['details', (event) => event.details],
  ['decision_allow', (event) => event.decision?.allow],
  ['decision_reasons', (event) => event.decision?.reasons],
  ['decision_advice', (event) => event.decision?.advice],
  ['decision_policy', (event) => event.decision?.policy],
  ['decision_duration_us', (event) => event.decision?.duration_us],
  ['decision_question', (event) => event.decision?.question],
  ['decision_facts', (event) => event.decision?.facts],
  ['caused_by', (event) => event.caused_by],
  ['request_id', (event) => event.request?.id],
  ['request_method', (event) => event.request?.method],
  ['request_path', (event) => event.request?.path],
  ['request_status', (event) => event.request?.status],
  ['request_duration_ms', (event) => event.request?.duration_ms],
  ['region', (event) => event.region],
  ['source', (event) => event.source],
  ['log', (event) => event.log],
  ['seq', (event) => event.seq],
];

/** The names of the columns, in order. */
export const CSV_COLUMNS: readonly string[] = COLUMNS.map(([name]) => name);

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
  for (let column = 1; column < COLUMNS.length; column += 1) row += `,${cellOf((COLUMNS[column] as Column)[1](event), raw)}`;
  return `${row}\r\n`;
};
