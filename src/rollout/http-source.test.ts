import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { pauseAfter } from './http-source.js';

const PACING = { poll_seconds: 10, poll_max_seconds: 30, long_poll_seconds: 30 };

describe('the pause between two requests to a bundle server', () => {
  test('is drawn between the least and the longest', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (random) => {
        const pause = pauseAfter({ outcome: 'unchanged', failures: 0, isHeld: false }, PACING, () => random);
        expect(pause).toBeGreaterThanOrEqual(10_000);
        expect(pause).toBeLessThanOrEqual(30_000);
      }),
    );
  });

  test('is none to speak of where the server held the request', () => {
    expect(pauseAfter({ outcome: 'unchanged', failures: 0, isHeld: true }, PACING, Math.random)).toBe(100);
  });

  test('grows with each failure, up to the longest, and is never the same for all', () => {
    const pauseOf = (failures: number, random: number) => pauseAfter({ outcome: 'failed', failures, isHeld: false }, PACING, () => random);
    expect([1, 2, 3, 4, 5, 6, 50].map((failures) => pauseOf(failures, 0.999_999)).map(Math.round)).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
    expect(pauseOf(3, 0)).toBe(2000);
  });
});
