import type { KafkaMessage } from 'kafkajs';
import { isEvent, sayError } from '../event/index.js';
import { scan } from './scan.js';
import type { Batch, Chunk } from './stream.js';

const NEWLINE = 0x0a;

/** One message of `<prefix>.events`, told apart: an event with its place, or something foreign with the reason. */
export type Entry = {
  readonly partition: number;
  readonly offset: number;
  /** When the producer sent it, in milliseconds since 1970. */
  readonly time: number;
  readonly value: Buffer;
} & ({ readonly log: string; readonly seq: number; readonly reason?: never } | { readonly reason: string; readonly log?: never; readonly seq?: never });

const NOTHING = Buffer.alloc(0);

/**
 * Tells what a message is. Verdict's own are known by their headers, which must agree with the line; anything else is
 * parsed and held against the event's schema, so that another producer may write whole events without our headers.
 */
export const entryOf = (partition: number, message: KafkaMessage): Entry => {
  const value = message.value ?? NOTHING;
  const base = { partition, offset: Number(message.offset), time: Number(message.timestamp), value };
  const foreign = (what: string): Entry => ({ ...base, reason: `event.invalid: the message ${what}` });
  if (value.length === 0) return foreign('is empty.');
  if (value.includes(NEWLINE)) return foreign('is not one line.');
  const log = message.headers?.['ce_log']?.toString();
  const seq = Number(message.headers?.['ce_seq']?.toString() ?? Number.NaN);
  const text = value.toString('latin1');
  const read = scan(text, 0, text.length);
  if (read && read.log === log && read.seq === seq) return { ...base, log, seq };
  const parsed = parse(value);
  if (parsed === undefined) return foreign('is not JSON.');
  if (!isEvent(parsed)) return foreign(`is no event: ${sayError(isEvent.errors, 'value')}`);
  if (log !== undefined && (log !== parsed.log || seq !== parsed.seq))
    return foreign(`says ${log}/${seq} in its headers and ${parsed.log}/${parsed.seq} in its value.`);
  return { ...base, log: parsed.log, seq: parsed.seq };
};

const parse = (value: Buffer): unknown => {
  try {
    return JSON.parse(value.toString('utf8'));
  } catch {
    return undefined;
  }
};

/**
 * The batch that entries make: in their order, where neighbours of one log with following seqs are one chunk. All lines
 * are copied into one piece of memory, so that nothing holds on to the larger answers of the brokers.
 */
export const toBatch = (topic: string, entries: readonly Entry[]): Batch => {
  const memory = Buffer.allocUnsafe(entries.reduce((sum, { value }) => sum + value.length + 1, 0));
  const chunks: Chunk[] = [];
  let open: { log: string; from: number; to: number; start: number } | undefined;
  let at = 0;
  const close = (): void => {
    if (open) chunks.push({ log: open.log, from: open.from, to: open.to, lines: memory.subarray(open.start, at) });
    open = undefined;
  };
  for (const { partition, offset, value, log, seq, reason } of entries) {
    const start = at;
    if (reason !== undefined) {
      close();
      at += value.copy(memory, at);
      chunks.push({ log: '', from: 0, to: 0, lines: memory.subarray(start, at), foreign: { topic, partition, offset, reason } });
      continue;
    }
    if (!open || open.log !== log || open.to !== seq - 1) {
      close();
      open = { log, from: seq, to: seq, start };
    } else open.to = seq;
    at += value.copy(memory, at);
    memory[at] = NEWLINE;
    at += 1;
  }
  close();
  return chunks;
};
