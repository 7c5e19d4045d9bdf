import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type VerdictClient, verdictClient } from '../../src/client/index.js';
import { clientOf, type RunningVerdict, removeFolder, startVerdict } from '../peers/verdict.js';

const ACCOUNT = 'acc-1';
const INSTANCES = Array.from({ length: 25 }, (_, index) => `inst-${String(index).padStart(2, '0')}`);

const all = async <T>(found: AsyncIterable<T>): Promise<readonly T[]> => {
  const items: T[] = [];
  for await (const item of found) items.push(item);
  return items;
};

describe('the client’s searches', () => {
  let node: RunningVerdict;
  let client: VerdictClient;

  beforeAll(async () => {
    node = await startVerdict();
    const admin = clientOf(node);
    await admin.json('POST', '/v1/entities', [
      { op: 'put', type: 'account', id: ACCOUNT, properties: {} },
      ...['owner', 'viewer'].flatMap((role) => [
        { op: 'put', type: 'user', id: `usr-${role}`, properties: {} },
        { op: 'put', type: 'membership', id: `${ACCOUNT}:usr-${role}`, properties: { role } },
      ]),
      ...INSTANCES.map((id) => ({ op: 'put', type: 'instance', id, account: ACCOUNT, properties: {} })),
    ]);
    const wish = { name: 'platform', accounts: [ACCOUNT], permissions: ['decision.evaluate'] };
    const { data } = await admin.json<{ data: { secret: string } }>('POST', '/v1/keys', wish);
    admin.close();
    client = verdictClient({ url: node.url, token: data.secret, timeoutMs: 10_000 });
  });

  afterAll(async () => {
    client?.close();
    expect(await node?.stop()).toBe(0);
    removeFolder(node.folder);
  });

  it('find every resource, page by page, that a question of its own would allow', async () => {
    const search = { subject: { type: 'user', id: 'usr-viewer' }, action: { name: 'instance.get' }, resource: { type: 'instance' } };
    const found = await all(client.search.resources(search, { limit: 10 }));
    expect(found.map(({ id }) => id).sort()).toEqual(INSTANCES);
    const deletable = { ...search, action: { name: 'instance.delete' } };
    expect(await all(client.search.resources(deletable))).toEqual([]);
  });

  it('find who may', async () => {
    const search = { subject: { type: 'user' }, action: { name: 'instance.delete' }, resource: { type: 'instance', id: 'inst-00' } };
    expect(await all(client.search.subjects(search))).toEqual([{ type: 'user', id: 'usr-owner' }]);
  });

  it('find what one may do', async () => {
    const found = await all(
      client.search.actions({ subject: { type: 'user', id: 'usr-viewer' }, resource: { type: 'instance', id: 'inst-00' } }, { limit: 5 }),
    );
    const names = found.map(({ name }) => name);
    expect(names).toContain('instance.get');
    expect(names).not.toContain('instance.delete');
  });

  it('are exceptions where they may not be asked', async () => {
    const stranger = verdictClient({ url: node.url, token: 'vk_unknown' });
    const search = { subject: { type: 'user' }, action: { name: 'instance.get' }, resource: { type: 'instance', id: 'inst-00' } };
    await expect(all(stranger.search.subjects(search))).rejects.toMatchObject({ name: 'VerdictError', status: 401 });
    stranger.close();
  });
});
