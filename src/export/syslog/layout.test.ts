import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { anEvent, testLog } from '../../../test/peers/events.js';
import { HOSTILE, hostileEvent } from '../../../test/peers/hostile-events.js';
import { eventIn, readMessage } from '../../../test/peers/syslog-lines.js';
import { type Event, shown } from '../../event/index.js';
import { FIELDS } from './fields.js';
import { cutMarker, FACILITIES, type Layout, LEAST_OCTETS, newLineMaker, SEVERITIES, syslogLine } from './layout.js';

const layout: Layout = { facility: 'authpriv', hostname: 'node-1.example', app_name: 'verdict', enterprise: 32_473, max_octets: 8_000 };

const text = (maxLength: number) => fc.oneof(fc.string({ unit: 'binary', maxLength }), fc.constantFrom(...HOSTILE));
const name = (maxLength: number) => fc.oneof(fc.string({ unit: 'grapheme', minLength: 1, maxLength }), fc.string({ unit: 'binary', minLength: 1, maxLength }));

/** Any event at all: longer and stranger texts than its schema lets in. */
const anyEvent: fc.Arbitrary<Event> = fc
  .record({
    id: name(128),
    account: name(128),
    action: name(128),
    source: name(128),
    result: fc.constantFrom('allowed', 'denied', 'success', 'failure', 'error'),
    actor: fc.record({ type: name(64), id: name(256), email: text(320), ip: text(64) }),
    resource: fc.record({ type: name(64), id: name(256), name: text(256) }),
    details: fc.dictionary(text(20), fc.jsonValue({ stringUnit: 'binary' })),
    region: text(64),
    caused_by: name(128),
    request: fc.record({ id: text(256) }),
    seq: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  })
  .map((parts) => anEvent({ ...(parts as Partial<Event> & { seq: number }), log: testLog(7) }));

const anyOctets = fc.integer({ min: LEAST_OCTETS, max: 65_000 });

/** The same without halves of surrogate pairs, which UTF-8 can't hold, and with control characters as they are written. */
const written = (value: string): string =>
  Buffer.from(value)
    .toString()
    .replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]/gu, (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, '0')}`);

describe('a message', () => {
  it('reads as RFC 5424 has it, is never over its length, and has no control characters, whatever the event holds', () => {
    fc.assert(
      fc.property(anyEvent, anyOctets, (event, max_octets) => {
        const line = syslogLine(event, { ...layout, max_octets });
        expect(Buffer.byteLength(line)).toBeLessThanOrEqual(max_octets);
        expect(line).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}]/u);
        const back = eventIn(Buffer.from(line).toString());
        const params = back.message.sd[0]?.params ?? [];
        expect(params.slice(0, 3)).toEqual([
          ['id', written(event.id)],
          ['log', event.log],
          ['seq', String(event.seq)],
        ]);
      }),
      { numRuns: 500 },
    );
  });

  it('gives the event back as it was, or says that it was cut and how long it was', () => {
    fc.assert(
      fc.property(anyEvent, anyOctets, (event, max_octets) => {
        const whole = JSON.stringify(shown(event));
        const back = eventIn(syslogLine(event, { ...layout, max_octets }));
        if (back.kind === 'whole') expect(isDeepStrictEqual(back.event, JSON.parse(whole))).toBe(true);
        else {
          expect(back.of).toBe(Buffer.byteLength(written(whole)));
          expect(written(whole).startsWith(back.start)).toBe(true);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('is cut between two characters, at exactly its length or a few octets below', () => {
    for (const letter of ['a', 'é', '東', '🙂'])
      for (let max_octets = 2_000; max_octets < 2_020; max_octets += 1) {
        const event = anEvent({ seq: 1, details: { long: letter.repeat(9_000) } });
        const line = syslogLine(event, { ...layout, max_octets });
        const octets = Buffer.byteLength(line);
        expect(octets).toBeLessThanOrEqual(max_octets);
        expect(octets).toBeGreaterThan(max_octets - Buffer.byteLength(letter));
        const back = eventIn(line);
        expect(JSON.stringify(shown(event)).startsWith((back as { start: string }).start)).toBe(true);
        expect(line.endsWith(cutMarker((back as { of: number }).of))).toBe(true);
      }
  });

  it('has every value of the structured data whole, or not at all', () => {
    fc.assert(
      fc.property(anyEvent, anyOctets, (event, max_octets) => {
        const params = eventIn(Buffer.from(syslogLine(event, { ...layout, max_octets })).toString()).message.sd[0]?.params ?? [];
        for (const [param, value] of params) {
          const field = FIELDS.find((one) => one.name === param);
          if (field) expect(value).toBe(written(String(field.value(event))));
          else expect(param).toBe('cut');
        }
      }),
      { numRuns: 300 },
    );
  });

  it('has all of the structured data where the event is an ordinary one', () => {
    const event = hostileEvent(3);
    const params = readMessage(syslogLine(event, layout)).sd[0]?.params.map(([param]) => param);
    expect(params).toEqual(FIELDS.filter((field) => ![undefined, ''].includes(field.value(event) as string)).map((field) => field.name));
  });

  it.each(Object.entries(SEVERITIES))('of the result %s has severity %i', (result, severity) => {
    for (const [number, facility] of FACILITIES.entries()) {
      const event = { ...anEvent({ seq: 1 }), result: result as Event['result'] };
      expect(readMessage(syslogLine(event, { ...layout, facility })).pri).toBe(number * 8 + severity);
    }
  });

  it.each([
    ['2026-11-20T10:00:00.123Z', '2026-11-20T10:00:00.123Z'],
    ['2026-11-20T10:00:00.123456789Z', '2026-11-20T10:00:00.123456Z'],
    ['2026-11-20T10:00:00+01:00', '2026-11-20T10:00:00+01:00'],
    ['2026-12-31T23:59:60Z', '-'],
    ['yesterday', '-'],
  ])('of the time %s says %s', (timestamp, expected) => {
    expect(readMessage(syslogLine({ ...anEvent({ seq: 1 }), timestamp }, layout)).timestamp).toBe(expected);
  });

  it('says in its header who sent it, which log it is of, and what happened, in printable ASCII', () => {
    const event = anEvent({ seq: 1, action: 'größe ändern, und noch viel mehr dazu' });
    expect(readMessage(syslogLine(event, { ...layout, hostname: 'knoten ß', app_name: '' }))).toMatchObject({
      hostname: 'knoten__',
      appName: '-',
      procId: testLog(1),
      msgId: 'gr__e__ndern,_und_noch_viel_mehr',
    });
  });

  it('of a trial is marked', () => {
    const line = newLineMaker(layout)(anEvent({ seq: 1 }), { test: true });
    expect(readMessage(line).sd[0]?.params).toContainEqual(['test', 'true']);
  });

  it('carries another text where one is given, on one line and with its tabs', () => {
    const line = newLineMaker(layout)(anEvent({ seq: 1 }), { text: 'CEF:0|a\tb\nc' });
    expect(readMessage(line).text).toBe('CEF:0|a\tb\\u000ac');
  });
});

describe('the names in the structured data', () => {
  it('have at most 32 characters, no dots, and stay different where case is folded', () => {
    const names = [...FIELDS.map((field) => field.name), 'cut', 'test'];
    for (const one of names) expect(one).toMatch(/^[a-z][a-z0-9_]{0,31}$/);
    expect(new Set(names.map((one) => one.toUpperCase())).size).toBe(names.length);
    const longest = readMessage(syslogLine(anEvent({ seq: 1 }), { ...layout, enterprise: 4_294_967_295 })).sd[0]?.id as string;
    expect(longest).toMatch(/^[^.]{1,32}$/);
  });

  it('begin with the id of the event', () => {
    expect(FIELDS[0]?.name).toBe('id');
  });
});
