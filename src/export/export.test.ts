import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { anEvent, ndjson } from '../../test/peers/events.js';
import { configFor, startStore, temporaryFolder } from '../../test/peers/store.js';
import { eventIn } from '../../test/peers/syslog-lines.js';
import { type Event, shown, toLine } from '../event/index.js';
import { type EmbeddedStore, migrate, openStore, type Store } from '../store/index.js';
import { CSV_COLUMNS, csvLine, EVENT_FORMATS, type ExportFormat, newExporter, shownLine } from './index.js';

const folder = temporaryFolder();
let embedded: EmbeddedStore;
let store: Store;
const base = Date.now() - 3_600_000;
const events: Event[] = Array.from({ length: 250 }, (_, n) =>
  anEvent({
    seq: n + 1,
    id: `e-${n}`,
    timestamp: new Date(base + Math.floor(n / 3) * 1000).toISOString(),
    account: `acc-${n % 4}`,
    details: { n, text: 'a,"b"\r\nc 🙂' },
  }),
);
const order = (event: Event): string => event.timestamp + event.account + event.source + event.id;
const newestFirst = [...events].sort((a, b) => (order(b) > order(a) ? 1 : -1));

beforeAll(async () => {
  embedded = await startStore(folder.path);
  const config = configFor(embedded);
  await migrate(config);
  store = openStore(config, { settle_ms: 0 });
  expect(await store.insertLines(ndjson(events))).toEqual({ outcome: 'inserted' });
});
afterAll(async () => {
  await store.close();
  await embedded.stop();
  folder.remove();
});

const exported = async (format: ExportFormat, options: { csvRaw?: boolean; account?: string } = {}) => {
  const { chunks, manifest } = newExporter({ segment_rows: 40 }, { store })(options.account ? { account: options.account } : {}, 'all', format, options);
  const parts: Buffer[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  const bytes = Buffer.concat(parts);
  expect(manifest()).toMatchObject({ format, bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') });
  return { text: bytes.toString('utf8'), rows: manifest()?.rows };
};

/** RFC 4180 read back: rows of cells. */
const readCsv = (text: string): string[][] => {
  const rows: string[][] = [];
  const cells = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/gy;
  let row: string[] = [];
  let read = 0;
  for (let match = cells.exec(text); match; match = cells.exec(text)) {
    row.push(match[1] === undefined ? (match[2] as string) : match[1].replaceAll('""', '"'));
    if (match[3] === '\r\n') {
      rows.push(row);
      row = [];
    }
    read = cells.lastIndex;
  }
  expect(read).toBe(text.length);
  return rows;
};

describe('an export', () => {
  test('as JSON is one document with every event, newest first, and no salts', async () => {
    const { text, rows } = await exported('json');
    expect(JSON.parse(text)).toEqual({ data: { events: newestFirst.map(shown) } });
    expect([rows, text.includes('salts')]).toEqual([250, false]);
  });

  test('as JSON lines has each event as it was recorded, but for the salts', async () => {
    const { text } = await exported('jsonl');
    expect(text).toBe(newestFirst.map((event) => `${JSON.stringify(shown(event))}\n`).join(''));
  });

  test('as CSV can be read back by any reader of RFC 4180', async () => {
    const { text, rows } = await exported('csv');
    const [header, ...body] = readCsv(text);
    expect(header).toEqual(CSV_COLUMNS);
    expect([rows, body.length]).toEqual([250, 250]);
    for (const [n, cells] of body.entries()) {
      const row = Object.fromEntries(CSV_COLUMNS.map((name, column) => [name, cells[column]]));
      const event = newestFirst[n] as Event;
      expect(row).toMatchObject({ id: event.id, timestamp: event.timestamp, resource_name: 'web-1', request_status: '201', seq: String(event.seq) });
      expect(JSON.parse(row['details'] as string)).toEqual(event.details);
    }
    expect(text).not.toMatch(/[0-9a-f]{32}/);
  });

  test('as syslog has each event as a message of RFC 5424, however long it is', async () => {
    const long = anEvent({ seq: 7_000, id: 'long', account: 'acc-long', timestamp: new Date(base).toISOString(), details: { text: 'a\n"🙂" '.repeat(4_000) } });
    await store.insertLines(ndjson([long]));
    const { text, rows } = await exported('syslog', { account: 'acc-0' });
    expect(rows).toBe(63);
    expect(text.trimEnd().split('\n').map(eventIn)).toMatchObject(
      newestFirst.filter(({ account }) => account === 'acc-0').map((event) => ({ kind: 'whole', event: shown(event) })),
    );
    expect(eventIn((await exported('syslog', { account: 'acc-long' })).text.trimEnd())).toMatchObject({ kind: 'whole', event: shown(long) });
  });

  test.each(['ocsf', 'cef'] as const)('as %s has a line an event, newest first, and no salts', async (format) => {
    const { text, rows } = await exported(format, { account: 'acc-3' });
    const own = newestFirst.filter(({ account }) => account === 'acc-3');
    expect(rows).toBe(own.length);
    expect(text).toBe(own.map((event) => `${EVENT_FORMATS[format].line({ event, raw: toLine(event) })}\n`).join(''));
    expect(text).not.toMatch(/salts|[0-9a-f]{32}/);
  });

  test('of nothing is whole too', async () => {
    expect((await exported('json', { account: 'none' })).text).toBe('{"data":{"events":[\n]}}\n');
    for (const format of ['jsonl', 'ocsf', 'cef'] as const) expect((await exported(format, { account: 'none' })).text).toBe('');
    expect((await exported('csv', { account: 'none' })).text).toBe(`${CSV_COLUMNS.join(',')}\r\n`);
  });

  test('has nothing that was recorded after it began', async () => {
    const run = newExporter({ segment_rows: 40 }, { store })({ account: 'acc-0' }, 'all', 'jsonl');
    const seen: string[] = [];
    for await (const chunk of run.chunks) {
      if (seen.length === 0) {
        const recorded = new Date(Date.now() + 1000).toISOString();
        await store.insertLines(ndjson([anEvent({ seq: 999, id: 'late', account: 'acc-0', timestamp: new Date(base - 1).toISOString(), recorded })]));
      }
      seen.push(chunk.toString());
    }
    expect(seen.join('')).not.toContain('"late"');
    expect(run.manifest()?.rows).toBe(63);
  });

  test('throws where the store fails midway, and has no manifest then', async () => {
    const own = temporaryFolder();
    const dying = await startStore(own.path);
    const config = configFor(dying);
    await migrate(config);
    const itsStore = openStore(config);
    await itsStore.insertLines(ndjson(events));
    const run = newExporter({ segment_rows: 20 }, { store: itsStore })({}, 'all', 'jsonl');
    let chunks = 0;
    const reading = (async () => {
      for await (const _chunk of run.chunks) {
        chunks += 1;
        if (chunks === 1) process.kill(dying.pid, 'SIGKILL');
        await dying.exited;
      }
    })();
    await expect(reading).rejects.toThrow();
    expect(chunks).toBeLessThan(13);
    expect(run.manifest()).toBeUndefined();
    await itsStore.close();
    own.remove();
  });

  test('lets other work have its turn', async () => {
    let turns = 0;
    const ticking = setInterval(() => (turns += 1), 0);
    const run = newExporter({ segment_rows: 10 }, { store })({}, 'all', 'csv');
    const before = turns;
    for await (const _chunk of run.chunks);
    clearInterval(ticking);
    expect(turns).toBeGreaterThan(before);
  });
});

describe('a CSV cell', () => {
  const csvOf = async (account: string, name: string, options: object = {}): Promise<string> => {
    await store.insertLines(
      ndjson([anEvent({ seq: 5000, id: `cell-${account}`, account, timestamp: new Date(base).toISOString(), resource: { type: 'instance', id: 'i', name } })]),
    );
    const [, row] = readCsv((await exported('csv', { account, ...options })).text);
    return row?.[CSV_COLUMNS.indexOf('resource_name')] as string;
  };

  test.each([
    ['=cmd|/C calc!A0', "'=cmd|/C calc!A0"],
    ['+1', "'+1"],
    ['-1', "'-1"],
    ['@SUM(A1)', "'@SUM(A1)"],
    ['\t=1', "'\t=1"],
    ['\r=1', "'\r=1"],
    ['=1,"2"\n', `'=1,"2"\n`],
    ['\n=1', "'\n=1"],
    ['\uff1d1', "'\uff1d1"],
    ['\uff0b1', "'\uff0b1"],
    ['\uff0d1', "'\uff0d1"],
    ['\uff20SUM(A1)', "'\uff20SUM(A1)"],
    ['plain=1', 'plain=1'],
    ['', ''],
  ])('%j is written as %j', async (name, expected) => {
    expect(await csvOf(`csv-${Buffer.from(name).toString('hex')}`, name)).toBe(expected);
  });

  test('with a semicolon stands in quotes: where that separates cells, what is behind it is none of its own', () => {
    expect(csvLine(['a;=1', 'b', ';'])).toBe('"a;=1",b,";"\r\n');
  });

  test('is left as it is where that is asked for', async () => {
    expect(await csvOf('csv-raw', '=1+1', { csvRaw: true })).toBe('=1+1');
  });
});

describe('a line shown', () => {
  test('is the recorded one without its salts, byte for byte', () => {
    const event = anEvent({ seq: 1, details: { tricky: ',"salts":["a","b"]}', salts: ['x'], n: 1e300 } });
    expect(shownLine(toLine(event))).toBe(JSON.stringify(shown(event)));
  });

  test('has no salts, either, where the line is written in another way', () => {
    const { salts, ...rest } = anEvent({ seq: 1 });
    const others = [
      JSON.stringify({ salts, ...rest }),
      JSON.stringify({ ...rest, salts: ['A', 'B'] }),
      `${JSON.stringify({ ...rest, salts }).slice(0, -1)} }`,
      JSON.stringify(rest),
    ];
    for (const line of others) expect(JSON.parse(shownLine(line))).toEqual(rest);
  });
});
