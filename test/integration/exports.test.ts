import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { extract } from 'tar-stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cliIn } from '../peers/cli.js';
import { clientOf, type RunningVerdict, removeFolder, startVerdict, temporaryFolder, until } from '../peers/verdict.js';

type Part = { readonly name: string; readonly rows: number; readonly bytes: number; readonly sha256: string };
type Shown = { readonly id: string; readonly state: string; readonly rows: number; readonly parts: readonly Part[] };
type One = { readonly data: Shown };

/** The files of a tar.gz, in its order. */
const unpack = async (bytes: Buffer): Promise<ReadonlyMap<string, Buffer>> => {
  const files = new Map<string, Buffer>();
  const tar = extract();
  tar.end(gunzipSync(bytes));
  for await (const entry of tar) {
    const pieces: Buffer[] = [];
    for await (const piece of entry) pieces.push(piece as Buffer);
    files.set(entry.header.name, Buffer.concat(pieces));
  }
  return files;
};

const EVENTS = 3_000;
const padding = 'x'.repeat(1_000);
const event = (n: number) => ({
  account: n % 3 === 0 ? 'acc-2' : 'acc-1',
  actor: { type: 'user', id: `usr-${n % 7}` },
  action: n % 2 === 0 ? 'instance.create' : 'instance.delete',
  resource: { type: 'instance', id: `inst-${n}` },
  result: 'success',
  details: { padding },
});

describe('an export that runs by itself', () => {
  const folder = temporaryFolder();
  const env = { VERDICT_EXPORTS_PART_BYTES: '1048576', VERDICT_SECRETS_KEY: randomBytes(32).toString('base64') };
  let node: RunningVerdict;
  let client: ReturnType<typeof clientOf>;
  let ofAcc1: string;

  const fetchPart = (id: string, name: string, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${node.url}/v1/exports/${id}/parts/${name}`, { headers: { authorization: `Bearer ${node.token}`, ...headers } });
  const done = (id: string): Promise<Shown> =>
    until('the export', async () => {
      const { data } = await client.json<One>('GET', `/v1/exports/${id}`);
      return data.state === 'done' ? data : undefined;
    });

  beforeAll(async () => {
    node = await startVerdict({ folder, env });
    client = clientOf(node);
    const made = await client.json<{ data: { secret: string } }>('POST', '/v1/keys', { name: 'auditor', accounts: ['acc-1'], permissions: ['audit.export'] });
    ofAcc1 = made.data.secret;
    for (let from = 0; from < EVENTS; from += 1_000)
      await client.json(
        'POST',
        '/v1/events',
        Array.from({ length: 1_000 }, (_, n) => event(from + n)),
      );
    await until('the last event', async () => {
      const { data } = await client.json<{ data: { events: readonly unknown[] } }>('GET', `/v1/audit-logs?resource=inst-${EVENTS - 1}`);
      return data.events.length === 1 ? true : undefined;
    });
  }, 90_000);
  afterAll(async () => {
    client.close();
    await node.stop();
    removeFolder(folder);
  });

  it('becomes parts and a manifest that say what they hold, and each is what its SHA-256 says', { timeout: 60_000 }, async () => {
    const taken = await client.call('POST', '/v1/exports', { account: 'acc-1', event: 'instance.*', format: 'jsonl' });
    expect(taken.status).toBe(202);
    const { id } = (JSON.parse(taken.body) as One).data;
    const { rows, parts } = await done(id);
    expect(rows).toBe(2_000);
    expect(parts.length).toBeGreaterThan(1);
    const ids = new Set<string>();
    for (const part of parts) {
      const bytes = Buffer.from(await (await fetchPart(id, part.name)).arrayBuffer());
      expect(createHash('sha256').update(bytes).digest('hex')).toBe(part.sha256);
      const lines = bytes.toString().trim().split('\n');
      expect(lines).toHaveLength(part.rows);
      for (const line of lines) {
        expect(line).not.toContain('salts');
        ids.add((JSON.parse(line) as { resource: { id: string } }).resource.id);
      }
    }
    expect(ids.size).toBe(2_000);
    const manifest = JSON.parse((await client.call('GET', `/v1/exports/${id}/manifest`)).body) as {
      counts: Record<string, Record<string, number>>;
      logs: readonly { rows: number; first: number; last: number }[];
      by: string;
      policy: string;
      filter: object;
    };
    const byAction = Object.values(manifest.counts).flatMap(Object.entries) as [string, number][];
    expect(byAction.filter(([action]) => action === 'instance.create').reduce((sum, [, count]) => sum + count, 0)).toBe(1_000);
    expect(manifest.logs.reduce((sum, log) => sum + log.rows, 0)).toBe(2_000);
    expect(manifest).toMatchObject({ by: 'admin', filter: { account: 'acc-1', event: 'instance.*' }, policy: expect.stringMatching(/./) });
    const ended = await until('the event of its end', async () => {
      const { data } = await client.json<{ data: { events: readonly { details: object }[] } }>('GET', `/v1/audit-logs?event=export.finish&resource=${id}`);
      return data.events.length > 0 ? data.events : undefined;
    });
    expect(ended.map(({ details }) => details)).toMatchObject([{ rows: 2_000 }]);
  });

  it('is fetched on from where a download broke off', { timeout: 60_000 }, async () => {
    const { data } = await client.json<One>('POST', '/v1/exports', { account: 'acc-2', format: 'csv', compression: 'gzip' });
    const { id, parts } = await done(data.id);
    const [part] = parts as [Part];
    const whole = Buffer.from(await (await fetchPart(id, part.name)).arrayBuffer());
    const head = await fetchPart(id, part.name, { range: 'bytes=0-99' });
    expect([head.status, head.headers.get('content-range')]).toEqual([206, `bytes 0-99/${part.bytes}`]);
    const etag = head.headers.get('etag') as string;
    const rest = await fetchPart(id, part.name, { range: 'bytes=100-', 'if-range': etag });
    expect(rest.status).toBe(206);
    expect(Buffer.concat([Buffer.from(await head.arrayBuffer()), Buffer.from(await rest.arrayBuffer())]).equals(whole)).toBe(true);
    expect((await fetchPart(id, part.name, { range: 'bytes=100-', 'if-range': '"another"' })).status).toBe(200);
    const beyond = await fetchPart(id, part.name, { range: `bytes=${part.bytes}-` });
    expect([beyond.status, beyond.headers.get('content-range')]).toEqual([416, `bytes */${part.bytes}`]);
  });

  it('is one at a time for an account, and another account need not wait', { timeout: 60_000 }, async () => {
    const answers = await Promise.all(Array.from({ length: 5 }, () => client.call('POST', '/v1/exports', { account: 'acc-1', format: 'parquet' })));
    const taken = answers.filter(({ status }) => status === 202);
    expect(taken).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 409).map(({ body }) => (JSON.parse(body) as { code: string }).code)).toEqual(
      Array(4).fill('export.running'),
    );
    const other = await client.json<One>('POST', '/v1/exports', { account: 'acc-2' });
    await done((JSON.parse(taken[0]?.body as string) as One).data.id);
    await done(other.data.id);
  });

  it("is nobody's but who may export the account: to others it is unknown", async () => {
    const { data } = await client.json<One>('POST', '/v1/exports', { account: 'acc-2' });
    await done(data.id);
    const headers = { authorization: `Bearer ${ofAcc1}` };
    for (const path of ['', '/manifest', `/parts/audit-logs-acc-2-0001.jsonl`])
      expect((await client.call('GET', `/v1/exports/${data.id}${path}`, undefined, headers)).status).toBe(404);
    expect((await client.call('DELETE', `/v1/exports/${data.id}`, undefined, headers)).status).toBe(404);
    expect((await client.call('POST', '/v1/exports', { account: 'acc-2' }, headers)).status).toBe(403);
    const { data: mine } = await client.json<{ data: { exports: readonly { account: string }[] } }>('GET', '/v1/exports', undefined, headers);
    expect(new Set(mine.exports.map(({ account }) => account))).toEqual(new Set(['acc-1']));
    expect((await client.call('GET', '/v1/exports/..%2f..%2fnode.json')).status).toBe(404);
  });

  it('holds all of an account as one archive, and no secret', { timeout: 60_000 }, async () => {
    await client.json('POST', '/v1/entities', [
      { type: 'account', id: 'acc-2', account: 'acc-2', properties: { name: 'Two' } },
      { type: 'instance', id: 'inst-two', account: 'acc-2', properties: { name: 'two' } },
      { type: 'instance', id: 'inst-one', account: 'acc-1', properties: { name: 'one' } },
    ]);
    await client.json('POST', '/v1/forwarders', {
      name: 'of two',
      accounts: ['acc-2'],
      destination: { type: 'https', url: 'https://siem.example/', authorization: 'token-of-the-siem' },
    });
    const { data } = await client.json<One>('POST', '/v1/exports', { account: 'acc-2', archive: true });
    const { id, parts, rows } = await done(data.id);
    const [part] = parts as [Part];
    expect(parts).toHaveLength(1);
    const bytes = Buffer.from(await (await fetchPart(id, part.name)).arrayBuffer());
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(part.sha256);
    const files = await unpack(bytes);
    expect([...files.keys()]).toEqual(['manifest.json', 'events.jsonl', 'entities.jsonl', 'forwarders.jsonl', 'export-schedules.jsonl']);
    const text = (name: string): string => files.get(name)?.toString() ?? '';
    const manifest = JSON.parse(text('manifest.json')) as { files: readonly Part[] };
    expect(manifest).toMatchObject({ account: 'acc-2', by: 'admin', policy: expect.stringMatching(/./), recorded_until: expect.stringMatching(/Z$/) });
    for (const { name, rows: count, bytes: size, sha256 } of manifest.files) {
      const file = files.get(name) as Buffer;
      expect([name, file.length, file.toString().split('\n').length - 1]).toEqual([name, size, count]);
      expect(createHash('sha256').update(file).digest('hex')).toBe(sha256);
    }
    const events = text('events.jsonl').trim().split('\n');
    expect(events).toHaveLength(rows);
    expect(rows).toBeGreaterThanOrEqual(1_000);
    expect(new Set(events.map((line) => (JSON.parse(line) as { account: string }).account))).toEqual(new Set(['acc-2']));
    const entities = text('entities.jsonl')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as object);
    expect(entities).toMatchObject([
      { type: 'account', id: 'acc-2', version: 1 },
      { type: 'instance', id: 'inst-two', version: 1 },
    ]);
    expect(text('forwarders.jsonl')).toContain('siem.example');
    const everything = [...files.values()].map(String).join('');
    for (const secret of ['token-of-the-siem', 'salts']) expect(everything).not.toContain(secret);
    expect((await client.call('POST', '/v1/exports', { account: 'acc-1', archive: true }, { authorization: `Bearer ${ofAcc1}` })).status).toBe(403);
    expect((await client.call('POST', '/v1/exports', { account: 'acc-1', archive: true, event: 'x' })).status).toBe(400);
    expect((await client.call('POST', '/v1/exports', { archive: true })).status).toBe(400);
  });

  it('is begun, followed and fetched by the command line, an archive in one go', { timeout: 60_000 }, async () => {
    const run = cliIn(folder, { VERDICT_URL: node.url, VERDICT_TOKEN: node.token });
    const begun = await run('exports', 'create', '--account', 'acc-2', '--format', 'csv', '--output', 'json');
    expect(begun.code, begun.err).toBe(0);
    const { id } = (JSON.parse(begun.out) as One).data;
    const into = join(folder, 'fetched');
    const fetched = await run('exports', 'download', id, '--folder', into);
    expect(fetched.code, fetched.err).toBe(0);
    const { parts } = JSON.parse(readFileSync(join(into, `${id}.manifest.json`), 'utf8')) as { parts: readonly Part[] };
    for (const { name, sha256 } of parts)
      expect(
        createHash('sha256')
          .update(readFileSync(join(into, name)))
          .digest('hex'),
      ).toBe(sha256);
    // What is there and right is not fetched again; what was cut off is fetched on.
    const [first] = parts as [Part];
    const whole = readFileSync(join(into, first.name));
    rmSync(join(into, first.name));
    writeFileSync(join(into, `${first.name}.${first.sha256.slice(0, 12)}.partial`), whole.subarray(0, 1_000));
    expect((await run('exports', 'download', id, '--folder', into)).code).toBe(0);
    expect(readFileSync(join(into, first.name)).equals(whole)).toBe(true);
    const file = join(folder, 'two.tar.gz');
    const archived = await run('exports', 'archive', '--account', 'acc-2', '--file', file);
    expect(archived.code, archived.err).toBe(0);
    expect([...(await unpack(readFileSync(file))).keys()]).toContain('events.jsonl');
    expect((await run('exports', 'list')).out).toContain(id);
    expect((await run('exports', 'delete', id)).code).toBe(0);
  });

  it('goes, with its files, when it is deleted', { timeout: 30_000 }, async () => {
    const { data } = await client.json<One>('POST', '/v1/exports', { account: 'acc-1' });
    await done(data.id);
    expect((await client.call('DELETE', `/v1/exports/${data.id}`)).status).toBe(204);
    await until('its end', () => (existsSync(join(folder, 'data', 'exports', data.id)) ? undefined : true));
    expect((await client.call('GET', `/v1/exports/${data.id}`)).status).toBe(404);
  });

  it('begins anew after kill -9, and is then whole', { timeout: 90_000 }, async () => {
    const { data } = await client.json<One>('POST', '/v1/exports', { event: 'instance.*', format: 'json' });
    const pipeline = node.processes().find((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('pipeline')) as number;
    await until('its beginning', () => (readdirSync(join(folder, 'data', 'exports', data.id)).length > 1 ? true : undefined));
    process.kill(pipeline, 'SIGKILL');
    const { rows, parts } = await done(data.id);
    expect(rows).toBe(EVENTS);
    let found = 0;
    for (const part of parts) found += ((await (await fetchPart(data.id, part.name)).json()) as { data: { events: unknown[] } }).data.events.length;
    expect(found).toBe(EVENTS);
  });
});
