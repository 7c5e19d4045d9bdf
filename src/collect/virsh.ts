import { execFile, spawn } from 'node:child_process';
import type { DomainState } from './domain-actions.js';
import { type DomainEvent, linesFrom, readEvent } from './virsh-event.js';

/** One domain as libvirt lists it. */
export type Listed = { readonly name: string; readonly uuid: string; readonly state: DomainState; readonly persistent: boolean };

export type VirshConfig = {
  readonly uri: string;
  /** The program: a name on the PATH or a file. */
  readonly virsh: string;
};

/** A watch that goes on until it is stopped or libvirt goes away. */
export type Watch = { readonly pid: number | undefined; readonly stop: () => void };

export type Virsh = {
  /** All domains. Rejects with what virsh said. */
  readonly list: () => Promise<readonly Listed[]>;
  /** Hands over events in their order; `onEnd` is told once, with what virsh said at last. */
  readonly watch: (onEvent: (event: DomainEvent) => void, onEnd: (why: string) => void) => Watch;
};

const LIST_MS = 10_000;
const LIST_BYTES = 64 * 1024 * 1024;
const SAID_BYTES = 2_000;

/** What virsh needs of the environment, and nothing of Verdict's own: no secret is in there. Its words are English ones. */
const environment = (): NodeJS.ProcessEnv => {
  const env: NodeJS.ProcessEnv = { LC_ALL: 'C' };
  for (const [name, value] of Object.entries(process.env)) if (/^(PATH|HOME|USER|XDG_|LIBVIRT_|SSH_AUTH_SOCK)/.test(name)) env[name] = value;
  return env;
};

/** Why the program could not be run, or what it said. */
const failureOf = (program: string, error: NodeJS.ErrnoException): string =>
  error.code === 'ENOENT'
    ? `the program ${program} was not found: install libvirt's client (Debian: libvirt-clients), or set collect.libvirt.virsh`
    : error.message;

/** virsh's last error line, without its prefix. */
const lastSaid = (text: string): string =>
  text
    .trim()
    .split('\n')
    .at(-1)
    ?.replace(/^error: /, '') ?? '';

const STATES: readonly DomainState[] = ['off', 'running', 'running', 'paused', 'running', 'off', 'off', 'running'];

/** `36 characters of UUID, a space, the name` on each line. */
const namesIn = (text: string): ReadonlyMap<string, string> =>
  new Map(
    text
      .split('\n')
      .filter((line) => line.length > 37)
      .map((line) => [line.slice(37), line.slice(0, 36)]),
  );

/** `Domain: 'name'` and, below it, `state.state=1` (virDomainState). */
const statesIn = (text: string): ReadonlyMap<string, DomainState> => {
  const found = new Map<string, DomainState>();
  let name: string | undefined;
  for (const line of text.split('\n')) {
    if (line.startsWith("Domain: '")) name = line.slice(9, -1);
    const state = /^ {2}state\.state=(\d+)$/.exec(line)?.[1];
    if (name !== undefined && state !== undefined) found.set(name, STATES[Number(state)] ?? 'off');
  }
  return found;
};

/** libvirt through its own command line, read-only. No shell is involved. */
export const openVirsh = ({ uri, virsh }: VirshConfig): Virsh => {
  const base = [`--connect=${uri}`, '--readonly', '--quiet'];

  const ask = (...args: readonly string[]): Promise<string> =>
    new Promise((resolve, reject) => {
      execFile(virsh, [...base, ...args], { env: environment(), timeout: LIST_MS, killSignal: 'SIGKILL', maxBuffer: LIST_BYTES }, (error, stdout, stderr) => {
        if (!error) return resolve(stdout);
        reject(
          new Error(
            error.killed ? `virsh ${args[0]} did not end within ${LIST_MS / 1000} s` : lastSaid(stderr) || failureOf(virsh, error as NodeJS.ErrnoException),
          ),
        );
      });
    });

  return {
    list: async () => {
      const [all, transient, states] = await Promise.all([
        ask('list', '--all', '--uuid', '--name'),
        ask('list', '--all', '--transient', '--uuid', '--name'),
        ask('domstats', '--state', '--nowait'),
      ]);
      const passing = namesIn(transient);
      const known = statesIn(states);
      // A domain that is in one answer only came or went in between: the next listing tells.
      return [...namesIn(all)].flatMap(([name, uuid]) => {
        const state = known.get(name);
        return state ? [{ name, uuid, state, persistent: !passing.has(name) }] : [];
      });
    },
    watch: (onEvent, onEnd) => {
      const child = spawn(virsh, [...base, 'event', '--all', '--loop', '--timestamp'], { env: environment(), stdio: ['ignore', 'pipe', 'pipe'] });
      let said = '';
      let isOver = false;
      const end = (why: string): void => {
        if (isOver) return;
        isOver = true;
        onEnd(why);
      };
      const take = linesFrom((line) => {
        const event = readEvent(line);
        if (event) onEvent(event);
      });
      child.stdout.setEncoding('utf8').on('data', take);
      child.stderr.setEncoding('utf8').on('data', (part: string) => {
        said = (said + part).slice(-SAID_BYTES);
      });
      child.on('error', (error) => end(failureOf(virsh, error)));
      // Not `exit`: what it wrote at last is still in the pipe then.
      child.on('close', (code, signal) => end(lastSaid(said) || `virsh ended with ${signal ?? `code ${code}`}`));
      return { pid: child.pid, stop: () => child.kill('SIGKILL') };
    },
  };
};
