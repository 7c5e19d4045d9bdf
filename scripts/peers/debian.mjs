import { execFileSync, spawnSync } from 'node:child_process';

const has = (command) => spawnSync('which', [command], { stdio: 'ignore' }).status === 0;

/**
 * The path of a command that Debian packages, installed first where this is Debian and the user is root.
 * Otherwise undefined, with a sentence on how to get it on standard error. With CI=true a missing one is an error.
 */
export const debianCommand = (command, packageName = command) => {
  if (!has(command) && process.getuid?.() === 0 && has('apt-get')) {
    const quiet = { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } };
    try {
      execFileSync('apt-get', ['update', '-qq'], quiet);
      execFileSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', packageName], quiet);
    } catch {
      // What follows says that it is missing.
    }
  }
  if (has(command)) return execFileSync('which', [command]).toString().trim();
  const sentence = `${command} is missing: install the package ${packageName} (apt-get install ${packageName}).`;
  if (process.env.CI === 'true') throw new Error(sentence);
  process.stderr.write(`${sentence}\n`);
  return undefined;
};
