import { describe, expect, it } from 'vitest';
import { retryAfter, retryPause } from './retry.js';

const RULE = { first_ms: 500, most_ms: 60_000, most_after_ms: 900_000 };

describe('the pause before another try', () => {
  it('has full jitter under a ceiling that doubles up to the most', () => {
    const ceilings = [1, 2, 3, 8, 20, 1_000].map((attempt) => retryPause(attempt, undefined, RULE, () => 1));
    expect(ceilings).toEqual([500, 1_000, 2_000, 60_000, 60_000, 60_000]);
    expect(retryPause(8, undefined, RULE, () => 0)).toBe(0);
    expect(retryPause(8, undefined, RULE, () => 0.5)).toBe(30_000);
  });

  it('is never shorter than what was asked for, within bounds', () => {
    expect(retryPause(1, 7_000, RULE, () => 0)).toBe(7_000);
    expect(retryPause(1, 7_000, RULE, () => 1)).toBe(7_500);
    expect(retryPause(1, 86_400_000, RULE, () => 0)).toBe(900_000);
    expect(retryPause(1, -5, RULE, () => 0)).toBe(0);
  });
});

describe('Retry-After', () => {
  const now = Date.parse('2026-11-23T00:00:00Z');

  it('is seconds or a date', () => {
    expect(retryAfter('120', now)).toBe(120_000);
    expect(retryAfter('Mon, 23 Nov 2026 00:02:00 GMT', now)).toBe(120_000);
    expect(retryAfter('Mon, 23 Nov 2020 00:02:00 GMT', now)).toBe(0);
  });

  it('is nothing where it is neither', () => {
    for (const text of [undefined, '', 'soon', '-1', '1.5', '99999999999999', 'Mon, nonsense', '2026-11-23T00:02:00Z'])
      expect(retryAfter(text, now)).toBeUndefined();
  });
});
