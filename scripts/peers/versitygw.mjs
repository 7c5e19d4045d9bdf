// Builds the S3 server that tests run against: the Versity S3 Gateway, by `go install`, once, into a cache kept between runs.
// Run by itself it prints the path, or how to get what is missing (exit code 1 with CI=true).
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

export const VERSITYGW_VERSION = 'v1.8.0';

const missing = (reason) => {
  if (process.env.CI === 'true') throw new Error(reason);
  return { reason };
};

const build = async (cache, binary) => {
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, 'build-'));
  try {
    await run('go', ['install', `github.com/versity/versitygw/cmd/versitygw@${VERSITYGW_VERSION}`], {
      env: { ...process.env, GOBIN: folder, GOFLAGS: '', CGO_ENABLED: '0' },
      maxBuffer: 16 * 1024 * 1024,
    });
    // Renamed only when whole, so that a build that was cut off is never taken for a finished one.
    if (!existsSync(binary)) renameSync(join(folder, 'versitygw'), binary);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

/**
 * Where the server is, built if need be (some minutes, the first time).
 * `{ path }`, or `{ reason }`: a sentence that says what is missing and how to get it. With CI=true what is missing is thrown.
 */
export const versitygwPeer = async () => {
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'verdict', 'peers', 'versitygw');
  const binary = join(cache, `versitygw-${VERSITYGW_VERSION}`);
  if (existsSync(binary)) return { path: binary };
  try {
    await build(cache, binary);
    return { path: binary };
  } catch (error) {
    return missing(
      error.code === 'ENOENT'
        ? 'S3 tests are left out: `go` is not on the PATH to build the Versity S3 Gateway. Install Go, 1.24 or newer (https://go.dev/dl).'
        : `S3 tests are left out: the Versity S3 Gateway ${VERSITYGW_VERSION} could not be built: ${(error.stderr || error.message).trim().split('\n').at(-1)}`,
    );
  }
};

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  try {
    const { path, reason } = await versitygwPeer();
    if (path) console.log(path);
    else console.error(reason);
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
