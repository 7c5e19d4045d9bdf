import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { anEvent, ndjson, testLog } from '../../../test/peers/events.js';
import { configFor, startStore, temporaryFolder } from '../../../test/peers/store.js';
import { type Event, eventSchema, isEvent } from '../../event/index.js';
import { createStoreClient, rowsOf, type StoreClient } from '../client.js';
import { type EmbeddedStore, migrate, openStore } from '../index.js';
import { EVENT_COLUMNS, RAW_ONLY } from './0001-events.js';

type Node = { readonly type?: string; readonly enum?: readonly string[]; readonly properties?: Readonly<Record<string, Node>>; readonly minimum?: number };

/** Every field of the schema that has no fields of its own: path → schema. */
const leaves = (node: Node, path: readonly string[] = []): Map<string, Node> => {
  if (!node.properties) return new Map([[path.join('.'), node]]);
  return new Map(Object.entries(node.properties).flatMap(([name, child]) => [...leaves(child, [...path, name])]));
};
const fields = leaves(eventSchema as unknown as Node);

const at = (event: Event, path: readonly string[]): unknown =>
  path.reduce<unknown>((value, name) => (value as Record<string, unknown> | undefined)?.[name], event);

const folder = temporaryFolder();
let embedded: EmbeddedStore;
let client: StoreClient;
beforeAll(async () => {
  embedded = await startStore(folder.path);
  await migrate(configFor(embedded));
  client = createStoreClient(configFor(embedded));
});
afterAll(async () => {
  await client.close();
  await embedded.stop();
  folder.remove();
});

describe('the table agrees with the event’s schema', () => {
  test('every field is a column or stands in raw alone, and no column reads a field that isn’t there', () => {
    const columns = EVENT_COLUMNS.map((column) => column.path.join('.'));
    expect([...columns, ...RAW_ONLY].sort()).toEqual([...fields.keys()].sort());
    expect(new Set(columns).size).toBe(columns.length);
  });

  test('a column’s type holds what the schema allows', () => {
    for (const column of EVENT_COLUMNS) {
      const field = fields.get(column.path.join('.')) as Node;
      const numeric = field.type === 'integer' || field.type === 'number';
      expect([column.name, /^UInt/.test(column.type)]).toEqual([column.name, numeric]);
      if (numeric) expect(field.minimum).toBeGreaterThanOrEqual(0);
      else expect(column.type).toMatch(/^(String|LowCardinality\(String\)|DateTime64\(3, 'UTC'\))$/);
    }
  });

  test('each column has what the event has in its place; what is absent is empty', async () => {
    const now = new Date().toISOString();
    const odd = 'Ünï "quoted" \\ \' \u2028 🙂';
    const events: Event[] = [
      anEvent({
        seq: 1,
        timestamp: now,
        id: odd,
        account: odd,
        kind: 'decision',
        result: 'denied',
        actor: { type: odd, id: odd, email: `${odd}@x`, ip: '::1', user_agent: odd },
        action: odd,
        resource: { type: odd, id: odd, name: odd },
        details: { id: 'not the id', account: 'not the account' },
        decision: { allow: false, reasons: [{ code: 'a', message: odd }], advice: [1], policy: odd, duration_us: 5, question: { seq: 9 }, facts: { 'a/b': 1 } },
        caused_by: odd,
        request: { id: odd, method: odd.slice(0, 8), path: '/', status: 999, duration_ms: 0.5 },
        region: odd,
        source: odd,
      }),
      { ...anEvent({ seq: 2, timestamp: now }), seq: Number.MAX_SAFE_INTEGER, log: testLog(2) },
      (({ request: _request, region: _region, ...rest }) => ({ ...rest, actor: { type: 'user', id: 'u' }, resource: { type: 't', id: 'i' } }))(
        anEvent({ seq: 3, timestamp: '0001-01-01T00:00:00.000Z', recorded: now }),
      ),
      anEvent({ seq: 4, timestamp: '9999-12-31T23:59:59.999Z', recorded: now, request: { status: 0, method: '', id: '' } }),
    ];
    for (const event of events) expect([isEvent(event), isEvent.errors]).toEqual([true, null]);
    const store = openStore(configFor(embedded));
    expect(await store.insertLines(ndjson(events))).toEqual({ outcome: 'inserted' });
    const selected = EVENT_COLUMNS.map(({ name, type }) =>
      type.startsWith('DateTime') ? `toString(toUnixTimestamp64Milli(${name})) AS ${name}_` : `toString(${name}) AS ${name}_`,
    );
    const rows = await rowsOf<Record<string, string>>(client, {
      query: `SELECT raw, days, held, erased, toUnixTimestamp(expires) AS expires, ${selected.join(', ')} FROM events FORMAT JSONEachRow`,
    });
    expect(rows).toHaveLength(events.length);
    for (const event of events) {
      const row = rows.find((candidate) => candidate['raw'] === JSON.stringify(event)) as Record<string, string>;
      for (const { name, path, type } of EVENT_COLUMNS) {
        const value = at(event, path);
        const expected = type.startsWith('DateTime') ? Date.parse(value as string) : (value ?? (type.startsWith('UInt') ? 0 : ''));
        expect([name, row[`${name}_`]]).toEqual([name, String(expected)]);
      }
      expect(row).toMatchObject({ days: 90, held: 0, erased: 0, expires: Math.floor(Date.parse(event.recorded) / 1000) + 90 * 86_400 });
    }
    await store.close();
  });
});
