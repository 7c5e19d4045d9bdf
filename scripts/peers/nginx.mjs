// Has nginx ready for the tests and prints its path, or how to get it (exit code 1 with CI=true).
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { debianCommand } from './debian.mjs';

/** Debian keeps it where only root's PATH looks. */
const PLACES = ['/usr/sbin/nginx', '/usr/local/sbin/nginx', '/usr/local/bin/nginx', '/opt/homebrew/bin/nginx'];

const hasAuthRequest = (path) => spawnSync(path, ['-V'], { encoding: 'utf8' }).stderr.includes('--with-http_auth_request_module');

const missing = (reason) => {
  if (process.env.CI === 'true') throw new Error(reason);
  return { reason };
};

/** Where nginx is, installed first where this is Debian and the user is root: `{ path }`, or `{ reason }`. With CI=true what is missing is thrown. */
export const nginxPeer = () => {
  const path = PLACES.find((one) => existsSync(one)) ?? debianCommand('nginx', 'nginx-light') ?? PLACES.find((one) => existsSync(one));
  if (!path) return missing('nginx tests are left out: nginx is missing. Install it (Debian: apt-get install nginx-light).');
  return hasAuthRequest(path) ? { path } : missing(`nginx tests are left out: ${path} was built without auth_request (Debian: apt-get install nginx-light).`);
};

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  try {
    const { path, reason } = nginxPeer();
    console.log(path ?? reason);
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
