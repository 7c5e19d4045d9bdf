import { PolicyError } from '../bundle.js';
import { type PolicyTask, runOpa, sayFailure } from './opa-run.js';

/** What `opa test` found. `coverage` is the percentage of the lines of all files but tests; undefined where a test failed or was skipped, or OPA couldn't tell. */
export type PolicyTests = {
  readonly passed: number;
  readonly skipped: number;
  readonly failed: readonly { readonly name: string; readonly place: string; readonly message: string }[];
  readonly coverage: number | undefined;
  /** Lines that no test reaches, as `file:line` or `file:from-to`. */
  readonly uncovered: readonly string[];
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
  const ran = await runOpa(task, ['test', '.', '--ignore', '*.tar.gz', '--coverage', '--format=json']);
  if (ran.code !== 0) return { coverage: undefined, uncovered: [] };
  const files = Object.entries((JSON.parse(ran.stdout) as Coverage).files ?? {}).filter(([file]) => !file.endsWith('_test.rego'));
  const covered = files.reduce((sum, [, file]) => sum + (file.covered_lines ?? 0), 0);
  const missed = files.reduce((sum, [, file]) => sum + (file.not_covered_lines ?? 0), 0);
  const uncovered = files.flatMap(([file, { not_covered }]) => (not_covered ?? []).map((range) => sayRange(file, range)));
  return { coverage: covered + missed === 0 ? 0 : (100 * covered) / (covered + missed), uncovered };
};

/** Runs the folder's Rego tests. Rejects with {@link PolicyError} if they can't be run, as when a file doesn't compile. */
export const testPolicies = async (task: PolicyTask): Promise<PolicyTests> => {
  const ran = await runOpa(task, ['test', '-b', '.', '--format=json']);
  if (!ran.stdout.trimStart().startsWith('[')) throw new PolicyError(`The policies in ${task.source} can't be tested: ${sayFailure(ran)}`);
  const cases = (JSON.parse(ran.stdout) as readonly Result[]).flatMap(casesOf).sort((a, b) => (a.place + a.name < b.place + b.name ? -1 : 1));
  const failed = cases.filter(({ fail, error }) => fail || error !== undefined).map(({ name, place, error }) => ({ name, place, message: sayError(error) }));
  const skipped = cases.filter(({ skip }) => skip).length;
  const rest = failed.length + skipped > 0 ? { coverage: undefined, uncovered: [] } : await coverageOf(task);
  return { passed: cases.length - failed.length - skipped, skipped, failed, ...rest };
};
