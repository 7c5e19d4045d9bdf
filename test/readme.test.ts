import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clientOf, type RunningVerdict, removeFolder, startVerdict, temporaryFolder, until } from './peers/verdict.js';

const run = promisify(execFile);
const ROOT = resolve(import.meta.dirname, '..');
const ADDRESS = 'http://127.0.0.1:8088';

/** The README's blocks that a reader pastes into a shell, in order; `console` blocks are only shown. */
const blocks = [...readFileSync(join(ROOT, 'README.md'), 'utf8').matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map((match) => match[1] as string);

/** What a reader must see after each block that prints something. */
const SEEN: readonly (readonly [name: string, ...patterns: RegExp[]])[] = [
  ['for user in', /"decision":false/, /"decision":true/, /"id":"evt-/],
  ['/access/v1/evaluations', /"evaluations":\[\{"decision":true.*"decision":false/s],
  ['/access/v1/search/action', /"results":\[\{"name":"/],
  ['entities patch', /viewer/, /developer/],
  ['/v1/events', /"log":/, /"seq":/],
  ['audit-logs list', /"action":"failed_login"/, /instance\.delete/],
  ['audit-logs export', /"rows": \d+/, /"sha256": "[0-9a-f]{64}"/],
  ['keys create', /control-plane/],
];

type Decided = { readonly decision: { readonly reasons: readonly { readonly code: string }[] } };
const codesOf = ({ decision }: Decided): readonly string[] => decision.reasons.map(({ code }) => code);

describe('what the README shows', () => {
  const folder = temporaryFolder();
  let node: RunningVerdict;
  let url: string;

  beforeAll(async () => {
    // A clone, as far as a reader's commands can tell.
    for (const name of readdirSync(ROOT)) if (!['data', '.git', '.cache'].includes(name)) symlinkSync(join(ROOT, name), join(folder, name));
    mkdirSync(join(folder, 'data'));
    node = await startVerdict({ folder, args: ['--demo'] });
    url = node.url;
    await until('the end of the demo', () => /\n {2}curl .* -o failed-logins\.csv\n/.test(node.output()) || undefined, 60_000);
  });

  afterAll(async () => {
    await node?.stop();
    removeFolder(folder);
  });

  const paste = async (commands: string): Promise<string> => {
    const env = { ...process.env, VERDICT_URL: url, npm_config_update_notifier: 'false' };
    const { stdout, stderr } = await run('bash', ['-euo', 'pipefail', '-c', commands], { cwd: folder, env, timeout: 60_000 });
    return stdout + stderr;
  };

  it('begins with three commands at the end of the demo, which work', { timeout: 60_000 }, async () => {
    const commands = [...node.output().matchAll(/^ {2}(curl .*)$/gm)].map((match) => match[1] as string);
    expect(commands).toHaveLength(3);
    const [decision, query, file] = commands as [string, string, string];
    expect(await paste(decision)).toMatch(/"decision":false/);
    expect(await paste(query)).toMatch(/"action":"instance.delete".*"result":"denied"/s);
    await paste(file);
    expect(readFileSync(join(folder, 'failed-logins.csv'), 'utf8').split('\r\n').length).toBeGreaterThan(9);
  });

  it('plays a day that is decided by roles, by access control lists and by IAM documents, and in which glass is broken once', { timeout: 60_000 }, async () => {
    const client = clientOf(node);
    const { body } = await client.call('GET', '/v1/audit-logs/export?format=jsonl&kind=decision');
    const alerts = await client.json<{ readonly data: { readonly events: readonly object[] } }>('GET', '/v1/audit-logs?event=access.break_glass');
    client.close();
    const day = body.trim().split('\n');
    const found = new Set(day.map((line) => JSON.parse(line) as Decided).flatMap(codesOf));
    const told = ['rbac.role', 'acl.module', 'acl.tag', 'acl.none', 'iam.allow', 'iam.none', 'iam.deny', 'root.break_glass', 'mfa.overdue', 'token.scope'];
    expect([...found]).toEqual(expect.arrayContaining(told));
    expect([...found].filter((code) => ['account.unknown', 'action.unknown', 'policy.error'].includes(code))).toEqual([]);
    expect(alerts.data.events).toHaveLength(1);
  });

  it('works when it is pasted, block by block', { timeout: 120_000 }, async () => {
    expect(blocks.length).toBeGreaterThanOrEqual(SEEN.length);
    const [setup, ...rest] = blocks.map((block) => block.replaceAll(ADDRESS, url));
    for (const block of rest) {
      const output = await paste(`${setup}\n${block}`);
      const [, ...patterns] = SEEN.find(([name]) => block.includes(name)) ?? [''];
      expect(patterns.length, `nothing is expected of the block:\n${block}`).toBeGreaterThan(0);
      for (const pattern of patterns) expect(output, block).toMatch(pattern);
    }
  });
});
