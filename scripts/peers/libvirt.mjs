// Has libvirt and QEMU ready for the tests: installs them where this is Debian and the user is root.
// Run by itself it prints their versions, or how to get what is missing (exit code 1 with CI=true).
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

const PACKAGES = ['libvirt-daemon-system', 'libvirt-clients', 'qemu-system-x86'];
/** libvirtd is a daemon: it stands where a user's PATH often doesn't lead. */
const PLACES = ['/usr/sbin', '/usr/local/sbin', '/sbin'];

const find = (command) => {
  const found = spawnSync('which', [command]).stdout?.toString().trim();
  return found || PLACES.map((place) => `${place}/${command}`).find((path) => existsSync(path));
};

const look = () => ({ libvirtd: find('libvirtd'), virsh: find('virsh'), qemu: find('qemu-system-x86_64') });

const install = () => {
  if (process.getuid?.() !== 0 || !find('apt-get')) return;
  const quiet = { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } };
  try {
    execFileSync('apt-get', ['update', '-qq'], quiet);
    execFileSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...PACKAGES], quiet);
  } catch {
    // What follows says that it is missing.
  }
};

const isWhole = ({ libvirtd, virsh, qemu }) => Boolean(libvirtd && virsh && qemu);

/**
 * Where libvirt's daemon and command line are, and QEMU: `{ libvirtd, virsh, qemu }`, or `{ reason }`: a sentence that says
 * what is missing and how to get it. With CI=true what is missing is thrown.
 */
export const libvirtPeer = ({ installs = false } = {}) => {
  if (installs && !isWhole(look())) install();
  const found = look();
  if (isWhole(found)) return found;
  const missing = Object.entries(found).flatMap(([name, path]) => (path ? [] : [name]));
  const reason = `Tests with libvirt are left out: ${missing.join(' and ')} can't be found. On Debian: apt-get install ${PACKAGES.join(' ')}.`;
  if (process.env.CI === 'true') throw new Error(reason);
  return { reason };
};

const main = async () => {
  const { reason, virsh } = libvirtPeer({ installs: true });
  if (reason) return console.error(reason);
  const { stdout } = await run(virsh, ['--version']);
  console.log(`libvirt ${stdout.trim()}`);
};

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  main().catch((error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
