import { randomFillSync } from 'node:crypto';
import { monotonicFactory } from 'ulid';

/** Hands out random bytes from a pool: asked for singly, they took 4 % of the time of a decision. */
const randomBytes = (size: number) => {
  const pool = Buffer.alloc(size * 8192);
  let used = pool.length;
  return <T>(take: (pool: Buffer, start: number, end: number) => T): T => {
    if (used === pool.length) {
      randomFillSync(pool);
      used = 0;
    }
    used += size;
    return take(pool, used - size, used);
  };
};

const one = randomBytes(1);
const sixteen = randomBytes(16);

/** A new ULID, rising within this process even inside one millisecond. */
export const newUlid: () => string = monotonicFactory(() => one((pool, start) => (pool[start] as number) / 256));

/** A new id for an event that Verdict makes: `evt-` + ULID. */
export const newEventId = (): string => `evt-${newUlid()}`;

/** One random 128-bit value as 32 hexadecimal digits. */
export const newSalt = (): string => sixteen((pool, start, end) => pool.toString('hex', start, end));
