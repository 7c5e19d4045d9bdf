import { describe, expect, it } from 'vitest';
import { guard } from '../../test/peers/guard.js';
import type { Caller } from '../caller/types.js';
import { type EventDraft, EventTooLarge, isEvent, type Json, newUlid, place } from '../event/index.js';
import { createDecide, type Semantic } from './decide.js';
import { fixedDirectory } from './directory/fixed.js';
import type { Policy } from './policy-types.js';
import type { Question } from './question.js';

const NOW = Date.parse('2026-11-22T04:03:48.496Z');
const ID = `AKIA${'Q'.repeat(16)}`;

const directory = fixedDirectory([
  { type: 'account', id: 'acc-1', account: 'acc-1', properties: { access_models: ['acl', 'iam'] } },
  { type: 'membership', id: 'acc-1:usr-1', account: 'acc-1', properties: { policies: ['ops'] }, version: 4 },
  { type: 'user', id: 'usr-1', properties: { email: 'ada@example.com' } },
  { type: 'token', id: 'tok-1', account: 'acc-1', properties: { owner: 'usr-1' } },
  { type: 'acl', id: 'acc-1:all', account: 'acc-1', properties: { grantee: 'user/usr-1', target: { module: 'servers' }, access: 'read-only' }, version: 7 },
  {
    type: 'iam_policy',
    id: 'acc-1:ops',
    account: 'acc-1',
    properties: { document: { version: '2026-11-01', statements: [{ effect: 'allow', actions: ['*'], resources: ['*'] }] } },
    version: 9,
  },
  { type: 'instance', id: 'inst-1', account: 'acc-1', properties: { name: 'web-1' } },
]);

const caller = (...permissions: readonly string[]): Caller => ({
  id: 'key:x',
  name: 'x',
  accounts: ['acc-1'],
  permissions: new Set(['decision.evaluate', ...permissions]) as Caller['permissions'],
});
const question = (change: Partial<Question> = {}): Question => ({
  subject: { type: 'user', id: 'usr-1' },
  action: { name: 'instance.start' },
  resource: { type: 'instance', id: 'inst-1' },
  ...change,
});

/** A decider whose policy gives this advice, and everything it recorded, commit by commit. */
const deciding = (advice: readonly Json[] = [], largest = Number.POSITIVE_INFINITY) => {
  const commits: (readonly EventDraft[])[] = [];
  const append = async (drafts: readonly EventDraft[]): Promise<void> => {
    const index = drafts.findIndex((draft) => JSON.stringify(draft).length > largest);
    if (index >= 0) throw new EventTooLarge(index);
    commits.push(drafts);
  };
  const policy = { revision: 'r1', decide: () => ({ allow: true, reasons: [], advice }) } as unknown as Policy;
  const decide = createDecide({ guard, policy: () => policy, directory, append, maxStalenessMs: 1000, region: 'lagos-1', now: () => NOW });
  const by = (who: Caller) => ({ caller: who, address: '192.0.2.7', requestId: 'req-1' });
  return {
    commits,
    one: (asked: Question, who = caller()) => decide.evaluate(asked, by(who)),
    many: (asked: readonly Question[], semantic: Semantic = 'execute_all') =>
      decide.evaluations(
        asked.map((each) => ({ question: each })),
        semantic,
        by(caller()),
      ),
    recorded: async (asked: Question, who = caller()) => {
      await decide.evaluate(asked, by(who));
      return commits.at(-1)?.[0]?.decision as NonNullable<EventDraft['decision']>;
    },
  };
};

const isWhole = (draft: EventDraft): boolean => isEvent(place(draft, { log: newUlid(), seq: 1 }, draft.timestamp)) as boolean;

describe('The record of a decision', () => {
  it('names the version of everything that the policy was given', async () => {
    const { facts } = await deciding().recorded(question());
    expect(facts).toEqual({
      'instance/inst-1': 1,
      'user/usr-1': 1,
      'account/acc-1': 1,
      'membership/acc-1:usr-1': 4,
      'acl/acc-1:all': 7,
      'iam_policy/acc-1:ops': 9,
    });
  });

  it('has the time that counted, and names the claims that did not', async () => {
    const asked = question({ context: { time: '2026-01-01T00:00:00+01:00', mfa: true, note: 'x' } });
    expect((await deciding().recorded(asked)).question).toMatchObject({ context: { time: '2026-11-22T04:03:48.496Z', note: 'x' }, ignored: ['time', 'mfa'] });
    const trusted = await deciding().recorded(asked, caller('decision.assert'));
    expect(trusted.question).toMatchObject({ context: { time: '2026-01-01T00:00:00+01:00', mfa: true, note: 'x' } });
    expect(trusted.question).not.toHaveProperty('ignored');
    expect((await deciding().recorded(question())).question['context']).toEqual({ time: '2026-11-22T04:03:48.496Z' });
  });

  it('has what was computed of secrets, and no secret', async () => {
    const properties = { user_data: `#cloud-config\nkey: ${ID}`, public_key: 'ssh-rsa AAAA', region: 'london-1', rules: [{ port: ID, source: ID }] };
    const asked = question({ action: { name: 'firewall.create', properties }, context: { user_data: Buffer.from(ID).toString('base64') } });
    const { commits, recorded } = deciding();
    const { question: kept } = await recorded(asked);
    expect(kept['facts']).toEqual({
      firewall: { rules: [], unreadable: [{ index: 0, message: expect.any(String) }] },
      ssh_key: { valid: false, message: expect.any(String) },
      user_data: { findings: expect.arrayContaining([{ kind: 'AWS access key id', line: 2 }]) },
      target_regions: ['london-1'],
    });
    expect(JSON.stringify(commits)).not.toContain(ID);
    expect(JSON.stringify(commits)).not.toContain(Buffer.from(ID).toString('base64'));
    expect(isWhole(commits[0]?.[0] as EventDraft)).toBe(true);
  });

  it('of a token says that the token acted', async () => {
    const { commits, one } = deciding();
    await one(question({ subject: { type: 'token', id: 'tok-1' } }));
    expect(commits[0]?.[0]).toMatchObject({
      actor: { type: 'token', id: 'tok-1', email: 'ada@example.com', ip: '192.0.2.7' },
      decision: { facts: { 'token/tok-1': 1, 'membership/acc-1:usr-1': 4, 'user/usr-1': 1 } },
    });
  });
});

describe('Advice with an alert', () => {
  const advice = [{ code: 'root.break_glass', message: 'Root acted.', alert: 'access.break_glass', ticket: 'INC-7', token: 'hush' }, { code: 'token.rotate' }];

  it('makes a further event in the same commit', async () => {
    const { commits, one } = deciding(advice);
    expect(await one(question())).toMatchObject({ kind: 'decided', context: { advice } });
    const [[decision, alert] = []] = commits;
    expect(commits.map(({ length }) => length)).toEqual([2]);
    expect(alert).toMatchObject({
      kind: 'activity',
      action: 'access.break_glass',
      result: 'success',
      caused_by: decision?.id,
      account: 'acc-1',
      actor: decision?.actor,
      resource: decision?.resource,
      request: { id: 'req-1' },
      region: 'lagos-1',
    });
    expect(alert?.details).toEqual({ ticket: 'INC-7', token: { sha256: expect.any(String) } });
    expect(alert?.id).not.toBe(decision?.id);
    expect(isWhole(alert as EventDraft)).toBe(true);
  });

  it('that names no action makes none', async () => {
    const { commits, one } = deciding([{ alert: '' }, { alert: 7 }, { alert: 'a\nb' }, { alert: 'x'.repeat(129) }, 'alert', null, ['alert']]);
    await one(question());
    expect(commits.map(({ length }) => length)).toEqual([1]);
  });

  it('is recorded of each question in a batch, and goes with one that is too large', async () => {
    const large = question({ context: { note: 'x'.repeat(4000) } });
    const { commits, many } = deciding(advice, 4000);
    expect((await many([question(), large, question()])).map(({ kind }) => kind)).toEqual(['decided', 'too_large', 'decided']);
    expect(commits).toHaveLength(1);
    expect(commits[0]?.map(({ action }) => action)).toEqual(['instance.start', 'access.break_glass', 'instance.start', 'access.break_glass']);
  });

  it('too large for an event takes its decision with it', async () => {
    const { commits, one } = deciding([{ alert: 'a', note: 'x'.repeat(4000) }], 5_000);
    expect(await one(question())).toMatchObject({ kind: 'decided' });
    const tight = deciding([{ alert: 'a', note: 'x'.repeat(4000) }], 4_300);
    expect(await tight.one(question())).toEqual({ kind: 'too_large', message: expect.any(String) });
    expect([commits.length, tight.commits.length]).toEqual([1, 0]);
  });
});
