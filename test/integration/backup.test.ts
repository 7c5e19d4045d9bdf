import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { clientOf, type RunningVerdict, removeFolder, startVerdict, temporaryFolder, until } from '../peers/verdict.js';

const BINARY = resolve(import.meta.dirname, '../../bin/verdict.js');
type Page = { readonly data: { readonly events: readonly { readonly id: string; readonly log: string }[]; readonly next_cursor?: string } };

type Ran = { readonly code: number | null; readonly err: string };

/** Runs a command of the binary in a folder; its exit code and what it said. */
const verdict = (folder: string, args: readonly string[]): Promise<Ran> =>
  new Promise((done) => {
    const child = spawn(process.execPath, [BINARY, ...args], { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
    let err = '';
    child.stderr.on('data', (part: Buffer) => {
      err += part.toString();
    });
    child.on('close', (code) => done({ code, err }));
  });

describe('a backup of a running node', () => {
  const folder = temporaryFolder();
  const elsewhere = temporaryFolder();
  const running: RunningVerdict[] = [];

  afterAll(async () => {
    for (const node of running) await node.stop();
    for (const one of [folder, elsewhere]) removeFolder(one);
  });

  const start = async (where: string): Promise<RunningVerdict> => {
    const node = await startVerdict({ folder: where });
    running.push(node);
    return node;
  };

  const allDecisions = async (client: ReturnType<typeof clientOf>): Promise<Page['data']['events']> => {
    const events: Page['data']['events'][number][] = [];
    let cursor: string | undefined;
    do {
      const answer = await client.call('GET', `/v1/audit-logs?kind=decision&limit=1000${cursor ? `&cursor=${cursor}` : ''}`);
      const page = (JSON.parse(answer.body) as Page).data;
      events.push(...page.events);
      cursor = page.next_cursor;
    } while (cursor);
    return events;
  };

  it('brings every decision that was answered before it to another machine, once, with directory and keys', { timeout: 120_000 }, async () => {
    const node = await start(folder);
    const client = clientOf(node);
    await client.call('PUT', '/v1/entities/account/acc-1', { properties: { name: 'Example' } });
    await client.call('PUT', '/v1/entities/membership/acc-1:usr-1', { account: 'acc-1', properties: { role: 'developer' } });
    const made = await client.call('POST', '/v1/keys', { name: 'front', accounts: 'all', permissions: ['decision.evaluate'] });
    const { secret } = (JSON.parse(made.body) as { data: { secret: string } }).data;

    const answered: string[] = [];
    let isOver = false;
    const question = {
      subject: { type: 'user', id: 'usr-1' },
      action: { name: 'instance.start' },
      resource: { type: 'instance', id: 'inst-1' },
      context: { account: 'acc-1' },
    };
    const load = Array.from({ length: 8 }, async () => {
      while (!isOver) {
        const answer = await client.call('POST', '/access/v1/evaluation', question);
        answered.push((JSON.parse(answer.body) as { context: { id: string } }).context.id);
      }
    });
    await until('2,000 answers', () => answered.length > 2_000 || undefined);
    const before = [...answered];
    const backup = await verdict(folder, ['backup', '--output', 'node.tar']);
    expect(backup, backup.err).toMatchObject({ code: 0 });
    isOver = true;
    await Promise.all(load);

    const restored = await verdict(elsewhere, ['backup', 'restore', join(folder, 'node.tar'), '--data-dir', 'data']);
    expect(restored, restored.err).toMatchObject({ code: 0 });
    expect(readFileSync(join(elsewhere, 'data', 'admin-token'), 'utf8').trim()).toBe(node.token);
    const again = await start(elsewhere);
    const other = clientOf(again);

    const membership = await other.call('GET', '/v1/entities/membership/acc-1:usr-1');
    expect(JSON.parse(membership.body)).toMatchObject({ properties: { role: 'developer' }, version: 1 });
    const asked = await clientOf({ url: again.url, token: secret }).call('POST', '/access/v1/evaluation', question);
    const { decision, context } = JSON.parse(asked.body) as { decision: boolean; context: { id: string } };
    expect(decision).toBe(true);
    const own = await until("the restored node's own decision", async () => {
      const answer = await other.call('GET', `/v1/audit-logs/${context.id}`);
      return answer.status === 200 ? (JSON.parse(answer.body) as { data: { log: string } }).data : undefined;
    });

    await until('no gaps', async () => JSON.parse((await other.call('GET', '/v1/audit-logs/gaps')).body).data.gaps.length === 0 || undefined);
    const events = await allDecisions(other);
    const ids = events.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(before.filter((id) => !ids.includes(id))).toEqual([]);
    expect(events.filter(({ id }) => before.includes(id)).map(({ log }) => log)).not.toContain(own.log);
  });

  it('refuses to overwrite a data folder', async () => {
    const refused = await verdict(folder, ['backup', 'restore', 'node.tar']);
    expect(refused.code).toBe(1);
    expect(refused.err).toMatch(/is not empty/);
  });
});
