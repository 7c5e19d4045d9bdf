import { randomFillSync } from 'node:crypto';
import { monotonicFactory } from 'ulid';

/** A new ULID, rising within this process even inside one millisecond. */
export const newUlid: () => string = monotonicFactory();

/** A new id for an event that Verdict makes: `evt-` + ULID. */
export const newEventId = (): string => `evt-${newUlid()}`;

const SALT_BYTES = 16;
const pool = Buffer.alloc(SALT_BYTES * 8192);
let used = pool.length;

/** One random 128-bit value as 32 hexadecimal digits. */
export const newSalt = (): string => {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += SALT_BYTES;
  return pool.toString('hex', used - SALT_BYTES, used);
};
