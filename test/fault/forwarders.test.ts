import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { destinationTo, disorderIn, RECEIVER_ENV, type Receiver, startReceiver } from '../peers/receiver.js';
import { clientOf, type RunningVerdict, removeFolder, startVerdict, temporaryFolder, until } from '../peers/verdict.js';

type Client = ReturnType<typeof clientOf>;
type Shown = {
  readonly id: string;
  readonly state: string;
  readonly reason?: string;
  readonly sent: number;
  readonly refused: number;
  readonly withheld: number;
  readonly lag: { readonly events: number; readonly seconds: number };
  readonly replays: readonly { readonly id: string; readonly state: string; readonly sent: number }[];
  readonly last_error?: { readonly message: string };
};

const pipelineOf = (node: RunningVerdict): number | undefined =>
  node.processes().find((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').endsWith('\0pipeline\0');
    } catch {
      return false;
    }
  });

const add = async (client: Client, receiver: Receiver, more: object = {}): Promise<string> => {
  const wish = { name: 'siem', destination: destinationTo(receiver, { authorization: 'Bearer a-token-of-tests' }), ...more };
  const { data } = await client.json<{ data: { forwarder: Shown } }>('POST', '/v1/forwarders', wish);
  return data.forwarder.id;
};

const shown = async (client: Client, id: string): Promise<Shown> =>
  (await client.json<{ data: { forwarder: Shown } }>('GET', `/v1/forwarders/${id}`)).data.forwarder;

const post = async (client: Client, account: string, count: number, more: object = {}): Promise<readonly string[]> => {
  const events = Array.from({ length: count }, (_, index) => ({
    account,
    actor: { type: 'user', id: `usr-${index % 7}` },
    action: 'instance.create',
    resource: { type: 'instance', id: `inst-${index}` },
    result: 'success',
    ...more,
  }));
  const ids: string[] = [];
  for (let from = 0; from < events.length; from += 500) {
    const answer = await client.json<{ data: { events: readonly { id: string }[] } }>('POST', '/v1/events', events.slice(from, from + 500));
    ids.push(...answer.data.events.map(({ id }) => id));
  }
  return ids;
};

const arrived = (receiver: Receiver, ids: readonly string[], ms = 60_000): Promise<true> =>
  until(`${ids.length} events at the receiver`, () => (ids.every((id) => receiver.ids().has(id)) ? true : undefined), ms);

const withNode = async (act: (node: RunningVerdict, client: Client, receiver: Receiver) => Promise<void>, env: Record<string, string> = {}): Promise<void> => {
  const folder = temporaryFolder();
  const receiver = await startReceiver();
  const node = await startVerdict({ folder, env: { ...RECEIVER_ENV, ...env } });
  const client = clientOf(node);
  try {
    await act(node, client, receiver);
    expect(await node.stop()).toBe(0);
  } finally {
    client.close();
    await receiver.down();
    removeFolder(folder);
  }
};

it('what is recorded arrives at the destination, and how it goes is shown', { timeout: 120_000 }, () =>
  withNode(async (_node, client, receiver) => {
    const before = await post(client, 'acc-1', 3);
    const id = await add(client, receiver);
    const ids = await post(client, 'acc-1', 500);
    await arrived(receiver, ids);
    expect(before.some((one) => receiver.ids().has(one))).toBe(false);
    expect(disorderIn(receiver.events)).toEqual([]);
    expect([...receiver.authorizations]).toEqual(['Bearer a-token-of-tests']);
    const now = await until('the counts', async () => {
      const one = await shown(client, id);
      return one.state === 'running' && one.sent >= 500 && one.lag.events === 0 ? one : undefined;
    });
    expect(now.last_error).toBeUndefined();
    expect(JSON.stringify(now)).not.toContain('a-token-of-tests');
  }),
);

it('a pipeline killed twenty times under load loses nothing for a destination, and keeps the order within an account', { timeout: 240_000 }, () =>
  withNode(async (node, client, receiver) => {
    await add(client, receiver, { filter: { actions: ['instance.*'] } });
    const ids: string[] = [];
    let isLoading = true;
    const load = async (account: string): Promise<void> => {
      while (isLoading) ids.push(...(await post(client, account, 40)));
    };
    const loads = ['acc-1', 'acc-2', 'acc-3'].map(load);
    const killed = new Set<number>();
    for (let round = 0; round < 20; round += 1) {
      const pid = await until('a pipeline', () => {
        const found = pipelineOf(node);
        return found === undefined || killed.has(found) ? undefined : found;
      });
      await sleep(400 + round * 60);
      process.kill(pid, 'SIGKILL');
      killed.add(pid);
    }
    await sleep(500);
    isLoading = false;
    await Promise.all(loads);
    await arrived(receiver, ids, 120_000);
    expect(killed.size).toBe(20);
    expect(ids.length).toBeGreaterThan(1_000);
    expect(disorderIn(receiver.events)).toEqual([]);
  }),
);

it('a receiver killed again and again under load gets everything, in order', { timeout: 240_000 }, () =>
  withNode(async (_node, client, receiver) => {
    const id = await add(client, receiver);
    const ids: string[] = [];
    let isLoading = true;
    const loading = (async () => {
      while (isLoading) ids.push(...(await post(client, 'acc-1', 50)));
    })();
    for (let round = 0; round < 8; round += 1) {
      await sleep(300);
      await receiver.down();
      await sleep(300);
      await receiver.up();
    }
    isLoading = false;
    await loading;
    await arrived(receiver, ids, 120_000);
    expect(disorderIn(receiver.events)).toEqual([]);
    expect((await shown(client, id)).last_error?.message).toMatch(/Nothing listens at|broke the connection/);
  }),
);

it('a destination that is away until the journal has let go of its events gets them from the store, then the live ones', { timeout: 240_000 }, () =>
  withNode(
    async (node, client, receiver) => {
      const id = await add(client, receiver);
      await arrived(receiver, await post(client, 'acc-1', 10));
      await receiver.down();
      const ids = [...(await post(client, 'acc-1', 4_000, { details: { padding: 'x'.repeat(600) } }))];
      const waiting = await until('it waits', async () => {
        const one = await shown(client, id);
        return one.state === 'waiting' ? one : undefined;
      });
      expect(waiting.reason).toMatch(/Nothing listens at|broke the connection/);
      // The store has everything, and the journal has let go of most: what is kept for a follower is a small part of it.
      await until('the journal is emptied', async () => {
        const { body } = await client.call('GET', '/metrics');
        return Number(/^verdict_journal_events (\d+)/m.exec(body)?.[1] ?? Number.NaN) < 1_000 ? true : undefined;
      });
      process.kill(pipelineOf(node) as number, 'SIGKILL');
      ids.push(...(await post(client, 'acc-1', 100)));
      await receiver.up();
      await arrived(receiver, ids, 120_000);
      ids.push(...(await post(client, 'acc-1', 100)));
      await arrived(receiver, ids);
      expect(disorderIn(receiver.events)).toEqual([]);
      await until('it is live', async () => ((await shown(client, id)).state === 'running' ? true : undefined));
    },
    { VERDICT_JOURNAL_MAX_BYTES: String(8 << 20) },
  ),
);

it('a destination that turns Verdict away stops the feed, with the reason; resumed, it goes on where it was', { timeout: 120_000 }, () =>
  withNode(async (node, client, receiver) => {
    const id = await add(client, receiver);
    receiver.answer((_, response) => {
      response.writeHead(401).end('The token is not known.');
      return true;
    });
    const ids = [...(await post(client, 'acc-1', 20))];
    const stopped = await until('it stops', async () => {
      const one = await shown(client, id);
      return one.state === 'stopped' ? one : undefined;
    });
    expect(stopped.reason).toContain('answered 401');
    const asked = receiver.requests();
    ids.push(...(await post(client, 'acc-1', 20)));
    // Neither time nor a restart makes it try again: a person must act.
    process.kill(pipelineOf(node) as number, 'SIGKILL');
    await sleep(4_000);
    expect(receiver.requests()).toBe(asked);
    expect((await client.json<{ data: { events: unknown[] } }>('GET', '/v1/quarantine')).data.events).toEqual([]);
    receiver.answer(undefined);
    await client.json('POST', `/v1/forwarders/${id}/resume`);
    await arrived(receiver, ids);
    expect(disorderIn(receiver.events)).toEqual([]);
    await until('the stop is recorded', async () => {
      const { data } = await client.json<{ data: { events: { resource: { id: string } }[] } }>('GET', '/v1/audit-logs?event=forwarder.stopped');
      return data.events[0]?.resource.id === id ? true : undefined;
    });
  }),
);

it('an event that is refused for its content is set aside with the answer, and the feed goes on', { timeout: 120_000 }, () =>
  withNode(async (_node, client, receiver) => {
    const id = await add(client, receiver);
    let isStrict = true;
    receiver.answer((came, response) => {
      // As an endpoint does that takes a request as a whole, or not.
      if (!isStrict || came.every(({ action }) => action !== 'instance.delete')) return undefined;
      response.writeHead(422).end('mapper_parsing_exception: details');
      return true;
    });
    const [refused] = await post(client, 'acc-1', 1, { action: 'instance.delete' });
    const ids = await post(client, 'acc-1', 50);
    await arrived(receiver, ids);
    const aside = await until('it is set aside', async () => {
      const { data } = await client.json<{ data: { events: { id: string; reason: string; line: string }[] } }>('GET', '/v1/quarantine');
      return data.events[0];
    });
    expect(aside.reason).toContain('mapper_parsing_exception');
    expect(JSON.parse(aside.line)).toMatchObject({ id: refused });
    expect((await until('the count', async () => ((await shown(client, id)).refused === 1 ? shown(client, id) : undefined))).state).toBe('running');
    // Offered again, it goes to the destination that refused it, and leaves quarantine when that takes it.
    type Replayed = { data: { events: { outcome: string }[] } };
    const again = () => client.json<Replayed>('POST', '/v1/quarantine/replay', { ids: [aside.id] });
    expect((await again()).data.events[0]?.outcome).toBe('refused');
    isStrict = false;
    expect((await again()).data.events[0]?.outcome).toBe('accepted');
    expect(receiver.ids().has(refused as string)).toBe(true);
  }),
);

it('patience that is asked for is given, and what was taken is not sent again', { timeout: 120_000 }, () =>
  withNode(async (_node, client, receiver) => {
    const id = await add(client, receiver, { filter: { actions: ['instance.*'] }, destination: destinationTo(receiver, { batch_events: 5 }) });
    const asked: number[] = [];
    receiver.answer((_, response) => {
      asked.push(Date.now());
      if (asked.length === 2) response.writeHead(429, { 'retry-after': '1' }).end();
      else if (asked.length === 3) response.writeHead(503).end();
      else return undefined;
      return true;
    });
    const ids = await post(client, 'acc-1', 20);
    await arrived(receiver, ids);
    expect(receiver.events.length).toBe(20);
    expect((asked[2] as number) - (asked[1] as number)).toBeGreaterThanOrEqual(1_000);
    expect((await until('the counts', async () => ((await shown(client, id)).sent === 20 ? shown(client, id) : undefined))).state).toBe('running');
  }),
);

it('a paused feed sends nothing, and goes on where it was; a past range is sent again beside it', { timeout: 120_000 }, () =>
  withNode(async (_node, client, receiver) => {
    const id = await add(client, receiver, { filter: { actions: ['instance.*'] } });
    const from = new Date().toISOString();
    const first = await post(client, 'acc-1', 30);
    await arrived(receiver, first);
    await client.json('POST', `/v1/forwarders/${id}/pause`);
    await until('it is paused', async () => ((await shown(client, id)).state === 'paused' ? true : undefined));
    await sleep(1_500);
    const second = await post(client, 'acc-1', 30);
    await sleep(1_500);
    expect(second.some((one) => receiver.ids().has(one))).toBe(false);
    await client.json('POST', `/v1/forwarders/${id}/resume`);
    await arrived(receiver, second);
    expect(receiver.events.length).toBe(60);
    const to = new Date(Date.now() + 1).toISOString();
    await client.json('POST', `/v1/forwarders/${id}/replay`, { from, to });
    const third = await post(client, 'acc-1', 30);
    await until('the replay is done', async () => ((await shown(client, id)).replays[0]?.state === 'done' ? true : undefined));
    await arrived(receiver, third);
    const again = receiver.events.filter(({ id: one }, index) => receiver.events.findIndex((other) => other.id === one) < index).map((one) => one.id);
    expect(again).toEqual([...first, ...second]);
    expect((await shown(client, id)).replays[0]?.sent).toBe(60);
  }),
);

it('a feed of one account carries that account alone, and what must stay in a region goes nowhere else', { timeout: 120_000 }, () =>
  withNode(async (_node, client, receiver) => {
    const abroad = await startReceiver();
    await client.json('PUT', '/v1/entities/account/acc-eu', { properties: { regions: ['eu-1'] } });
    await add(client, receiver, { accounts: ['acc-1'] });
    const all = await add(client, abroad, { name: 'all', region: 'us-1' });
    const home = await startReceiver();
    await add(client, home, { name: 'home', region: 'eu-1', accounts: ['acc-eu'] });
    const refused = await client.call('POST', '/v1/forwarders', {
      name: 'x',
      accounts: ['acc-eu'],
      region: 'us-1',
      destination: destinationTo(abroad),
    });
    expect([refused.status, JSON.parse(refused.body).code]).toEqual([403, 'forwarder.residency']);
    const ids = { one: await post(client, 'acc-1', 20), two: await post(client, 'acc-2', 20), eu: await post(client, 'acc-eu', 20) };
    await Promise.all([arrived(receiver, ids.one), arrived(abroad, [...ids.one, ...ids.two]), arrived(home, ids.eu)]);
    await until('what is held back is counted', async () => ((await shown(client, all)).withheld >= 20 ? true : undefined));
    expect(new Set(receiver.events.map(({ account }) => account))).toEqual(new Set(['acc-1']));
    expect(new Set(home.events.map(({ account }) => account))).toEqual(new Set(['acc-eu']));
    expect(abroad.events.some(({ account }) => account === 'acc-eu')).toBe(false);
    await until('what was held back is recorded', async () => {
      type Listed = { data: { events: { resource: { id: string } }[] } };
      const { data } = await client.json<Listed>('GET', '/v1/audit-logs?event=forwarder.withheld&account=acc-eu');
      return data.events[0]?.resource.id === all ? true : undefined;
    });
    await abroad.down();
    await home.down();
  }),
);
