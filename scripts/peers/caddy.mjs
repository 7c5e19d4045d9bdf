// Has Caddy ready for the tests: built once from the Go module proxy, into a cache kept between runs.
// Run by itself it prints its path, or how to get it (exit code 1 with CI=true).
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

export const CADDY_VERSION = 'v2.10.2';

const missing = (reason) => {
  if (process.env.CI === 'true') throw new Error(reason);
  return { reason };
};

const buildCaddy = async (cache, path) => {
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, 'build-'));
  try {
    await run('go', ['install', `github.com/caddyserver/caddy/v2/cmd/caddy@${CADDY_VERSION}`], {
      env: { ...process.env, GOBIN: folder, GOFLAGS: '-buildvcs=false', CGO_ENABLED: '0' },
      maxBuffer: 64 * 1024 * 1024,
    });
    // Renamed only when whole, so that a build that was cut off is never taken for a finished one.
    if (!existsSync(path)) renameSync(join(folder, 'caddy'), path);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

/** Where Caddy is, built if need be (a few minutes, the first time): `{ path }`, or `{ reason }`. With CI=true what is missing is thrown. */
export const caddyPeer = async () => {
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'verdict', 'peers', 'caddy');
  const path = join(cache, CADDY_VERSION);
  try {
    if (!existsSync(path)) await buildCaddy(cache, path);
    return { path };
  } catch (error) {
    const why = `${error.stderr ?? ''}`.trim().split('\n').at(-1) || error.message.split('\n')[0];
    return missing(`Caddy tests are left out: Caddy ${CADDY_VERSION} can't be built (${why}). Install Go, and give it access to a module proxy.`);
  }
};

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  caddyPeer().then(
    ({ path, reason }) => console.log(path ?? reason),
    (error) => {
      console.error(error.message);
      process.exitCode = 1;
    },
  );
