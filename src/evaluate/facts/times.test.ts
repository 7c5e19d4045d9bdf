import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../event/index.js';
import type { Entity } from '../directory/types.js';
import { timeOf, timesOf } from './times.js';

const entity = (type: string, properties: JsonObject): Entity => ({ type, id: 'x', properties, version: 1, updated: '2026-11-22T04:03:48.496Z' });

describe('A time', () => {
  it.each([
    ['2026-11-22T04:03:48Z', 1795320228000],
    ['2026-11-22t04:03:48z', 1795320228000],
    ['2026-11-22T04:03:48.4967Z', 1795320228496],
    ['2026-11-22T05:03:48+01:00', 1795320228000],
    ['2026-11-21T22:33:48-05:30', 1795320228000],
    ['2026-12-31T23:59:60Z', Date.UTC(2027, 0, 1)],
    ['2028-02-29T00:00:00Z', Date.UTC(2028, 1, 29)],
    ['1970-01-01T00:00:00Z', 0],
  ])('%s is %i ms', (text, ms) => {
    expect(timeOf(text)).toBe(ms);
  });

  it.each([
    '2026-11-22',
    '2026-11-22T04:03Z',
    '2026-11-22T04:03:48',
    '2026-02-29T00:00:00Z',
    '2026-04-31T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-11-22T24:00:00Z',
    '2026-11-22 04:03:48Z',
    '2026-11-22T04:03:48+25:00',
    ' 2026-11-22T04:03:48Z',
    '7d',
    '',
    1795320228000,
    null,
    undefined,
    {},
  ])('%j is none', (value) => {
    expect(timeOf(value)).toBeNull();
  });
});

describe('The times that a question rests on', () => {
  it('are those that are there, and null where none can be read', () => {
    const account = entity('account', { require_2fa: { since: '1970-01-01T00:00:01Z' } });
    const membership = entity('membership', { joined: '1970-01-01T00:00:02Z', ends: 'soon' });
    const token = entity('token', { created: '1970-01-01T00:00:03Z', expires: null, not_before: 4 });
    const all = { required_since: 1000, joined: 2000, membership_ends: null, token_created: 3000, token_expires: null, token_not_before: null };
    expect(timesOf(account, membership, token)).toEqual(all);
    expect(timesOf(account, membership, token)).toEqual(all);
    expect(timesOf(entity('account', {}), undefined, undefined)).toBeUndefined();
  });

  it('know a second factor that is required from an unreadable time', () => {
    const required = (value: JsonObject['x']) => timesOf(entity('account', { require_2fa: value as string }), undefined, undefined)?.required_since;
    expect(required(true)).toBeNull();
    expect(required({})).toBeNull();
    expect(required({ since: 'x' })).toBeNull();
    expect(required(false)).toBeUndefined();
  });
});
