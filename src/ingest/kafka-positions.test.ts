import { describe, expect, test } from 'vitest';
import { type Known, startOf } from './kafka-positions.js';

const known = (changes: Partial<Known>): Known => ({ committed: 50, isOurs: true, own: 50, low: 0, high: 100, ...changes });

describe('where a consumer starts', () => {
  test('at the offset of its group', () => {
    expect(startOf(known({}))).toEqual({ offset: 50 });
    expect(startOf(known({ committed: 100 }))).toEqual({ offset: 100 });
    expect(startOf(known({ committed: 0 }))).toEqual({ offset: 0 });
  });

  test('at the offset of its group, if another node went on or a restart goes back', () => {
    expect(startOf(known({ own: 20 }))).toEqual({ offset: 50 });
    expect(startOf(known({ own: 80 }))).toEqual({ offset: 50 });
    expect(startOf(known({ own: undefined }))).toEqual({ offset: 50 });
  });

  test('at the first message there is, if the group has no offset', () => {
    expect(startOf(known({ committed: -1, own: undefined, low: 7 }))).toEqual({ offset: 7 });
    expect(startOf(known({ committed: -1, own: 50, low: 7 }))).toEqual({ offset: 7 });
  });

  test('after what retention removed, which is reported', () => {
    expect(startOf(known({ low: 80 }))).toEqual({ offset: 80, gap: { from: 50, to: 80, reason: 'retention' } });
    expect(startOf(known({ committed: -1, own: 60, low: 80 }))).toEqual({ offset: 80, gap: { from: 60, to: 80, reason: 'retention' } });
  });

  test('at the first message there is, if the topic ends before the offset of the group', () => {
    expect(startOf(known({ committed: 120, low: 3 }))).toEqual({ offset: 3, gap: { from: 120, to: 3, reason: 'truncated' } });
  });

  test('where a tool has moved it, and what that leaves out is reported', () => {
    expect(startOf(known({ isOurs: false, own: 30 }))).toEqual({ offset: 50, gap: { from: 30, to: 50, reason: 'moved' } });
    expect(startOf(known({ isOurs: false, own: 70 }))).toEqual({ offset: 50 });
  });
});
