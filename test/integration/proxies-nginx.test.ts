import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe } from 'vitest';
import { nginxPeer } from '../../scripts/peers/nginx.mjs';
import { proxyContract } from '../contract/proxies.js';
import { configOf, freePort, startProxy } from '../peers/proxied.js';
import { removeFolder, temporaryFolder } from '../peers/verdict.js';

const { path, reason } = nginxPeer();
if (reason) process.stderr.write(`${reason}\n`);
const folder = temporaryFolder();
afterAll(() => removeFolder(folder));

/** A process of this test's own: nothing of it stands outside its folder. */
const PRIVATE = `daemon off; master_process off; pid nginx.pid; error_log stderr;`;
const TEMPORARY = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path tmp/${name};`).join(' ');

describe.skipIf(path === undefined)('nginx with auth_request', () => {
  proxyContract({
    start: async (scene) => {
      const port = await freePort();
      const config = configOf('nginx.md', 'nginx', 0, scene, port).replace('http {', `http { access_log off; ${TEMPORARY}`);
      mkdirSync(join(folder, 'tmp'), { recursive: true });
      writeFileSync(join(folder, 'nginx.conf'), `${PRIVATE}\n${config}`);
      return startProxy(path as string, ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', 'stderr'], port);
    },
    sendsBody: false,
    address: /^127\.0\.0\.1$/,
    away: 500,
  });
});
