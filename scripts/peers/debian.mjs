import { execFileSync, spawnSync } from 'node:child_process';

const has = (command) => spawnSync('which', [command], { stdio: 'ignore' }).status === 0;

/**
 * The path of a command that Debian packages, installed first where this is Debian and the user is root.
 * `packages`: one name or several; `isWhole`: whether what the command needs beside itself is there too.
 * Otherwise undefined, with a sentence on how to get it on standard error. With CI=true a missing one is an error.
 */
export const debianCommand = (command, packages = command, isWhole = () => true) => {
  const names = [packages].flat();
  const isThere = () => has(command) && isWhole();
  if (!isThere() && process.getuid?.() === 0 && has('apt-get')) {
    const quiet = { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } };
    try {
      execFileSync('apt-get', ['update', '-qq'], quiet);
      execFileSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...names], quiet);
    } catch {
      // What follows says that it is missing.
    }
  }
  if (isThere()) return execFileSync('which', [command]).toString().trim();
  const sentence = `${command} is missing: install ${names.length === 1 ? 'the package' : 'the packages'} ${names.join(' ')} (apt-get install ${names.join(' ')}).`;
  if (process.env.CI === 'true') throw new Error(sentence);
  process.stderr.write(`${sentence}\n`);
  return undefined;
};
