import { crc32c } from './crc32c.js';

/** A message as kafkajs's producer takes it. */
export type WritableMessage = {
  readonly key?: Buffer | string | null;
  readonly value: Buffer | string | null;
  readonly headers?: Readonly<Record<string, Buffer | string | readonly (Buffer | string)[] | undefined>>;
};

/** What a batch says of its producer; −1 for none. */
export type ProducerState = { readonly producerId: bigint; readonly producerEpoch: number; readonly firstSequence: number };

const MAGIC = 2;
/** From the batch's first byte: its length field counts what follows byte 12; the checksum covers what follows byte 21. */
const LENGTH_AT = 8;
const CRC_AT = 17;
const CRC_FROM = 21;
const HEADER_BYTES = 61;
const LONGEST_VARINT = 5;

/** A growing piece of memory that is written from the front. */
export class Writer {
  buffer: Buffer;
  at = 0;

  constructor(size = 1 << 20) {
    this.buffer = Buffer.allocUnsafe(size);
  }

  /** Makes sure that `bytes` more fit. */
  reserve(bytes: number): void {
    if (this.at + bytes <= this.buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, this.at + bytes));
    this.buffer.copy(grown, 0, 0, this.at);
    this.buffer = grown;
  }

  int8(value: number): void {
    this.at = this.buffer.writeInt8(value, this.at);
  }

  int16(value: number): void {
    this.at = this.buffer.writeInt16BE(value, this.at);
  }

  int32(value: number): void {
    this.at = this.buffer.writeInt32BE(value, this.at);
  }

  int64(value: bigint): void {
    this.at = this.buffer.writeBigInt64BE(value, this.at);
  }

  /** Zigzag and base 128, as Protocol Buffers have it. */
  varint(value: number): void {
    let rest = ((value << 1) ^ (value >> 31)) >>> 0;
    while (rest > 0x7f) {
      this.buffer[this.at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.buffer[this.at++] = rest;
  }

  bytes(value: Buffer): void {
    this.at += value.copy(this.buffer, this.at);
  }

  /** A length as a varint, then the bytes; −1 for null. Reserves what it needs. */
  sized(value: Buffer | string | null | undefined): void {
    if (value === null || value === undefined) {
      this.reserve(1);
      this.varint(-1);
    } else if (typeof value === 'string') this.text(value);
    else {
      this.reserve(value.length + LONGEST_VARINT);
      this.varint(value.length);
      this.bytes(value);
    }
  }

  /** Most strings here are short and ASCII: those are written without asking Node for their length first. */
  private text(value: string): void {
    this.reserve(value.length * 3 + LONGEST_VARINT);
    if (value.length < 64) {
      const start = this.at;
      this.buffer[this.at++] = value.length << 1;
      for (let index = 0; index < value.length; index += 1) {
        const code = value.charCodeAt(index);
        if (code > 0x7f) {
          this.at = start;
          break;
        }
        this.buffer[this.at++] = code;
      }
      if (this.at > start) return;
    }
    this.varint(Buffer.byteLength(value));
    this.at += this.buffer.write(value, this.at);
  }
}

const scratch = new Writer(1 << 16);

/** One record of a batch (format v2), written apart first because its length stands before it. */
const writeRecord = (into: Writer, message: WritableMessage, offsetDelta: number): void => {
  scratch.at = 0;
  scratch.reserve(2 * LONGEST_VARINT);
  scratch.int8(0);
  scratch.varint(0);
  scratch.varint(offsetDelta);
  scratch.sized(message.key);
  scratch.sized(message.value);
  const { headers } = message;
  let count = 0;
  for (const name in headers) {
    const value = headers[name];
    count += Array.isArray(value) ? value.length : 1;
  }
  scratch.reserve(LONGEST_VARINT);
  scratch.varint(count);
  for (const name in headers) {
    const value = headers[name] as Buffer | string | readonly (Buffer | string)[];
    for (const one of Array.isArray(value) ? (value as readonly (Buffer | string)[]) : [value as Buffer | string]) {
      scratch.sized(name);
      scratch.sized(one);
    }
  }
  into.reserve(scratch.at + LONGEST_VARINT);
  into.varint(scratch.at);
  into.at += scratch.buffer.copy(into.buffer, into.at, 0, scratch.at);
};

/** A record batch of format v2 (Kafka's documentation, "Record Batch"), uncompressed, all records of one instant. */
export const writeBatch = (into: Writer, messages: readonly WritableMessage[], producer: ProducerState, time: number): void => {
  const start = into.at;
  into.reserve(HEADER_BYTES);
  into.int64(0n);
  into.int32(0);
  into.int32(0);
  into.int8(MAGIC);
  into.int32(0);
  into.int16(0);
  into.int32(messages.length - 1);
  into.int64(BigInt(time));
  into.int64(BigInt(time));
  into.int64(producer.producerId);
  into.int16(producer.producerEpoch);
  into.int32(producer.firstSequence);
  into.int32(messages.length);
  for (let index = 0; index < messages.length; index += 1) writeRecord(into, messages[index] as WritableMessage, index);
  into.buffer.writeInt32BE(into.at - start - LENGTH_AT - 4, start + LENGTH_AT);
  into.buffer.writeUInt32BE(crc32c(into.buffer, start + CRC_FROM, into.at), start + CRC_AT);
};
