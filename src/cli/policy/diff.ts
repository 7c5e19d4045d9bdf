import { Command } from 'commander';
import type { PolicyAnswer } from '../../evaluate/index.js';
import { type ChangedCase, type Comparison, comparePolicies, readCases } from '../../evaluate/tools/index.js';
import { EXIT, Failure } from '../failure.js';
import { type Output, outputOption, printJson, printTable, remark } from '../output.js';
import { counted } from '../text.js';
import { entrypointOption, loadFrom } from './task.js';
import { DEFAULT_CASES } from './test.js';

type Options = { readonly cases: string; readonly entrypoint: string; readonly output: Output };

/** As diff(1): the differences are no error, and errors are no difference. */
const DIFFERENT = EXIT.failed;
const ERROR = EXIT.usage;

const codesOf = ({ reasons }: PolicyAnswer): string => reasons.map(({ code }) => code).join(', ');

/** An answer in a cell: by its codes, or in full where those alone don't tell the two apart. */
const sayAnswer = (answer: PolicyAnswer, isInFull: boolean): string => {
  const decision = answer.allow ? 'allow' : 'deny';
  if (!isInFull) return `${decision}: ${codesOf(answer) || 'no reason'}`;
  const sentences = answer.reasons.map(({ code, message }) => `${code} "${message}"`).join(', ');
  return `${decision}: ${sentences || 'no reason'}${answer.advice.length > 0 ? `; advice ${JSON.stringify(answer.advice)}` : ''}`;
};

const rowOf = ({ file, name, before, after }: ChangedCase): readonly string[] => {
  const isInFull = before.allow === after.allow && codesOf(before) === codesOf(after);
  return [file, name, sayAnswer(before, isInFull), sayAnswer(after, isInFull)];
};

const compare = async (before: string, after: string, { cases, entrypoint, output }: Options): Promise<Comparison> => {
  const files = await readCases(cases);
  const [old, fresh] = [await loadFrom(before, entrypoint), await loadFrom(after, entrypoint)];
  const comparison = await comparePolicies(old, fresh, files, Date.now());
  if (output === 'json') printJson({ before: old.revision, after: fresh.revision, ...comparison });
  else if (comparison.changed.length > 0) printTable(['file', 'case', before, after], comparison.changed.map(rowOf), '');
  return comparison;
};

const diff = async (before: string, after: string, options: Options): Promise<void> => {
  const { asked, changed } = await compare(before, after, options).catch((error: Error) => {
    throw new Failure(ERROR, error.message);
  });
  if (changed.length > 0) throw new Failure(DIFFERENT, `${counted(changed.length, 'case')} of ${asked} with another answer.`);
  if (options.output !== 'json') remark(`${asked === 1 ? 'The one case gets' : `All ${asked} cases get`} the same answer from both.`);
};

/** `verdict policy diff`: which cases two policies answer differently. */
export const diffCommand = (): Command =>
  new Command('diff')
    .argument('<before>', 'a bundle, or a folder of policies')
    .argument('<after>', 'a bundle, or a folder of policies')
    .description('show which cases change their answer (exit code 0: none, 1: some, 2: it could not be told)')
    .option('--cases <folder>', 'the folder of cases in YAML', DEFAULT_CASES)
    .addOption(entrypointOption())
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
What the cases expect doesn't matter: each question is put to both, at the same time of the clock.

Examples:
  $ verdict policy diff bundle.tar.gz next.tar.gz
  $ verdict policy diff bundle.tar.gz policies --cases my-cases --output json`,
    )
    .action(diff);
