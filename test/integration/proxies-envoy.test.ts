import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe } from 'vitest';
import { envoyPeer } from '../../scripts/peers/envoy.mjs';
import { proxyContract } from '../contract/proxies.js';
import { configOf, freePort, startProxy } from '../peers/proxied.js';
import { removeFolder, temporaryFolder } from '../peers/verdict.js';

const { path, reason } = await envoyPeer();
if (reason) process.stderr.write(`${reason}\n`);
const folder = temporaryFolder();
afterAll(() => removeFolder(folder));

describe.skipIf(path === undefined).each([
  // Over HTTP it writes its own machine's address for clients on the loopback interface.
  ['HTTP', 0, /^(?!203\.0\.113\.9$)[\d.]+$/],
  ['gRPC', 2, /^127\.0\.0\.1$/],
] as const)('Envoy with ext_authz over %s', (name, block, address) => {
  proxyContract({
    start: async (scene) => {
      const port = await freePort();
      const file = join(folder, `${name}.yaml`);
      writeFileSync(file, configOf('envoy.md', 'yaml', block, scene, port));
      return startProxy(path as string, ['-c', file, '--disable-hot-restart', '--concurrency', '2', '--log-level', 'error'], port);
    },
    sendsBody: true,
    address,
    away: 503,
  });
});
