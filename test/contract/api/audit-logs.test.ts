import { createHash } from 'node:crypto';
import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ApiDeps } from '../../../src/api/index.js';
import { toLine } from '../../../src/event/index.js';
import { type EmbeddedStore, migrate, openStore, type Store } from '../../../src/store/index.js';
import { anEvent, ndjson } from '../../peers/events.js';
import { configFor, startStore, temporaryFolder } from '../../peers/store.js';
import { readMessage } from '../../peers/syslog-lines.js';
import { type Rig, startRig } from './rig.js';

const folder = temporaryFolder();
let embedded: EmbeddedStore;
let store: Store;
let rig: Rig;

const post = (account: string, id: number) =>
  rig.call('POST', '/v1/events', {
    as: 'both',
    body: {
      account,
      actor: { type: 'user', id: 'usr-1', email: 'anna@example.com' },
      action: `made.${account}`,
      resource: { type: 'r', id: `${id}` },
      result: 'success',
    },
  });
const ingest = (): Promise<unknown> => store.insertLines(Buffer.from(rig.recorded.map((event) => `${toLine(event)}\n`).join('')));
const withStore = (more: Partial<ApiDeps['audit']> = {}): Partial<ApiDeps> => ({ audit: { ...store, gaps: async () => [], ...more } });

beforeAll(async () => {
  embedded = await startStore(folder.path);
  const config = configFor(embedded);
  await migrate(config);
  store = openStore(config, { settle_ms: 0 });
  rig = await startRig(() => withStore());
  for (const account of ['acc-1', 'acc-2'])
    for (let index = 0; index < 3; index++) {
      await post(account, index);
      // Events of one millisecond have no order among them that a test could rely on.
      await pause(2);
    }
  await ingest();
});
afterAll(async () => {
  await rig.stop();
  await store.close();
  await embedded.stop();
  folder.remove();
});

const get = (query: string, as = 'acme') => rig.call('GET', `/v1/audit-logs${query}`, { as });

describe('GET /v1/audit-logs', () => {
  it('answers newest first, in pages, with the bytes that were recorded but for the salts', async () => {
    const first = await get('?event=made.acc-1&limit=2');
    expect(first.json.data.events.map((event: { resource: { id: string } }) => event.resource.id)).toEqual(['2', '1']);
    const { salts: _salts, ...shown } = rig.recorded.find((event) => event.id === first.json.data.events[0].id) as (typeof rig.recorded)[number];
    expect(first.json.data.events[0]).toEqual(shown);
    const second = await get(`?event=made.acc-1&limit=2&cursor=${first.json.data.next_cursor}`);
    expect(second.json.data).toMatchObject({ events: [{ resource: { id: '0' } }], next_cursor: null });
  });

  it('is recorded itself, what was looked for by person set apart', async () => {
    await get('?event=made.acc-1&user=anna@example.com&q=acc-1&start_date=2024-02-01');
    expect(rig.recorded.at(-1)).toMatchObject({
      action: 'audit.read',
      account: 'acc-1',
      source: 'verdict',
      actor: { type: 'credential', id: 'key:acme' },
      details: { rows: 3, filter: { event: 'made.acc-1', start_date: '2024-02-01' }, personal: { filter: { user: 'anna@example.com', q: 'acc-1' } } },
    });
    await get('', 'both');
    expect(rig.recorded.at(-1)).toMatchObject({ account: 'verdict', action: 'audit.read' });
  });

  it('shows the caller’s accounts and no others', async () => {
    const accountsOf = async (as: string, query: string) => new Set((await get(query, as)).json.data.events.map((event: { account: string }) => event.account));
    expect(await accountsOf('acme', '')).toEqual(new Set(['acc-1']));
    expect(await accountsOf('both', '')).toEqual(new Set(['acc-1', 'acc-2']));
    expect(await accountsOf('both', '?account=acc-2')).toEqual(new Set(['acc-2']));
    expect(await get('?account=acc-2')).toMatchObject({ status: 403, json: { code: 'caller.account' } });
    expect(rig.refusals.at(-1)).toMatchObject({ account: 'acc-2', caller: 'key:acme', path: '/v1/audit-logs' });
    const theirs = await get('?limit=1', 'both');
    expect(await accountsOf('acme', `?cursor=${theirs.json.data.next_cursor}`)).toEqual(new Set(['acc-1']));
    expect(await get('', 'nothing')).toMatchObject({ status: 403, json: { code: 'caller.permission' } });
    expect(await get('', 'nobody')).toMatchObject({ status: 401 });
  });

  it('takes a day for the whole of it', async () => {
    const today = new Date().toISOString().slice(0, 10);
    const counted = async (query: string) => (await get(`?event=made.acc-1&${query}`)).json.data.events.length;
    expect(await counted(`start_date=${today}&end_date=${today}`)).toBe(3);
    expect(await counted(`start_date=${today}T00:00:01Z&end_date=${today}`)).toBe(3);
    expect(await counted('start_date=2024-02-01&end_date=2024-02-29')).toBe(0);
    expect(await counted(`end_date=${encodeURIComponent('2024-02-29T12:00:00+01:00')}`)).toBe(0);
  });

  it('refuses what it does not understand, and says what was probably meant', async () => {
    expect(await get('?acount=acc-1')).toMatchObject({
      status: 400,
      json: { code: 'parameter.unknown', detail: expect.stringContaining('did you mean "account"?') },
    });
    for (const query of [
      '?limit=0',
      '?limit=1001',
      '?limit=x',
      '?start_date=yesterday',
      '?start_date=2024-02-30',
      '?start_date=9999-01-01',
      '?start_date=-0001-01-01',
      '?start_date=2024-02-02&end_date=2024-02-01',
      '?start_date=2024-02-02T00:00:00Z&end_date=2024-02-01',
      '?start_date=2024-02-01T00:00:01Z&end_date=2024-02-01T00:00:00Z',
      '?result=maybe',
      '?kind=log',
      '?event=',
      '?q=a%00b',
      '?q=%ff',
    ])
      expect(await get(query), query).toMatchObject({ status: 400, json: { code: 'parameter.invalid' } });
    expect(await get('?user=a&user=b')).toMatchObject({ status: 400, json: { code: 'parameter.repeated' } });
    for (const cursor of ['none', 'WzFd', '%7B%7D']) expect(await get(`?cursor=${cursor}`)).toMatchObject({ status: 400, json: { code: 'cursor.invalid' } });
  });

  it('is a 503 while the store is away, and nothing of the inside', async () => {
    const away = async () => {
      throw new Error('connect ECONNREFUSED 10.0.0.1');
    };
    const other = await startRig(() => withStore({ list: away, get: away, gaps: away }));
    for (const path of ['', '/evt-1', '/gaps']) {
      const answer = await other.call('GET', `/v1/audit-logs${path}`, { as: 'admin' });
      expect(answer).toMatchObject({ status: 503, json: { code: 'store.unavailable' } });
      expect(answer.text).not.toContain('10.0.0.1');
    }
    await other.stop();
  });

  it('tells nothing that it could not record telling', async () => {
    const other = await startRig(() => withStore());
    await other.journal.close();
    expect(await other.call('GET', '/v1/audit-logs', { as: 'acme' })).toMatchObject({ status: 503, json: { code: 'journal.closed' } });
    await other.stop();
  });
});

describe('GET /v1/audit-logs/{id}', () => {
  it('answers with the event, to those who may see it', async () => {
    const { id } = (await get('?event=made.acc-2', 'both')).json.data.events[0];
    expect(await get(`/${id}`, 'both')).toMatchObject({ status: 200, json: { data: { id, account: 'acc-2' } } });
    expect(rig.recorded.at(-1)).toMatchObject({ action: 'audit.read', account: 'acc-2', details: { filter: { id }, rows: 1 } });
    expect(await get(`/${id}`)).toMatchObject({ status: 404, json: { code: 'event.unknown' } });
    expect(rig.recorded.at(-1)).toMatchObject({ action: 'audit.read', account: 'acc-1', details: { rows: 0 } });
    expect(await get(`/${'x'.repeat(200)}`)).toMatchObject({ status: 400 });
    expect(await get(`/${id}`, 'nothing')).toMatchObject({ status: 403 });
  });
});

describe('GET /v1/audit-logs/{id} where several have that id', () => {
  const id = 'job-17';
  const start = Date.now() - 3_600_000;
  const at = (second: number): string => new Date(start + second * 1000).toISOString();

  it('shows the one recorded first, or the one that account and source choose', async () => {
    const three = [
      anEvent({ seq: 71, id, account: 'acc-1', source: 'late', timestamp: at(0), recorded: at(9) }),
      anEvent({ seq: 72, id, account: 'acc-2', source: 'early', timestamp: at(2), recorded: at(3) }),
      anEvent({ seq: 73, id, account: 'acc-1', source: 'between', timestamp: at(1), recorded: at(5) }),
    ];
    expect(await store.insertLines(ndjson(three))).toEqual({ outcome: 'inserted' });
    const source = async (query: string, as = 'both') => (await get(`/${id}${query}`, as)).json.data?.source;
    expect(await source('')).toBe('early');
    expect(await source('', 'acme')).toBe('between');
    expect(await source('?account=acc-1')).toBe('between');
    expect(await source('?source=late')).toBe('late');
    expect(rig.recorded.at(-1)).toMatchObject({ action: 'audit.read', account: 'acc-1', details: { filter: { id, source: 'late' }, rows: 1 } });
    expect(await get(`/${id}?account=acc-2&source=late`, 'both')).toMatchObject({ status: 404, json: { code: 'event.unknown' } });
    expect(await get(`/${id}?account=acc-2`)).toMatchObject({ status: 403, json: { code: 'caller.account' } });
    expect(rig.refusals.at(-1)).toMatchObject({ account: 'acc-2', caller: 'key:acme' });
  });
});

describe('GET /v1/audit-logs/gaps', () => {
  it('is for credentials of all accounts', async () => {
    const gaps = [{ log: '01JD00000000000000000000AA', from: 3, to: 7 }];
    const other = await startRig(() => withStore({ gaps: async () => gaps }));
    expect(await other.call('GET', '/v1/audit-logs/gaps', { as: 'admin' })).toMatchObject({ status: 200, json: { data: { gaps } } });
    expect(other.recorded.at(-1)).toMatchObject({ action: 'audit.gaps', account: 'verdict' });
    expect(await other.call('GET', '/v1/audit-logs/gaps', { as: 'acme' })).toMatchObject({ status: 403, json: { code: 'caller.account' } });
    await other.stop();
  });
});

describe('GET /v1/audit-logs/export', () => {
  const kinds = [
    ['jsonl', 'application/x-ndjson', (text: string) => text.trim().split('\n').length],
    ['json', 'application/json', (text: string) => JSON.parse(text).data.events.length],
    ['csv', 'text/csv; charset=utf-8; header=present', (text: string) => text.trim().split('\r\n').length - 1],
    ['syslog', 'text/plain; charset=utf-8', (text: string) => text.trim().split('\n').map(readMessage).length],
    [
      'ocsf',
      'application/x-ndjson',
      (text: string) =>
        text
          .trim()
          .split('\n')
          .filter((line) => JSON.parse(line).class_uid).length,
    ],
    [
      'cef',
      'text/plain; charset=utf-8',
      (text: string) =>
        text
          .trim()
          .split('\n')
          .filter((line) => line.startsWith('CEF:0|')).length,
    ],
  ] as const;

  it('says until when what was recorded is in it', async () => {
    const before = Date.now();
    const until = (await get('/export?format=jsonl')).trailers['verdict-recorded-until'] as string;
    expect(until).toBe(new Date(until).toISOString());
    expect(Date.parse(until)).toBeGreaterThanOrEqual(before);
    expect(Date.parse(until)).toBeLessThanOrEqual(Date.now());
    expect(rig.recorded.at(-1)).toMatchObject({ action: 'audit.export', details: { recorded_until: until } });
  });

  it.each(kinds)('streams every event as %s, and ends with the count and the digest of what was sent', async (format, type, rowsIn) => {
    const file = await get(`/export?event=made.acc-1&format=${format}`);
    expect(file).toMatchObject({
      status: 200,
      complete: true,
      headers: { 'content-type': type, trailer: 'Verdict-Rows, Repr-Digest, Verdict-Recorded-Until' },
    });
    expect(file.headers['content-disposition']).toMatch(new RegExp(`^attachment; filename="audit-logs-\\d{8}T\\d{6}Z\\.${format}"$`));
    expect(rowsIn(file.text)).toBe(3);
    expect(file.text).not.toContain('salts');
    const digest = createHash('sha256').update(file.text).digest();
    expect(file.trailers).toMatchObject({ 'verdict-rows': '3', 'repr-digest': `sha-256=:${digest.toString('base64')}:` });
    const details = { rows: 3, format, bytes: Buffer.byteLength(file.text), sha256: digest.toString('hex'), filter: { event: 'made.acc-1' } };
    expect(rig.recorded.at(-1)).toMatchObject({ action: 'audit.export', account: 'acc-1', result: 'success', details });
  });

  it.each(kinds)('ends well as %s when nothing was found', async (format, _type, rowsIn) => {
    const file = await get(`/export?event=never&format=${format}`);
    expect(file).toMatchObject({ status: 200, complete: true, trailers: { 'verdict-rows': '0' } });
    expect(file.text === '' ? 0 : rowsIn(file.text)).toBe(0);
  });

  const line = ndjson([anEvent({ seq: 1 })]);
  /** A store whose scan gives what `chunk` answers for 1, 2, 3, … */
  const scanning = (chunk: (n: number) => Buffer): Partial<ApiDeps['audit']> => ({
    scan: () => ({
      recorded: Date.now(),
      chunks: (async function* () {
        for (let n = 1; ; n += 1) yield chunk(n);
      })(),
    }),
  });

  it('breaks the connection where the store fails midway, and records what had left', async () => {
    const dying = scanning((n) => {
      if (n > 3) throw new Error('the store went away');
      return line;
    });
    const other = await startRig(() => withStore(dying));
    const file = await other.call('GET', '/v1/audit-logs/export?format=jsonl', { as: 'acme' });
    expect(file).toMatchObject({ status: 200, complete: false });
    expect(file.trailers['verdict-rows']).toBeUndefined();
    expect(other.recorded.at(-1)).toMatchObject({ action: 'audit.export', result: 'failure', details: { bytes: Buffer.byteLength(file.text) } });
    await other.stop();
  });

  it('that fails before it begins is a problem, not a file', async () => {
    const away = scanning(() => {
      throw new Error('the store is away');
    });
    const other = await startRig(() => withStore(away));
    for (const format of ['json', 'jsonl', 'csv', 'syslog'])
      expect(await other.call('GET', `/v1/audit-logs/export?format=${format}`, { as: 'acme' })).toMatchObject({
        status: 503,
        json: { code: 'store.unavailable' },
      });
    await other.stop();
  });

  it('that can not be recorded does not end well', async () => {
    const other = await startRig(() => withStore());
    await other.journal.close();
    const broken = await other.call('GET', '/v1/audit-logs/export?format=jsonl', { as: 'acme' }).catch(() => ({ complete: false }));
    expect(broken.complete).toBe(false);
    await other.stop();
  });

  it('waits for a slow reader instead of holding the file in memory, and ends when the reader goes', async () => {
    let asked = 0;
    const lines = Buffer.concat(Array.from({ length: 200 }, () => line));
    const endless = scanning((n) => {
      asked = n;
      return lines;
    });
    const other = await startRig(() => withStore(endless));
    const socket = connect(other.port, '127.0.0.1');
    socket.pause();
    socket.write('GET /v1/audit-logs/export?format=jsonl HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer acme\r\n\r\n');
    for (let before = -1; asked === 0 || asked !== before; await pause(200)) before = asked;
    const whileHeld = asked;
    socket.destroy();
    while (!other.recorded.some((event) => event.action === 'audit.export')) await pause(20);
    expect(other.recorded.at(-1)).toMatchObject({ action: 'audit.export', result: 'failure' });
    expect(asked).toBeLessThanOrEqual(whileHeld + 1);
    await other.stop();
  });

  it('is for those who may export, of their own accounts', async () => {
    expect(await get('/export?account=acc-2')).toMatchObject({ status: 403, json: { code: 'caller.account' } });
    expect(await get('/export', 'nothing')).toMatchObject({ status: 403, json: { code: 'caller.permission' } });
    expect(await get('/export?format=xml')).toMatchObject({ status: 400, json: { code: 'parameter.invalid' } });
    expect(await rig.call('HEAD', '/v1/audit-logs/export', { as: 'acme' })).toMatchObject({ status: 405 });
  });
});
