import { createTask, validateDetailed } from 'node-cron';

const MINUTE_MS = 60_000;
/** So many minutes are looked at in one turn: others wait for it. */
const STEP = 2_000;

/** Why an expression and a time zone can't be used, as a sentence that names the place; undefined where they can. */
export const cronFault = (cron: string, timeZone: string): string | undefined => {
  const fields = cron.trim().split(/\s+/).length;
  if (fields !== 5) return `"cron" has ${fields} fields; it must have five: minute, hour, day of the month, month and day of the week.`;
  const { errors } = validateDetailed(cron);
  if (errors[0]) return `"cron": ${errors[0].message}.`;
  try {
    new Intl.DateTimeFormat('en', { timeZone });
    return undefined;
  } catch {
    return `"time_zone" must be a name of IANA's time zone database, such as Africa/Lagos; "${timeZone}" is none.`;
  }
};

/** What of a schedule's minutes has been looked at, and the latest that was planned among them. */
export type Looked = { readonly through: number; readonly latest: number | undefined };

/**
 * Says when runs were planned. node-cron tells whether a minute is meant, in the schedule's time zone; its own timers
 * know nothing of the runs that were missed while nobody was there, so the minutes are gone through here.
 */
export const planOf = (cron: string, timeZone: string) => {
  const task = createTask(cron, () => undefined, { timezone: timeZone });
  return {
    /** Goes on from what was looked at, up to `until` (milliseconds since 1970) or a bounded number of minutes. */
    look: ({ through, latest }: Looked, until: number): Looked => {
      let found = latest;
      let at = through;
      const end = Math.min(until, through + STEP * MINUTE_MS);
      for (let minute = Math.floor(through / MINUTE_MS + 1) * MINUTE_MS; minute <= end; minute += MINUTE_MS) {
        if (task.match(new Date(minute))) found = minute;
        at = minute;
      }
      return { through: at, latest: found };
    },
    end: (): void => void task.destroy(),
  };
};
export type Plan = ReturnType<typeof planOf>;
