import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { open } from 'lmdb';
import { pack } from 'tar-stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openJournalEnvironment, packCommit } from '../ingest/journal-env.js';
import { makeBackup } from './backup.js';
import { Failure } from './failure.js';
import { restoreBackup } from './restore.js';

const ROOT = resolve(import.meta.dirname, '../..');

let folder: string;
let data: string;
const children: ChildProcess[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'verdict-backup-'));
  data = join(folder, 'data');
  mkdirSync(data);
  writeFileSync(join(data, 'node.json'), '{"version":1,"node":"01JDA4Q0V4M9GQ2Z9X1T7K3B5N"}\n');
  writeFileSync(join(data, 'admin-token'), 'the-token\n');
  writeFileSync(join(data, 'processes.json'), '[]');
});

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});

const failureOf = async (action: Promise<unknown>): Promise<Failure> => {
  const found = await action.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(found).toBeInstanceOf(Failure);
  return found as Failure;
};

/** Runs a program in a process of its own: chDB takes one folder a process. */
const program = (text: string): ChildProcess => {
  const child = spawn(process.execPath, ['--input-type=module', '-e', text], { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  return child;
};

const CONNECT = (path: string): string => `
  import { createClient } from '@clickhouse/client';
  import { createChdbConnection } from 'chdb/connection';
  const client = createClient({ connection: createChdbConnection({ path: ${JSON.stringify(path)} }) });`;

/** Inserts three rows a time for ever, and says after each insert how many are there. */
const FILL = (path: string): string => `${CONNECT(path)}
  await client.command({ query: 'CREATE DATABASE IF NOT EXISTS verdict' });
  await client.command({ query: 'CREATE TABLE IF NOT EXISTS verdict.events (raw String, seq UInt64) ENGINE = ReplacingMergeTree ORDER BY seq SETTINGS fsync_after_insert = 1' });
  for (let seq = 0; ; seq += 3) {
    await client.command({ query: \`INSERT INTO verdict.events SELECT toString(number), number FROM numbers(\${seq}, 3)\` });
    process.stdout.write(\`\${seq + 3}\\n\`);
  }`;

const COUNT = (path: string): string => `${CONNECT(path)}
  const result = await client.query({ query: 'SELECT count() AS rows, max(seq) + 1 AS next FROM verdict.events FINAL', format: 'JSONEachRow' });
  const [row] = await result.json();
  process.stdout.write(JSON.stringify(row) + '\\n', () => process.kill(process.pid, 'SIGKILL'));`;

const output = (child: ChildProcess): { readonly text: () => string } => {
  let text = '';
  child.stdout?.on('data', (part: Buffer) => {
    text += part.toString();
  });
  return { text: () => text };
};

const until = async (isSo: () => boolean): Promise<void> => {
  while (!isSo()) await new Promise((done) => setTimeout(done, 20));
};

describe('a backup', () => {
  it('brings back journals, directory and files, and leaves out what belongs to running processes', async () => {
    const journal = openJournalEnvironment(join(data, 'journal', '0'), 1 << 20);
    await journal.commits.put(['01JDA4Q0V4M9GQ2Z9X1T7K3B5N', 1], packCommit(1, Buffer.from('{"id":"evt-1"}\n')));
    const directory = open({ path: join(data, 'directory'), maxDbs: 4 });
    await directory.openDB<object, string>({ name: 'entities' }).put('user/usr-1', { role: 'owner' });

    // Both are open and being written to while they are copied.
    const { file, manifest } = await makeBackup(data, join(folder, 'verdict.tar.gz'));
    await journal.root.close();
    await directory.close();
    expect(manifest.files.map(({ path }) => path).sort()).toEqual(['admin-token', 'directory/data.mdb', 'journal/0/data.mdb', 'node.json']);
    expect(readdirSync(data).filter((name) => name.startsWith('.'))).toEqual([]);

    const restored = join(folder, 'restored');
    await restoreBackup(file, restored);
    expect(readFileSync(join(restored, 'admin-token'), 'utf8')).toBe('the-token\n');
    expect(readdirSync(restored).sort()).toEqual(['admin-token', 'directory', 'journal', 'node.json']);
    const again = openJournalEnvironment(join(restored, 'journal', '0'), 1 << 20);
    expect(again.commits.get(['01JDA4Q0V4M9GQ2Z9X1T7K3B5N', 1])).toEqual(packCommit(1, Buffer.from('{"id":"evt-1"}\n')));
    await again.root.close();
    const reread = open({ path: join(restored, 'directory'), maxDbs: 4 });
    expect(reread.openDB<object, string>({ name: 'entities' }).get('user/usr-1')).toEqual({ role: 'owner' });
    await reread.close();
  });

  it('of a store that is being filled has every row that was acknowledged before it, and none twice', { timeout: 90_000 }, async () => {
    const filling = program(FILL(join(data, 'store')));
    const said = output(filling);
    await until(() => said.text().split('\n').length > 60 || filling.exitCode !== null);
    const acknowledged = Number(said.text().trim().split('\n').at(-1));
    const { file } = await makeBackup(data, join(folder, 'verdict.tar'));
    filling.kill('SIGKILL');

    const restored = join(folder, 'restored');
    await restoreBackup(file, restored);
    const counting = program(COUNT(join(restored, 'store')));
    const counted = output(counting);
    await once(counting, 'exit');
    const { rows, next } = JSON.parse(counted.text()) as { rows: string; next: string };
    expect(Number(rows)).toBeGreaterThanOrEqual(acknowledged);
    expect(rows).toBe(next);
  });

  it('goes into a folder under a name of its own', async () => {
    mkdirSync(join(folder, 'backups'));
    const { file } = await makeBackup(data, join(folder, 'backups'));
    expect(file).toMatch(/backups\/verdict-01JDA4Q0V4M9GQ2Z9X1T7K3B5N-.*\.tar$/);
    expect(readdirSync(join(folder, 'backups'))).toHaveLength(1);
  });

  it('of a folder that holds no node is refused', async () => {
    rmSync(join(data, 'node.json'));
    expect((await failureOf(makeBackup(data, join(folder, 'verdict.tar')))).message).toContain('is no data folder of Verdict');
  });

  it('that can not be written leaves nothing behind', async () => {
    const failure = await failureOf(makeBackup(data, join(folder, 'missing', 'verdict.tar')));
    expect(failure.message).toMatch(/^The backup could not be written to .*verdict\.tar: /);
    expect(readdirSync(data).sort()).toEqual(['admin-token', 'node.json', 'processes.json']);
  });
});

describe('a restore', () => {
  const archive = async (entries: readonly (readonly [name: string, content: string])[]): Promise<string> => {
    const tar = pack();
    for (const [name, content] of entries) tar.entry({ name }, content);
    tar.finalize();
    const parts: Buffer[] = [];
    for await (const part of tar) parts.push(part as Buffer);
    const file = join(folder, 'made.tar');
    writeFileSync(file, Buffer.concat(parts));
    return file;
  };

  it('refuses a data folder that is not empty', async () => {
    const { file } = await makeBackup(data, join(folder, 'verdict.tar'));
    expect((await failureOf(restoreBackup(file, data))).message).toContain('is not empty');
    expect(readFileSync(join(data, 'admin-token'), 'utf8')).toBe('the-token\n');
  });

  it('goes into an empty folder that is there already, such as a volume', async () => {
    const { file } = await makeBackup(data, join(folder, 'verdict.tar'));
    const volume = join(folder, 'volume');
    mkdirSync(join(volume, 'lost+found'), { recursive: true });
    await restoreBackup(file, volume);
    expect(existsSync(join(volume, 'node.json'))).toBe(true);
  });

  it('restores nothing from an archive that was cut off', async () => {
    const { file } = await makeBackup(data, join(folder, 'verdict.tar'));
    truncateSync(file, 2048);
    const failure = await failureOf(restoreBackup(file, join(folder, 'restored')));
    expect(failure.exit).toBe(6);
    expect(readdirSync(join(folder, 'restored'))).toEqual([]);
  });

  it('restores nothing from an archive with another byte in it', async () => {
    const { file } = await makeBackup(data, join(folder, 'verdict.tar'));
    const bytes = readFileSync(file);
    bytes.write('THE-TOKEN', bytes.indexOf('the-token'));
    writeFileSync(file, bytes);
    const failure = await failureOf(restoreBackup(file, join(folder, 'restored')));
    expect(failure).toMatchObject({ exit: 6, message: expect.stringContaining('admin-token in it is not what was backed up') });
    expect(readdirSync(join(folder, 'restored'))).toEqual([]);
  });

  it.each(['data/../../escaped', '/etc/escaped', 'data//../../escaped', 'escaped'])('writes nothing outside of the data folder: %s', async (name) => {
    const file = await archive([[name, 'x']]);
    expect((await failureOf(restoreBackup(file, join(folder, 'in', 'restored')))).message).toContain('would lie outside of the data folder');
    expect(existsSync(join(folder, 'escaped'))).toBe(false);
    expect(existsSync(join(folder, 'in', 'escaped'))).toBe(false);
  });

  it('says that a backup is missing, and that a file is none', async () => {
    expect((await failureOf(restoreBackup(join(folder, 'none.tar'), join(folder, 'restored')))).exit).toBe(5);
    writeFileSync(join(folder, 'text.tar'), 'hello'.repeat(500));
    expect((await failureOf(restoreBackup(join(folder, 'text.tar'), join(folder, 'restored')))).exit).toBe(6);
  });
});
