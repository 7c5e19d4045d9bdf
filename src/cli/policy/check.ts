import { join, relative } from 'node:path';
import { Command } from 'commander';
import { checkPolicies, type PolicyProblem } from '../../evaluate/tools/index.js';
import { EXIT, Failure } from '../failure.js';
import { type Output, outputOption, printJson, printTable, remark } from '../output.js';
import { counted } from '../text.js';
import { DEFAULT_SOURCE, taskFor } from './task.js';

/** `policies/a.rego:12`, as editors take it: from here, where it lies in here. */
export const placeIn = (source: string, { file = '', line }: { readonly file?: string; readonly line?: number }): string => {
  const path = join(source, file);
  const short = relative('.', path);
  return `${short === '' || short.startsWith('..') ? path : short}${line === undefined ? '' : `:${line}`}`;
};

/** The problems of a folder of policies, for people. */
export const printProblems = (source: string, problems: readonly PolicyProblem[]): void => {
  if (problems.length === 0) return;
  printTable(
    ['place', 'check', 'what is wrong'],
    problems.map((problem) => [placeIn(source, problem), problem.kind, problem.message]),
    '',
  );
};

const check = async (source: string, { output }: { readonly output: Output }): Promise<void> => {
  const problems = await checkPolicies(await taskFor(source));
  if (output === 'json') printJson({ problems });
  else printProblems(source, problems);
  if (problems.length > 0) throw new Failure(EXIT.check, `${counted(problems.length, 'problem')} in ${source}.`);
  if (output !== 'json') remark(`${source} is formatted, strictly typed, and calls only what WASM has.`);
};

/** `verdict policy check`: what is wrong with a folder of policies before it is built. */
export const checkCommand = (): Command =>
  new Command('check')
    .argument('[folder]', 'the folder of Rego and data', DEFAULT_SOURCE)
    .description('check format, types and builtins (exit code 6 if anything is wrong)')
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
A builtin that OPA has and WASM lacks is named with its file and line, and what to use instead.

Examples:
  $ verdict policy check
  $ verdict policy check my-policies --output json`,
    )
    .action(check);
