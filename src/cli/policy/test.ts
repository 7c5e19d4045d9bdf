import { existsSync } from 'node:fs';
import { Command } from 'commander';
import { type CaseResult, checkPolicies, type PolicyProblem, type PolicyTests, readCases, runCases, testPolicies } from '../../evaluate/tools/index.js';
import { EXIT, Failure } from '../failure.js';
import { type Output, outputOption, printJson, printTable, remark } from '../output.js';
import { counted } from '../text.js';
import { printProblems } from './check.js';
import { DEFAULT_SOURCE, entrypointOption, loadFrom, taskFor } from './task.js';

/** Where cases are looked for where no folder is named. */
export const DEFAULT_CASES = 'fixtures/decisions';

type Options = {
  readonly output: Output;
  readonly entrypoint: string;
  /** A folder; false for `--no-cases`; missing where neither is given. */
  readonly cases?: string | false;
};

type Found = { readonly problems: readonly PolicyProblem[]; readonly tests: PolicyTests; readonly cases: readonly CaseResult[] };

const folderOf = (cases: Options['cases']): string | undefined => {
  if (typeof cases === 'string') return cases;
  return cases !== false && existsSync(DEFAULT_CASES) ? DEFAULT_CASES : undefined;
};

const findings = async (source: string, { cases, entrypoint }: Options): Promise<Found> => {
  const folder = folderOf(cases);
  const files = folder === undefined ? [] : await readCases(folder);
  const task = await taskFor(source);
  const [problems, tests] = [await checkPolicies(task), await testPolicies(task)];
  return { problems, tests, cases: files.length === 0 ? [] : await runCases(files, await loadFrom(source, entrypoint)) };
};

const failedIn = (cases: readonly CaseResult[]): readonly CaseResult[] => cases.filter(({ wrong }) => wrong.length > 0);

const sayTests = ({ passed, failed, skipped, coverage, uncovered }: PolicyTests): string => {
  const reached =
    coverage === undefined ? '' : `; they reach ${coverage.toFixed(1)} % of the lines${uncovered.length > 0 ? `, all but ${uncovered.join(', ')}` : ''}`;
  return `Rego tests: ${passed} passed, ${failed.length} failed, ${skipped} skipped${reached}.`;
};

const print = (source: string, { problems, tests, cases }: Found): void => {
  printProblems(source, problems);
  const failures = [
    ...tests.failed.map(({ place, name, message }) => [place, name, message]),
    ...failedIn(cases).flatMap(({ file, name, wrong }) => wrong.map((phrase) => [file, name, phrase])),
  ];
  if (failures.length > 0) printTable(['place', 'test or case', 'what is wrong'], failures, '');
  remark(sayTests(tests));
  if (cases.length > 0) remark(`Cases through the compiled policy: ${cases.length - failedIn(cases).length} passed, ${failedIn(cases).length} failed.`);
};

const asJson = ({ problems, tests, cases }: Found) => {
  const failed = failedIn(cases);
  return { problems, ...tests, cases: { passed: cases.length - failed.length, failed } };
};

/** What failed, in words; none where nothing did. */
const sayWrong = ({ problems, tests, cases }: Found): readonly string[] =>
  [
    [problems.length, counted(problems.length, 'problem')] as const,
    [tests.failed.length, `${counted(tests.failed.length, 'test')} that failed`] as const,
    [failedIn(cases).length, `${counted(failedIn(cases).length, 'case')} that failed`] as const,
  ].flatMap(([count, words]) => (count > 0 ? [words] : []));

const test = async (source: string, options: Options): Promise<void> => {
  const found = await findings(source, options);
  if (options.output === 'json') printJson(asJson(found));
  else print(source, found);
  const wrong = sayWrong(found);
  if (wrong.length > 0) throw new Failure(EXIT.failed, `The policies in ${source} have ${wrong.join(', ')}.`);
};

/** `verdict policy test`: the checks, the Rego tests, and the cases through the compiled policy. */
export const testCommand = (): Command =>
  new Command('test')
    .argument('[folder]', 'the folder of Rego and data', DEFAULT_SOURCE)
    .description('check the policies, run their tests and the cases (exit code 1 if any fails)')
    .option('--cases <folder>', `a folder of cases in YAML (default: ${DEFAULT_CASES}, if it is there)`)
    .option('--no-cases', 'run the Rego tests only')
    .addOption(entrypointOption())
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
Examples:
  $ verdict policy test
  $ verdict policy test my-policies --cases my-cases
  $ verdict policy test my-policies --no-cases --output json`,
    )
    .action(test);
