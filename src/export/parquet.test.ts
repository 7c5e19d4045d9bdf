import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parquetReadObjects } from 'hyparquet';
import { describe, expect, it, test } from 'vitest';
import { findParquetReaders } from '../../scripts/peers/parquet-readers.mjs';
import { anEvent, ndjson } from '../../test/peers/events.js';
import type { Event } from '../event/index.js';
import { compressed } from './compress.js';
import { newParquet } from './parquet.js';

const run = promisify(execFile);

const events: readonly Event[] = [
  anEvent({
    seq: 1,
    id: 'e-1',
    timestamp: '2026-11-22T04:03:48.496Z',
    kind: 'decision',
    result: 'allowed',
    details: { text: 'a,"b"\r\nc 🙂', nothing: null, empty: {} },
    decision: {
      allow: true,
      reasons: [{ code: 'rbac.role', message: 'Fine.' }],
      advice: [],
      policy: 'p',
      duration_us: 12,
      question: {},
      facts: { 'user/u': 17 },
    },
    request: { id: 'r-1', method: 'POST', path: '/x', status: 201, duration_ms: 3.5 },
  }),
  anEvent({ seq: 2, id: 'e-2', timestamp: '1970-01-01T00:00:00.000Z', kind: 'activity', result: 'failure' }),
];

const fileOf = (lines: Buffer): Buffer => {
  const file = newParquet();
  return Buffer.concat([file.lines(lines), file.end()]);
};
const rowsOf = (bytes: Buffer) => parquetReadObjects({ file: new Uint8Array(bytes).buffer as ArrayBuffer });

describe('a Parquet file', () => {
  it('has a row for each event with real timestamps, numbers and JSON, and no salts', async () => {
    const rows = await rowsOf(fileOf(ndjson(events)));
    expect(rows).toHaveLength(2);
    expect(rows[0]).toMatchObject({
      id: 'e-1',
      timestamp: new Date('2026-11-22T04:03:48.496Z'),
      decision_allow: true,
      decision_duration_us: 12,
      decision_reasons: [{ code: 'rbac.role', message: 'Fine.' }],
      details: { text: 'a,"b"\r\nc 🙂', nothing: null, empty: {} },
      request_status: 201n,
      request_duration_ms: 3.5,
      seq: 1n,
    });
    expect(rows[1]).toMatchObject({ timestamp: new Date(0), result: 'failure', decision_allow: null });
    expect(Object.keys(rows[0] as object)).not.toContain('salts');
  });

  it('of nothing is a file with columns and no rows', async () => {
    const file = newParquet();
    expect(await rowsOf(file.end())).toEqual([]);
  });

  it('of more than fits into memory at once is written a row group at a time', async () => {
    const file = newParquet();
    const parts: Buffer[] = [];
    const total = 50_000;
    for (let from = 0; from < total; from += 1_000)
      parts.push(file.lines(ndjson(Array.from({ length: 1_000 }, (_, n) => anEvent({ seq: from + n + 1, id: `e-${from + n}` })))));
    expect(parts.filter((part) => part.length > 0).length).toBeGreaterThan(1);
    parts.push(file.end());
    const rows = await rowsOf(Buffer.concat(parts));
    expect(rows.map(({ id }) => id)).toEqual(Array.from({ length: total }, (_, n) => `e-${n}`));
  });
});

const READ = `
import sys, duckdb, pandas
file, packed = sys.argv[1], sys.argv[2]
types = dict((row[0], row[1]) for row in duckdb.sql(f"DESCRIBE SELECT * FROM '{file}'").fetchall())
print(types['timestamp'], types['request_status'], types['decision_allow'], types['details'])
print(duckdb.sql(f"SELECT epoch_ms(timestamp), details->>'text' FROM '{file}' ORDER BY seq").fetchall()[0][0])
frame = pandas.read_parquet(file)
print(frame['timestamp'].dtype, frame['timestamp'][0].isoformat(), len(frame))
print(duckdb.sql(f"SELECT count(*) FROM read_json('{packed}', format='newline_delimited')").fetchall()[0][0])
`;

const { path, reason } = await findParquetReaders();
describe.skipIf(path === undefined)(`files in the hands of others${reason ? ` (left out: ${reason})` : ''}`, () => {
  test.each(['gzip', 'zstd'] as const)(
    'DuckDB and pandas read Parquet with timestamps, and DuckDB what was packed with %s',
    { timeout: 60_000 },
    async (packing) => {
      const folder = mkdtempSync(join(tmpdir(), 'verdict-parquet-'));
      const file = join(folder, 'audit.parquet');
      const packed = join(folder, `audit.jsonl.${packing === 'gzip' ? 'gz' : 'zst'}`);
      writeFileSync(file, fileOf(ndjson(events)));
      const lines = ndjson(Array.from({ length: 5_000 }, (_, n) => anEvent({ seq: n + 1, id: `e-${n}` })));
      const parts: Buffer[] = [];
      async function* pieces(): AsyncGenerator<Buffer, void, void> {
        for (let at = 0; at < lines.length; at += 70_000) yield lines.subarray(at, at + 70_000);
      }
      for await (const part of compressed(pieces(), packing)) parts.push(part);
      writeFileSync(packed, Buffer.concat(parts));
      const { stdout } = await run('python3', ['-c', READ, file, packed], { env: { ...process.env, PYTHONPATH: path } });
      const [types, first, frame, count] = stdout.trim().split('\n');
      expect(types).toBe('TIMESTAMP WITH TIME ZONE BIGINT BOOLEAN JSON');
      expect(first).toBe(String(Date.parse('2026-11-22T04:03:48.496Z')));
      expect(frame).toBe('datetime64[ms, UTC] 2026-11-22T04:03:48.496000+00:00 2');
      expect(count).toBe('5000');
      rmSync(folder, { recursive: true, force: true });
    },
  );
});
