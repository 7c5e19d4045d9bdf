import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe } from 'vitest';
import { traefikPeer } from '../../scripts/peers/traefik.mjs';
import { proxyContract } from '../contract/proxies.js';
import { configOf, freePort, sendRaw, startProxy } from '../peers/proxied.js';
import { removeFolder, temporaryFolder, until } from '../peers/verdict.js';

const { path, reason } = traefikPeer();
if (reason) process.stderr.write(`${reason}\n`);
const folder = temporaryFolder();
afterAll(() => removeFolder(folder));

describe.skipIf(path === undefined)('Traefik with forwardAuth', () => {
  proxyContract({
    start: async (scene) => {
      const port = await freePort();
      const file = join(folder, 'dynamic.yaml');
      writeFileSync(file, configOf('traefik.md', 'yaml', 0, scene, port));
      const args = [`--entryPoints.web.address=127.0.0.1:${port}`, `--providers.file.filename=${file}`, '--log.level=ERROR', '--global.checkNewVersion=false'];
      const proxy = await startProxy(path as string, [...args, '--global.sendAnonymousUsage=false'], port);
      // It listens before it has read its file.
      await until('its routers', async () => ((await sendRaw(port, 'GET', '/health')).status !== 404 ? true : undefined));
      return proxy;
    },
    sendsBody: false,
    passesUnderscores: true,
    cleansSlashes: true,
    address: /^127\.0\.0\.1$/,
    away: 500,
  });
});
