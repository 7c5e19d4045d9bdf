import { expect, it } from 'vitest';
import { nearest } from './nearest.js';

const names = ['start_date', 'end_date', 'event', 'user', 'account', 'resource', 'result', 'limit', 'cursor'];

it.each([
  ['start', 'start_date'],
  ['end', 'end_date'],
  ['startdate', 'start_date'],
  ['events', 'event'],
  ['acount', 'account'],
  ['users', 'user'],
  ['Limit', 'limit'],
  ['zzzzzzzz', undefined],
  ['x'.repeat(10_000), undefined],
])('%s was probably meant as %s', (word, meant) => {
  expect(nearest(word, names)).toBe(meant);
});
