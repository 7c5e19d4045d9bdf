import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeWithOpa } from '../../test/peers/opa.js';
import { findOpa, OPA_VERSION } from './opa.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'verdict-opa-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const nothing = (): NodeJS.ProcessEnv => ({ PATH: join(folder, 'nowhere'), XDG_CACHE_HOME: join(folder, 'empty') });

describe('where there is no OPA', () => {
  test('the answer says the three ways to get one', async () => {
    const found = await findOpa({ env: nothing() });
    expect(found).toEqual({ found: false, message: expect.stringMatching(/^No OPA was found: set OPA to .*, put opa on the PATH, or install Go /) });
  });

  test('a program named by OPA that is none is refused, and no other is looked for', async () => {
    const found = await findOpa({ env: { ...process.env, OPA: process.execPath } });
    expect(found).toEqual({ found: false, message: expect.stringContaining(`OPA is set to ${process.execPath}, which is no OPA that runs`) });
    expect(await findOpa({ env: { ...process.env, OPA: join(folder, 'missing') } })).toMatchObject({ found: false });
  });
});

await describeWithOpa('OPA', (opa) => {
  beforeAll(async () => {
    for (const place of ['bin', `cache/verdict/opa-${OPA_VERSION}`]) {
      await mkdir(join(folder, place), { recursive: true });
      await symlink(opa, join(folder, place, 'opa'));
    }
  });

  test('is the one that OPA names', async () => {
    expect(await findOpa({ env: { ...nothing(), OPA: opa }, exact: true })).toEqual({ found: true, path: opa, version: OPA_VERSION });
  });

  test('else the one on the PATH', async () => {
    const path = join(folder, 'bin');
    expect(await findOpa({ env: { ...nothing(), PATH: path }, exact: true })).toEqual({ found: true, path: join(path, 'opa'), version: OPA_VERSION });
  });

  test('else the one that Go built before, kept in the cache folder', async () => {
    const cache = join(folder, 'cache');
    const expected = { found: true, path: join(cache, 'verdict', `opa-${OPA_VERSION}`, 'opa'), version: OPA_VERSION };
    expect(await findOpa({ env: { ...nothing(), XDG_CACHE_HOME: cache }, exact: true })).toEqual(expected);
  });
});
