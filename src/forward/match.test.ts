import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Event, newEventId, newUlid, place, toLine } from '../event/index.js';
import type { Forwarder } from './definition.js';
import { matcherOf, outgoingOf, parsedChunks, wildcard } from './match.js';

const LOG = newUlid();
const eventOf = (change: Partial<Event> = {}): Event => ({
  ...place(
    {
      id: newEventId(),
      timestamp: '2026-11-23T00:00:00.000Z',
      account: 'acc-1',
      kind: 'activity',
      actor: { type: 'user', id: 'usr-1' },
      action: 'instance.create',
      resource: { type: 'instance', id: 'inst-1' },
      result: 'success',
      source: 'libvirt',
    },
    { log: LOG, seq: 1 },
    '2026-11-23T00:00:00.000Z',
  ),
  ...change,
});
const forwarderOf = (change: Partial<Forwarder> = {}): Forwarder => ({
  name: 'siem',
  accounts: 'all',
  filter: {},
  format: 'json',
  destination: { type: 'test' },
  since: '2026-11-22T00:00:00.000Z',
  paused: false,
  replays: [],
  created: '2026-11-22T00:00:00.000Z',
  created_by: 'admin',
  ...change,
});

describe('a pattern of actions', () => {
  it('means every text that its stars can be filled to', () => {
    for (const [pattern, text, is] of [
      ['*', '', true],
      ['*', 'a.b', true],
      ['instance.*', 'instance.create', true],
      ['instance.*', 'instance', false],
      ['*.delete', 'volume.delete', true],
      ['a*a', 'a', false],
      ['a*b*a', 'axbxa', true],
      ['a*b*a', 'aba', true],
      ['ab*ba', 'aba', false],
      ['exact', 'exact', true],
      ['exact', 'exactly', false],
      ['a.c', 'abc', false],
    ] as const)
      expect([pattern, text, wildcard(pattern)(text)]).toEqual([pattern, text, is]);
  });

  it('agrees with a regular expression, whatever the pattern', () => {
    const word = fc.string({ unit: fc.constantFrom('a', 'b', '*', '.'), maxLength: 8 });
    fc.assert(
      fc.property(word, fc.string({ unit: fc.constantFrom('a', 'b', '.'), maxLength: 10 }), (pattern, text) => {
        const expression = new RegExp(
          `^${pattern
            .split('*')
            .map((part) => part.replaceAll('.', '\\.'))
            .join('.*')}$`,
        );
        expect(wildcard(pattern)(text)).toBe(expression.test(text));
      }),
      { numRuns: 3_000 },
    );
  });
});

describe('what a forwarder sends', () => {
  const sends = (change: Partial<Forwarder>, event: Partial<Event>): boolean => matcherOf('fwd-1', forwarderOf(change))(eventOf(event));

  it('is everything, where nothing narrows it, from its beginning on', () => {
    expect(sends({}, {})).toBe(true);
    expect(sends({ since: '2026-11-23T00:00:00.000Z' }, {})).toBe(true);
    expect(sends({ since: '2026-11-23T00:00:00.001Z' }, {})).toBe(false);
  });

  it('is of its accounts, actions, results and kinds alone', () => {
    expect(sends({ accounts: ['acc-1'] }, {})).toBe(true);
    expect(sends({ accounts: ['acc-2', 'acc-10'] }, {})).toBe(false);
    expect(sends({ filter: { actions: ['auth.*', 'instance.*'] } }, {})).toBe(true);
    expect(sends({ filter: { actions: ['auth.*'] } }, {})).toBe(false);
    expect(sends({ filter: { results: ['failure'] } }, {})).toBe(false);
    expect(sends({ filter: { kinds: ['decision'] } }, {})).toBe(false);
    expect(sends({ filter: { kinds: ['activity'], results: ['success'] } }, {})).toBe(true);
  });

  it('is not the word of its own refusals, which would make another', () => {
    const refusal = (id: string) => ({ action: 'forwarder.refused', resource: { type: 'forwarder', id } });
    expect(sends({}, refusal('fwd-1'))).toBe(false);
    expect(sends({}, refusal('fwd-2'))).toBe(true);
  });
});

describe('an event on its way out', () => {
  it('is the recorded line without its salts', () => {
    const line = toLine(eventOf({ details: { note: 'ü "x" \n' } }));
    const out = outgoingOf(line);
    expect(out?.raw).toBe(line.replace(/,"salts":\[.*\]\}$/, '}'));
    expect(out?.event).not.toHaveProperty('salts');
    expect([out?.log, out?.seq]).toEqual([LOG, 1]);
  });

  it('is nothing where the line is no event', () => {
    for (const line of ['', '{', '[]', '{}', '"x"', 'null']) expect(outgoingOf(line)).toBeUndefined();
  });

  it('is parsed once for all who read the same commit, as long as it is among the last', () => {
    const parsed = parsedChunks(2_000);
    const chunk = (seq: number) => ({ log: LOG, from: seq, to: seq, lines: Buffer.from(`${toLine(eventOf({ id: 'evt-1', seq }))}\n`) });
    const [first] = parsed([chunk(1)]);
    expect(parsed([chunk(1)])[0]).toBe(first);
    for (let seq = 2; seq < 10; seq += 1) parsed([chunk(seq)]);
    expect(parsed([chunk(1)])[0]).not.toBe(first);
    expect(parsed([chunk(1)])).toEqual([first]);
    expect(parsed([{ ...chunk(1), foreign: { topic: 't', partition: 0, offset: 1, reason: 'x' } }])).toEqual([]);
  });
});
