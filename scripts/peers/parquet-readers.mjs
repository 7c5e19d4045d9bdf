// Fetches what reads Parquet files in the tests: DuckDB, and pandas with PyArrow, by pip, once, into a cache kept between runs.
// Run by itself it prints the folder, or how to get what is missing (exit code 1 with CI=true).
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

const PACKAGES = ['duckdb==2.0.0', 'pandas==3.1.1', 'pyarrow==26.0.1'];

const missing = (reason) => {
  if (process.env.CI === 'true') throw new Error(reason);
  return { reason };
};

/** `{ path }`: a folder for PYTHONPATH; or `{ reason }`, a sentence on what is missing. With CI=true a missing one is an error. */
export const findParquetReaders = async () => {
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'verdict', 'peers');
  const path = join(cache, `${PACKAGES.map((one) => one.replace('==', '-')).join('-')}`);
  if (existsSync(path)) return { path };
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, 'fetch-'));
  try {
    await run('python3', [
      '-m',
      'pip',
      'install',
      '--quiet',
      '--no-warn-script-location',
      '--disable-pip-version-check',
      '--target',
      join(folder, 'packages'),
      ...PACKAGES,
    ]);
    // Renamed only when whole, so that a fetch that was cut off is never taken for a finished one.
    if (!existsSync(path)) renameSync(join(folder, 'packages'), path);
    return { path };
  } catch (error) {
    return missing(
      `The readers of Parquet files can't be had: install Python 3 with pip, which fetches ${PACKAGES.join(', ')}. (${String(error.message).split('\n')[0]})`,
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    const { path, reason } = await findParquetReaders();
    if (path) console.log(path);
    else console.error(`${reason} The tests that need them are left out.`);
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
