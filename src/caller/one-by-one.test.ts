import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { oneByOne } from './one-by-one.js';

describe('Changes of one thing', () => {
  it('are made one after the other, those of other things meanwhile', async () => {
    const inTurn = oneByOne();
    const seen: string[] = [];
    const work = (name: string) =>
      inTurn(name, async () => {
        seen.push(`${name} begins`);
        await sleep(5);
        seen.push(`${name} ends`);
        return name;
      });
    expect(await Promise.all([work('a'), work('a'), work('b')])).toEqual(['a', 'a', 'b']);
    expect(seen.slice(0, 2)).toEqual(['a begins', 'b begins']);
    expect(seen.filter((one) => one.startsWith('a'))).toEqual(['a begins', 'a ends', 'a begins', 'a ends']);
  });

  it('are tried again where somebody else came between, and given up when it takes too long', async () => {
    const inTurn = oneByOne(1_000);
    let tries = 0;
    expect(await inTurn('a', async () => (++tries < 7 ? undefined : 'done'))).toBe('done');
    expect(await Promise.all([inTurn('a', async () => undefined), inTurn('a', async () => 'too late')])).toEqual([undefined, undefined]);
    expect(await inTurn('a', async () => 'done')).toBe('done');
  });

  it('don’t hang on one that fails', async () => {
    const inTurn = oneByOne();
    const failing = inTurn('a', () => Promise.reject(new Error('broken')));
    const next = inTurn('a', async () => 'done');
    await expect(failing).rejects.toThrow('broken');
    expect(await next).toBe('done');
  });
});
