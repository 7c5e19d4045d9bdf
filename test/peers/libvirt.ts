import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe } from 'vitest';
import { libvirtPeer } from '../../scripts/peers/libvirt.mjs';
import { removeFolder, until } from './verdict.js';

const run = promisify(execFile);

/**
 * A libvirtd of the test's own, with QEMU's emulation below it: its sockets, definitions, logs and caches lie in one
 * folder, so that it meets no other libvirt of this machine. It is the daemon of a user's session, which root isn't
 * given one of: root starts it as another user.
 */
export type RunningLibvirt = {
  readonly uri: string;
  readonly virsh: (...args: readonly string[]) => Promise<string>;
  /** Defines a diskless domain of 32 MiB and resolves with its name. */
  readonly define: (name: string) => Promise<string>;
  /** Ends the daemon, and leaves its domains running. */
  readonly halt: (signal?: NodeJS.Signals) => Promise<void>;
  /** Starts the daemon again, on the same folder. */
  readonly resume: () => Promise<void>;
  readonly stop: () => Promise<void>;
};

const READY_MS = 90_000;

/** The user that Debian's QEMU runs as, or nobody: for root only. */
const otherUser = (): { readonly uid: number; readonly gid: number } | undefined => {
  if (process.getuid?.() !== 0) return undefined;
  const lines = readFileSync('/etc/passwd', 'utf8').split('\n');
  const line = lines.find((one) => one.startsWith('libvirt-qemu:')) ?? lines.find((one) => one.startsWith('nobody:')) ?? '';
  const [, , uid, gid] = line.split(':');
  return { uid: Number(uid), gid: Number(gid) };
};

/** Diskless, and so without anything to boot. */
export const domainXml = (name: string): string => `<domain type='qemu'>
  <name>${name.replaceAll('&', '&amp;').replaceAll('<', '&lt;')}</name>
  <memory unit='MiB'>32</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64'>hvm</type></os>
  <devices/>
</domain>
`;

/** Ends what QEMU still runs below this folder, by the pid files that libvirt keeps there. */
const endDomains = (folder: string): void => {
  const pids = join(folder, 'run', 'libvirt', 'qemu', 'run');
  if (!existsSync(pids)) return;
  for (const file of readdirSync(pids).filter((name) => name.endsWith('.pid'))) {
    const pid = Number(readFileSync(join(pids, file), 'utf8'));
    try {
      if (readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('qemu-system')) process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended.
    }
  }
};

const running = new Set<() => void>();
afterAll(() => {
  for (const end of running) end();
});

/** Starts one; resolves when it answers. */
export const startLibvirt = async (): Promise<RunningLibvirt> => {
  const peer = libvirtPeer();
  if (peer.reason !== undefined) throw new Error(peer.reason);
  const user = otherUser();
  // A socket's path may have 107 bytes: not below a long TMPDIR.
  const folder = mkdtempSync('/tmp/vlv-');
  for (const part of ['', 'run', 'sock', 'config', 'config/libvirt', 'cache', 'data', 'home']) {
    mkdirSync(join(folder, part), { recursive: true, mode: 0o700 });
    if (user) chownSync(join(folder, part), user.uid, user.gid);
  }
  const config = join(folder, 'config', 'libvirt', 'libvirtd.conf');
  const socket = join(folder, 'sock', 'libvirt-sock');
  writeFileSync(config, `unix_sock_dir = "${join(folder, 'sock')}"\nlog_outputs = "3:file:${join(folder, 'libvirtd.log')}"\n`, { mode: 0o644 });
  // Without a virtlogd beside it, libvirt writes a domain's output itself.
  writeFileSync(join(folder, 'config', 'libvirt', 'qemu.conf'), 'stdio_handler = "file"\n', { mode: 0o644 });
  const uri = `qemu:///session?socket=${socket}`;
  const virsh = async (...args: readonly string[]): Promise<string> => (await run(peer.virsh, [`--connect=${uri}`, '--quiet', ...args])).stdout;
  let daemon: ChildProcess | undefined;

  const resume = async (): Promise<void> => {
    const child = spawn(peer.libvirtd, ['--config', config, '--pid-file', join(folder, 'run', 'libvirtd.pid')], {
      cwd: folder,
      stdio: 'ignore',
      env: {
        PATH: `${process.env['PATH']}:/usr/sbin:/sbin`,
        HOME: join(folder, 'home'),
        XDG_RUNTIME_DIR: join(folder, 'run'),
        XDG_CONFIG_HOME: join(folder, 'config'),
        XDG_CACHE_HOME: join(folder, 'cache'),
        XDG_DATA_HOME: join(folder, 'data'),
      },
      ...user,
    });
    daemon = child;
    // The first answer comes when it knows what QEMU can do.
    await until(
      'libvirtd answers',
      async () => {
        if (child.exitCode !== null) throw new Error(`libvirtd ended with ${child.exitCode}: ${readFileSync(join(folder, 'libvirtd.log'), 'utf8')}`);
        return virsh('list').then(
          () => true,
          () => undefined,
        );
      },
      READY_MS,
    );
  };

  const halt = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<void> => {
    const child = daemon;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = new Promise((done) => child.once('exit', done));
    child.kill(signal);
    await exited;
  };

  const end = (): void => {
    daemon?.kill('SIGKILL');
    endDomains(folder);
    removeFolder(folder);
  };
  running.add(end);
  await resume();
  return {
    uri,
    virsh,
    define: async (name) => {
      const file = join(folder, `${running.size}-${Date.now()}.xml`);
      writeFileSync(file, domainXml(name));
      await virsh('define', file);
      return name;
    },
    halt,
    resume,
    stop: async () => {
      await halt();
      end();
      running.delete(end);
    },
  };
};

/** A suite that needs libvirt. Left out, with the reason in its name, where there is none; with CI=true a failure. */
export const describeWithLibvirt = (name: string, cases: () => void): void => {
  const { reason } = libvirtPeer();
  if (reason === undefined) describe(name, cases);
  else describe.skip(`${name} (left out: ${reason})`, cases);
};
