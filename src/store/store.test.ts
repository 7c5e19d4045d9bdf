import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { anEvent, ndjson, testLog } from '../../test/peers/events.js';
import { configFor, startStore, temporaryFolder } from '../../test/peers/store.js';
import { type Event, isEvent, toLine } from '../event/index.js';
import { createStoreClient, run } from './client.js';
import { type EmbeddedStore, type EventFilter, migrate, openStore, type Store, StoreVersionError } from './index.js';
import { MIGRATIONS } from './migrations/index.js';
import { alternatives, conditionsOf } from './queries/filter.js';

const folder = temporaryFolder();
let embedded: EmbeddedStore;
beforeAll(async () => {
  embedded = await startStore(folder.path);
});
afterAll(async () => {
  await embedded.stop();
  folder.remove();
});

let databases = 0;
/** A store of its own, on the one embedded process. */
const freshStore = async (more: { seconds?: number; now?: () => number } = {}) => {
  databases += 1;
  const config = configFor(embedded, { database: `test_${databases}`, query_seconds: more.seconds ?? 10 });
  await migrate(config);
  return { store: openStore(config, { settle_ms: 0, ...(more.now ? { now: more.now } : {}) }), config };
};

/** Events that happened now and went back a second each, so that none has expired. */
const START = Math.floor(Date.now() / 1000) * 1000 - 3_600_000;
const time = (second: number): string => new Date(START + second * 1000).toISOString();
const many = (count: number, more: (n: number) => Partial<Event> = () => ({})): Event[] =>
  Array.from({ length: count }, (_, n) => anEvent({ seq: n + 1, id: `e-${String(n).padStart(5, '0')}`, timestamp: time(n), ...more(n) }));

const insert = async (store: Store, events: readonly Event[]): Promise<void> => {
  expect(await store.insertLines(ndjson(events))).toEqual({ outcome: 'inserted' });
};
const idsOf = (lines: readonly string[]): string[] => lines.map((line) => (JSON.parse(line) as Event).id);
const allPages = async (store: Store, filter: EventFilter, limit: number, reach: 'all' | string[] = 'all'): Promise<string[]> => {
  const ids: string[] = [];
  let cursor: string | null = null;
  do {
    const page: Awaited<ReturnType<Store['list']>> = await store.list(filter, reach, { limit, ...(cursor ? { cursor } : {}) });
    ids.push(...idsOf(page.lines));
    cursor = page.next_cursor;
  } while (cursor);
  return ids;
};

describe('migrations', () => {
  test('run once, and again without effect', async () => {
    const config = configFor(embedded, { database: 'migrated' });
    expect(await migrate(config)).toEqual(MIGRATIONS.map((migration) => migration.version));
    expect(await migrate(config)).toEqual([]);
  });

  test('tables of a newer version are refused in one sentence', async () => {
    const config = configFor(embedded, { database: 'newer' });
    await migrate(config, [...MIGRATIONS, { version: 99, name: 'later', statements: () => [] }]);
    await expect(migrate(config)).rejects.toThrow(StoreVersionError);
    await expect(migrate(config)).rejects.toThrow(/^The store "newer" has version 99, and this Verdict knows versions up to \d+: .*\.$/);
  });

  test('on a cluster, the statements parse', async () => {
    const client = createStoreClient(configFor(embedded), { withoutDatabase: true });
    const { foundation } = await import('./migrations/index.js');
    const placement = { database: 'verdict', cluster: 'my-cluster' };
    for (const statement of [...foundation(placement), ...MIGRATIONS.flatMap((migration) => migration.statements(placement))]) {
      const syntax = (await run(client, { query: `EXPLAIN AST ${statement}` })).toString();
      expect(syntax).toMatch(/Create|Alter/);
      expect(statement).toMatch(/ON CLUSTER `my-cluster`/);
    }
    await client.close();
  });
});

describe('inserts', () => {
  test('what is hostile comes back byte for byte', async () => {
    const { store } = await freshStore();
    const deep = JSON.parse(`${'{"a":['.repeat(10)}1${']}'.repeat(10)}`) as Event['details'];
    const hostile: Event[] = [
      { text: `quotes " ' \` \\ \\' and \t tab, \n newline, \r return, NUL \0, \u2028, {x:String}; DROP TABLE events; --` },
      { emoji: '🙂👩‍👩‍👧 é ü 漢字 \u200b' },
      { deep: deep as never },
      { big: 123456789012345680000, bigger: 1e300, tiny: 5e-324, long: 0.1234567890123456, negative: -0.0 },
      { nothing: null, empty: {}, list: [], blank: '', __proto__x: 1, 'a"b': 1 },
      { code: '</script><!-- $& $1 %s %d', path: '../../etc/passwd', sql: "1' OR '1'='1" },
      { wide: 'x'.repeat(40_000) },
    ].map((details, n) => anEvent({ seq: n + 1, id: `hostile "${n}" \\ é`, timestamp: time(n), account: `acc "\\' é`, details }));
    hostile.push(
      JSON.parse(
        JSON.stringify(anEvent({ seq: 90, timestamp: time(90), account: `acc "\\' é` })).replace(
          '"details":{',
          '"details":{"__proto__":{"a":1},"constructor":1,',
        ),
      ),
    );
    for (const event of hostile) expect(isEvent(event)).toBe(true);
    await insert(store, hostile);
    const { lines } = await store.list({ account: `acc "\\' é` }, 'all', { limit: 100 });
    expect([...lines].reverse()).toEqual(hostile.map(toLine));
    for (const event of hostile) expect(await store.get(event.id, 'all')).toEqual([toLine(event)]);
    await store.close();
  });

  test('the same lines twice are there once', async () => {
    const { store } = await freshStore();
    await insert(store, many(10));
    await insert(store, many(10));
    expect(await store.count({}, 'all')).toBe(10);
    expect(await allPages(store, {}, 3)).toHaveLength(10);
    await store.close();
  });

  test.each([
    ['no JSON', 'nonsense'],
    ['a cut line', '{"id":"x","timestamp":"2026-11-'],
    ['no object', '["a"]'],
    ['a number', '17'],
    ['no event', '{"a":1}'],
    ['two roots', `${toLine(anEvent({ seq: 1 }))}]`],
    ['no id', toLine(anEvent({ seq: 1, id: '' }))],
    ['no account', toLine(anEvent({ seq: 1, account: '' }))],
    ['no place', toLine(anEvent({ seq: 0 }))],
    ['no log', toLine(anEvent({ seq: 1, log: '' }))],
    ['an empty timestamp', toLine(anEvent({ seq: 1, timestamp: '', recorded: time(0) }))],
    ['a timestamp that is none', toLine(anEvent({ seq: 1, timestamp: '2026-13-45T99:00:00.000Z', recorded: time(0) }))],
    ['recorded in the year 9999', toLine(anEvent({ seq: 1, recorded: '9999-12-31T23:59:59.999Z' }))],
    ['a lone surrogate', JSON.stringify(anEvent({ seq: 1, details: { x: '\ud800' } }))],
    ['a NUL byte', toLine(anEvent({ seq: 1 })).replace('web-1', 'web\0')],
    ['SQL behind an empty line', `${toLine(anEvent({ seq: 1 }))}\n\nDROP TABLE events`],
  ])('a batch with %s is refused as a whole, for the data', async (_name, poison) => {
    const { store } = await freshStore();
    const outcome = await store.insertLines(Buffer.concat([ndjson(many(5)), Buffer.from(`${poison}\n`)]));
    expect(outcome).toMatchObject({ outcome: 'refused', reason: expect.stringMatching(/^Code: \d+\. [A-Z_]+: /) });
    expect(await store.count({}, 'all')).toBe(0);
    await insert(store, many(5));
    await store.close();
  });

  test('a store that cannot be reached is no fault of the data', async () => {
    const store = openStore(configFor({ url: 'http://127.0.0.1:1', username: 'x', password: 'x' }));
    expect(await store.insertLines(ndjson(many(1)))).toMatchObject({ outcome: 'unavailable', reason: expect.stringContaining('ECONNREFUSED') });
    expect(await store.trouble()).toMatch(/does not answer/);
    await store.close();
  });

  test('a missing table, a wrong password: unavailable, not refused', async () => {
    const missing = openStore(configFor(embedded, { database: 'default' }));
    expect(await missing.insertLines(ndjson(many(1)))).toMatchObject({ outcome: 'unavailable' });
    const wrong = openStore(configFor({ ...embedded, password: 'x' }));
    expect(await wrong.insertLines(ndjson(many(1)))).toMatchObject({ outcome: 'unavailable', reason: expect.stringContaining('Code: 516') });
    await Promise.all([missing.close(), wrong.close()]);
  });
});

describe('pages', () => {
  test('come newest first, whole, and without overlap, at any size', async () => {
    const { store } = await freshStore();
    const events = many(57, (n) => ({ account: `acc-${n % 3}`, timestamp: time(Math.floor(n / 4)) }));
    await insert(store, events);
    const expected = [...events]
      .sort((a, b) => (b.timestamp + b.account + b.source + b.id > a.timestamp + a.account + a.source + a.id ? 1 : -1))
      .map((event) => event.id);
    for (const limit of [1, 4, 7, 57, 100]) expect(await allPages(store, {}, limit)).toEqual(expected);
    const ofOne = expected.filter((id) => events.find((event) => event.id === id)?.account === 'acc-1');
    expect(await allPages(store, { account: 'acc-1' }, 5)).toEqual(ofOne);
    expect(await allPages(store, {}, 5, ['acc-1'])).toEqual(ofOne);
    expect(await allPages(store, {}, 5, ['acc-1', 'acc-2', 'acc-none'])).toHaveLength(38);
    await store.close();
  });

  test('the last page says that it is the last', async () => {
    const { store } = await freshStore();
    await insert(store, many(6));
    const first = await store.list({}, 'all', { limit: 3 });
    const second = await store.list({}, 'all', { limit: 3, cursor: first.next_cursor as string });
    expect([first.lines.length, second.lines.length, second.next_cursor]).toEqual([3, 3, null]);
    expect(await store.list({ user: 'nobody' }, 'all', { limit: 3 })).toEqual({ lines: [], next_cursor: null });
    await store.close();
  });

  test('what is recorded after the first page is on none of the following, however old it claims to be', async () => {
    let now = Date.now();
    const { store } = await freshStore({ now: () => now });
    await insert(
      store,
      many(10, () => ({ recorded: new Date(now).toISOString() })),
    );
    const first = await store.list({}, 'all', { limit: 4 });
    now += 60_000;
    const later = { recorded: new Date(now).toISOString() };
    await insert(store, [anEvent({ seq: 100, id: 'new', timestamp: time(3000), ...later }), anEvent({ seq: 101, id: 'late', timestamp: time(2), ...later })]);
    const second = await store.list({}, 'all', { limit: 100, cursor: first.next_cursor as string });
    expect([...idsOf(first.lines), ...idsOf(second.lines)]).toEqual(
      many(10)
        .map((event) => event.id)
        .reverse(),
    );
    expect(await allPages(store, {}, 5)).toHaveLength(12);
    await store.close();
  });

  test('an event that came over two nodes is shown once: the one recorded first', async () => {
    const { store } = await freshStore();
    const twice = (seq: number, log: string, recorded: string) => anEvent({ seq, log, recorded, id: 'same', timestamp: time(5) });
    const first = twice(9, testLog(2), time(6));
    await insert(store, [...many(12), twice(1, testLog(3), time(8))]);
    await insert(store, [first, twice(2, testLog(4), time(7))]);
    const { lines } = await store.list({}, 'all', { limit: 50 });
    expect(lines.filter((line) => line.includes('"same"'))).toEqual([toLine(first)]);
    for (const limit of [1, 2, 3]) expect((await allPages(store, {}, limit)).filter((id) => id === 'same')).toHaveLength(1);
    expect(await store.count({}, 'all')).toBe(13);
    expect(await store.get('same', 'all')).toEqual([toLine(first)]);
    await store.close();
  });

  test('go back as far as there is anything, over gaps of years, and forward into the future', async () => {
    const { store } = await freshStore();
    const recorded = time(0);
    const times = ['1971-01-01T00:00:00.000Z', '1999-12-31T23:59:59.999Z', '2020-02-29T12:00:00.000Z', time(0), '2031-01-01T00:00:00.000Z'];
    await insert(
      store,
      times.map((timestamp, n) => anEvent({ seq: n + 1, id: `t${n}`, timestamp, recorded })),
    );
    expect(await allPages(store, {}, 2)).toEqual(['t4', 't3', 't2', 't1', 't0']);
    expect(await store.oldest('all')).toBe(Date.parse('1971-01-01T00:00:00.000Z'));
    expect(await store.oldest(['nobody'])).toBeUndefined();
    await store.close();
  });

  test('with many events in one millisecond nothing is lost between pages', async () => {
    const { store } = await freshStore();
    await insert(
      store,
      many(500, (n) => ({ timestamp: time(n % 2), account: `acc-${n % 5}` })),
    );
    expect(new Set(await allPages(store, {}, 33)).size).toBe(500);
    await store.close();
  });

  test('a malformed cursor is a typed error', async () => {
    const { store } = await freshStore();
    const bad = [
      '',
      'x',
      '{}',
      Buffer.from('[]').toString('base64url'),
      Buffer.from('[1,2,3]').toString('base64url'),
      Buffer.from('[1,1,1,1,1,1,1]').toString('base64url'),
      "a'b",
      Buffer.from('[1,1e300,1,1]').toString('base64url'),
    ];
    for (const cursor of bad) await expect(store.list({}, 'all', { limit: 1, cursor })).rejects.toMatchObject({ code: 'cursor.invalid' });
    await store.close();
  });

  test('a query that reaches its time limit gives what it found and a cursor that goes on', async () => {
    let asked = 0;
    const { store } = await freshStore({ now: () => Date.now() + asked++ * 400, seconds: 1 });
    await insert(
      store,
      many(30, (n) => ({ timestamp: time(-n * 50_000) })),
    );
    let pages = 0;
    const ids: string[] = [];
    let cursor: string | null = null;
    do {
      const page: Awaited<ReturnType<Store['list']>> = await store.list({}, 'all', { limit: 100, ...(cursor ? { cursor } : {}) });
      ids.push(...idsOf(page.lines));
      cursor = page.next_cursor;
      pages += 1;
    } while (cursor && pages < 200);
    expect(pages).toBeGreaterThan(1);
    expect(ids).toHaveLength(30);
    await store.close();
  });
});

describe('filters', () => {
  let store: Store;
  const events = [
    anEvent({ seq: 1, id: 'a', timestamp: time(1), action: 'instance.delete', result: 'failure' }),
    anEvent({
      seq: 2,
      id: 'b',
      timestamp: time(2),
      action: 'instance.create',
      actor: { type: 'user', id: 'usr-2', email: 'Grace.Hopper@Example.com', ip: '2001:db8::1' },
    }),
    anEvent({
      seq: 3,
      id: 'c',
      timestamp: time(3),
      action: 'login_100%',
      resource: { type: 'volume', id: 'vol-9', name: 'Häuser Daten' },
      request: { id: 'req-3' },
    }),
    anEvent({ seq: 4, id: 'd', timestamp: time(4), action: 'loginX100%', details: { reason: 'Kündigung_50% off', nested: { key: 'needle' } } }),
    anEvent({
      seq: 5,
      id: 'e',
      timestamp: time(5),
      account: 'acc-2',
      kind: 'decision',
      result: 'denied',
      decision: { allow: false, reasons: [], advice: [], policy: 'p1', duration_us: 1, question: {}, facts: {} },
    }),
  ];
  beforeAll(async () => {
    store = (await freshStore()).store;
    await insert(store, events);
  });
  afterAll(() => store.close());

  test.each<[EventFilter, string]>([
    [{}, 'edcba'],
    [{ event: 'instance.delete' }, 'a'],
    [{ event: 'instance.*' }, 'eba'],
    [{ event: '*.create' }, 'eb'],
    [{ event: 'i*.d*e' }, 'a'],
    [{ event: 'login_*' }, 'c'],
    [{ event: '*100%' }, 'dc'],
    [{ event: 'nothing' }, ''],
    [{ event: 'n*' }, ''],
    [{ user: 'usr-2' }, 'b'],
    [{ user: 'grace.hopper@example.com' }, 'b'],
    [{ user: 'Grace.Hopper@Example.com' }, 'b'],
    [{ user: 'ada@example.com' }, 'edca'],
    [{ user: 'usr' }, ''],
    [{ account: 'acc-2' }, 'e'],
    [{ account: 'acc-9' }, ''],
    [{ resource: 'vol-9' }, 'c'],
    [{ resource: 'volume/vol-9' }, 'c'],
    [{ resource: 'Häuser Daten' }, 'c'],
    [{ resource: 'instance/vol-9' }, ''],
    [{ result: 'failure' }, 'a'],
    [{ result: 'error' }, ''],
    [{ kind: 'decision' }, 'e'],
    [{ ip: '2001:db8::1' }, 'b'],
    [{ ip: '203.0.113.1' }, ''],
    [{ request_id: 'req-3' }, 'c'],
    [{ request_id: 'req-9' }, ''],
    [{ q: 'NEEDLE' }, 'd'],
    [{ q: 'kündigung' }, 'd'],
    [{ q: '50%' }, 'd'],
    [{ q: 'g_5' }, 'd'],
    [{ q: 'häuser' }, 'c'],
    [{ q: 'hopper@' }, 'b'],
    [{ q: 'vol-9' }, 'c'],
    [{ q: 'instance.del' }, 'a'],
    [{ q: 'e' }, 'edcba'],
    [{ q: 'req-3' }, 'c'],
    [{ q: "'; DROP TABLE events; --" }, ''],
    [{ q: '\\' }, ''],
    [{ start_date: time(4) }, 'ed'],
    [{ end_date: time(2) }, 'ba'],
    [{ start_date: time(2), end_date: time(4) }, 'dcb'],
    [{ start_date: time(4), end_date: time(2) }, ''],
    [{ end_date: '2001-01-01' }, ''],
    [{ start_date: '2001-01-01' }, 'edcba'],
    [{ event: 'instance.create', user: 'ada@example.com', resource: 'inst-1', result: 'denied', q: 'web' }, 'e'],
  ])('%j finds %s', async (filter, expected) => {
    expect((await allPages(store, filter, 2)).join('')).toBe(expected);
    expect(await store.count(filter, 'all')).toBe(expected.length);
  });

  const hard = ['C:\\Temp\\new', 'said "no"', 'two\nlines', 'bell\u0007 \u001f Ünï', '100% _ \\_'];
  test.each(hard)('q finds %j in the details, where JSON writes it otherwise', async (text) => {
    const { store: own } = await freshStore();
    await insert(own, [
      anEvent({ seq: 1, id: 'x', timestamp: time(1), details: { deep: [{ text: `a ${text} z` }] } }),
      anEvent({ seq: 2, id: 'y', timestamp: time(2), details: { text: 'a z' } }),
    ]);
    expect(await allPages(own, { q: text.toUpperCase() }, 5)).toEqual(['x']);
    expect(await own.count({ q: text }, 'all')).toBe(1);
    await own.close();
  });

  test('q finds what a decision caused, by the id of the decision', async () => {
    const { store: own } = await freshStore();
    await insert(
      own,
      many(3, (n) => ({ id: ['cause', 'x', 'y'][n] as string, ...(n > 0 && { caused_by: ['', 'cause', 'cause-2'][n] as string }) })),
    );
    expect((await allPages(own, { q: 'cause' }, 5)).sort()).toEqual(['cause', 'x']);
    expect(await own.count({ q: 'cause' }, 'all')).toBe(2);
    await own.close();
  });

  test('each way in which q looks has an index of its own', async () => {
    const { store: own, config } = await freshStore();
    await insert(own, many(3));
    await own.close();
    const client = createStoreClient(config);
    const conditions = conditionsOf({ q: 'say "hello" to them' }, 'all');
    const used: (string | undefined)[] = [];
    for (const where of alternatives(conditions)) {
      const plan = await run(client, { query: `EXPLAIN indexes = 1 SELECT timestamp FROM events WHERE ${where}`, params: conditions.params });
      used.push(/Name: (by_\w+)/.exec(plan.toString())?.[1]);
    }
    expect(used).toEqual(['by_words', 'by_words', 'by_id', 'by_request', 'by_cause']);
    await client.close();
  });

  test('a date means that whole day in UTC, the last one included', async () => {
    const { store: own } = await freshStore();
    const recorded = time(0);
    const times = ['2026-01-31T23:59:59.999Z', '2026-02-01T00:00:00.000Z', '2026-02-28T23:59:59.999Z', '2026-03-01T00:00:00.000Z'];
    await insert(
      own,
      times.map((timestamp, n) => anEvent({ seq: n + 1, id: `d${n}`, timestamp, recorded })),
    );
    expect(await allPages(own, { start_date: '2026-02-01', end_date: '2026-02-28' }, 10)).toEqual(['d2', 'd1']);
    expect(await allPages(own, { start_date: '2026-02-01T02:00:00+02:00', end_date: '2026-03-01T00:00:00Z' }, 10)).toEqual(['d3', 'd2', 'd1']);
    await own.close();
  });

  test('nobody sees beyond the accounts they may see', async () => {
    expect(await allPages(store, {}, 10, [])).toEqual([]);
    expect(await allPages(store, { account: 'acc-1' }, 10, ['acc-2'])).toEqual([]);
    expect(await allPages(store, {}, 10, ['acc-2'])).toEqual(['e']);
    expect(await store.get('a', ['acc-2'])).toEqual([]);
    expect(await store.get('e', ['acc-2', 'acc-3'])).toHaveLength(1);
    expect(await store.get('e', [])).toEqual([]);
    expect(await store.get('e', 'all', 'libvirt')).toHaveLength(1);
    expect(await store.get('e', 'all', 'another')).toEqual([]);
    expect(await store.count({}, ['acc-2'])).toBe(1);
    expect(await store.count({}, [])).toBe(0);
  });
});

describe('retention', () => {
  const DAY = 86_400_000;
  const aged = (days: number, seq: number, account: string): Event => {
    const at = new Date(Date.now() - days * DAY).toISOString();
    return anEvent({ seq, id: `${account}-${days}`, account, timestamp: at, recorded: at });
  };

  test('what has expired is shown no more: 90 days, or what the account’s tier says', async () => {
    const { store } = await freshStore();
    await store.retention.set('acc-ent', 365);
    await store.retention.set('acc-own', 10);
    await insert(
      store,
      [5, 20, 89, 91, 360].flatMap((days, n) => ['acc-std', 'acc-ent', 'acc-own'].map((account, m) => aged(days, n * 3 + m + 1, account))),
    );
    expect(await allPages(store, { account: 'acc-std' }, 10)).toEqual(['acc-std-5', 'acc-std-20', 'acc-std-89']);
    expect(await allPages(store, { account: 'acc-ent' }, 10)).toHaveLength(5);
    expect(await allPages(store, { account: 'acc-own' }, 10)).toEqual(['acc-own-5']);
    expect(await store.get('acc-std-91', 'all')).toEqual([]);
    await store.close();
  });

  test('a longer time is given to older events too; a shorter one takes nothing from them', async () => {
    const { store } = await freshStore();
    await insert(store, [aged(91, 1, 'acc-1'), aged(80, 2, 'acc-1'), aged(91, 3, 'acc-2')]);
    await store.retention.set('acc-1', 365);
    expect(await allPages(store, {}, 10)).toEqual(['acc-1-80', 'acc-1-91']);
    await store.retention.set('acc-1', 30);
    await insert(store, [aged(40, 4, 'acc-1'), aged(20, 5, 'acc-1')]);
    expect(await allPages(store, {}, 10)).toEqual(['acc-1-20', 'acc-1-80', 'acc-1-91']);
    await expect(store.retention.set('acc-1', 731)).rejects.toThrow(RangeError);
    await store.close();
  });

  test('another process finds what is set, and what was cut short is finished', async () => {
    const { store, config } = await freshStore();
    await insert(store, [aged(91, 1, 'acc-1'), aged(91, 2, 'acc-2')]);
    const client = createStoreClient(config);
    await run(client, { query: "INSERT INTO retention (account, days, applied, changed) VALUES ('acc-1', 365, 0, now64(6))" });
    const other = openStore(config, { settle_ms: 0 });
    expect(await other.retention.reconcile(new Map([['acc-1', 365]]))).toBe(1);
    expect(await other.retention.reconcile(new Map([['acc-1', 365]]))).toBe(0);
    expect(await allPages(store, {}, 10)).toEqual(['acc-1-91']);
    expect(await other.retention.reconcile(new Map([['acc-2', 100]]))).toBe(2);
    expect([...other.retention.days()].sort()).toEqual([
      ['acc-1', 90],
      ['acc-2', 100],
    ]);
    expect(await allPages(store, {}, 10)).toEqual(['acc-2-91', 'acc-1-91']);
    await client.close();
    await Promise.all([store.close(), other.close()]);
  });

  test('two changes at once are carried out one after the other', async () => {
    const { store } = await freshStore();
    await insert(store, [aged(91, 1, 'acc-1'), aged(91, 2, 'acc-2')]);
    await Promise.all([store.retention.set('acc-1', 100), store.retention.set('acc-1', 200), store.retention.set('acc-2', 92)]);
    expect([...store.retention.days()].sort()).toEqual([
      ['acc-1', 200],
      ['acc-2', 92],
    ]);
    expect(await allPages(store, {}, 10)).toHaveLength(2);
    await store.close();
  });

  test('rows go three days after they expire, unless they are held', async () => {
    const { store, config } = await freshStore();
    const client = createStoreClient(config);
    const held = (event: Event) => Buffer.from(`${toLine(event)}\t1\n`);
    await run(client, { query: 'INSERT INTO events (raw, held) FORMAT TSVRaw' }, { data: held(aged(95, 3, 'acc-held')) });
    await insert(store, [aged(91, 1, 'acc-1'), aged(94, 2, 'acc-1')]);
    await run(client, { query: 'OPTIMIZE TABLE events FINAL' });
    const left = (await run(client, { query: 'SELECT id FROM events ORDER BY id FORMAT TSV' })).toString().trim().split('\n');
    expect(left).toEqual(['acc-1-91', 'acc-held-95']);
    expect(await allPages(store, {}, 10)).toEqual([]);
    await client.close();
    await store.close();
  });
});

describe('ranges', () => {
  test('name the unbroken runs of each log', async () => {
    const { store } = await freshStore();
    const logs: [string, number[]][] = [
      [testLog(1), [1, 2, 3, 4]],
      [testLog(2), [1, 2, 5, 6, 9]],
      [testLog(3), [7]],
    ];
    await insert(
      store,
      logs.flatMap(([log, seqs]) => seqs.map((seq) => anEvent({ seq, log, timestamp: time(seq) }))),
    );
    await insert(store, [anEvent({ seq: 2, log: testLog(2), timestamp: time(2) })]);
    expect(await store.ranges()).toEqual([
      { log: testLog(1), from: 1, to: 4 },
      { log: testLog(2), from: 1, to: 2 },
      { log: testLog(2), from: 5, to: 6 },
      { log: testLog(2), from: 9, to: 9 },
      { log: testLog(3), from: 7, to: 7 },
    ]);
    expect(await store.ranges(testLog(3))).toEqual([{ log: testLog(3), from: 7, to: 7 }]);
    await store.close();
  });
});
