import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { ClickHouseLogLevel, createClient } from '@clickhouse/client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { distFolder } from '../../../test/peers/dist.js';
import { startStore, temporaryFolder } from '../../../test/peers/store.js';
import type { EmbeddedStore } from './index.js';

const folder = temporaryFolder();
let store: EmbeddedStore;
const clientFor = (target: EmbeddedStore, more: object = {}) =>
  createClient({ url: target.url, username: target.username, password: target.password, log: { level: ClickHouseLogLevel.OFF }, ...more });
let client: ReturnType<typeof clientFor>;

beforeAll(async () => {
  store = await startStore(folder.path);
  client = clientFor(store);
}, 60_000);
afterAll(async () => {
  await client.close();
  await store.stop();
  folder.remove();
});

/** A killed process whose parent is gone may wait for init to take note of it: it is dead all the same. */
const isAlive = (pid: number): boolean => {
  const state = spawnSync('ps', ['-o', 'stat=', '-p', String(pid)])
    .stdout.toString()
    .trim();
  return state !== '' && !state.startsWith('Z');
};

const rows = async (query: string, more: object = {}): Promise<unknown[]> => (await client.query({ query, format: 'JSONCompactEachRow', ...more })).json();

describe('the embedded store serves @clickhouse/client as a server does', () => {
  test('it answers a ping and says which engine it is', async () => {
    expect(await client.ping()).toEqual({ success: true });
    expect(store.version).toMatch(/^\d+\.\d+/);
  });

  test('parameters are values, whatever they contain', async () => {
    for (const value of ["a'b", 'a\\b', "\\'; SELECT 1; --", '\n\r\t\b\f\0', '{x:String}', '🙂 é ', '`"', '/* */ -- #', '', 'x'.repeat(100_000)]) {
      expect(await rows('SELECT {x:String}, {y:Array(String)}', { query_params: { x: value, y: [value, value] } })).toEqual([[value, [value, value]]]);
    }
  });

  test('many parameterised queries at once each see their own values', async () => {
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, n) => rows('SELECT {n:UInt32}, {s:String}, sleep(0.01)', { query_params: { n, s: `s${n}` } })),
    );
    expect(answers.map((answer) => (answer[0] as unknown[]).slice(0, 2))).toEqual(Array.from({ length: 60 }, (_, n) => [n, `s${n}`]));
  });

  test('a setting, a database and a parameter of one request are not those of the next', async () => {
    await client.command({ query: 'CREATE DATABASE IF NOT EXISTS other' });
    const inOther = clientFor(store, { database: 'other' });
    await Promise.all(
      Array.from({ length: 8 }, () =>
        inOther.query({ query: 'SELECT {p:String}', query_params: { p: 'x' }, clickhouse_settings: { max_threads: 3 } }).then((r) => r.text()),
      ),
    );
    for (let n = 0; n < 8; n += 1) {
      const [[database, threads]] = (await rows("SELECT currentDatabase(), getSetting('max_threads')")) as [[string, number]];
      expect(database).toBe('default');
      expect(threads).not.toBe(3);
      await expect(rows('SELECT {p:String}')).rejects.toMatchObject({ code: '456' });
    }
    await inOther.close();
  });

  test('errors carry ClickHouse’s code, type and status', async () => {
    await expect(rows('SELECT * FROM nowhere')).rejects.toMatchObject({ code: '60', type: 'UNKNOWN_TABLE' });
    await expect(rows('SELEC 1')).rejects.toMatchObject({ code: '62' });
    await expect(rows('SELECT 1', { clickhouse_settings: { no_such_setting: 1 } })).rejects.toMatchObject({ code: '115' });
    const plain = await fetch(`${store.url}/?query=SELECT+x`, { headers: { 'X-ClickHouse-User': store.username, 'X-ClickHouse-Key': store.password } });
    expect([plain.status, plain.headers.get('x-clickhouse-exception-code')]).toEqual([404, '47']);
    expect(await plain.text()).toMatch(/^Code: 47\. DB::Exception: .*\(UNKNOWN_IDENTIFIER\)/s);
  });

  test('nobody gets in without the password', async () => {
    const wrong = clientFor({ ...store, password: 'wrong' });
    await expect(wrong.query({ query: 'SELECT 1' })).rejects.toMatchObject({ code: '516', type: 'AUTHENTICATION_FAILED' });
    await wrong.close();
    expect((await fetch(`${store.url}/?query=SELECT+1`)).status).toBe(403);
  });

  test('a query that takes too long is stopped, and does not hold up others', async () => {
    const slow = rows('SELECT count() FROM numbers(1000000000000)', { clickhouse_settings: { max_execution_time: 1 } });
    const quick = rows('SELECT 1');
    expect(await quick).toEqual([[1]]);
    await expect(slow).rejects.toMatchObject({ code: '159' });
  });

  test('inserts come as they are, packed or not, and say how many rows were written', async () => {
    await client.command({ query: 'CREATE TABLE lines (raw String) ENGINE = MergeTree ORDER BY tuple()' });
    const packing = clientFor(store, { compression: { request: true } });
    const values = [{ raw: 'a\nb' }, { raw: '🙂' }];
    await client.insert({ table: 'lines', values, format: 'JSONEachRow' });
    await packing.insert({ table: 'lines', values, format: 'JSONEachRow' });
    expect(await rows('SELECT raw, count() FROM lines GROUP BY raw ORDER BY raw')).toEqual([
      ['a\nb', 2],
      ['🙂', 2],
    ]);
    await packing.close();
  });

  test('what follows an empty line in an insert is data, never SQL', async () => {
    await client.command({ query: 'CREATE TABLE strings (raw String) ENGINE = MergeTree ORDER BY tuple()' });
    const send = (body: string, format: string) =>
      fetch(`${store.url}/?query=${encodeURIComponent(`INSERT INTO strings (raw) FORMAT ${format}`)}`, {
        method: 'POST',
        body,
        headers: { Authorization: `Basic ${Buffer.from(`${store.username}:${store.password}`).toString('base64')}` },
      });
    expect((await send('\n\n{"a":1}\n\n \n{"b":2};\n\n\n', 'JSONAsString')).status).toBe(200);
    expect((await send('{"c":1}\n\nDROP TABLE strings\n', 'JSONAsString')).status).toBe(400);
    expect((await send('{"c":1}\n\nDROP TABLE strings\n', 'LineAsString')).status).toBe(400);
    expect((await send('{"c":"\0"}\n', 'JSONAsString')).status).toBe(400);
    expect(await rows('SELECT raw FROM strings ORDER BY raw')).toEqual([['{"a":1}'], ['{"b":2}']]);
  });
});

describe('the embedded store’s life', () => {
  test('a second one on the same folder is refused in one sentence', async () => {
    await expect(startStore(folder.path, { patience_ms: 200 })).rejects.toMatchObject({
      why: 'busy',
      message: expect.stringMatching(/^The store's folder .* is in use by another process: .*\.$/),
    });
  });

  test('a folder that cannot be made is refused in one sentence', async () => {
    const file = join(folder.path, 'file');
    writeFileSync(file, '');
    await expect(startStore(file)).rejects.toMatchObject({ why: 'folder', message: expect.stringMatching(/can't be made/) });
  });

  test('after kill -9 it comes back on the same address with everything acknowledged', async () => {
    const own = temporaryFolder();
    const first = await startStore(own.path);
    const through = clientFor(first);
    await through.command({ query: 'CREATE TABLE t (n UInt32) ENGINE = MergeTree ORDER BY n SETTINGS fsync_after_insert = 1, fsync_part_directory = 1' });
    await through.insert({ table: 't', values: [{ n: 1 }, { n: 2 }], format: 'JSONEachRow' });
    process.kill(first.pid, 'SIGKILL');
    expect(await first.exited).toEqual({ code: null, signal: 'SIGKILL' });
    await expect(through.query({ query: 'SELECT 1' })).rejects.toThrow();
    const second = await startStore(own.path, { port: first.port, password: first.password });
    expect(second.url).toBe(first.url);
    expect(await (await through.query({ query: 'SELECT count() FROM t', format: 'TabSeparated' })).text()).toBe('2\n');
    await through.close();
    await second.stop();
    own.remove();
  }, 30_000);

  test('it ends when its owner is killed, even while a query runs, and the folder is free again', async () => {
    const own = temporaryFolder();
    const launch = pathToFileURL(join(distFolder(), 'store', 'embedded', 'launch.js')).href;
    const script = `import { startEmbeddedStore } from ${JSON.stringify(launch)};
const log = { info: () => undefined, warn: () => undefined };
const { url, username, password, pid } = await startEmbeddedStore({ dataDir: ${JSON.stringify(own.path)} }, { log });
process.stdout.write(JSON.stringify({ url, username, password, pid }));`;
    const owner = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [said] = (await once(owner.stdout, 'data')) as [Buffer];
    const child = JSON.parse(said.toString()) as EmbeddedStore;
    const busy = clientFor(child);
    const query = busy.query({ query: 'SELECT count() FROM numbers(1000000000000)' }).catch(() => undefined);
    // long enough for the query to have begun; it would take hours
    await sleep(300);
    owner.kill('SIGKILL');
    const next = await startStore(own.path, { patience_ms: 15_000 });
    await expect.poll(() => isAlive(child.pid), { timeout: 5000 }).toBe(false);
    await query;
    await busy.close();
    await next.stop();
    own.remove();
  }, 30_000);
});
