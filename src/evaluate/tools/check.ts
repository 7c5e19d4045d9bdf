import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { capabilitiesOf } from './capabilities.js';
import { insteadOf } from './instead.js';
import { type PolicyTask, runOpa, sayFailure } from './opa-run.js';

/** One thing that is wrong with a folder of policies: `file` within the folder, `line` from 1 where there is one. */
export type PolicyProblem = {
  readonly kind: 'format' | 'types' | 'builtin';
  readonly file?: string;
  readonly line?: number;
  /** A sentence. */
  readonly message: string;
};

/** A problem on one line: where, and what. */
export const sayProblem = ({ file, line, message }: PolicyProblem): string =>
  [file !== undefined && `${file}:${line === undefined ? '' : `${line}:`}`, message].filter(Boolean).join(' ');

type OpaError = { readonly message: string; readonly code?: string; readonly location?: { readonly file: string; readonly row: number } };

/** What `opa check --format json` printed; text where it was none. */
const errorsIn = (text: string): readonly OpaError[] => {
  try {
    return (JSON.parse(text) as { readonly errors?: readonly OpaError[] }).errors ?? [];
  } catch {
    return [];
  }
};

const formatOf = async (task: PolicyTask): Promise<readonly PolicyProblem[]> => {
  const ran = await runOpa(task, ['fmt', '--list', '.']);
  if (ran.code !== 0) return [{ kind: 'format', message: sayFailure(ran) }];
  const files = ran.stdout.split('\n').filter((line) => line.trim() !== '');
  return files.map((file) => ({ kind: 'format', file, message: 'is not formatted: run `opa fmt --write` on it.' }));
};

/** Errors of syntax come as one text, a line each, with what stands there below it. */
const SYNTAX = /^(?:.*: )?(?<file>[^\s:]+):(?<row>\d+): (?<message>rego_parse_error: .*)$/gm;

const problemsOf = ({ message, code, location }: OpaError): readonly PolicyProblem[] => {
  if (location) return [{ kind: 'types', file: location.file, line: location.row, message: code === undefined ? message : `${code}: ${message}` }];
  const found = [...message.matchAll(SYNTAX)].map(({ groups }) => groups as Readonly<Record<string, string>>);
  if (found.length === 0) return [{ kind: 'types', message }];
  return found.map(({ file, row, message: said }) => ({ kind: 'types', file: file as string, line: Number(row), message: said as string }));
};

const errorsOf = async (task: PolicyTask, more: readonly string[]): Promise<readonly PolicyProblem[]> => {
  const ran = await runOpa(task, ['check', '--max-errors', '0', '--format', 'json', ...more, '-b', '.']);
  if (ran.code === 0) return [];
  const errors = errorsIn(ran.stdout.trim() || ran.stderr);
  return errors.length === 0 ? [{ kind: 'types', message: sayFailure(ran) }] : errors.flatMap(problemsOf);
};

const NO_FUNCTION = /undefined function (\S+)/;

/** A sentence for a call that WASM can't make. */
export const sayRefused = (builtin: string): string => {
  const instead = insteadOf(builtin);
  return `OPA has ${builtin}, but not inside WASM, where Verdict's policies run${instead === undefined ? '' : `; use ${instead}`}.`;
};

const isAt =
  (one: PolicyProblem) =>
  (other: PolicyProblem): boolean =>
    one.file === other.file && one.line === other.line;

/** What a check with WASM's builtins alone finds. Tests run in OPA itself and may call what they like. */
const inWasm = async (task: PolicyTask): Promise<readonly PolicyProblem[]> => {
  const { usable, refused } = await capabilitiesOf(task);
  const folder = await mkdtemp(join(tmpdir(), 'verdict-check-'));
  try {
    const capabilities = join(folder, 'capabilities.json');
    await writeFile(capabilities, JSON.stringify(usable));
    // Not strictly: what strictness finds ends the compilation before functions are looked up.
    const found = await errorsOf(task, ['--capabilities', capabilities, '--ignore', '*_test.rego']);
    return found.map((problem) => {
      const name = NO_FUNCTION.exec(problem.message)?.[1];
      return name !== undefined && refused.has(name) ? { ...problem, kind: 'builtin', message: sayRefused(name) } : problem;
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

/** Checks format, types (strictly) and builtins. Resolves with what is wrong; empty when all is well. Rejects with PolicyError if OPA can't be run. */
export const checkPolicies = async (task: PolicyTask): Promise<readonly PolicyProblem[]> => {
  const [format, types, wasm] = [await formatOf(task), await errorsOf(task, ['--strict']), await inWasm(task)];
  // What is no Rego can't be formatted either, and the check of types says it by file and line.
  const told = types.length > 0 ? format.filter(({ file }) => file !== undefined) : format;
  return [...told, ...types, ...wasm.filter((problem) => problem.kind === 'builtin' || !types.some(isAt(problem)))];
};
