import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeWithOpa, fixtureBundle } from '../../peers/opa.js';
import { clientOf, type RunningVerdict, removeFolder, startVerdict, temporaryFolder } from '../../peers/verdict.js';
import { certify } from './suite.js';
import { WORLD, type World } from './world.js';

/** Real families, each with a directory that makes the certification's world under its policy. */

type Entity = { readonly type: string; readonly id: string; readonly account?: string; readonly properties: object };

const withEntities = async (node: RunningVerdict, entities: readonly Entity[]) => {
  const client = clientOf(node);
  await client.json(
    'POST',
    '/v1/entities',
    entities.map((entity) => ({ op: 'put', ...entity })),
  );
  client.close();
  return {
    url: node.url,
    token: node.token,
    stop: async () => {
      await node.stop();
      removeFolder(node.folder);
    },
  };
};

const ACCOUNT = 'acc-1';
const platformWorld: World = {
  subjectType: 'user',
  writer: 'alice',
  reader: 'bob',
  resourceType: 'instance',
  active: 'inst-1',
  archived: 'inst-2',
  read: 'instance.get',
  write: 'instance.start',
  remove: 'instance.delete',
};
const platform: readonly Entity[] = [
  { type: 'account', id: ACCOUNT, properties: {} },
  ...['alice', 'bob', 'carol'].map((id) => ({ type: 'user', id, properties: {} })),
  { type: 'membership', id: `${ACCOUNT}:alice`, account: ACCOUNT, properties: { role: 'developer' } },
  { type: 'membership', id: `${ACCOUNT}:bob`, account: ACCOUNT, properties: { role: 'viewer' } },
  ...['inst-1', 'inst-2'].map((id) => ({ type: 'instance', id, account: ACCOUNT, properties: { name: id } })),
];

certify({
  name: 'Verdict, as it ships',
  world: platformWorld,
  properties: false,
  start: async () => withEntities(await startVerdict({ env: { VERDICT_LOG_LEVEL: 'silent' } }), platform),
});

const foreign: readonly Entity[] = [
  { type: 'user', id: 'alice', properties: {} },
  { type: 'user', id: 'bob', properties: { role: 'admin' } },
  { type: 'record', id: 'record-1', properties: { status: 'active' } },
  { type: 'record', id: 'record-2', properties: { status: 'archived' } },
  ...[WORLD.read, WORLD.write, WORLD.remove].map((id) => ({ type: 'action', id, properties: {} })),
];

await describeWithOpa('with a bundle of somebody else', (opa) => {
  certify({
    name: 'Verdict, with the policy of the certification’s fixture',
    start: async () => {
      const folder = temporaryFolder();
      const bundle = join(folder, 'certification.tar.gz');
      writeFileSync(bundle, await fixtureBundle(opa, 'certification'));
      return withEntities(await startVerdict({ folder, env: { VERDICT_POLICY_BUNDLE: bundle, VERDICT_LOG_LEVEL: 'silent' } }), foreign);
    },
  });
});
