import { execFile } from 'node:child_process';
import { access, constants, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The OPA that Verdict's own bundle is built with. */
export const OPA_VERSION = '1.10.1';

/** An OPA to run, or one sentence on how to get one. */
export type FoundOpa = { readonly found: true; readonly path: string; readonly version: string } | { readonly found: false; readonly message: string };

export type OpaSearch = {
  readonly env?: NodeJS.ProcessEnv;
  /** Only {@link OPA_VERSION} will do: bundles are to come out byte for byte. Without it, any OPA from 1.0 on. */
  readonly exact?: boolean;
  /** Told of what takes more than a moment. */
  readonly say?: (line: string) => void;
};

const HOW = `set OPA to an OPA ${OPA_VERSION} binary, put opa on the PATH, or install Go (https://go.dev/dl/), which builds it once`;

const isExecutable = (path: string): Promise<boolean> =>
  access(path, constants.X_OK).then(
    () => true,
    () => false,
  );

const onPath = async (name: string, env: NodeJS.ProcessEnv): Promise<string | undefined> => {
  for (const folder of (env['PATH'] ?? '').split(delimiter)) {
    const path = join(folder || '.', name);
    if (await isExecutable(path)) return path;
  }
  return undefined;
};

/** What `opa version` says, or undefined if the file is no OPA. */
const versionOf = async (path: string): Promise<string | undefined> => {
  try {
    return /^Version: (\S+)$/m.exec((await run(path, ['version'], { timeout: 30_000 })).stdout)?.[1];
  } catch {
    return undefined;
  }
};

const suits = (version: string | undefined, exact: boolean): version is string =>
  version !== undefined && (exact ? version === OPA_VERSION : Number.parseInt(version, 10) >= 1);

/** Builds OPA with Go into the cache folder; another process may do the same at the same time, and either result stands. */
const install = async (go: string, path: string, env: NodeJS.ProcessEnv): Promise<void> => {
  const folder = join(path, '..');
  await mkdir(folder, { recursive: true });
  const temporary = await mkdtemp(join(folder, 'building-'));
  try {
    await run(go, ['install', `github.com/open-policy-agent/opa@v${OPA_VERSION}`], {
      env: { ...env, GOBIN: temporary, CGO_ENABLED: '0' },
      maxBuffer: 64 * 1024 * 1024,
    });
    await rename(join(temporary, 'opa'), path);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
};

const cached = async (env: NodeJS.ProcessEnv, say: (line: string) => void): Promise<FoundOpa> => {
  const path = join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'verdict', `opa-${OPA_VERSION}`, 'opa');
  if (suits(await versionOf(path), true)) return { found: true, path, version: OPA_VERSION };
  const go = await onPath('go', env);
  if (!go) return { found: false, message: `No OPA was found: ${HOW}.` };
  say(`Building OPA ${OPA_VERSION} with Go; this takes a minute or two, once (kept as ${path}).`);
  try {
    await install(go, path, env);
    return { found: true, path, version: OPA_VERSION };
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string };
    return { found: false, message: `OPA could not be built with Go (${(stderr || message).trim().split('\n').at(-1)}): ${HOW}.` };
  }
};

/**
 * Finds OPA: `$OPA`, else the first suitable `opa` on the PATH, else the one that Go builds into the cache folder
 * (`$XDG_CACHE_HOME` or `~/.cache`, `verdict/opa-<version>`), where it is kept. Never throws for a missing OPA.
 */
export const findOpa = async ({ env = process.env, exact = false, say = () => {} }: OpaSearch = {}): Promise<FoundOpa> => {
  const named = env['OPA'];
  if (named) {
    const version = await versionOf(named);
    if (suits(version, exact)) return { found: true, path: named, version };
    const wanted = exact ? OPA_VERSION : '1.0 or later';
    return { found: false, message: `OPA is set to ${named}, which is ${version ? `OPA ${version}` : 'no OPA that runs'}; ${wanted} is needed.` };
  }
  const path = await onPath('opa', env);
  const version = path && (await versionOf(path));
  if (path && suits(version, exact)) return { found: true, path, version };
  return cached(env, say);
};
