// @ts-check
import { execFile, spawn } from 'node:child_process';
import { accessSync, constants, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const TIMEOUT_MS = 120_000;
const SETTLE_MS = 20;
const env = { ...process.env, LC_ALL: 'C' };

/** libvirt refused something: the message is virsh's. */
export class LibvirtError extends Error {
  /** @override */
  name = 'LibvirtError';
}

const refusal = (/** @type {string} */ text) =>
  new LibvirtError(
    text
      .trim()
      .replaceAll(/^error: /gm, '')
      .replaceAll(/\s*\n\s*/g, ' ') || 'virsh failed.',
  );

/** A definition goes to virsh as a file: its standard input is a socket here, which can't be opened by a name. */
const withFile = async (/** @type {string} */ xml, /** @type {(file: string) => Promise<string>} */ use) => {
  const folder = mkdtempSync(join(tmpdir(), 'platform-'));
  try {
    const file = join(folder, 'domain.xml');
    writeFileSync(file, xml, { mode: 0o600 });
    return await use(file);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

/** One virsh for each command. No shell is involved. */
const byCommand = (/** @type {string} */ uri) => ({
  run: (/** @type {readonly string[]} */ args) =>
    /** @type {Promise<string>} */ (
      new Promise((resolve, reject) => {
        execFile('virsh', [`--connect=${uri}`, '--quiet', ...args], { env, timeout: TIMEOUT_MS }, (error, stdout, stderr) =>
          error ? reject(refusal(stderr || error.message)) : resolve(stdout),
        );
      })
    ),
  close: () => {},
});

/**
 * One virsh for all commands: libvirt's test driver keeps its domains in the process that asks, so that they live as
 * long as this one. Only words that need no quotes are let through.
 */
const byOneVirsh = (/** @type {string} */ uri) => {
  const child = spawn('virsh', [`--connect=${uri}`, '--quiet'], { env, stdio: ['pipe', 'pipe', 'pipe'] });
  /** @type {Promise<unknown>} */
  let last = Promise.resolve();
  let [out, err, count] = ['', '', 0];
  let look = () => {};
  /** @type {(error: Error) => void} */
  let fail = () => {};
  child.on('error', (error) => fail(refusal(error.message)));
  child.stdin.on('error', () => fail(refusal('virsh has ended.')));
  child.stdout.on('data', (part) => {
    out += part;
    look();
  });
  child.stderr.on('data', (part) => {
    err += part;
  });
  const ask = (/** @type {readonly string[]} */ args) =>
    /** @type {Promise<string>} */ (
      new Promise((resolve, reject) => {
        if (!args.every((word) => /^[\w./:=-]+$/.test(word))) return reject(refusal(`These words can't be given to virsh: ${args.join(' ')}`));
        count += 1;
        [out, err] = ['', ''];
        fail = reject;
        look = () => {
          // virsh repeats what it reads behind its prompt, and `echo` answers without a newline: `\nfrom-1virsh # list\n…virsh # echo to-1\nto-1`.
          const [, answer] = new RegExp(`\nfrom-${count}[^\n]*\n([^]*?)virsh # echo to-${count}\nto-${count}`).exec(out) ?? [];
          if (answer === undefined) return;
          look = () => {};
          // What it complains of comes by another pipe, and may be read a moment later.
          setTimeout(() => (err.includes('error:') ? reject(refusal(err)) : resolve(answer)), SETTLE_MS);
        };
        child.stdin.write(`echo from-${count}\n${args.join(' ')}\necho to-${count}\n`);
      })
    );
  return {
    run: (/** @type {readonly string[]} */ args) => {
      const next = last.then(() => ask(args));
      last = next.catch(() => undefined);
      return next;
    },
    close: () => child.stdin.end(),
  };
};

/** Whether others than root may use /dev/kvm, as QEMU must: libvirt's system daemon runs it as a user of its own. */
const isKvmOpen = () => {
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK);
    return (statSync('/dev/kvm').mode & 0o066) !== 0;
  } catch {
    return false;
  }
};

/** How domains run: on the processor where that is possible and `PLATFORM_EMULATE` isn't set, else in QEMU's own emulation. */
const typeOf = (/** @type {string} */ uri) => {
  if (uri.startsWith('test:')) return 'test';
  return uri.includes('/system') && isKvmOpen() && !process.env['PLATFORM_EMULATE'] ? 'kvm' : 'qemu';
};

/** libvirt, as far as this platform needs it. `name` is an instance's id. */
export const openLibvirt = (/** @type {string} */ uri) => {
  const virsh = uri.startsWith('test:') ? byOneVirsh(uri) : byCommand(uri);
  /** @type {'kvm' | 'qemu' | 'test'} */
  let type = typeOf(uri);
  return {
    uri,
    type: () => type,
    /** Whether it failed since QEMU, which runs as a user of its own, may not use /dev/kvm: then domains are emulated from now on. */
    mustEmulate: (/** @type {unknown} */ error) => {
      if (type !== 'kvm' || !(error instanceof LibvirtError) || !/\bkvm\b/i.test(error.message)) return false;
      type = 'qemu';
      return true;
    },
    /** Rejects where nothing answers at this address. The first answer after a start of libvirtd can take half a minute: it tries what QEMU can do. */
    check: () => virsh.run(['capabilities']),
    define: (/** @type {string} */ xml) => withFile(xml, (file) => virsh.run(['define', file])),
    start: (/** @type {string} */ name) => virsh.run(['start', name]),
    stop: (/** @type {string} */ name) => virsh.run(['destroy', name]),
    // No guest listens for a polite request: there is no disk to boot one from.
    reboot: (/** @type {string} */ name) => virsh.run(['reset', name]),
    remove: (/** @type {string} */ name) => virsh.run(['undefine', name]),
    state: async (/** @type {string} */ name) => (await virsh.run(['domstate', name])).trim(),
    close: virsh.close,
  };
};

/** The libvirt that is there: `LIBVIRT_URI`, or the system's, or, where none answers, libvirt's own test driver. */
export const findLibvirt = async (/** @type {(line: string) => void} */ say) => {
  const wished = process.env['LIBVIRT_URI'];
  const libvirt = openLibvirt(wished ?? 'qemu:///system');
  try {
    await libvirt.check();
    return libvirt;
  } catch (error) {
    if (wished) throw new Error(`No libvirt answers at ${wished} (LIBVIRT_URI): ${/** @type {Error} */ (error).message}`);
    say(
      `No libvirt answers at qemu:///system (${/** @type {Error} */ (error).message}); instances are domains of test:///default, which run nothing and end with this process.`,
    );
    const pretended = openLibvirt('test:///default');
    await pretended.check();
    return pretended;
  }
};
