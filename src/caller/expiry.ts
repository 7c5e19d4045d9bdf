const UNITS: Readonly<Record<string, number>> = { h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000 };
const SPAN = /^([1-9]\d{0,4})([hdw])$/;
const DATE = /^\d{4}-\d{2}-\d{2}$/;
const INSTANT = /^(\d{4}-\d{2}-\d{2})[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})$/;

/** A day of the calendar: Date takes 31 February for 3 March. */
const isDay = (text: string): boolean => {
  const time = Date.parse(`${text}T00:00:00Z`);
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(text);
};

const instantOf = (text: string, now: number): number => {
  const span = SPAN.exec(text);
  if (span) return now + Number(span[1]) * (UNITS[span[2] as string] as number);
  if (DATE.test(text)) return isDay(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN;
  const day = INSTANT.exec(text)?.[1];
  return day !== undefined && isDay(day) ? Date.parse(text) : Number.NaN;
};

export type Expiry = { readonly ok: true; readonly time: number } | { readonly ok: false; readonly message: string };

/** When a credential is to end, in milliseconds since the epoch: `12h`, `7d`, `4w` from now, a date (its first moment, UTC) or RFC 3339. */
export const readExpiry = (text: string, now: number): Expiry => {
  const time = instantOf(text, now);
  if (Number.isNaN(time))
    return { ok: false, message: '"expires" must be a span such as 12h, 7d or 4w, a date such as 2027-01-31, or an instant of RFC 3339.' };
  if (time <= now) return { ok: false, message: `"expires" must lie ahead; ${new Date(time).toISOString()} has passed.` };
  return { ok: true, time };
};
