import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { ALLOWED_BUILTINS } from './builtins.js';
import { PolicyError, packBundle, readBundle } from './bundle.js';
import { loadPolicy } from './policy.js';

/** The folder of Rego and data to work on, and the OPA to do it with (its path, from `findOpa`). */
export type PolicyTask = { readonly source: string; readonly opa: string };

/** A bundle that was built, and proved by loading it. */
export type BuiltBundle = { readonly revision: string; readonly entrypoints: readonly string[]; readonly bytes: number };

/** What `opa test` found. `coverage` is the percentage of the lines of all files but tests; undefined where a test failed or was skipped, or OPA couldn't tell. */
export type PolicyTests = {
  readonly passed: number;
  readonly skipped: number;
  readonly failed: readonly { readonly name: string; readonly place: string; readonly message: string }[];
  readonly coverage: number | undefined;
  /** Lines that no test reaches, as `file:line` or `file:from-to`. */
  readonly uncovered: readonly string[];
};

type Ran = { readonly code: number; readonly stdout: string; readonly stderr: string };

// OPA runs inside the source folder: its file names, which stand in bundle and messages, then depend on nothing outside.
const run = async ({ source, opa }: PolicyTask, args: readonly string[]): Promise<Ran> => {
  const folder = await stat(source).catch(() => undefined);
  if (!folder?.isDirectory()) throw new PolicyError(`${source} is not a folder of policies.`);
  return new Promise((done, fail) => {
    execFile(resolve(opa), args, { cwd: source, maxBuffer: 256 * 1024 * 1024 }, (error, stdout, stderr) => {
      if (error && typeof error.code !== 'number') fail(new PolicyError(`${opa} could not be run: ${error.message}.`));
      else done({ code: error ? Number(error.code) : 0, stdout, stderr });
    });
  });
};

const sayFailure = ({ stdout, stderr }: Ran): string => (stderr.trim() || stdout.trim() || 'no message').replace(/^error: /, '');

type Capabilities = { readonly builtins: readonly { readonly name: string }[] };

/** What this OPA knows, and of that what runs inside WASM. */
const capabilitiesOf = async (task: PolicyTask): Promise<{ readonly usable: Capabilities; readonly refused: ReadonlySet<string> }> => {
  const ran = await run(task, ['capabilities', '--current']);
  if (ran.code !== 0) throw new PolicyError(`${task.opa} did not name its capabilities: ${sayFailure(ran)}`);
  const all = JSON.parse(ran.stdout) as Capabilities;
  const usable = { ...all, builtins: all.builtins.filter(({ name }) => ALLOWED_BUILTINS.has(name)) };
  return { usable, refused: new Set(all.builtins.map(({ name }) => name).filter((name) => !ALLOWED_BUILTINS.has(name))) };
};

const sayRefused = (message: string, refused: ReadonlySet<string>): string => {
  const called = [...new Set([...message.matchAll(/undefined function (\S+)/g)].map(([, name]) => name as string))].filter((name) => refused.has(name));
  return called.length === 0 ? message : `${message}\nOPA has ${called.join(', ')}, but not inside WASM, where Verdict's policies run.`;
};

const build = async (task: PolicyTask, entrypoints: readonly string[], folder: string): Promise<Buffer> => {
  const { usable, refused } = await capabilitiesOf(task);
  const [capabilities, out] = [join(folder, 'capabilities.json'), join(folder, 'bundle.tar.gz')];
  await writeFile(capabilities, JSON.stringify(usable));
  const chosen = entrypoints.flatMap((entrypoint) => ['-e', entrypoint]);
  const ran = await run(task, ['build', '-t', 'wasm', ...chosen, '--capabilities', capabilities, '--ignore', '*_test.rego', '-o', out, '-b', '.']);
  if (ran.code !== 0) throw new PolicyError(`The policies in ${task.source} can't be built: ${sayRefused(sayFailure(ran), refused)}`);
  return packBundle(await readBundle(await readFile(out)));
};

/**
 * Builds the bundle of a folder of policies, without its tests, and writes it to `out` in one step once it has proved to load.
 * The bytes depend on the sources, the entrypoints and OPA's version alone. Rejects with {@link PolicyError}; `out` is then as it was.
 */
export const buildBundle = async (task: PolicyTask & { readonly out: string; readonly entrypoints: readonly string[] }): Promise<BuiltBundle> => {
  const [entrypoint] = task.entrypoints;
  if (entrypoint === undefined) throw new PolicyError('A bundle needs at least one entrypoint, such as verdict/decision.');
  const folder = await mkdtemp(join(tmpdir(), 'verdict-policy-'));
  const draft = `${task.out}.${basename(folder)}`;
  try {
    const bytes = await build(task, task.entrypoints, folder);
    const { revision, entrypoints } = await loadPolicy({ bytes, entrypoint, memoryPages: 2048 });
    await writeFile(draft, bytes);
    await rename(draft, task.out);
    return { revision, entrypoints, bytes: bytes.length };
  } finally {
    await rm(folder, { recursive: true, force: true });
    await rm(draft, { force: true });
  }
};

/** Checks formatting and, strictly, types. Resolves with what is wrong, one text for each check that failed; empty when all is well. */
export const checkPolicies = async (task: PolicyTask): Promise<readonly string[]> => {
  const format = await run(task, ['fmt', '--list', '.']);
  const strict = await run(task, ['check', '--strict', '-b', '.']);
  const unformatted = format.stdout.trim().split('\n').join(', ');
  return [
    ...(format.code !== 0 ? [sayFailure(format)] : unformatted ? [`Not formatted as \`opa fmt --write\` would: ${unformatted}.`] : []),
    ...(strict.code !== 0 ? [sayFailure(strict)] : []),
  ];
};

type Place = { readonly file: string; readonly row: number };
type Outcome = { readonly fail?: boolean; readonly skip?: boolean; readonly error?: unknown };
type Result = Outcome & {
  readonly package: string;
  readonly name: string;
  readonly location: Place;
  readonly sub_results?: { readonly [name: string]: Outcome };
};

const sayError = (error: unknown): string => (error === undefined ? 'is not true' : String((error as { message?: unknown }).message ?? JSON.stringify(error)));

/** A test of several cases counts as each of them. */
const casesOf = (result: Result): readonly (Outcome & { readonly name: string; readonly place: string })[] => {
  const name = `${result.package}.${result.name}`;
  const place = `${result.location.file}:${result.location.row}`;
  const cases = Object.entries(result.sub_results ?? {});
  const isToldByCases = cases.length > 0 && result.error === undefined && Boolean(result.fail) === cases.some(([, { fail }]) => fail);
  if (!isToldByCases) return [{ ...result, name, place }];
  return cases.map(([note, outcome]) => ({ ...outcome, name: `${name}: ${note}`, place }));
};

type Range = { readonly start: { readonly row: number }; readonly end: { readonly row: number } };
type Coverage = {
  readonly files?: {
    readonly [file: string]: { readonly not_covered?: readonly Range[]; readonly covered_lines?: number; readonly not_covered_lines?: number };
  };
};

const sayRange = (file: string, { start, end }: Range): string => `${file}:${start.row}${end.row === start.row ? '' : `-${end.row}`}`;

// Without -b: OPA 1.10 counts no line as missed where the policies come as a bundle.
const coverageOf = async (task: PolicyTask): Promise<Pick<PolicyTests, 'coverage' | 'uncovered'>> => {
  const ran = await run(task, ['test', '.', '--ignore', '*.tar.gz', '--coverage', '--format=json']);
  if (ran.code !== 0) return { coverage: undefined, uncovered: [] };
  const files = Object.entries((JSON.parse(ran.stdout) as Coverage).files ?? {}).filter(([file]) => !file.endsWith('_test.rego'));
  const covered = files.reduce((sum, [, file]) => sum + (file.covered_lines ?? 0), 0);
  const missed = files.reduce((sum, [, file]) => sum + (file.not_covered_lines ?? 0), 0);
  const uncovered = files.flatMap(([file, { not_covered }]) => (not_covered ?? []).map((range) => sayRange(file, range)));
  return { coverage: covered + missed === 0 ? 0 : (100 * covered) / (covered + missed), uncovered };
};

/** Runs the folder's Rego tests. Rejects with {@link PolicyError} if they can't be run, as when a file doesn't compile. */
export const testPolicies = async (task: PolicyTask): Promise<PolicyTests> => {
  const ran = await run(task, ['test', '-b', '.', '--format=json']);
  if (!ran.stdout.trimStart().startsWith('[')) throw new PolicyError(`The policies in ${task.source} can't be tested: ${sayFailure(ran)}`);
  const cases = (JSON.parse(ran.stdout) as readonly Result[]).flatMap(casesOf).sort((a, b) => (a.place + a.name < b.place + b.name ? -1 : 1));
  const failed = cases.filter(({ fail, error }) => fail || error !== undefined).map(({ name, place, error }) => ({ name, place, message: sayError(error) }));
  const skipped = cases.filter(({ skip }) => skip).length;
  const rest = failed.length + skipped > 0 ? { coverage: undefined, uncovered: [] } : await coverageOf(task);
  return { passed: cases.length - failed.length - skipped, skipped, failed, ...rest };
};
