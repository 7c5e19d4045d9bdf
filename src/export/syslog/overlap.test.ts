import { describe, expect, it } from 'vitest';
import { newOverlap } from './overlap.js';

const overlap = (ms: number, bytes: number) => {
  const clock = { now: 0 };
  return { clock, kept: newOverlap<string>({ ms, bytes }, () => clock.now) };
};

describe('what may still be lost with a receiver', () => {
  it('is kept for its time, and no longer', () => {
    const { clock, kept } = overlap(100, 1_000);
    kept.add('a', 10);
    clock.now = 60;
    kept.add('b', 10);
    clock.now = 99;
    kept.trim();
    expect(kept.entries()).toEqual(['a', 'b']);
    clock.now = 100;
    kept.trim();
    expect([kept.entries(), kept.bytes()]).toEqual([['b'], 10]);
  });

  it('is never more than its bytes: the oldest goes first', () => {
    const { kept } = overlap(1_000_000, 100);
    for (let n = 0; n < 5_000; n += 1) {
      kept.add(String(n), 30);
      expect(kept.bytes()).toBeLessThanOrEqual(100);
    }
    expect(kept.entries()).toEqual(['4997', '4998', '4999']);
  });

  it('does not grow old while the receiver takes nothing, or is away', () => {
    const { clock, kept } = overlap(100, 1_000);
    kept.add('a', 10);
    clock.now = 50;
    kept.hold(true);
    clock.now = 10_000;
    kept.hold(true);
    kept.trim();
    expect(kept.entries()).toEqual(['a']);
    kept.hold(false);
    clock.now = 10_049;
    kept.trim();
    expect(kept.entries()).toEqual(['a']);
    clock.now = 10_050;
    kept.trim();
    expect(kept.entries()).toEqual([]);
  });

  it('is as young as new when it was sent again, but not for ever', () => {
    const { clock, kept } = overlap(100, 1_000);
    kept.add('a', 10);
    let renewals = 0;
    for (; kept.entries().length > 0 && renewals < 100; renewals += 1) {
      clock.now += 60;
      kept.trim();
      if (kept.entries().length > 0) kept.renew();
    }
    expect(renewals).toBeGreaterThan(5);
    expect(renewals).toBeLessThan(10);
  });

  it('is forgotten when the receiver says that it has it', () => {
    const { kept } = overlap(100, 1_000);
    kept.add('a', 10);
    kept.clear();
    expect([kept.entries(), kept.bytes()]).toEqual([[], 0]);
  });
});
