import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { anyEvent, outgoing, SALT_TEXTS } from '../../../test/peers/any-event.js';
import { eventSchema } from '../../event/index.js';
import { FIELD_NAMES, readField } from './fields.js';
import { EVENT_FORMAT_NAMES, EVENT_FORMATS, eventFormat } from './index.js';

type Schema = { readonly properties?: { readonly [name: string]: Schema }; readonly type?: string };

/** Paths of the schema's leaves: objects whose members it doesn't name are leaves too. */
const leaves = (schema: Schema, path: readonly string[] = []): readonly string[] =>
  schema.properties ? Object.entries(schema.properties).flatMap(([name, child]) => leaves(child, [...path, name])) : [path.join('.')];

const at = (value: unknown, path: string): unknown =>
  path
    .split('.')
    .reduce<unknown>(
      (here, name) =>
        name.endsWith('[]') ? (here as Record<string, unknown[]> | undefined)?.[name.slice(0, -2)]?.[0] : (here as Record<string, unknown> | undefined)?.[name],
      value,
    );

test('the fields that formats map are those of the schema, but for the salts', () => {
  expect([...FIELD_NAMES].sort()).toEqual(
    leaves(eventSchema as Schema)
      .filter((name) => name !== 'salts')
      .sort(),
  );
});

test('a name that is no format is refused with those that are', () => {
  for (const name of ['xml', 'toString', '__proto__']) expect(() => eventFormat(name)).toThrow('json, ocsf, cef, leef, ecs, cloudevents');
});

describe.each(EVENT_FORMAT_NAMES)('%s', (name) => {
  const { line, isJson, mapping } = EVENT_FORMATS[name];

  test('writes any event on one line, the same each time, without its salts', () => {
    fc.assert(
      fc.property(anyEvent, (event) => {
        const written = line(outgoing(event));
        expect(written).not.toMatch(isJson ? /[\n\r]/ : /\p{Cc}(?<!\t)/u);
        for (const salt of SALT_TEXTS) expect(written).not.toContain(salt);
        expect(line(outgoing(event))).toBe(written);
        if (isJson) expect(typeof JSON.parse(written)).toBe('object');
      }),
      { numRuns: 300 },
    );
  });

  test('never shows salts that were left on what is handed to it', () => {
    fc.assert(
      fc.property(anyEvent, (event) => {
        for (const salt of SALT_TEXTS) expect(line({ event, raw: JSON.stringify(event) })).not.toContain(salt);
      }),
      { numRuns: 20 },
    );
  });

  test('has a place for each field', () => {
    for (const field of FIELD_NAMES) expect(mapping[field].length, field).toBeGreaterThan(0);
  });

  if (isJson)
    test('has each field that an event has where the mapping says', () => {
      fc.assert(
        fc.property(anyEvent, (event) => {
          const written: unknown = JSON.parse(line(outgoing(event)));
          for (const field of FIELD_NAMES) {
            const value = readField(event, field);
            if (value === undefined || (name === 'ocsf' && value === '')) continue;
            expect(
              mapping[field].some(({ to }) => at(written, to) !== undefined),
              field,
            ).toBe(true);
          }
        }),
        { numRuns: 200 },
      );
    });
});
