import { lookup } from 'node:dns';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe } from 'vitest';
import { type Rsyslog, rsyslogPeer, startRsyslog } from '../../scripts/peers/rsyslog.mjs';
import type { Dial } from '../../src/export/sender.js';

export { freePort, type Rsyslog, rsyslogPeer, startRsyslog } from '../../scripts/peers/rsyslog.mjs';

/** Looks names up as the system does, and guards nothing. */
export const openDial: Dial = { lookup, check: () => undefined };

const LF = 10;
const PIECE = 1_048_576;

/** Gives each whole line of a file to `take`; what has no line feed behind it is no line. */
export const eachLine = (file: string, take: (line: string) => void): void => {
  const fd = openSync(file, 'r');
  const piece = Buffer.allocUnsafe(PIECE);
  let rest: Buffer = Buffer.alloc(0);
  for (let read = readSync(fd, piece); read > 0; read = readSync(fd, piece)) {
    let bytes: Buffer = Buffer.concat([rest, piece.subarray(0, read)]);
    for (let end = bytes.indexOf(LF); end >= 0; end = bytes.indexOf(LF)) {
      take(bytes.toString('utf8', 0, end));
      bytes = bytes.subarray(end + 1);
    }
    rest = Buffer.from(bytes);
  }
  closeSync(fd);
};

/** A line that rsyslog wrote: the message as it came, and what mmpstrucdata made of its structured data. */
export type Received = { readonly raw: string; readonly sd: { readonly [id: string]: { readonly [name: string]: string } } };

export const received = (line: string): Received => {
  const tab = line.indexOf('\t');
  return { sd: JSON.parse(line.slice(0, tab)) as Received['sd'], raw: line.slice(tab + 1) };
};

const sizeOf = (file: string): number => {
  const fd = openSync(file, 'r');
  const { size } = fstatSync(fd);
  closeSync(fd);
  return size;
};

/** Waits until rsyslog has written nothing more for a while: all that it has is in its files. */
export const quiet = async (rsyslog: Rsyslog, ms = 1_000): Promise<void> => {
  const total = (): number => rsyslog.files().reduce((sum, file) => sum + sizeOf(file), 0);
  for (let [last, since] = [total(), Date.now()]; Date.now() - since < ms; await sleep(50)) {
    const now = total();
    if (now !== last) [last, since] = [now, Date.now()];
  }
};

/** `describe` for what needs rsyslog: left out, with a sentence that says how to get it, where it can't be had. */
export const describeWithRsyslog = (name: string, cases: () => void): void => {
  const { reason } = rsyslogPeer();
  if (reason === undefined) describe(name, cases);
  else describe.skip(`${name} (${reason})`, cases);
};

/** Starts rsyslog, lets `use` work with it, and ends it in any case. */
export const withRsyslog = async <T>(options: Parameters<typeof startRsyslog>[0], use: (rsyslog: Rsyslog) => Promise<T>): Promise<T> => {
  const rsyslog = await startRsyslog(options);
  try {
    return await use(rsyslog);
  } finally {
    await rsyslog.stop();
  }
};
