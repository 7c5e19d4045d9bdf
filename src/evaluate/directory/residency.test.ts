import { describe, expect, it } from 'vitest';
import type { Json } from '../../event/index.js';
import { residencyOf } from './residency.js';

describe('where an account’s events may go', () => {
  let regions: Json = ['eu-1', 'eu-2'];
  let generation = 1;
  const may = residencyOf({
    generation: () => generation,
    get: (type, id) =>
      type === 'account' && id === 'acc-eu' ? { type, id, properties: { regions }, version: 1, updated: '2026-11-23T00:00:00.000Z' } : undefined,
  });

  it('is to its regions alone, where it names any', () => {
    expect([may('acc-eu', 'eu-1'), may('acc-eu', 'eu-2'), may('acc-eu', 'us-1'), may('acc-eu', undefined), may('acc-eu', '')]).toEqual([
      true,
      true,
      false,
      false,
      false,
    ]);
    expect([may('acc-1', undefined), may('acc-1', 'us-1')]).toEqual([true, true]);
  });

  it('follows the directory', () => {
    regions = ['us-1'];
    generation = 2;
    expect([may('acc-eu', 'eu-1'), may('acc-eu', 'us-1')]).toEqual([false, true]);
    regions = [];
    generation = 3;
    expect(may('acc-eu', undefined)).toBe(true);
  });
});
