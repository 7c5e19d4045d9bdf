import { randomFillSync } from 'node:crypto';
import { decodeTime, monotonicFactory, ulid } from 'ulid';

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

/** A number of [0, 1) for one character. */
const newCharacter = (): number => one((pool, start) => (pool[start] as number) / 256);

/** A new ULID, rising within this process even inside one millisecond. */
export const newUlid: () => string = monotonicFactory(newCharacter);

/** A new ULID that stands after an earlier one even if the clock was set back since. */
export const newUlidAfter = (earlier: string | undefined): string => {
  const fresh = newUlid();
  return earlier === undefined || fresh > earlier ? fresh : ulid(decodeTime(earlier) + 1, newCharacter);
};

/** A new id for an event that Verdict makes: `evt-` + ULID. */
export const newEventId = (): string => `evt-${newUlid()}`;

/** One random 128-bit value as 32 hexadecimal digits. */
export const newSalt = (): string => sixteen((pool, start, end) => pool.toString('hex', start, end));
