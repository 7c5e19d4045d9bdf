import { describe, expect, it } from 'vitest';
import { createCache, keyOf } from './cache.js';
import type { Decision } from './types.js';

const decision = (policy: string | undefined): Decision => ({
  decision: true,
  reasons: [],
  advice: [],
  cached: false,
  ...(policy !== undefined && { policy }),
});

const cacheAt = (config: Parameters<typeof createCache>[0]) => {
  let now = 0;
  const cache = createCache(config, () => now);
  return { cache, wait: (ms: number) => (now += ms) };
};

describe('the cache of answers', () => {
  it('tells questions apart by what is sent, and so by their dates', () => {
    const asked = (at: unknown) =>
      keyOf({ subject: { type: 'u', id: '1' }, action: { name: 'a' }, resource: { type: 'r', id: '1' }, context: { at } } as never);
    expect(asked(new Date(0))).not.toBe(asked(new Date(1)));
    expect(asked(new Date(0))).toBe(asked('1970-01-01T00:00:00.000Z'));
  });

  it('forgets an answer after its time, and not before', () => {
    const { cache, wait } = cacheAt({ ttlMs: 100 });
    cache.put('a', decision('r1'));
    wait(99);
    expect(cache.get('a')).toMatchObject({ decision: true, cached: true });
    wait(1);
    expect(cache.get('a')).toBeUndefined();
  });

  it('does not keep an answer for longer because it was given again', () => {
    const { cache, wait } = cacheAt({ ttlMs: 100 });
    cache.put('a', decision('r1'));
    wait(60);
    cache.get('a');
    wait(60);
    expect(cache.get('a')).toBeUndefined();
  });

  it('drops what another revision answered', () => {
    const { cache } = cacheAt({ ttlMs: 100 });
    cache.put('a', decision('r1'));
    cache.put('b', decision('r2'));
    expect(cache.get('a')).toBeUndefined();
    expect(cache.get('b')).toBeDefined();
  });

  it('drops it as well where the other revision’s answer is not kept itself', () => {
    const { cache } = cacheAt({ ttlMs: 100 });
    cache.put('a', decision('r1'));
    cache.see(decision(undefined));
    cache.see(decision('r1'));
    expect(cache.get('a')).toBeDefined();
    cache.see(decision('r2'));
    expect(cache.get('a')).toBeUndefined();
  });

  it('keeps nothing that names no revision', () => {
    const { cache } = cacheAt({ ttlMs: 100 });
    cache.put('a', decision(undefined));
    expect(cache.get('a')).toBeUndefined();
  });

  it('keeps so many answers, and drops the oldest', () => {
    const { cache } = cacheAt({ ttlMs: 100, maxEntries: 2 });
    for (const key of ['a', 'b', 'c']) cache.put(key, decision('r1'));
    expect(['a', 'b', 'c'].map((key) => cache.get(key) !== undefined)).toEqual([false, true, true]);
  });

  it.each([0, -1, 60_001, Number.NaN])('refuses to keep answers for %d ms', (ttlMs) => {
    expect(() => createCache({ ttlMs })).toThrow(/ttlMs/);
  });

  it('knows a question whatever the order of its members, and another by any of them', () => {
    const question = { subject: { type: 'user', id: 'a' }, action: { name: 'b' }, resource: { type: 'c', id: 'd', properties: { x: 1, y: [1, 2] } } };
    const turned = { resource: { properties: { y: [1, 2], x: 1 }, id: 'd', type: 'c' }, action: { name: 'b' }, subject: { id: 'a', type: 'user' } };
    expect(keyOf(turned)).toBe(keyOf(question));
    expect(keyOf({ ...question, resource: { ...question.resource, properties: { x: 1, y: [2, 1] } } })).not.toBe(keyOf(question));
    expect(keyOf({ ...question, context: {} })).not.toBe(keyOf(question));
  });
});
