import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { PolicyError, packBundle, readBundle, revisionOf } from '../evaluate/bundle.js';
import type { EventDraft } from '../event/index.js';
import { createRollout, type RolloutDeps } from './rollout.js';
import type { FollowDeps } from './source.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'verdict-rollout-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const bundle = (name: string, sequence?: unknown): Promise<Buffer> =>
  packBundle(
    new Map([
      ['policy.wasm', Buffer.from(name)],
      ...(sequence === undefined ? [] : [['.manifest', Buffer.from(JSON.stringify({ metadata: { sequence } }))] as const]),
    ]),
  );
const revision = async (bytes: Buffer): Promise<string> => revisionOf(await readBundle(bytes));

/** A rollout whose source is in the test's hand. */
const start = (there: () => Promise<Buffer | undefined>, changes: Partial<RolloutDeps> = {}) => {
  const events: EventDraft[] = [];
  const activated: Buffer[] = [];
  let push: FollowDeps['offer'] = async () => undefined;
  const rollout = createRollout(
    { policy: { verification_keys: {} }, folder, region: 'lagos-1' },
    {
      log: pino({ level: 'silent' }),
      source: {
        origin: '/etc/verdict/bundle.tar.gz',
        read: async () => {
          const bytes = await there();
          return bytes && { bytes, etag: '' };
        },
        follow: (_etag, { offer }) => {
          push = offer;
          return { look: () => undefined, stop: () => undefined };
        },
      },
      load: async (bytes) => {
        if ((await readBundle(bytes)).get('policy.wasm')?.includes('broken')) throw new PolicyError('It does not load.');
      },
      record: async (draft) => void events.push(draft),
      activate: (bytes) => activated.push(bytes as Buffer),
      ...changes,
    },
  );
  return { rollout, events, activated, offer: (bytes: Buffer) => push({ bytes, etag: '' }) };
};

const away = async (): Promise<never> => {
  throw new PolicyError('The source is away.');
};

describe('a rollout', () => {
  test('of unsigned bundles without numbers goes back and forth as it is told', async () => {
    const [one, two] = [await bundle('one'), await bundle('two')];
    const { rollout, events, activated, offer } = start(async () => one);
    expect(await rollout.first()).toEqual(one);
    rollout.follow();
    for (const bytes of [one, two, two, one]) await offer(bytes);
    expect(activated).toEqual([two, one]);
    const [first, second] = [await revision(one), await revision(two)];
    expect(events.map(({ details }) => [details?.['from'], details?.['to']])).toEqual([
      [null, first],
      [first, second],
      [second, first],
    ]);
    expect(events[0]).toMatchObject({ region: 'lagos-1', account: expect.any(String) as string, resource: { type: 'policy', id: first } });
  });

  test('never activates what does not load, and tells of each such content once, also after a restart', async () => {
    const [good, broken, worse] = [await bundle('one'), await bundle('broken'), await bundle('broken too')];
    const { rollout, events, activated, offer } = start(async () => good);
    await rollout.first();
    rollout.follow();
    for (const bytes of [broken, broken, good, broken, worse]) await offer(bytes);
    expect(activated).toEqual([]);
    expect(events.slice(1).map(({ action, details }) => [action, details?.['reason']])).toEqual([
      ['policy.refuse', 'bundle.unusable'],
      ['policy.refuse', 'bundle.unusable'],
    ]);
    const again = start(async () => worse);
    expect(await again.rollout.first()).toEqual(good);
    again.rollout.follow();
    expect(again.events).toEqual([]);
  });

  test.each([
    ['lower', 6],
    ['the same', 7],
    ['no number', '8'],
    ['a fraction', 8.5],
    ['beyond counting', 2 ** 53],
  ])('refuses a numbered bundle whose sequence is %s, also after a restart', async (_, sequence) => {
    const seven = await bundle('seven', 7);
    const first = start(async () => seven);
    await first.rollout.first();
    first.rollout.follow();
    const other = await bundle('other', sequence);
    await first.offer(other);
    expect(first.events.at(-1)).toMatchObject({ action: 'policy.refuse', details: { reason: 'bundle.sequence' } });
    const again = start(async () => other);
    expect(await again.rollout.first()).toEqual(seven);
    again.rollout.follow();
    const eight = await bundle('eight', 8);
    await again.offer(eight);
    expect(again.activated).toEqual([eight]);
  });

  test('starts with the last good bundle where its source is away; without one it does not start, in one sentence', async () => {
    await expect(start(away).rollout.first()).rejects.toThrow('The source is away.');
    await expect(start(async () => Buffer.from('nonsense')).rollout.first()).rejects.toThrow('The policy bundle is not a gzip file');
    const one = await bundle('one');
    await start(async () => one).rollout.first();
    expect(await start(away).rollout.first()).toEqual(one);
  });

  test('does not take a bundle from another place for the last good one', async () => {
    const one = await bundle('one');
    await start(async () => one).rollout.first();
    const source = { origin: '/elsewhere.tar.gz', read: away, follow: () => ({ look: () => undefined, stop: () => undefined }) };
    await expect(start(away, { source }).rollout.first()).rejects.toThrow('The source is away.');
  });

  test('records at the next start what could not be recorded before', async () => {
    const [one, two] = [await bundle('one'), await bundle('two')];
    const dead = start(async () => one, { record: () => new Promise(() => undefined) });
    await dead.rollout.first();
    dead.rollout.follow();
    await dead.offer(two);
    const again = start(async () => two);
    await again.rollout.first();
    again.rollout.follow();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(again.events.map(({ details }) => details?.['to'])).toEqual([await revision(one), await revision(two)]);
    const third = start(async () => two);
    await third.rollout.first();
    third.rollout.follow();
    expect(third.events).toEqual([]);
  });
});
