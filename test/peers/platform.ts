import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll } from 'vitest';

const run = promisify(execFile);

/** The example platform as a process of its own, on a free port. */
export type RunningPlatform = { readonly url: string; readonly output: () => string; readonly stop: () => Promise<void> };

const FOLDER = resolve(import.meta.dirname, '../../examples/platform');
/** Its route table. */
export const PLATFORM_ROUTES = resolve(FOLDER, 'routes.yaml');
const READY = /The platform listens on (http:\/\/\S+);/;
const START_MS = 60_000;

const running = new Set<ChildProcess>();
afterAll(() => {
  for (const child of running) child.kill('SIGKILL');
});

/** Starts it on the libvirt at `uri`; resolves when it listens. Rejects with what it said where it ends instead. */
export const startPlatform = async (uri: string): Promise<RunningPlatform> => {
  const child = spawn(process.execPath, [resolve(FOLDER, 'server.mjs')], {
    env: { ...process.env, LIBVIRT_URI: uri, PLATFORM_PORT: '0', PLATFORM_STATE: '' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  let output = '';
  const exited = new Promise<void>((done) => child.once('exit', () => done()));
  const url = await new Promise<string>((found, failed) => {
    const timer = setTimeout(() => failed(new Error(`The platform did not listen within ${START_MS} ms:\n${output}`)), START_MS);
    const hear = (part: Buffer): void => {
      output += part.toString();
      const match = READY.exec(output);
      if (match) found(match[1] as string);
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    void exited.then(() => {
      clearTimeout(timer);
      running.delete(child);
      failed(new Error(`The platform ended:\n${output}`));
    });
  });
  return {
    url,
    output: () => output,
    stop: async () => {
      child.kill('SIGTERM');
      await exited;
    },
  };
};

/** The tokens of the four people that the seed script makes, by role. */
export type Tokens = { readonly owner: string; readonly admin: string; readonly developer: string; readonly viewer: string };

/** Runs the seed script as its reader would; resolves with the tokens that it shows. */
export const seedPlatform = async (
  platform: string,
  verdict: { readonly url: string; readonly token: string },
): Promise<Tokens & { readonly output: string }> => {
  const { stdout } = await run(process.execPath, [resolve(FOLDER, 'seed.mjs')], {
    env: { ...process.env, PLATFORM_URL: platform, VERDICT_URL: verdict.url, VERDICT_TOKEN: verdict.token },
  });
  const tokenOf = (role: string): string => new RegExp(`^export ${role.toUpperCase()}=(\\S+)$`, 'm').exec(stdout)?.[1] as string;
  return { owner: tokenOf('owner'), admin: tokenOf('admin'), developer: tokenOf('developer'), viewer: tokenOf('viewer'), output: stdout };
};
