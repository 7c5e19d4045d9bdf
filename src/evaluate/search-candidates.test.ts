import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newUlid } from '../event/index.js';
import { fixedDirectory, type WrittenEntity } from './directory/fixed.js';
import { type Directory, localDirectory } from './directory/index.js';
import { candidatesOf, entitiesOf, membersOf, namesFrom, type Place, type Stretch } from './search-candidates.js';

const byBytes = (left: string, right: string): number => Buffer.compare(Buffer.from(left), Buffer.from(right));

/** All ids from a place on, at most `most`, and the place after them. */
const take = (stretches: readonly Stretch[], from?: Place, most = Number.POSITIVE_INFINITY) => {
  const candidates = candidatesOf(stretches, from);
  const ids: string[] = [];
  while (ids.length < most) {
    const step = candidates.next();
    if (step.kind === 'end') return { ids, place: undefined };
    if (step.kind === 'candidate') ids.push(step.id);
  }
  return { ids, place: candidates.place() };
};

const user = (id: string, account?: string): WrittenEntity => ({ type: 'user', id, ...(account !== undefined && { account }), properties: {} });
const member = (account: string, id: string, type?: string): WrittenEntity => ({
  type: 'membership',
  id: `${account}:${id}`,
  account,
  properties: type === undefined ? {} : { subject_type: type },
});
const everybody = (directory: Directory): readonly Stretch[] => [
  { name: 'acc-1', sources: [entitiesOf(directory, 'user', 'acc-1'), membersOf(directory, 'user', 'acc-1'), entitiesOf(directory, 'user', '')] },
];

describe('Candidates', () => {
  it('are those of all sources, in order and each once', () => {
    const directory = fixedDirectory([
      user('b', 'acc-1'),
      user('c'),
      user('d', 'acc-2'),
      member('acc-1', 'c'),
      member('acc-1', 'a'),
      member('acc-1', 'e', 'service'),
    ]);
    expect(take(everybody(directory)).ids).toEqual(['a', 'b', 'c']);
  });

  it('go through stretch after stretch, in the order of their names', () => {
    const stretches = [
      { name: 'two', sources: [namesFrom(['a', 'b'])] },
      { name: 'one', sources: [namesFrom(['c', 'd']), namesFrom([])] },
    ];
    expect(take(stretches).ids).toEqual(['c', 'd', 'a', 'b']);
    expect(take(stretches, { stretch: 'one', after: 'd' }).ids).toEqual(['a', 'b']);
    expect(take(stretches, { stretch: 'two', after: '' }).ids).toEqual(['a', 'b']);
    // A stretch that is gone, as an account that the caller lost.
    expect(take(stretches, { stretch: 'p', after: 'x' }).ids).toEqual(['a', 'b']);
  });

  it('are the same from every place on, whatever the ids are', () => {
    const ids = fc.uniqueArray(fc.stringMatching(/^[a-c:é\u{1f600}\u{ffee}]{1,4}$/u), { maxLength: 200 });
    const holds = fc.property(ids, ids, ids, fc.integer({ min: 1, max: 90 }), (own, members, others, size) => {
      const directory = fixedDirectory([
        ...own.map((id) => user(id, 'acc-1')),
        ...members.map((id, at) => member('acc-1', id, at % 3 === 0 ? 'service' : undefined)),
        ...others.filter((id) => !own.includes(id)).map((id) => user(id)),
      ]);
      const expected = [...new Set([...own, ...others, ...members.filter((_, at) => at % 3 !== 0)])].sort(byBytes);
      const found: string[] = [];
      let from: Place | undefined;
      do {
        const part = take(everybody(directory), from, size);
        found.push(...part.ids);
        from = part.place;
      } while (from);
      expect(found).toEqual(expected);
    });
    fc.assert(holds, { numRuns: 200 });
  });

  it('that are few among many others are reached by places that move on', () => {
    const directory = fixedDirectory([
      ...Array.from({ length: 500 }, (_, at) => member('acc-1', `m${String(at).padStart(3, '0')}`, 'service')),
      member('acc-1', 'z'),
    ]);
    const candidates = candidatesOf(everybody(directory));
    const places = new Set<string>();
    let reading = 0;
    for (let step = candidates.next(); step.kind === 'reading'; step = candidates.next()) {
      reading += 1;
      places.add(candidates.place().after);
    }
    expect(reading).toBeGreaterThan(7);
    expect([...places]).toEqual([...places].sort(byBytes));
    expect(places.size).toBeGreaterThan(5);
    expect(candidates.place().after).toBe('z');
  });
});

describe('Pages of candidates in a directory that changes', () => {
  let path: string;
  let directory: Directory;
  beforeEach(() => {
    path = mkdtempSync(join(tmpdir(), 'verdict-search-'));
    directory = localDirectory({ path });
  });
  afterEach(async () => {
    await directory.close();
    rmSync(path, { recursive: true, force: true });
  });
  const write = (entities: readonly WrittenEntity[]) => directory.apply(entities.map((entity) => ({ change: newUlid(), op: 'put', ...entity })));
  const remove = (type: string, ids: readonly string[]) => directory.apply(ids.map((id) => ({ change: newUlid(), op: 'delete', type, id })));

  it('hold each that was there all the time once, and none twice', async () => {
    const names = Array.from({ length: 300 }, (_, at) => `u${String(at).padStart(3, '0')}`);
    const [staying, going, coming] = [0, 1, 2].map((rest) => names.filter((_, at) => at % 3 === rest)) as [string[], string[], string[]];
    await write([...staying.map((id, at) => (at % 2 === 0 ? user(id) : member('acc-1', id))), ...going.map((id) => user(id, 'acc-1'))]);
    const found: string[] = [];
    let from: Place | undefined;
    for (let page = 0; ; page++) {
      const part = take(everybody(directory), from, 20);
      found.push(...part.ids);
      from = part.place;
      if (!from) break;
      await remove('user', going.splice(0, 15));
      await write(coming.splice(0, 15).map((id) => user(id)));
      // Who was a member alone gets an entity of their own meanwhile.
      await write(staying.slice(page * 10, page * 10 + 10).map((id) => user(id)));
    }
    expect(new Set(found).size).toBe(found.length);
    expect(found.filter((id) => staying.includes(id))).toEqual(staying);
  });
});
