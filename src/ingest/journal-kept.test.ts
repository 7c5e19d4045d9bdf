import { describe, expect, it } from 'vitest';
import { keptForFollowers } from './journal-kept.js';

const commit = (seq: number, bytes = 100) => ({ slot: 'w0', log: 'L1', seq, bytes });
const at = (seq: number, log = 'L1') => new Map([['w0', { log, seq }]]);

describe('what of a journal is kept for followers', () => {
  it('is nothing where none follows', () => {
    const kept = keptForFollowers(1_000);
    kept.passed([commit(1), commit(2)]);
    expect(kept.released('w0', { log: 'L1', seq: 2 })).toEqual({ log: 'L1', seq: 2 });
  });

  it('is what the slowest of those that are just behind has not had', () => {
    const kept = keptForFollowers(1_000);
    kept.follow('fast', at(3));
    kept.follow('slow', at(1));
    kept.passed([commit(1), commit(2), commit(3)]);
    expect(kept.released('w0', { log: 'L1', seq: 3 })).toEqual({ log: 'L1', seq: 1 });
    kept.follow('slow', at(2));
    expect(kept.released('w0', { log: 'L1', seq: 3 })).toEqual({ log: 'L1', seq: 2 });
    kept.leave('slow');
    expect(kept.released('w0', { log: 'L1', seq: 3 })).toEqual({ log: 'L1', seq: 3 });
  });

  it('is bounded: one that is further behind holds no more back than that', () => {
    const kept = keptForFollowers(250);
    kept.follow('away', at(0));
    for (let seq = 1; seq <= 10; seq += 1) kept.passed([commit(seq)]);
    expect(kept.released('w0', { log: 'L1', seq: 10 })).toEqual({ log: 'L1', seq: 8 });
  });

  it('is never more than the store has', () => {
    const kept = keptForFollowers(1_000);
    kept.follow('ahead', at(9));
    kept.passed([commit(1), commit(2), commit(3)]);
    expect(kept.released('w0', { log: 'L1', seq: 2 })).toEqual({ log: 'L1', seq: 2 });
  });
});
