import { describe, expect, it } from 'vitest';
import { createBreaker } from './breaker.js';

const rig = () => {
  let time = 0;
  const breaker = createBreaker({ failures: 3, open_ms: 1_000 }, () => time);
  return { breaker, pass: (ms: number) => (time += ms) };
};

describe('the breaker', () => {
  it('opens after so many failures in a row, and one answer in between begins anew', () => {
    const { breaker } = rig();
    breaker.failed('a');
    breaker.failed('b');
    breaker.answered();
    breaker.failed('c');
    breaker.failed('d');
    expect(breaker.allows()).toBe(true);
    breaker.failed('e');
    expect(breaker.allows()).toBe(false);
    expect(breaker.state()).toEqual({ open: true, reason: 'e' });
    expect(breaker.wait()).toBe(1_000);
  });

  it('lets one request through to see, and closes when that is answered', () => {
    const { breaker, pass } = rig();
    for (const reason of ['a', 'b', 'c']) breaker.failed(reason);
    pass(1_000);
    expect(breaker.allows()).toBe(true);
    expect(breaker.allows()).toBe(false);
    breaker.failed('d');
    expect(breaker.allows()).toBe(false);
    pass(1_000);
    expect(breaker.allows()).toBe(true);
    breaker.answered();
    expect(breaker.allows()).toBe(true);
    expect(breaker.state()).toEqual({ open: false });
  });

  it('learns nothing of an attempt whose client went away', () => {
    const { breaker, pass } = rig();
    for (const reason of ['a', 'b', 'c']) breaker.failed(reason);
    pass(1_000);
    expect(breaker.allows()).toBe(true);
    breaker.ended();
    expect(breaker.allows()).toBe(true);
  });
});
