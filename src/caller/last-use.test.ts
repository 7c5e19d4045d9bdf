import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lastUse } from './last-use.js';

let folder: string;
let warnings: string[];
const warn = (sentence: string): void => void warnings.push(sentence);
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'verdict-use-'));
  warnings = [];
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('When a key was last used', () => {
  it('is the latest that any worker of the node saw', async () => {
    const [one, two] = [lastUse({ path: join(folder, 'w0') }, { warn }), lastUse({ path: join(folder, 'w1') }, { warn })];
    one.touch('key:a', 10);
    two.touch('key:a', 20);
    two.touch('key:b', 5);
    await two.flush();
    expect([one.get('key:a'), one.get('key:b'), one.get('key:c')]).toEqual([20, 5, undefined]);
    one.touch('key:a', 30);
    expect(one.get('key:a')).toBe(30);
    await Promise.all([one.close(), two.close()]);
  });

  it('outlives a restart', async () => {
    const before = lastUse({ path: join(folder, 'w0') }, { warn });
    before.touch('key:a', 10);
    await before.close();
    const after = lastUse({ path: join(folder, 'w0') }, { warn });
    expect(after.get('key:a')).toBe(10);
    await after.close();
  });

  it('is written by itself every so often', async () => {
    const writer = lastUse({ path: join(folder, 'w0'), flushMs: 20 }, { warn });
    writer.touch('key:a', 10);
    const reader = lastUse({ path: join(folder, 'w1') }, { warn });
    await expect.poll(() => reader.get('key:a'), { timeout: 5_000 }).toBe(10);
    await Promise.all([writer.close(), reader.close()]);
  });

  it('is merely unknown where a file is broken', async () => {
    for (const [index, text] of ['{"key:a":', '[]', 'null', '{"key:a":"x"}', ''].entries()) await writeFile(join(folder, `w${index}`), text);
    const uses = lastUse({ path: join(folder, 'w0') }, { warn });
    expect(uses.get('key:a')).toBeUndefined();
    await uses.close();
  });

  it('that can’t be written is said once, and kept for the next time', async () => {
    const uses = lastUse({ path: join(folder, 'w0') }, { warn });
    uses.touch('key:a', 10);
    await rm(folder, { recursive: true });
    await uses.flush();
    await uses.flush();
    expect(warnings).toHaveLength(1);
    expect(uses.get('key:a')).toBe(10);
    await uses.close();
  });
});
