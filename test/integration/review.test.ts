import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Grant, Review } from '../../src/review/index.js';
import { clientOf, type RunningVerdict, removeFolder, startVerdict, temporaryFolder, until } from '../peers/verdict.js';

const BINARY = resolve(import.meta.dirname, '../../bin/verdict.js');
const DAY = 86_400_000;

type Ran = { readonly code: number | null; readonly out: string; readonly err: string };
type Made = { readonly data: { readonly key: { readonly id: string }; readonly secret: string } };

describe('the quarterly review of a node', () => {
  const folder = temporaryFolder();
  let node: RunningVerdict;
  let client: ReturnType<typeof clientOf>;
  let began: number;

  const verdict = (args: readonly string[]): Promise<Ran> =>
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
    });
  const review = (...more: readonly string[]): Promise<Ran> => verdict(['entities', 'review', '--account', 'acc-1', ...more]);
  const grants = async (): Promise<readonly Grant[]> => (JSON.parse((await review('--output', 'json')).out) as { data: Review }).data.grants;

  const put = (type: string, id: string, properties: object, account?: string): Promise<unknown> =>
    client.json('PUT', `/v1/entities/${type}/${encodeURIComponent(id)}`, { properties, ...(account && { account }) });

  const ask = async (user: string, action: string, token?: string, secret?: string): Promise<boolean> => {
    const context = { account: 'acc-1', ...(token && { token }) };
    const question = { subject: { type: 'user', id: user }, action: { name: action }, resource: { type: 'instance', id: 'inst-1' }, context };
    const headers = secret === undefined ? {} : { authorization: `Bearer ${secret}` };
    return (await client.json<{ decision: boolean }>('POST', '/access/v1/evaluation', question, headers)).decision;
  };

  let key: Made['data'];
  beforeAll(async () => {
    node = await startVerdict({ folder });
    client = clientOf(node);
    began = Date.now();
    await put('account', 'acc-1', { access_models: ['roles', 'acl'] });
    for (const [id, role, methods] of [
      ['usr-owner', 'owner', ['totp']],
      ['usr-viewer', 'viewer', ['sms']],
      ['usr-idle', 'developer', ['hardware_key']],
    ] as const) {
      await put('user', id, { email: `${id}@acme.example`, two_factor: { methods } });
      await put('membership', `acc-1:${id}`, { role, groups: ['ops'] });
    }
    await put('token', 'tok-used', { owner: 'usr-owner', created: new Date(began - 91 * DAY).toISOString() }, 'acc-1');
    await put('token', 'tok-over', { owner: 'usr-owner', revoked: true, expires: new Date(began - DAY).toISOString() }, 'acc-1');
    await put('acl', 'acc-1:gone', { grantee: 'user/usr-gone', target: { module: 'servers' }, access: 'read-write' }, 'acc-1');
    key = (await client.json<Made>('POST', '/v1/keys', { name: 'control-plane', accounts: ['acc-1'], permissions: ['decision.evaluate', 'audit.read'] })).data;
  });

  afterAll(async () => {
    client?.close();
    await node?.stop();
    removeFolder(folder);
  });

  it('finds what real decisions rested on, and what none did', async () => {
    expect(await ask('usr-owner', 'instance.delete', 'tok-used', key.secret)).toBe(true);
    expect(await ask('usr-viewer', 'instance.delete')).toBe(false);
    const found = await until('the decision in the store', async () => {
      const all = await grants();
      return all.find(({ via }) => via === 'token/tok-used')?.last_used ? all : undefined;
    });
    const said = new Map(found.map(({ via, last_used, findings }) => [via, [last_used !== null, ...findings.map(({ code }) => code)]]));
    expect(Object.fromEntries(said)).toEqual({
      'membership/acc-1:usr-owner': [true],
      'membership/acc-1:usr-viewer': [false, 'mfa.missing', 'never_used'],
      'membership/acc-1:usr-idle': [false, 'never_used'],
      'token/tok-used': [true, 'token.rotate'],
      'token/tok-over': [false, 'token.revoked', 'token.expired', 'never_used'],
      'acl/acc-1:gone': [false, 'grant.dangling', 'never_used'],
      [`verdict.key/${key.key.id}`]: [true],
    });
    expect(Date.parse(found.find(({ via }) => via === 'token/tok-used')?.last_used ?? '')).toBeGreaterThanOrEqual(began);
  });

  it('is a table for people and CSV for the file', async () => {
    const table = await review();
    expect(table).toMatchObject({ code: 0, err: expect.stringContaining('7 grants of acc-1') });
    for (const said of ['user/usr-owner (usr-owner@acme.example)', 'read-write on the module servers', 'mfa.missing', 'grant.dangling'])
      expect(table.out).toContain(said);
    const csv = await review('--output', 'csv');
    expect(csv.code).toBe(0);
    expect(csv.out.trimEnd().split('\r\n')).toHaveLength(8);
    expect(csv.out).toContain('user/usr-idle,usr-idle@acme.example,role,developer');
  });

  it('is recorded, and refused to who may not', async () => {
    await until('the review in the record', async () => {
      const { out } = await verdict(['audit-logs', 'list', '--event', 'entity.review', '--account', 'acc-1', '--output', 'json']);
      return (JSON.parse(out) as { data: { events: readonly unknown[] } }).data.events.length > 0 || undefined;
    });
    expect((await review('--token', key.secret)).code).toBe(0);
    expect(await verdict(['entities', 'review', '--account', 'acc-2', '--token', key.secret])).toMatchObject({ code: 4, out: '' });
    expect((await verdict(['entities', 'review', '--account', 'acc-none'])).code).toBe(5);
    expect((await verdict(['entities', 'review'])).code).toBe(2);
  });
});
