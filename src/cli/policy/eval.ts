import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { Command, InvalidArgumentError } from 'commander';
import { isUrl, loadConfig } from '../../config.js';
import { type Asked, ask, type Explanation, explain, fixedDirectory, parseEntities, parseQuestion } from '../../evaluate/tools/index.js';
import { SHIPPED_BUNDLE } from '../../policy-source.js';
import { usage } from '../failure.js';
import { type Output, outputOption, printJson, remark } from '../output.js';
import { type Evaluation, evaluationAsJson, printEvaluation } from './eval-print.js';
import { loadFrom, SHIPPED_SOURCE, taskFor } from './task.js';

type Options = {
  readonly input: string;
  readonly directory?: string;
  readonly bundle?: string;
  readonly source?: string;
  readonly entrypoint?: string;
  readonly now?: number;
  readonly explain?: boolean;
  readonly output: Output;
};

const time = (written: string): number => {
  const ms = Date.parse(written);
  if (Number.isNaN(ms)) throw new InvalidArgumentError('It must be a time (RFC 3339), such as 2026-11-22T04:03:48Z.');
  return ms;
};

const read = async (file: string): Promise<string> => {
  try {
    return file === '-' ? await text(process.stdin) : await readFile(file, 'utf8');
  } catch (error) {
    throw usage(`${file} can't be read: ${(error as Error).message}.`);
  }
};

type Chosen = {
  /** A bundle, or a folder of policies. */
  readonly path: string;
  readonly entrypoint: string;
  /** Where the Rego of it is; undefined where nobody said. */
  readonly source: string | undefined;
};

/** What is asked: what the options name, else what a node with this configuration decides by. */
const chosen = ({ bundle, source, entrypoint }: Options): Chosen => {
  const { policy } = loadConfig(process.env).config;
  const path = bundle ?? source ?? (policy.bundle || SHIPPED_BUNDLE);
  if (isUrl(path)) throw usage(`The bundle that a node loads here is served at ${path}: fetch it, and name the file with --bundle.`);
  return { path, entrypoint: entrypoint ?? policy.entrypoint, source: source ?? (resolve(path) === SHIPPED_BUNDLE ? SHIPPED_SOURCE : undefined) };
};

const why = async ({ answer, input }: Asked, { entrypoint, source }: Chosen): Promise<Explanation | undefined> => {
  if (input === undefined) return undefined;
  return explain(await taskFor(source as string), { entrypoint, input, answer });
};

const evaluate = async (options: Options): Promise<void> => {
  const question = parseQuestion(await read(options.input), options.input === '-' ? 'standard input' : options.input);
  const directory = fixedDirectory(options.directory === undefined ? [] : parseEntities(await read(options.directory), options.directory));
  const what = chosen(options);
  if (options.explain && what.source === undefined)
    throw usage(`--explain points at lines of Rego, and a bundle has lost some of them: name the folder that ${what.path} was built from with --source.`);
  const policy = await loadFrom(what.path, what.entrypoint);
  const asked = await ask(question, { policy, directory, ...(options.now !== undefined && { now: options.now }) });
  const explanation = options.explain ? await why(asked, what) : undefined;
  const shown: Evaluation = { asked, revision: policy.revision, explanation, isExplained: options.explain ?? false };
  if (options.output === 'json') printJson(evaluationAsJson(shown));
  else printEvaluation(shown, what.source ?? '');
  if (explanation && !explanation.agrees)
    remark('OPA answers otherwise from these sources than the compiled policy did: the places are those of what OPA evaluated.');
};

/** `verdict policy eval`: one question, answered as a node would; nothing is recorded. */
export const evalCommand = (): Command =>
  new Command('eval')
    .description('answer one question as a node would, and say which rules made the answer; nothing is recorded')
    .requiredOption('-i, --input <file>', 'the question: subject, action, resource, context in JSON or YAML; - is standard input')
    .option('--directory <file>', 'what the directory holds: entities in YAML, JSON or NDJSON, or a file of cases')
    .option('--bundle <file>', 'the bundle to ask (default: the one that a node would load here)')
    .option('--source <folder>', 'a folder of policies to build and ask; with --bundle, only where --explain looks for rules')
    .option('-e, --entrypoint <path>', 'what is asked of it (default: policy.entrypoint)')
    .option('--now <time>', 'what the clock says (RFC 3339)', time)
    .option('--explain', 'name the rules that granted, denied or advised, with file and line (needs OPA)')
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
Examples:
  $ verdict policy eval -i question.json --directory entities.yaml
  $ verdict policy eval -i question.json --directory fixtures/decisions/edges.yaml --source policies --explain
  $ verdict policy eval -i - --bundle my-bundle.tar.gz --now 2026-11-22T04:03:48Z --output json < question.json`,
    )
    .action(evaluate);
