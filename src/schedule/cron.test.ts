import { afterEach, describe, expect, it } from 'vitest';
import { cronFault, type Plan, planOf } from './cron.js';

const plans: Plan[] = [];
const plan = (cron: string, timeZone: string): Plan => {
  const made = planOf(cron, timeZone);
  plans.push(made);
  return made;
};
afterEach(() => {
  for (const one of plans.splice(0)) one.end();
});

/** Every time that was planned in a span, as it is found by looking on and on. */
const planned = (cron: string, timeZone: string, from: string, until: string): readonly string[] => {
  const one = plan(cron, timeZone);
  const found: string[] = [];
  let through = Date.parse(from);
  for (const end = Date.parse(until); through < end; ) {
    const looked = one.look({ through, latest: undefined }, Math.min(end, through + 60_000));
    if (looked.latest !== undefined) found.push(new Date(looked.latest).toISOString());
    through = Math.max(looked.through, through + 60_000);
  }
  return found;
};

describe('when a scheduled export is due', () => {
  it('is told in its time zone', () => {
    expect(planned('30 2 * * *', 'Africa/Lagos', '2026-11-22T00:00:00Z', '2026-11-24T00:00:00Z')).toEqual([
      '2026-11-22T01:30:00.000Z',
      '2026-11-23T01:30:00.000Z',
    ]);
    expect(planned('0 9 * * 1', 'Europe/Berlin', '2026-03-20T00:00:00Z', '2026-04-01T00:00:00Z')).toEqual([
      '2026-03-23T08:00:00.000Z',
      '2026-03-30T07:00:00.000Z',
    ]);
  });

  it('is the latest of what was missed, however much that was', () => {
    const one = plan('0 * * * *', 'UTC');
    let looked = one.look({ through: Date.parse('2026-01-01T00:00:30Z'), latest: undefined }, Date.parse('2026-03-01T00:00:30Z'));
    while (looked.through < Date.parse('2026-03-01T00:00:00Z')) looked = one.look(looked, Date.parse('2026-03-01T00:00:30Z'));
    expect(new Date(looked.latest as number).toISOString()).toBe('2026-03-01T00:00:00.000Z');
  });

  it('is looked for in turns that others needn’t wait for, and never beyond now', () => {
    const one = plan('0 0 1 1 *', 'UTC');
    const from = Date.parse('2026-02-01T00:00:00Z');
    const looked = one.look({ through: from, latest: undefined }, from + 86_400_000 * 365);
    expect(looked.through - from).toBe(2_000 * 60_000);
    expect(one.look({ through: from, latest: undefined }, from + 59_000)).toEqual({ through: from, latest: undefined });
  });

  it.each([
    ['0 0 * *', 'UTC', '"cron" has 4 fields; it must have five: minute, hour, day of the month, month and day of the week.'],
    ['0 0 0 * * *', 'UTC', '"cron" has 6 fields; it must have five: minute, hour, day of the month, month and day of the week.'],
    ['61 * * * *', 'UTC', '"cron": 61 is a invalid expression for minute.'],
    ['0 0 * * *', 'Africa/Lagoss', '"time_zone" must be a name of IANA\'s time zone database, such as Africa/Lagos; "Africa/Lagoss" is none.'],
  ])('can’t be told by %s in %s', (cron, zone, sentence) => {
    expect(cronFault(cron, zone)).toBe(sentence);
  });

  it('can be told by lists, ranges, steps and names', () => {
    for (const cron of ['0,30 8-18 * * 1-5', '*/5 * * * *', '0 0 1 jan *', '0 0 * * sun']) expect(cronFault(cron, 'UTC')).toBeUndefined();
  });
});
