import type { Json } from '../event/index.js';

const RFC3339 = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:[Zz]|[+-]\d{2}:\d{2})$/;

/** A time of the directory in milliseconds since the epoch; undefined where there is none, null where what stands there is no time (RFC 3339). */
export const timeOf = (value: Json | undefined): number | null | undefined => {
  if (value === undefined) return undefined;
  const time = typeof value === 'string' && RFC3339.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(time) ? null : time;
};

/** RFC 3339, UTC; null where there is no time. */
export const textOf = (time: number | null | undefined): string | null => (time === undefined || time === null ? null : new Date(time).toISOString());

/** Whether an end has come. One that can't be read has: so decides the policy, too. */
export const hasEnded = (ends: number | null | undefined, now: number): boolean => ends === null || (ends !== undefined && ends <= now);

/** The end as a sentence about it has it. */
export const sayEnd = (ends: number | null | undefined): string =>
  ends === null ? 'its end is no time (RFC 3339), so it counts as ended' : `it ended at ${textOf(ends)}`;
