import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe } from 'vitest';
import { caddyPeer } from '../../scripts/peers/caddy.mjs';
import { proxyContract } from '../contract/proxies.js';
import { configOf, freePort, startProxy } from '../peers/proxied.js';
import { removeFolder, temporaryFolder } from '../peers/verdict.js';

const { path, reason } = await caddyPeer();
if (reason) process.stderr.write(`${reason}\n`);
const folder = temporaryFolder();
afterAll(() => removeFolder(folder));

describe.skipIf(path === undefined)('Caddy with forward_auth', () => {
  proxyContract({
    start: async (scene) => {
      const port = await freePort();
      const file = join(folder, 'Caddyfile');
      writeFileSync(file, configOf('caddy.md', 'caddyfile', 0, scene, port));
      return startProxy(path as string, ['run', '--adapter', 'caddyfile', '--config', file], port, {
        VERDICT_KEY: scene.key,
        XDG_DATA_HOME: folder,
        XDG_CONFIG_HOME: folder,
      });
    },
    sendsBody: false,
    address: /^127\.0\.0\.1$/,
    away: 502,
  });
});
