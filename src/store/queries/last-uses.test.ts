import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { anEvent, ndjson } from '../../../test/peers/events.js';
import { configFor, startStore, temporaryFolder } from '../../../test/peers/store.js';
import type { Event, Reason } from '../../event/index.js';
import { type EmbeddedStore, migrate, openStore, type Store } from '../index.js';

const folder = temporaryFolder();
const NOW = Date.now();
const DAY = 86_400_000;
let embedded: EmbeddedStore;
let store: Store;
let databases = 0;
let seq = 0;

const freshStore = async (more: { now?: () => number; seconds?: number } = {}): Promise<Store> => {
  databases += 1;
  const config = configFor(embedded, { database: `uses_${databases}`, query_seconds: more.seconds ?? 10 });
  await migrate(config);
  return openStore(config, { settle_ms: 0, ...(more.now && { now: more.now }) });
};

beforeAll(async () => {
  embedded = await startStore(folder.path);
  store = await freshStore();
});
afterAll(async () => {
  await store.close();
  await embedded.stop();
  folder.remove();
});

type Decided = {
  readonly days: number;
  readonly facts: readonly string[];
  readonly reasons?: readonly Reason[];
  readonly allow?: boolean;
  readonly caller?: string;
};

const because = (code: string, message = 'It is so.'): Reason => ({ code, message });
const decided = ({ days, facts, reasons = [], allow = true, caller = 'admin' }: Decided, more: Partial<Event> = {}): Event => {
  seq += 1;
  const timestamp = new Date(NOW - days * DAY).toISOString();
  const versions = Object.fromEntries(facts.map((fact) => [fact, 3]));
  return anEvent({
    seq,
    timestamp,
    recorded: timestamp,
    kind: 'decision',
    result: allow ? 'allowed' : 'denied',
    details: { caller },
    decision: { allow, reasons, advice: [], policy: 'p1', duration_us: 1, question: {}, facts: versions },
    source: 'pdp',
    ...more,
  });
};

/** `who grant → days ago`, in order, of what these decisions were. */
const usesOf = async (account: string, decisions: readonly Event[], documents: readonly string[] = [], days = 90): Promise<readonly string[]> => {
  expect(await store.insertLines(ndjson(decisions.map((event) => ({ ...event, account }))))).toEqual({ outcome: 'inserted' });
  const { rows } = await store.lastUses({ account, from: NOW - days * DAY, documents });
  return rows.map(({ who, grant, last_used }) => `${who} ${grant} ${(NOW - last_used) / DAY}`).sort();
};

describe('last uses', () => {
  test('a role was last used by the last allowed decision that named its membership and a role', async () => {
    const facts = ['membership/acc-role:usr-1', 'user/usr-1', 'account/acc-role', 'instance/inst-1'];
    const reasons = [because('rbac.role')];
    const older = decided({ days: 20, facts, reasons });
    expect(await usesOf('acc-role', [older, decided({ days: 3, facts, reasons }), decided({ days: 1, facts, reasons, allow: false })])).toEqual([
      'membership/acc-role:usr-1 membership/acc-role:usr-1 3',
    ]);
  });

  test('who was allowed by an ACL entry or a document did not use the role', async () => {
    const facts = ['membership/acc-kinds:usr-1', 'acl/acc-kinds:ops', 'iam_policy/acc-kinds:own'];
    const who = 'membership/acc-kinds:usr-1';
    const decisions = [
      decided({ days: 9, facts, reasons: [because('rbac.role')] }),
      decided({ days: 6, facts, reasons: [because('acl.module')] }),
      decided({ days: 4, facts, reasons: [because('iam.allow')] }),
    ];
    expect(await usesOf('acc-kinds', decisions)).toEqual([
      `${who} acl/acc-kinds:ops 6`,
      `${who} iam_policy/acc-kinds:own 4`,
      `${who} membership/acc-kinds:usr-1 9`,
    ]);
  });

  test('of several entries and documents those count that the reasons name', async () => {
    const facts = ['membership/acc-named:usr-1', 'acl/acc-named:one', 'acl/acc-named:one-more', 'iam_policy/acc-named:a', 'iam_policy/acc-named:b'];
    const who = 'membership/acc-named:usr-1';
    const reasons = [
      because('acl.tag', 'The ACL entry acc-named:one-more allows user/usr-1 instance.delete.'),
      because('iam.allow', 'The IAM document b allows instance.delete on instance/inst-1.'),
      because('iam.allow', 'The IAM document CloudNxReadOnlyAccess allows instance.list.'),
    ];
    expect(await usesOf('acc-named', [decided({ days: 5, facts, reasons })], ['CloudNxReadOnlyAccess', 'CloudNxBillingAccess'])).toEqual([
      `${who} acl/acc-named:one-more 5`,
      `${who} iam_policy/acc-named:CloudNxReadOnlyAccess 5`,
      `${who} iam_policy/acc-named:b 5`,
    ]);
  });

  test('what another bundle allows without saying by what counts for all that it looked at', async () => {
    const facts = ['membership/acc-bare:usr-1', 'acl/acc-bare:ops', 'iam_policy/acc-bare:own'];
    const who = 'membership/acc-bare:usr-1';
    expect(await usesOf('acc-bare', [decided({ days: 2, facts }), decided({ days: 8, facts, reasons: [because('ours')] })])).toEqual([
      `${who} acl/acc-bare:ops 2`,
      `${who} iam_policy/acc-bare:own 2`,
      `${who} membership/acc-bare:usr-1 2`,
    ]);
  });

  test('a token and the key that asked are used whatever allowed it; a group’s entry by each of its members for itself', async () => {
    const reasons = [because('acl.module')];
    const by = (id: string, days: number): Event =>
      decided({ days, facts: [`membership/acc-key:${id}`, 'acl/acc-key:ops', 'token/tok-1'], reasons, caller: 'key:01JD' });
    const alone = decided({ days: 5, facts: ['acl/acc-key:alone'], reasons }, { actor: { type: 'service', id: 'svc-1' } });
    expect(await usesOf('acc-key', [by('usr-1', 7), by('usr-2', 6), alone])).toEqual([
      'membership/acc-key:usr-1 acl/acc-key:ops 7',
      'membership/acc-key:usr-1 token/tok-1 7',
      'membership/acc-key:usr-1 verdict.key/01JD 7',
      'membership/acc-key:usr-2 acl/acc-key:ops 6',
      'membership/acc-key:usr-2 token/tok-1 6',
      'membership/acc-key:usr-2 verdict.key/01JD 6',
      'service/svc-1 acl/acc-key:alone 5',
    ]);
  });

  test('another account’s decisions, activities and what lies before the range count for nothing', async () => {
    const facts = ['token/tok-far'];
    expect(await usesOf('acc-other', [decided({ days: 1, facts })])).toHaveLength(1);
    const activity = decided({ days: 1, facts }, { kind: 'activity', result: 'success' });
    expect(await usesOf('acc-mine', [activity, decided({ days: 31, facts })], [], 30)).toEqual([]);
    expect(await usesOf('acc-mine', [decided({ days: 29, facts })], [], 30)).toEqual(['user/usr-1 token/tok-far 29']);
  });

  test('names that look like SQL are names', async () => {
    const account = `acc "\\' {account:String} -- é`;
    const facts = [`acl/${account}:x'); DROP TABLE events; --`];
    expect(await usesOf(account, [decided({ days: 1, facts, reasons: [because('acl.tag')] })], ["a') OR 1=1 --"])).toEqual([`user/usr-1 ${facts[0]} 1`]);
  });

  test('where the time is up it says how far back it looked', async () => {
    let ahead = 0;
    const hasty = await freshStore({ seconds: 1, now: () => NOW + ahead++ * 1500 });
    const { from, rows } = await hasty.lastUses({ account: 'acc-1', from: NOW - 90 * DAY, documents: [] });
    expect(rows).toEqual([]);
    expect(from).toBeGreaterThan(NOW - 90 * DAY);
    await hasty.close();
  });

  test('a store that is away is told', async () => {
    const away = openStore(configFor({ url: 'http://127.0.0.1:1', username: 'x', password: 'x' }));
    await expect(away.lastUses({ account: 'acc-1', from: 0, documents: [] })).rejects.toThrow();
    await away.close();
  });
});
