import { describe, expect, it } from 'vitest';
import { rangeOf } from './byte-range.js';

describe('a Range header', () => {
  it.each([
    [undefined, 'whole'],
    ['bytes=0-9', { first: 0, last: 9 }],
    ['bytes=90-', { first: 90, last: 99 }],
    ['bytes=90-500', { first: 90, last: 99 }],
    ['bytes=-10', { first: 90, last: 99 }],
    ['bytes=-500', { first: 0, last: 99 }],
    ['bytes=100-', 'unsatisfiable'],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=9-5', 'whole'],
    ['bytes=0-1,5-6', 'whole'],
    ['bytes=-', 'whole'],
    ['rows=0-9', 'whole'],
    ['nonsense', 'whole'],
  ])('%s of 100 bytes is %o', (header, expected) => {
    expect(rangeOf(header, 100)).toEqual(expected);
  });

  it('of an empty file has nothing in it', () => {
    expect(rangeOf('bytes=0-', 0)).toBe('unsatisfiable');
  });
});
