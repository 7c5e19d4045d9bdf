import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createProgram } from './index.js';

const BINARY = resolve(import.meta.dirname, '../../bin/verdict.js');

type Ran = { readonly code: number | null; readonly out: string; readonly err: string };
type Asked = { readonly method: string; readonly url: URL; readonly headers: IncomingMessage['headers']; readonly body: string };
type Respond = (asked: Asked, response: ServerResponse) => void;

let folder: string;
let server: Server;
let url: string;
let asked: Asked[];
let respond: Respond;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'verdict-cli-'));
  asked = [];
  respond = (_asked, response) => json(response, 200, { data: {} });
  server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (part: string) => {
      body += part;
    });
    request.on('end', () => {
      const one = { method: request.method ?? '', url: new URL(request.url ?? '/', 'http://node'), headers: request.headers, body };
      asked.push(one);
      respond(one, response);
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((done) => server.close(done));
  rmSync(folder, { recursive: true, force: true });
});

/** Runs the real binary in the temporary folder. */
const verdict = (args: readonly string[], env: Record<string, string> = {}, input = ''): Promise<Ran> =>
  new Promise((done) => {
    const child = spawn(process.execPath, [BINARY, ...args], { cwd: folder, env: { PATH: process.env['PATH'], VERDICT_URL: url, ...env } });
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

const json = (response: ServerResponse, status: number, value: unknown): void => {
  response.writeHead(status, { 'content-type': status < 300 ? 'application/json' : 'application/problem+json' });
  response.end(JSON.stringify(value));
};

const event = (extra: object = {}) => ({
  id: 'evt-1',
  timestamp: '2026-11-22T04:03:48.496Z',
  recorded: '2026-11-22T04:03:48.501Z',
  account: 'acc-lagos',
  kind: 'activity',
  actor: { type: 'user', id: 'usr-ada', email: 'ada@eko-ledger.example' },
  action: 'instance.delete',
  resource: { type: 'instance', id: 'inst-1', name: 'web-1' },
  result: 'success',
  details: {},
  source: 'api',
  log: '01JDA4Q0V4M9GQ2Z9X1T7K3B5N',
  seq: 1,
  ...extra,
});

describe('verdict audit-logs list', () => {
  it("sends platform A's flags as the API's parameters, with the token, and shows a table", async () => {
    respond = (_one, response) => json(response, 200, { data: { events: [event()], next_cursor: 'more' } });
    const flags = '--limit 50 --event instance.delete --user ada@eko-ledger.example --start 2024-02-01 --end 2024-02-29 --account acc-lagos';
    const more = '--resource inst-1 --result success --kind activity --ip 10.0.0.1 --request-id req-1 --q web --cursor abc --token secret';
    const { code, out, err } = await verdict(['audit-logs', 'list', ...flags.split(' '), ...more.split(' ')]);
    expect(code).toBe(0);
    expect(out).toContain('ada@eko-ledger.example');
    expect(out).toContain('instance/inst-1');
    expect(err).toContain('--cursor more');
    expect(asked[0]?.headers.authorization).toBe('Bearer secret');
    expect(Object.fromEntries(asked[0]?.url.searchParams ?? [])).toEqual({
      limit: '50',
      event: 'instance.delete',
      user: 'ada@eko-ledger.example',
      start_date: '2024-02-01',
      end_date: '2024-02-29',
      account: 'acc-lagos',
      resource: 'inst-1',
      result: 'success',
      kind: 'activity',
      ip: '10.0.0.1',
      request_id: 'req-1',
      q: 'web',
      cursor: 'abc',
    });
  });

  it('prints the answer as it is with --output json', async () => {
    respond = (_one, response) => json(response, 200, { data: { events: [event()], next_cursor: null } });
    const { code, out } = await verdict(['audit-logs', 'list', '--output', 'json']);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toEqual({ data: { events: [event()], next_cursor: null } });
  });

  it('lets no event steer the terminal', async () => {
    respond = (_one, response) => json(response, 200, { data: { events: [event({ action: 'x\u001b[2Jy\u202e' })] } });
    const { out } = await verdict(['audit-logs', 'list']);
    expect(out).not.toContain('\u001b');
    expect(out).not.toContain('\u202e');
    expect(out).toContain('x\\u001b[2Jy\\u202e');
  });
});

describe('the exit code says what happened, and one sentence why', () => {
  it.each([
    [400, 2],
    [401, 4],
    [403, 4],
    [404, 5],
    [409, 1],
    [503, 1],
  ])('status %i is exit code %i', async (status, exit) => {
    respond = (_one, response) =>
      json(response, status, { type: 'about:blank', title: 'X', status, detail: 'This is the reason.', code: 'some.code', request_id: 'req-7' });
    const { code, out, err } = await verdict(['audit-logs', 'get', 'evt-1']);
    expect({ code, out, err }).toEqual({ code: exit, out: '', err: 'This is the reason. (request req-7)\n' });
  });

  it('a proxy that answers HTML is told by its status', async () => {
    respond = (_one, response) => {
      response.writeHead(502, { 'content-type': 'text/html' });
      response.end('<h1>Bad gateway</h1>');
    };
    const { code, err } = await verdict(['audit-logs', 'list']);
    expect({ code, err }).toEqual({ code: 1, err: 'The node answered with status 502.\n' });
  });

  it('no node there is 3', async () => {
    const { code, err } = await verdict(['audit-logs', 'list', '--url', 'http://127.0.0.1:1']);
    expect(code).toBe(3);
    expect(err).toMatch(/^No node could be reached at http:\/\/127\.0\.0\.1:1: nothing listens there\..*\n$/);
  });

  it.each([
    [['nonsense']],
    [['audit-logs', 'list', '--nonsense']],
    [['audit-logs', 'list', '--limit', 'many']],
    [['audit-logs', 'list', '--result', 'perhaps']],
    [['audit-logs', 'get']],
    [['audit-logs', 'list', 'extra']],
    [['audit-logs', 'list', '--url', 'ftp://node']],
    [['entities', 'put', 'user', 'usr-1', '--properties', '[1]']],
    [['keys', 'create', '--name', 'x', '--permission', 'decision.evaluate']],
    [['keys', 'create', '--name', 'x', '--all-accounts', '--account', 'acc-1', '--permission', 'decision.evaluate']],
    [['keys', 'create', '--name', 'x', '--all-accounts', '--permission', 'everything']],
    [['keys', 'create', '--name', 'x', '--all-accounts', '--permission', 'audit.read', '--expires', '2001-01-01']],
  ])('wrong usage is 2: %j', async (args) => {
    const { code, out, err } = await verdict(args);
    expect({ code, out, asked: asked.length }).toEqual({ code: 2, out: '', asked: 0 });
    expect(err).not.toBe('');
  });
});

describe('verdict audit-logs export', () => {
  const content = '{"id":"evt-1"}\n{"id":"evt-2"}\n';
  const digest = createHash('sha256').update(content).digest('base64');

  const until = '2026-11-22T04:03:48.496Z';
  const trailersFor = (rows: number, body: string) => ({
    'Verdict-Rows': String(rows),
    'Repr-Digest': `sha-256=:${createHash('sha256').update(body).digest('base64')}:`,
    'Verdict-Recorded-Until': until,
  });
  const whole = trailersFor(2, content);
  const without = (trailer: string) => Object.fromEntries(Object.entries(whole).filter(([name]) => name !== trailer));

  const sendExport = (response: ServerResponse, trailers: Record<string, string>, body = content): void => {
    response.writeHead(200, { 'content-type': 'application/x-ndjson', trailer: Object.keys(whole).join(', ') });
    response.write(body);
    response.addTrailers(trailers);
    response.end();
  };

  it('writes FILE and its manifest when rows and digest are there and agree', async () => {
    respond = (_one, response) => sendExport(response, whole);
    const { code } = await verdict(['audit-logs', 'export', '--format', 'jsonl', '--event', 'login', '--output', 'a.jsonl']);
    expect(code).toBe(0);
    expect(readFileSync(join(folder, 'a.jsonl'), 'utf8')).toBe(content);
    expect(JSON.parse(readFileSync(join(folder, 'a.jsonl.manifest.json'), 'utf8'))).toMatchObject({
      file: 'a.jsonl',
      format: 'jsonl',
      rows: 2,
      recorded_until: until,
      bytes: content.length,
      sha256: Buffer.from(digest, 'base64').toString('hex'),
      filters: { event: 'login' },
    });
    expect(readdirSync(folder).sort()).toEqual(['a.jsonl', 'a.jsonl.manifest.json']);
  });

  it('writes to standard output without --output', async () => {
    respond = (_one, response) => sendExport(response, whole);
    const { code, out } = await verdict(['audit-logs', 'export', '--format', 'jsonl']);
    expect({ code, out }).toEqual({ code: 0, out: content });
  });

  const broken: readonly (readonly [string, Respond])[] = [
    ['the digest is another', (_one, response) => sendExport(response, whole, content.replace('2', '3'))],
    ['the rows are fewer than the node says', (_one, response) => sendExport(response, trailersFor(3, content))],
    ['the node does not say until when', (_one, response) => sendExport(response, without('Verdict-Recorded-Until'))],
    ['there are no trailers', (_one, response) => sendExport(response, {})],
    ['there is no row count', (_one, response) => sendExport(response, without('Verdict-Rows'))],
    [
      'the connection breaks midway',
      (_one, response) => {
        response.writeHead(200, { trailer: Object.keys(whole).join(', ') });
        response.write(content, () => response.destroy());
      },
    ],
  ];
  it.each(broken)('writes nothing and exits 6 when %s', async (_name, answer) => {
    respond = answer;
    const { code, err } = await verdict(['audit-logs', 'export', '--format', 'jsonl', '--output', 'a.json']);
    expect(code).toBe(6);
    expect(err).toMatch(/^The export is broken: .*\n$/);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('leaves an earlier FILE as it was when a later export breaks', async () => {
    writeFileSync(join(folder, 'a.json'), 'earlier');
    respond = (_one, response) => sendExport(response, {});
    expect((await verdict(['audit-logs', 'export', '--output', 'a.json'])).code).toBe(6);
    expect(readFileSync(join(folder, 'a.json'), 'utf8')).toBe('earlier');
    expect(readdirSync(folder)).toEqual(['a.json']);
  });

  it('leaves nothing behind when it is interrupted', async () => {
    respond = (_one, response) => {
      response.writeHead(200, { trailer: Object.keys(whole).join(', ') });
      response.write(content);
    };
    const child = spawn(process.execPath, [BINARY, 'audit-logs', 'export', '--output', 'a.json'], {
      cwd: folder,
      env: { PATH: process.env['PATH'], VERDICT_URL: url },
    });
    const ended = new Promise<number | null>((done) => child.once('exit', done));
    while (!readdirSync(folder).some((name) => name.endsWith('.partial'))) await new Promise((done) => setTimeout(done, 10));
    child.kill('SIGINT');
    expect(await ended).toBe(130);
    expect(readdirSync(folder)).toEqual([]);
  });

  const forms: readonly (readonly [string, string])[] = [
    ['json', '{"data":{"events":[\n{"id":"evt-1"}\n,{"id":"evt-2"}\n]}}\n'],
    ['jsonl', content],
    ['syslog', '<86>1 - - - - - - one\n<86>1 - - - - - - two "quoted\n'],
    ['ocsf', content],
    ['cef', 'CEF:0|a "quoted\nCEF:0|b\n'],
    ['csv', 'id,details\r\nevt-1,"two\r\nlines, ""quoted""\n"\r\nevt-2,\r\n'],
  ];
  it.each(forms)('counts the rows of %s itself', async (format, body) => {
    for (const [rows, exit] of [
      [1, 6],
      [2, 0],
      [3, 6],
    ] as const) {
      respond = (_one, response) => sendExport(response, trailersFor(rows, body), body);
      const { code, err } = await verdict(['audit-logs', 'export', '--format', format]);
      expect([rows, code]).toEqual([rows, exit]);
      if (exit === 6) expect(err).toContain(`it holds 2 events, but the node says that it sent ${rows}`);
    }
  });

  it('whose reader leaves early is cut, and exits 6', async () => {
    const long = content.repeat(100_000);
    respond = (_one, response) => sendExport(response, trailersFor(200_000, long), long);
    const child = spawn(process.execPath, [BINARY, 'audit-logs', 'export', '--format', 'jsonl'], {
      cwd: folder,
      env: { PATH: process.env['PATH'], VERDICT_URL: url },
    });
    let err = '';
    child.stderr.on('data', (part: Buffer) => {
      err += part.toString();
    });
    child.stdout.once('data', () => child.stdout.destroy());
    expect(await new Promise((done) => child.once('close', done))).toBe(6);
    expect(err).toBe('The export is cut: what reads standard output stopped before its end.\n');
  });

  it.each(['taken', 'taken/', 'a.jsonl'])('to %s, where a folder stands in the way, asks for nothing and leaves nothing', async (name) => {
    mkdirSync(join(folder, 'taken'));
    mkdirSync(join(folder, 'a.jsonl.manifest.json'));
    const { code, err } = await verdict(['audit-logs', 'export', '--format', 'jsonl', '--output', name]);
    expect({ code, asked: asked.length }).toEqual({ code: 1, asked: 0 });
    expect(err).toMatch(/can't be written: .* folder.*\n$/);
    expect(readdirSync(folder).sort()).toEqual(['a.jsonl.manifest.json', 'taken']);
  });

  it.each([undefined, 'earlier'])('leaves the manifest that was there (%s) when FILE can not be put in its place', async (earlier) => {
    respond = (_one, response) => {
      // Comes to stand there while the export runs.
      mkdirSync(join(folder, 'a.jsonl'), { recursive: true });
      sendExport(response, whole);
    };
    if (earlier !== undefined) writeFileSync(join(folder, 'a.jsonl.manifest.json'), earlier);
    const { code } = await verdict(['audit-logs', 'export', '--format', 'jsonl', '--output', 'a.jsonl']);
    expect(code).toBe(1);
    expect(readdirSync(folder).sort()).toEqual(['a.jsonl', ...(earlier === undefined ? [] : ['a.jsonl.manifest.json'])]);
    if (earlier !== undefined) expect(readFileSync(join(folder, 'a.jsonl.manifest.json'), 'utf8')).toBe(earlier);
  });

  it('says in one sentence that a folder can not be written', async () => {
    const { code, err } = await verdict(['audit-logs', 'export', '--output', 'missing/a.json']);
    expect(code).toBe(1);
    expect(err).toMatch(/^missing\/a\.json can't be written: .*\n$/);
  });
});

describe('verdict audit-logs get', () => {
  it('chooses by account and source among events of one id', async () => {
    respond = (_one, response) => json(response, 200, { data: event() });
    expect((await verdict(['audit-logs', 'get', 'evt-1', '--account', 'acc-lagos', '--source', 'api'])).code).toBe(0);
    expect(asked[0]?.url.pathname).toBe('/v1/audit-logs/evt-1');
    expect(Object.fromEntries(asked[0]?.url.searchParams ?? [])).toEqual({ account: 'acc-lagos', source: 'api' });
  });
});

describe('verdict audit-logs gaps', () => {
  it('exits 0 without gaps, and 6 with some', async () => {
    respond = (_one, response) => json(response, 200, { data: { gaps: [] } });
    expect(await verdict(['audit-logs', 'gaps'])).toMatchObject({ code: 0, err: expect.stringContaining('No gaps') });
    respond = (_one, response) => json(response, 200, { data: { gaps: [{ log: '01JDA4Q0V4M9GQ2Z9X1T7K3B5N', from: 3, to: 5 }] } });
    const { code, err } = await verdict(['audit-logs', 'gaps']);
    expect({ code, err }).toEqual({ code: 6, err: '3 events of 1 log range have not reached the store.\n' });
  });
});

describe('verdict keys', () => {
  it('asks for the key that the flags describe and shows it once', async () => {
    respond = (_one, response) => json(response, 201, { data: { key: { id: 'key-1', name: 'libvirt' }, secret: 'the-secret' } });
    const flags = ['--name', 'libvirt', '--account', 'acc-1', '--account', 'acc-2', '--permission', 'event.record', '--expires', '7d'];
    const { code, out } = await verdict(['keys', 'create', ...flags]);
    expect(code).toBe(0);
    expect(out).toContain('the-secret');
    const { expires, ...wish } = JSON.parse(asked[0]?.body ?? '{}') as { expires: string };
    expect(wish).toEqual({ name: 'libvirt', accounts: ['acc-1', 'acc-2'], permissions: ['event.record'] });
    expect(Math.round((Date.parse(expires) - Date.now()) / 86_400_000)).toBe(7);
  });

  it('rotates and revokes by id', async () => {
    respond = (_one, response) => json(response, 200, { data: { key: { id: 'key-2' }, secret: 'new-secret' } });
    expect((await verdict(['keys', 'rotate', 'key-1'])).out).toContain('new-secret');
    respond = (_one, response) => response.writeHead(204).end();
    expect((await verdict(['keys', 'revoke', 'key-1'])).code).toBe(0);
    expect(asked.map((one) => `${one.method} ${one.url.pathname}`)).toEqual(['POST /v1/keys/key-1/rotate', 'DELETE /v1/keys/key-1']);
  });
});

describe('verdict entities', () => {
  const entity = { type: 'membership', id: 'acc-1:usr-1', account: 'acc-1', properties: { role: 'owner' }, version: 4, updated: '2026-11-22T04:03:48.496Z' };

  it('sends the version that a change rests on', async () => {
    respond = (_one, response) => json(response, 200, entity);
    const { code } = await verdict(['entities', 'patch', 'membership', 'acc-1:usr-1', '--properties', '{"role":"owner"}', '--if-match', '3']);
    expect(code).toBe(0);
    expect(asked[0]).toMatchObject({ method: 'PATCH', body: '{"properties":{"role":"owner"}}', headers: { 'if-match': '"3"' } });
    expect(asked[0]?.url.pathname).toBe('/v1/entities/membership/acc-1%3Ausr-1');
  });

  it('imports NDJSON, goes on past what is refused, names the lines, and fails', async () => {
    respond = (_one, response) =>
      json(response, 200, {
        data: {
          entities: [
            { index: 0, status: 201, version: 1 },
            { index: 1, status: 409, detail: 'It is elsewhere.' },
          ],
        },
      });
    const lines = '{"type":"user","id":"usr-1","properties":{}}\n\n{"type":"user","id":"usr-2","properties":{}}\n';
    const { code, err } = await verdict(['entities', 'import', '-'], {}, lines);
    expect(code).toBe(1);
    expect(err).toContain('1 entity written');
    expect(err).toContain('Line 3: It is elsewhere.');
    expect(asked[0]?.headers['content-type']).toBe('application/x-ndjson');
  });

  it('says that a file is missing', async () => {
    expect(await verdict(['entities', 'import', 'missing.ndjson'])).toMatchObject({
      code: 2,
      err: expect.stringMatching(/^missing\.ndjson can't be read: .*\n$/),
    });
  });
});

describe('verdict config', () => {
  it('shows each value with its origin and no secret', async () => {
    writeFileSync(join(folder, 'verdict.yaml'), 'http:\n  port: 9000\nkafka:\n  sasl:\n    password: hunter2\n');
    const env = { VERDICT_REGION: 'lagos-1', VERDICT_CLICKHOUSE_URL: 'http://someone:hunter3@store:8123' };
    const { code, out } = await verdict(['config', '--output', 'json'], env);
    const shown = JSON.parse(out) as readonly { key: string; value: unknown; origin: string }[];
    const of = (key: string) => shown.find((one) => one.key === key);
    expect(code).toBe(0);
    expect(of('http.port')).toMatchObject({ value: 9000, origin: 'file' });
    expect(of('region')).toMatchObject({ value: 'lagos-1', origin: 'variable' });
    expect(of('http.host')).toMatchObject({ value: '127.0.0.1', origin: 'default' });
    expect(out).not.toMatch(/hunter/);
  });

  it('check exits 6 with the reason for what can not be used', async () => {
    expect((await verdict(['config', 'check'])).code).toBe(0);
    expect(await verdict(['config', 'check'], { VERDICT_HTTP_PORT: 'eighty' })).toMatchObject({
      code: 6,
      err: 'VERDICT_HTTP_PORT must be a number, not "eighty".\n',
    });
    writeFileSync(join(folder, 'other.yaml'), 'policy:\n  bundle: missing.tar.gz\n');
    const { code, err } = await verdict(['config', 'check', '--config', 'other.yaml']);
    expect({ code, err }).toEqual({ code: 6, err: "policy.bundle names missing.tar.gz, which can't be read.\n" });
    expect(await verdict(['config', 'check'], { VERDICT_ROUTES_FILE: 'none.yaml' })).toMatchObject({ code: 6, err: expect.stringContaining('routes.file') });
    writeFileSync(join(folder, 'routes.yaml'), 'version: 1\nroutes:\n  - { method: GET, path: /a, action: a.b }\n');
    expect(await verdict(['config', 'check'], { VERDICT_ROUTES_FILE: 'routes.yaml' })).toMatchObject({ code: 6, err: expect.stringContaining('line 3') });
    const tls = { VERDICT_GATEWAY_TLS_CERT: 'none.pem', VERDICT_GATEWAY_TLS_KEY: 'none.pem' };
    expect(await verdict(['config', 'check'], tls)).toMatchObject({ code: 6, err: "gateway.tls.cert names none.pem, which can't be read.\n" });
  });
});

describe('the credential', () => {
  it("is the data folder's admin token where none is given", async () => {
    mkdirSync(join(folder, 'elsewhere'));
    writeFileSync(join(folder, 'elsewhere', 'admin-token'), 'kept-there\n');
    await verdict(['keys', 'list'], { VERDICT_DATA_DIR: 'elsewhere' });
    expect(asked[0]?.headers.authorization).toBe('Bearer kept-there');
  });

  it('is left out where there is none, and the environment comes before the folder', async () => {
    await verdict(['keys', 'list']);
    await verdict(['keys', 'list'], { VERDICT_TOKEN: 'from-environment' });
    expect(asked.map((one) => one.headers.authorization)).toEqual([undefined, 'Bearer from-environment']);
  });
});

describe('help', () => {
  const leaves = (command: Command): readonly Command[] => (command.commands.length === 0 ? [command] : [command, ...command.commands.flatMap(leaves)]);

  it('has a description and examples on every command', () => {
    for (const command of leaves(createProgram())) {
      expect(command.description(), command.name()).not.toBe('');
      let text = '';
      command.configureOutput({
        writeOut: (part) => {
          text += part;
        },
      });
      const isGroup = command.commands.length > 0 && command.parent !== null && !['config', 'backup'].includes(command.name());
      command.outputHelp();
      if (!isGroup) expect(text, command.name()).toContain('Examples:');
    }
  });

  it('shows ids of keys as they are made', () => {
    for (const command of leaves(createProgram()).filter((one) => ['rotate', 'revoke'].includes(one.name()))) {
      let text = '';
      command.configureOutput({
        writeOut: (part) => {
          text += part;
        },
      });
      command.outputHelp();
      expect(text).toMatch(/ [0-9A-HJKMNP-TV-Z]{26}\n/);
    }
  });

  it('exits 0', async () => {
    expect(await verdict(['audit-logs', 'export', '--help'])).toMatchObject({ code: 0, err: '' });
    expect(existsSync(join(folder, 'data'))).toBe(false);
  });
});
