import { createHash, createHmac, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { CreateBucketCommand, GetObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cliIn } from '../peers/cli.js';
import { clientOf, type RunningVerdict, removeFolder, startVerdict, temporaryFolder, until } from '../peers/verdict.js';
import { describeWithS3, type S3Server, startS3 } from '../peers/versitygw.js';

type Run = {
  readonly state: string;
  readonly rows: number;
  readonly place?: string;
  readonly reason?: string;
  readonly planned: string;
  readonly from: string;
};
type Schedule = { readonly id: string; readonly name: string; readonly runs: readonly Run[]; readonly through: string; readonly destination: object };
type One = { readonly data: { readonly schedule: Schedule } };
type Told = { readonly headers: IncomingHttpHeaders; readonly body: Buffer };

const YESTERDAY = new Date(Date.now() - 86_400_000).toISOString();
const SECRET = `whsec_${randomBytes(32).toString('base64')}`;
/** Planned for a day that is far away: it runs when somebody asks. */
const RARE = '0 0 1 1 *';

const event = (n: number, account = 'acc-1') => ({
  account,
  actor: { type: 'user', id: `usr-${n % 7}` },
  action: n % 2 === 0 ? 'instance.create' : 'instance.delete',
  resource: { type: 'instance', id: `inst-${n}` },
  result: 'success',
});

describe('exports that are made again and again', () => {
  const folder = temporaryFolder();
  const out = join(folder, 'out');
  const env = {
    VERDICT_EXPORTS_FOLDER: out,
    VERDICT_EXPORTS_SETTLE_SECONDS: '0.1',
    VERDICT_OUTBOUND_ALLOW: '127.0.0.0/8',
    VERDICT_SECRETS_KEY: randomBytes(32).toString('base64'),
  };
  let node: RunningVerdict;
  let client: ReturnType<typeof clientOf>;
  let receiver: Server;
  const told: Told[] = [];
  let answers: number[] = [];

  const record = async (count: number, account = 'acc-1'): Promise<void> => {
    await client.json(
      'POST',
      '/v1/events',
      Array.from({ length: count }, (_, n) => event(n, account)),
    );
    await until('the events', async () => {
      const { data } = await client.json<{ data: { events: readonly { resource: { id: string } }[] } }>(
        'GET',
        `/v1/audit-logs?account=${account}&event=instance.*&resource=inst-${count - 1}`,
      );
      return data.events.length > 0 ? true : undefined;
    });
  };
  const make = async (more: object): Promise<Schedule> =>
    (
      await client.json<One>('POST', '/v1/export-schedules', {
        cron: RARE,
        accounts: ['acc-1'],
        filter: { actions: ['instance.*'] },
        since: YESTERDAY,
        ...more,
      })
    ).data.schedule;
  const get = async (id: string): Promise<Schedule> => (await client.json<One>('GET', `/v1/export-schedules/${id}`)).data.schedule;
  /** Asks for a run, and for its outcome. */
  const run = async (id: string): Promise<Run> => {
    const before = (await get(id)).runs.length;
    await client.json('POST', `/v1/export-schedules/${id}/run`);
    return until('the run', async () => {
      const { runs } = await get(id);
      return runs.length > before ? runs[0] : undefined;
    });
  };

  beforeAll(async () => {
    mkdirSync(out);
    receiver = createServer((request, response) => {
      const pieces: Buffer[] = [];
      request.on('data', (piece: Buffer) => pieces.push(piece));
      request.on('end', () => {
        told.push({ headers: request.headers, body: Buffer.concat(pieces) });
        response.writeHead(answers.shift() ?? 204).end();
      });
    });
    await new Promise<void>((listening) => receiver.listen(0, '127.0.0.1', listening));
    node = await startVerdict({ folder, env });
    client = clientOf(node);
    await record(500);
  }, 90_000);
  afterAll(async () => {
    client.close();
    await node.stop();
    receiver.close();
    removeFolder(folder);
  });

  it('go into a folder, whole and with a manifest; the next has what came since, and nothing twice', { timeout: 60_000 }, async () => {
    const { id } = await make({ name: 'nightly', destination: { type: 'folder', path: 'lagos' }, compression: 'gzip' });
    const first = await run(id);
    expect(first).toMatchObject({ state: 'done', rows: 500, from: YESTERDAY });
    const place = first.place as string;
    expect(place.startsWith(join(out, 'lagos', 'nightly'))).toBe(true);
    const manifest = JSON.parse(readFileSync(join(place, 'manifest.json'), 'utf8')) as {
      parts: readonly { name: string; sha256: string; rows: number }[];
      rows: number;
    };
    expect(manifest.rows).toBe(500);
    for (const { name, sha256 } of manifest.parts)
      expect(
        createHash('sha256')
          .update(readFileSync(join(place, name)))
          .digest('hex'),
      ).toBe(sha256);
    expect(readdirSync(place).filter((name) => name.startsWith('.'))).toEqual([]);
    await record(20);
    expect(await run(id)).toMatchObject({ state: 'done', rows: 20, from: first.planned });
    expect(await run(id)).toMatchObject({ state: 'done', rows: 0 });
    const { data } = await client.json<{ data: { events: readonly { result: string }[] } }>('GET', '/v1/audit-logs?event=export.scheduled&account=acc-1');
    expect(data.events.length).toBeGreaterThanOrEqual(2);
  });

  it('that were missed become one run, which stays made through kill -9', { timeout: 90_000 }, async () => {
    const since = new Date(Date.now() - 5 * 60_000).toISOString();
    const { id } = await make({ name: 'missed', cron: '* * * * *', since, destination: { type: 'folder' } });
    const { runs } = await until('the first run', async () => ((await get(id)).runs.length > 0 ? get(id) : undefined));
    expect(runs).toHaveLength(1);
    expect(runs[0]).toMatchObject({ state: 'done', from: since, planned: expect.stringMatching(/:00\.000Z$/) });
    expect(Date.now() - Date.parse(runs[0]?.planned as string)).toBeLessThan(2 * 60_000);
    await client.json('POST', `/v1/export-schedules/${id}/pause`);
    client.close();
    for (const pid of node.processes()) process.kill(pid, 'SIGKILL');
    await until('the end', async () => (node.child.exitCode !== null || node.child.signalCode !== null ? true : undefined));
    node = await startVerdict({ folder, env });
    client = clientOf(node);
    const planned = (await get(id)).runs.map((one) => one.planned);
    expect(planned).toContain(runs[0]?.planned);
    expect(new Set(planned).size).toBe(planned.length);
    expect(existsSync(runs[0]?.place as string)).toBe(true);
  });

  it('are told to a webhook, signed, and fetched from this node; a webhook that fails is told again', { timeout: 90_000 }, async () => {
    const { port } = receiver.address() as AddressInfo;
    const { id, destination } = await make({
      name: 'told',
      destination: { type: 'webhook', url: `http://127.0.0.1:${port}/`, signing_secret: SECRET, plain_http: true },
    });
    expect(destination).toMatchObject({ signing_secret: '********' });
    answers = [500];
    const failed = await run(id);
    expect(failed).toMatchObject({ state: 'failed', reason: `http://127.0.0.1:${port} answered 500.` });
    const done = await until('the next attempt', async () => (await get(id)).runs.find(({ state }) => state === 'done'), 60_000);
    expect(done.rows).toBe(520);
    const { headers, body } = told.at(-1) as Told;
    const signed = `${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${body.toString()}`;
    const key = Buffer.from(SECRET.slice('whsec_'.length), 'base64');
    expect(headers['webhook-signature']).toBe(`v1,${createHmac('sha256', key).update(signed).digest('base64')}`);
    const { type, data } = JSON.parse(body.toString()) as {
      type: string;
      data: { files: string; manifest: { rows: number; parts: readonly { name: string; sha256: string }[] } };
    };
    expect([type, data.manifest.rows]).toEqual(['export.ready', 520]);
    const [part] = data.manifest.parts;
    const path = new URL(data.files, node.url).pathname;
    const response = await fetch(`${node.url}${path}/parts/${part?.name}`, { headers: { authorization: `Bearer ${node.token}` } });
    expect(
      createHash('sha256')
        .update(Buffer.from(await response.arrayBuffer()))
        .digest('hex'),
    ).toBe(part?.sha256);
  });

  it('keep an account’s events in its regions', { timeout: 60_000 }, async () => {
    await client.json('POST', '/v1/entities', [{ type: 'account', id: 'acc-eu', account: 'acc-eu', properties: { regions: ['frankfurt-1'] } }]);
    const wish = { name: 'abroad', cron: RARE, accounts: ['acc-eu'], destination: { type: 'folder' } };
    const refused = await client.call('POST', '/v1/export-schedules', wish);
    expect([refused.status, JSON.parse(refused.body)]).toMatchObject([403, { code: 'schedule.residency', detail: expect.stringContaining('acc-eu') }]);
    expect((await client.call('POST', '/v1/export-schedules', { ...wish, region: 'frankfurt-1' })).status).toBe(201);
  });

  it('are refused, with the place of the mistake, where they can’t be', { timeout: 30_000 }, async () => {
    const said = async (more: object): Promise<string> =>
      (
        JSON.parse((await client.call('POST', '/v1/export-schedules', { name: 'x', cron: RARE, destination: { type: 'folder' }, ...more })).body) as {
          detail: string;
        }
      ).detail;
    expect(await said({ cron: '0 25 * * *' })).toContain('"cron": 25 is a invalid expression for hour');
    expect(await said({ time_zone: 'Mars/Olympus' })).toContain('"time_zone"');
    expect(await said({ destination: { type: 'folders' } })).toContain('Did you mean "folder"?');
    expect(await said({ destination: { type: 'folder', path: '../etc' } })).toContain('destination');
    expect(await said({ destination: { type: 's3', bucket: 'audit' } })).toContain('access_key_id');
    expect(await said({ destination: { type: 'webhook', url: 'http://siem.example/', signing_secret: SECRET } })).toContain('not encrypted');
  });

  it('are planned, shown, run, paused and removed by the command line', { timeout: 90_000 }, async () => {
    const verdict = cliIn(folder, { VERDICT_URL: node.url, VERDICT_TOKEN: node.token });
    const added = await verdict(
      'exports',
      'schedules',
      'add',
      '--name',
      'by-hand',
      '--account',
      'acc-1',
      '--cron',
      '30 2 * * *',
      '--time-zone',
      'Africa/Lagos',
      '--format',
      'parquet',
      '--destination',
      '{"type":"folder","path":"hand"}',
    );
    expect([added.code, added.err]).toEqual([0, '']);
    expect((await verdict('exports', 'schedules', 'list')).out).toContain('30 2 * * * (Africa/Lagos)');
    for (const act of ['pause', 'resume', 'run']) expect((await verdict('exports', 'schedules', act, 'by-hand')).code, act).toBe(0);
    await until('a run by hand', async () => (existsSync(join(out, 'hand', 'by-hand')) ? true : undefined));
    expect((await verdict('exports', 'schedules', 'show', 'by-hand')).out).toContain('Africa/Lagos');
    expect((await verdict('exports', 'schedules', 'remove', 'by-hand')).code).toBe(0);
    expect((await verdict('exports', 'schedules', 'show', 'by-hand')).code).toBe(5);
  });
});

await describeWithS3('scheduled exports to a bucket', () => {
  const folder = temporaryFolder();
  let server: S3Server;
  let node: RunningVerdict;
  let client: ReturnType<typeof clientOf>;
  beforeAll(async () => {
    server = await startS3();
    node = await startVerdict({
      folder,
      env: { VERDICT_EXPORTS_SETTLE_SECONDS: '0.1', VERDICT_OUTBOUND_ALLOW: '127.0.0.0/8', VERDICT_SECRETS_KEY: randomBytes(32).toString('base64') },
    });
    client = clientOf(node);
  }, 90_000);
  afterAll(async () => {
    client.close();
    await node.stop();
    await server.stop();
    removeFolder(folder);
  });

  it('are written once, the manifest beside them, and their secret is never shown', { timeout: 60_000 }, async () => {
    await client.json(
      'POST',
      '/v1/events',
      Array.from({ length: 50 }, (_, n) => event(n)),
    );
    await until('the events', async () => {
      const { data } = await client.json<{ data: { events: readonly object[] } }>('GET', '/v1/audit-logs?account=acc-1&resource=inst-49');
      return data.events.length > 0 ? true : undefined;
    });
    const { endpoint, access_key_id, secret_access_key } = server;
    await server.client.send(new CreateBucketCommand({ Bucket: 'scheduled' }));
    const destination = { type: 's3', bucket: 'scheduled', prefix: 'audit/', endpoint, access_key_id, secret_access_key, plain_http: true };
    const wish = { name: 'bucket', cron: RARE, accounts: ['acc-1'], filter: { actions: ['instance.*'] }, since: YESTERDAY, format: 'parquet', destination };
    const { id } = (await client.json<One>('POST', '/v1/export-schedules', wish)).data.schedule;
    await client.json('POST', `/v1/export-schedules/${id}/run`);
    const made = await until('the run', async () => (await client.json<One>('GET', `/v1/export-schedules/${id}`)).data.schedule.runs[0]);
    expect(made).toMatchObject({ state: 'done', rows: 50, place: expect.stringMatching(/^s3:\/\/scheduled\/audit\/bucket\//) });
    const { Contents = [] } = await server.client.send(new ListObjectsV2Command({ Bucket: 'scheduled' }));
    const keys = Contents.map(({ Key }) => Key as string);
    expect(keys).toHaveLength(2);
    const { Body } = await server.client.send(new GetObjectCommand({ Bucket: 'scheduled', Key: keys.find((one) => one.endsWith('manifest.json')) as string }));
    expect(JSON.parse((await Body?.transformToString()) ?? '')).toMatchObject({ rows: 50, format: 'parquet' });
    for (const path of [`/v1/export-schedules/${id}`, '/v1/export-schedules', '/v1/audit-logs?event=entity.create'])
      expect((await client.call('GET', path)).body).not.toContain(secret_access_key);
  });
});
