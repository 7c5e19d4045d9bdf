import type { Event } from '../../src/event/index.js';

/** A message as RFC 5424, section 6, has it; escapes are taken off. */
export type SyslogMessage = {
  readonly pri: number;
  readonly timestamp: string;
  readonly hostname: string;
  readonly appName: string;
  readonly procId: string;
  readonly msgId: string;
  readonly sd: readonly { readonly id: string; readonly params: readonly (readonly [name: string, value: string])[] }[];
  /** Without the byte order mark, which has to be there. */
  readonly text: string;
};

const HEADER =
  /^<(0|[1-9]\d{0,2})>1 (-|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)) ([!-~]{1,255}) ([!-~]{1,48}) ([!-~]{1,128}) ([!-~]{1,32}) /;
/** SD-NAME (section 6.3.2). */
const NAME = /[!#-<>-Z^-~\\[]{1,32}/y;

/** PARAM-VALUE (section 6.3.3) and the quote behind it. */
const VALUE = /(?:[^"\\\]]|\\["\\\]])*"/y;

/** Reads a message by the grammar of RFC 5424, section 6; throws where it isn't followed to the letter. */
export const readMessage = (line: string): SyslogMessage => {
  const head = HEADER.exec(line);
  if (!head) throw new Error(`No header of RFC 5424: ${line.slice(0, 200)}`);
  const [whole, pri, timestamp, hostname, appName, procId, msgId] = head as unknown as [string, string, string, string, string, string, string];
  if (Number(pri) > 191) throw new Error(`PRI is ${pri}`);
  let at = whole.length;
  const expectThere = (text: string): void => {
    if (!line.startsWith(text, at)) throw new Error(`${JSON.stringify(text)} is missing at ${at}: ${line.slice(at, at + 60)}`);
    at += text.length;
  };
  const name = (): string => {
    NAME.lastIndex = at;
    const found = NAME.exec(line)?.[0];
    if (found === undefined) throw new Error(`No SD-NAME at ${at}: ${line.slice(at, at + 60)}`);
    at += found.length;
    return found;
  };
  const value = (): string => {
    VALUE.lastIndex = at;
    const found = VALUE.exec(line)?.[0];
    if (found === undefined) throw new Error(`A value with a bare bracket or a strange escape, or without an end, at ${at}: ${line.slice(at, at + 60)}`);
    at += found.length;
    return found.slice(0, -1).replaceAll(/\\(.)/g, '$1');
  };
  const sd: { id: string; params: [string, string][] }[] = [];
  while (line[at] === '[') {
    at += 1;
    const element = { id: name(), params: [] as [string, string][] };
    while (line[at] === ' ') {
      at += 1;
      const param = name();
      expectThere('="');
      element.params.push([param, value()]);
    }
    expectThere(']');
    sd.push(element);
  }
  if (sd.length === 0) throw new Error('No structured data');
  expectThere(' \ufeff');
  return { pri: Number(pri), timestamp, hostname, appName, procId, msgId, sd, text: line.slice(at) };
};

export type Back =
  | { readonly kind: 'whole'; readonly event: Omit<Event, 'salts'>; readonly message: SyslogMessage }
  /** `of`: how many octets the text had; `start`: what is left of it. */
  | {
      readonly kind: 'cut';
      readonly of: number;
      readonly start: string;
      readonly id: string;
      readonly log: string;
      readonly seq: number;
      readonly message: SyslogMessage;
    };

const MARKER = /…\[cut, (\d+) octets in all\]$/;

/** The event that a message carries, or what is left of one that says that it was cut. */
export const eventIn = (line: string): Back => {
  const message = readMessage(line);
  const params = new Map(message.sd[0]?.params);
  const cut = params.get('cut');
  if (cut === undefined) return { kind: 'whole', event: JSON.parse(message.text) as Omit<Event, 'salts'>, message };
  const marker = MARKER.exec(message.text);
  if (marker?.[1] !== cut) throw new Error('It says that it was cut, but its text has not the marker for it.');
  const [id, log, seq] = [params.get('id') ?? '', params.get('log') ?? '', Number(params.get('seq'))];
  return { kind: 'cut', of: Number(cut), start: message.text.slice(0, marker.index), id, log, seq, message };
};
