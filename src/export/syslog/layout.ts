import { type Event, type Result, shown } from '../../event/index.js';
import { CORE_FIELDS, FIELDS, type Field } from './fields.js';

/** RFC 5424, table 1, in the order of their numbers. */
export const FACILITIES = [
  'kern',
  'user',
  'mail',
  'daemon',
  'auth',
  'syslog',
  'lpr',
  'news',
  'uucp',
  'cron',
  'authpriv',
  'ftp',
  'ntp',
  'audit',
  'alert',
  'clock',
  'local0',
  'local1',
  'local2',
  'local3',
  'local4',
  'local5',
  'local6',
  'local7',
] as const;
export type Facility = (typeof FACILITIES)[number];

/** RFC 5424, table 2: what each result weighs. Informational, warning, error. */
export const SEVERITIES: { readonly [result in Result]: number } = { allowed: 6, success: 6, denied: 4, failure: 4, error: 3 };

/** How a message looks. */
export type Layout = {
  readonly facility: Facility;
  /** Who sends: a name or address, at most 255 printable ASCII characters. */
  readonly hostname: string;
  /** At most 48 printable ASCII characters. */
  readonly app_name: string;
  /** The number in the structured data's id, `verdict@<number>` (IANA's private enterprise numbers). */
  readonly enterprise: number;
  /** The longest message, in octets of UTF-8, from {@link LEAST_OCTETS}. What is longer is cut within its text. */
  readonly max_octets: number;
};

/** In these many octets the header and what names the event always have their place. */
export const LEAST_OCTETS = 1_536;

const BOM = '\ufeff';
const NIL = '-';
const NOT_PRINTABLE = /[^!-~]/g;
/** Control characters (C0 but for the tab, DEL, C1) and what some take for a line's end. A tab harms no framing, and some forms of text need it. */
const CONTROLS = '\\u0000-\\u0008\\u000a-\\u001f\\u007f-\\u009f\\u2028\\u2029';
// As ranges, without the u flag: \p{Cc} takes three times as long on long texts.
const CONTROL = new RegExp(`[${CONTROLS}]`, 'g');
const SPECIAL_IN_VALUE = new RegExp(`["\\\\\\]\t${CONTROLS}]`);
const TIMESTAMP = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:[0-5]\d)(?:\.(\d{1,6})\d*)?(Z|[+-]\d\d:\d\d)$/;

const escapedControl = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** A text without control characters: each stands as JSON writes it, `\u000a`. In a JSON text it is the same value. */
const oneLine = (text: string): string => text.replace(CONTROL, escapedControl);

/** RFC 5424, section 6.3.3. */
const sdValue = (text: string): string =>
  SPECIAL_IN_VALUE.test(text) ? oneLine(text.replaceAll('\t', '\\u0009')).replace(/["\\\]]/g, (character) => `\\${character}`) : text;

/** A field of the header (RFC 5424, section 6.2): printable ASCII, no longer than it may be, never empty. */
const headerField = (text: string, length: number): string => text.replace(NOT_PRINTABLE, '_').slice(0, length) || NIL;

/** RFC 5424, section 6.2.3: at most 6 digits of a second, and no leap second. */
const timestampOf = (text: string): string => {
  const found = TIMESTAMP.exec(text);
  if (!found) return NIL;
  const [, time, fraction, zone] = found;
  return `${time}${fraction === undefined ? '' : `.${fraction}`}${zone}`;
};

const param = ({ name, value }: Field, event: Event): string => {
  const text = value(event);
  return text === undefined || text === '' ? '' : ` ${name}="${sdValue(String(text))}"`;
};

/** The parameters as far as they fit, in their order; none is ever cut. */
const fitting = (event: Event, room: number): string => {
  let left = room;
  let params = '';
  for (const field of FIELDS) {
    const one = param(field, event);
    const octets = Buffer.byteLength(one);
    if (octets > left && !CORE_FIELDS.has(field.name)) continue;
    params += one;
    left -= octets;
  }
  return params;
};

const paramsOf = (event: Event, room: number): string => {
  let params = '';
  for (const field of FIELDS) params += param(field, event);
  // A UTF-16 unit takes at most 3 octets: most events need no counting.
  return params.length * 3 <= room || Buffer.byteLength(params) <= room ? params : fitting(event, room);
};

/** At most `room` octets of the text, cut between two characters (RFC 3629: 10xxxxxx goes on with one). */
const cutTo = (text: Buffer, room: number): string => {
  let end = Math.max(0, Math.min(room, text.length));
  while (end > 0 && ((text[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return text.toString('utf8', 0, end);
};

/** The marker that a text ends with which was cut; `octets`: how long it was. Never the end of a whole event, which is a brace. */
export const cutMarker = (octets: number): string => `…[cut, ${octets} octets in all]`;

export type Message = {
  /** What stands behind the byte order mark; the event as JSON where it isn't given. One line is made of it. */
  readonly text?: string;
  /** Marked with `test="true"` as a trial. */
  readonly test?: boolean;
};

export type LineMaker = (event: Event, message?: Message) => string;

/**
 * Makes RFC 5424 messages, without framing: `<PRI>1 TIMESTAMP HOSTNAME APP-NAME PROCID MSGID [SD] BOM TEXT`. PROCID is
 * the event's log, MSGID its action. A text that doesn't fit is cut, and both it and the structured data (`cut`) say so.
 * Pure; no message is longer than the layout allows, and none has a control character but tabs that `text` brought.
 */
export const newLineMaker = (layout: Layout): LineMaker => {
  const facility = FACILITIES.indexOf(layout.facility);
  const sender = `${headerField(layout.hostname, 255)} ${headerField(layout.app_name, 48)}`;
  const sdId = `verdict@${layout.enterprise}`;
  const most = Math.max(LEAST_OCTETS, layout.max_octets);

  return (event, { text = JSON.stringify(shown(event)), test = false } = {}) => {
    const head = `<${facility * 8 + SEVERITIES[event.result]}>1 ${timestampOf(event.timestamp)} ${sender} ${headerField(event.log, 32)} ${headerField(event.action, 32)}`;
    const before = `${head} [${sdId}${paramsOf(event, most / 2 - sdId.length)}${test ? ' test="true"' : ''}`;
    const body = oneLine(text);
    const whole = `${before}] ${BOM}${body}`;
    if (whole.length * 3 <= most || Buffer.byteLength(whole) <= most) return whole;
    const bytes = Buffer.from(body);
    const marker = cutMarker(bytes.length);
    const front = `${before} cut="${bytes.length}"] ${BOM}`;
    return `${front}${cutTo(bytes, most - Buffer.byteLength(front) - Buffer.byteLength(marker))}${marker}`;
  };
};

/** One event as an RFC 5424 message, without a line's end. */
export const syslogLine = (event: Event, layout: Layout): string => newLineMaker(layout)(event);
