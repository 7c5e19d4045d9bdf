import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { anyEvent, outgoing } from '../../../test/peers/any-event.js';
import { anEvent } from '../../../test/peers/events.js';
import type { Event } from '../../event/index.js';
import { FIELD_NAMES, readField } from './fields.js';
import { EVENT_FORMATS } from './index.js';
import { flatten, type Mapping } from './place.js';

const { cef, leef } = EVENT_FORMATS;
const UNESCAPED: { readonly [pair: string]: string } = { '\\n': '\n', '\\r': '\r', '\\=': '=', '\\\\': '\\', '\\|': '|' };
const unescaped = (text: string): string => text.replaceAll(/\\[\\=nr|]/g, (pair) => UNESCAPED[pair] as string);

/** Reads CEF as its standard says: seven fields between unescaped pipes, then keys, each value up to the next key. */
const readCef = (line: string): { readonly header: readonly string[]; readonly pairs: ReadonlyMap<string, string> } => {
  const match =
    /^((?:[^\\|]|\\.)*)\|((?:[^\\|]|\\.)*)\|((?:[^\\|]|\\.)*)\|((?:[^\\|]|\\.)*)\|((?:[^\\|]|\\.)*)\|((?:[^\\|]|\\.)*)\|((?:[^\\|]|\\.)*)\|(.*)$/su.exec(line);
  if (!match) throw new Error(`no CEF: ${line}`);
  const extension = match[8] as string;
  const keys = [...extension.matchAll(/(?:^| )([A-Za-z0-9]+)=/g)];
  const pairs = keys.map(
    (key, n) => [key[1] as string, unescaped(extension.slice(key.index + key[0].length, keys[n + 1]?.index ?? extension.length))] as const,
  );
  expect(new Set(pairs.map(([name]) => name)).size).toBe(pairs.length);
  return { header: match.slice(1, 8).map((field) => unescaped(field)), pairs: new Map(pairs) };
};

/** What the text formats make of control characters that they can't escape. */
const spaced = (text: string, kept: RegExp): string => text.replaceAll(/\p{Cc}/gu, (character) => (kept.test(character) ? character : ' '));
const expected = (mapping: Mapping, event: Event, write: (text: string) => string): ReadonlyMap<string, string> =>
  new Map(flatten(mapping, event).map(([key, value]) => [key, write(value)]));

describe('CEF', () => {
  test('read back by its rules gives every field of any event', () => {
    fc.assert(
      fc.property(anyEvent, (event) => {
        const { header, pairs } = readCef(cef.line(outgoing(event)));
        expect(header.slice(0, 3)).toEqual(['CEF:0', 'Verdict', 'Verdict']);
        expect(header[4]).toBe(spaced(event.action, /^$/));
        for (const [key, value] of expected(cef.mapping as Mapping, event, (text) => spaced(text, /[\n\r]/))) expect(pairs.get(key), key).toBe(value);
      }),
      { numRuns: 500 },
    );
  });

  test('cannot be made to hold a field that is not there', () => {
    const line = cef.line(
      outgoing(anEvent({ seq: 1, action: 'a|9|src=6.6.6.6', resource: { type: 't', id: 'x outcome=allowed', name: '\nCEF:0|forged' }, result: 'failure' })),
    );
    const { header, pairs } = readCef(line);
    expect([header[4], header[6], pairs.get('outcome'), pairs.get('cs4'), pairs.get('src'), pairs.get('cs5')]).toEqual([
      'a|9|src=6.6.6.6',
      '4',
      'failure',
      'x outcome=allowed',
      '198.51.100.7',
      '\nCEF:0|forged',
    ]);
    expect(line).not.toContain('\n');
  });

  test.each([
    ['198.51.100.7', 'src'],
    ['2001:db8::1', 'c6a2'],
    ['fe80::1%eth0', 'VerdictActorIp'],
  ])('has the address %s in %s alone', (ip, key) => {
    const { pairs } = readCef(cef.line(outgoing(anEvent({ seq: 1, actor: { type: 'user', id: 'u', ip } }))));
    expect(['src', 'c6a2', 'VerdictActorIp'].filter((name) => pairs.has(name))).toEqual([key]);
    expect([...pairs.keys()].filter((name) => name.endsWith('Label')).every((name) => pairs.has(name.slice(0, -'Label'.length)))).toBe(true);
  });
});

describe('LEEF', () => {
  test('read back by its rules gives every field of any event', () => {
    fc.assert(
      fc.property(anyEvent, (event) => {
        const line = leef.line(outgoing(event));
        const [version, , , , eventId, delimiter, ...rest] = line.split('|');
        expect([version, eventId, delimiter]).toEqual(['LEEF:2.0', spaced(event.action, /^$/).replaceAll('|', '_'), 'x09']);
        const pairs = rest
          .join('|')
          .split('\t')
          .map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)] as const);
        expect(new Set(pairs.map(([key]) => key)).size).toBe(pairs.length);
        const written = (text: string): string => spaced(text.replaceAll('\t', '\\t').replaceAll('\n', '\\n').replaceAll('\r', '\\r'), /^$/);
        const map = new Map(pairs);
        for (const [key, value] of expected(leef.mapping as Mapping, event, written)) expect(map.get(key), key).toBe(value);
      }),
      { numRuns: 500 },
    );
  });
});

describe('the text formats', () => {
  test('give each field a key of its own', () => {
    for (const { mapping } of [cef, leef]) {
      const keys = FIELD_NAMES.flatMap((field) => mapping[field].map(({ to }) => to));
      expect(new Set(keys).size).toBe(keys.length);
      for (const key of keys) expect(key).toMatch(/^[A-Za-z0-9]+$/);
    }
  });

  test('have the details as JSON that can be read again', () => {
    const event = anEvent({ seq: 1, details: { text: 'a="b" | c\\d\n', list: [1, null] } });
    expect(JSON.parse(readCef(cef.line(outgoing(event))).pairs.get('VerdictDetails') as string)).toEqual(readField(event, 'details'));
    const details = leef
      .line(outgoing(event))
      .split('\t')
      .find((pair) => pair.startsWith('details=')) as string;
    expect(JSON.parse(details.slice('details='.length))).toEqual(readField(event, 'details'));
  });
});
