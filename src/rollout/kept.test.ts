import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { digestOf } from './admit.js';
import { openKept, type PolicyState } from './kept.js';

let folder: string;
beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), 'verdict-kept-')), 'policy');
});
afterEach(() => rmSync(join(folder, '..'), { recursive: true, force: true }));

const bytes = (text: string): Buffer => Buffer.from(text);
const stateOf = (content: Buffer, sequence: number): PolicyState => ({
  version: 1,
  active: { origin: '/b', revision: `r${sequence}`, digest: digestOf(content), etag: '"1"', sequence },
  highest: { sequence, revision: `r${sequence}` },
  unrecorded: [],
});

describe('what a node keeps of its policy', () => {
  test('is nothing at first', () => {
    const kept = openKept(folder);
    expect(kept.state()).toEqual({ version: 1, unrecorded: [] });
    expect(kept.bundle()).toBeUndefined();
  });

  test('is the last good bundle alone, with its state, after a restart', () => {
    const kept = openKept(folder);
    for (const [index, content] of [bytes('one'), bytes('two')].entries()) {
      kept.keep(digestOf(content), content);
      kept.save(stateOf(content, index));
    }
    const again = openKept(folder);
    expect(again.state()).toEqual(stateOf(bytes('two'), 1));
    expect(again.bundle()).toEqual(bytes('two'));
    expect(readdirSync(folder).sort()).toEqual([`bundle-${digestOf(bytes('two'))}.tar.gz`, 'state.json']);
  });

  test('stays as it was when a crash comes between the new bundle and the new state', () => {
    const kept = openKept(folder);
    kept.keep(digestOf(bytes('one')), bytes('one'));
    kept.save(stateOf(bytes('one'), 1));
    kept.keep(digestOf(bytes('two')), bytes('two'));
    writeFileSync(join(folder, 'state.json.new'), '{"vers');
    const again = openKept(folder);
    expect(again.bundle()).toEqual(bytes('one'));
    expect(again.state()).toEqual(stateOf(bytes('one'), 1));
  });

  test.each(['', 'nonsense', '{"version":2,"unrecorded":[]}'])('stops the start where it is damaged (%j): an old bundle could come back', (text) => {
    openKept(folder);
    writeFileSync(join(folder, 'state.json'), text);
    expect(() => openKept(folder)).toThrow('state.json is damaged');
  });
});
