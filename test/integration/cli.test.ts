import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningVerdict, removeFolder, startVerdict, temporaryFolder, until } from '../peers/verdict.js';

const BINARY = resolve(import.meta.dirname, '../../bin/verdict.js');

type Ran = { readonly code: number | null; readonly out: string; readonly err: string };
type Page = { readonly data: { readonly events: readonly { readonly id: string; readonly action: string; readonly resource: { readonly id: string } }[] } };

describe('the command line against a node', () => {
  const folder = temporaryFolder();
  let node: RunningVerdict;

  beforeAll(async () => {
    node = await startVerdict({ folder });
  });

  afterAll(async () => {
    await node?.stop();
    removeFolder(folder);
  });

  /** Runs it in the node's folder, where the admin token is found by itself. */
  const verdict = (args: readonly string[], input = ''): Promise<Ran> =>
    new Promise((done) => {
      const child = spawn(process.execPath, [BINARY, ...args], { cwd: folder, env: { PATH: process.env['PATH'], VERDICT_URL: node.url } });
      let out = '';
      let err = '';
      child.stdout.on('data', (part: Buffer) => {
        out += part.toString();
      });
      child.stderr.on('data', (part: Buffer) => {
        err += part.toString();
      });
      child.on('close', (code) => done({ code, out, err }));
      child.stdin.end(input);
    });

  const found = async (...filter: readonly string[]): Promise<Page['data']['events']> =>
    (JSON.parse((await verdict(['audit-logs', 'list', '--output', 'json', ...filter])).out) as Page).data.events;

  it('writes, reads, changes and deletes entities, and keeps to versions', async () => {
    const put = ['entities', 'put', 'membership', 'acc-1:usr-1', '--account', 'acc-1', '--properties', '{"role":"viewer"}'];
    expect((await verdict([...put, '--if-new'])).code).toBe(0);
    expect(await verdict([...put, '--if-new'])).toMatchObject({ code: 1, err: expect.stringContaining('ersion') });
    const patched = await verdict([
      'entities',
      'patch',
      'membership',
      'acc-1:usr-1',
      '--properties',
      '{"role":"owner"}',
      '--if-match',
      '1',
      '--output',
      'json',
    ]);
    expect(JSON.parse(patched.out)).toMatchObject({ properties: { role: 'owner' }, version: 2 });
    expect((await verdict(['entities', 'patch', 'membership', 'acc-1:usr-1', '--properties', '{}', '--if-match', '1'])).code).toBe(1);
    expect((await verdict(['entities', 'list', 'membership', '--account', 'acc-1'])).out).toContain('acc-1:usr-1');
    expect((await verdict(['entities', 'delete', 'membership', 'acc-1:usr-1'])).code).toBe(0);
    expect(await verdict(['entities', 'get', 'membership', 'acc-1:usr-1'])).toMatchObject({ code: 5, out: '' });
  });

  it('imports a file of entities', async () => {
    const lines = Array.from({ length: 1_200 }, (_, index) =>
      JSON.stringify({ type: 'instance', id: `inst-${index}`, account: 'acc-1', properties: { name: `web-${index}` } }),
    );
    expect(await verdict(['entities', 'import', '-'], lines.join('\n'))).toMatchObject({ code: 0, err: expect.stringContaining('1,200 entities') });
    expect((await verdict(['entities', 'get', 'instance', 'inst-1199'])).code).toBe(0);
  });

  it('makes keys that can do what they were made for and nothing else, rotates and revokes them', async () => {
    const made = await verdict([
      'keys',
      'create',
      '--name',
      'auditor',
      '--account',
      'acc-1',
      '--permission',
      'audit.read',
      '--expires',
      '1d',
      '--output',
      'json',
    ]);
    const { key, secret } = (JSON.parse(made.out) as { data: { key: { id: string }; secret: string } }).data;
    expect((await verdict(['audit-logs', 'list', '--token', secret])).code).toBe(0);
    expect((await verdict(['keys', 'list', '--token', secret])).code).toBe(4);
    expect((await verdict(['audit-logs', 'list', '--account', 'acc-2', '--token', secret])).code).toBe(4);

    const rotated = await verdict(['keys', 'rotate', key.id, '--output', 'json']);
    const next = (JSON.parse(rotated.out) as { data: { key: { id: string }; secret: string } }).data;
    for (const token of [secret, next.secret]) expect((await verdict(['audit-logs', 'list', '--token', token])).code).toBe(0);

    const listed = await verdict(['keys', 'list']);
    expect(listed.out).toContain(key.id);
    expect(listed.out + listed.err).not.toContain(next.secret);
    expect((await verdict(['keys', 'revoke', key.id])).code).toBe(0);
    expect((await verdict(['audit-logs', 'list', '--token', secret])).code).toBe(4);
    expect((await verdict(['audit-logs', 'list', '--token', next.secret])).code).toBe(0);
    expect((await verdict(['keys', 'revoke', 'key-unknown'])).code).toBe(5);
  });

  it('finds what was recorded, shows it whole, and sees no gaps', async () => {
    await until('the event', async () => (await found('--resource', 'instance/inst-1199')).length > 0 || undefined);
    const [event] = await found('--resource', 'instance/inst-1199', '--limit', '1');
    const shown = await verdict(['audit-logs', 'get', event?.id ?? '', '--output', 'json']);
    expect(JSON.parse(shown.out)).toMatchObject({ data: { id: event?.id, resource: { type: 'instance', id: 'inst-1199' } } });
    expect((await verdict(['audit-logs', 'get', 'evt-unknown'])).code).toBe(5);
    await until('no gaps', async () => (await verdict(['audit-logs', 'gaps'])).code === 0 || undefined);
  });

  it('follows pages to the end', async () => {
    const seen = new Set<string>();
    let cursor: string | undefined;
    await until('the last entity', async () => (await found('--event', 'entity.create', '--resource', 'inst-1198')).length > 0 || undefined);
    do {
      const page = await verdict([
        'audit-logs',
        'list',
        '--event',
        'entity.create',
        '--q',
        'inst-11',
        '--limit',
        '40',
        '--output',
        'json',
        ...(cursor ? ['--cursor', cursor] : []),
      ]);
      const { events, next_cursor } = (JSON.parse(page.out) as { data: { events: { id: string }[]; next_cursor?: string } }).data;
      for (const { id } of events) seen.add(id);
      cursor = next_cursor;
    } while (cursor);
    // inst-11, inst-110 … inst-119, inst-1100 … inst-1199.
    expect(seen.size).toBe(111);
  });

  it.each(['json', 'jsonl', 'csv', 'syslog'])('exports as %s, whole and with a manifest that says so', async (format) => {
    const file = `all.${format}`;
    expect(await verdict(['audit-logs', 'export', '--format', format, '--account', 'acc-1', '--output', file])).toMatchObject({ code: 0 });
    const content = readFileSync(join(folder, file));
    const manifest = JSON.parse(readFileSync(join(folder, `${file}.manifest.json`), 'utf8')) as { rows: number; sha256: string };
    expect(manifest.sha256).toBe(createHash('sha256').update(content).digest('hex'));
    expect(manifest.rows).toBeGreaterThan(1_200);
    if (format === 'jsonl') expect(content.toString().trimEnd().split('\n')).toHaveLength(manifest.rows);
  });

  it('leaves no file where an export is refused', async () => {
    expect((await verdict(['audit-logs', 'export', '--token', 'wrong', '--output', 'none.json'])).code).toBe(4);
    expect(existsSync(join(folder, 'none.json'))).toBe(false);
  });
});
