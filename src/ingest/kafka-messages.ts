import type { Message } from 'kafkajs';
import { fromLine } from '../event/index.js';
import { type Scanned, scan, utf8 } from './scan.js';
import type { Batch } from './stream.js';

const NEWLINE = 0x0a;
const PLAIN_REFERENCE = /^[A-Za-z0-9._~-]+$/;

/** One event as a Kafka message: value is its line as it is, without the newline. */
export type EventMessage = Message & { readonly key: string; readonly value: Buffer };

/** A line that is no event and can't be sent as one. */
export type Unsendable = { readonly line: Buffer; readonly reason: string };

/**
 * The messages of a batch, in order: key = account, and the attributes of CloudEvents 1.0 in the binary content mode of
 * its Kafka protocol binding (section 3.2). `ce_type` is the action, `ce_source` the source as a relative URI reference,
 * the extensions `ce_log` and `ce_seq` the event's place.
 */
export const toMessages = (batch: Batch): { readonly messages: readonly EventMessage[]; readonly unsendable: readonly Unsendable[] } => {
  const messages: EventMessage[] = [];
  const unsendable: Unsendable[] = [];
  for (const { lines } of batch) {
    const text = lines.toString('latin1');
    let start = 0;
    while (start < lines.length) {
      const newline = lines.indexOf(NEWLINE, start);
      const end = newline < 0 ? lines.length : newline;
      const value = lines.subarray(start, end);
      const read = scan(text, start, end) ?? parse(value);
      if (read) messages.push(messageOf(value, read));
      else if (end > start) unsendable.push({ line: value, reason: 'event.invalid: it is no event of Verdict, so it has no account to be sent under.' });
      start = end + 1;
    }
  }
  return { messages, unsendable };
};

const messageOf = (value: Buffer, { id, timestamp, account, action, source, log, seq }: Scanned): EventMessage => ({
  key: utf8(account),
  value,
  headers: {
    ce_specversion: '1.0',
    ce_id: utf8(id),
    ce_source: PLAIN_REFERENCE.test(source) ? source : encodeURIComponent(utf8(source)),
    ce_type: utf8(action),
    ce_time: timestamp,
    ce_log: log,
    ce_seq: String(seq),
    'content-type': 'application/json',
  },
});

/** What {@link scan} reads, by a parser; its strings as latin1 too. */
const parse = (line: Buffer): Scanned | undefined => {
  try {
    const { id, timestamp, account, action, source, log, seq } = fromLine(line.toString('utf8'));
    const strings = [id, timestamp, account, action, source, log];
    if (strings.some((value) => typeof value !== 'string') || !Number.isSafeInteger(seq)) return undefined;
    const [latinId, latinTime, latinAccount, latinAction, latinSource, latinLog] = strings.map((value) => Buffer.from(value, 'utf8').toString('latin1'));
    return { id: latinId, timestamp: latinTime, account: latinAccount, action: latinAction, source: latinSource, log: latinLog, seq } as Scanned;
  } catch {
    return undefined;
  }
};
