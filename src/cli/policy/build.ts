import { Command } from 'commander';
import { buildBundle } from '../../evaluate/tools/index.js';
import { EXIT, Failure } from '../failure.js';
import { remark } from '../output.js';
import { DEFAULT_ENTRYPOINT, DEFAULT_SOURCE, taskFor } from './task.js';

type Options = { readonly output: string; readonly entrypoint: readonly string[] };

const DEFAULT_ENTRYPOINTS: readonly string[] = [DEFAULT_ENTRYPOINT];

/** OPA's errors are a line each. */
const lineByLine = (error: Error): never => {
  const lines = error.message.split('\n');
  for (const line of lines.slice(0, -1)) remark(line);
  throw new Failure(EXIT.failed, lines.at(-1) ?? '');
};

const build = async (source: string, { output, entrypoint }: Options): Promise<void> => {
  const { revision, bytes } = await buildBundle({ ...(await taskFor(source)), out: output, entrypoints: entrypoint }).catch(lineByLine);
  remark(`${output} is revision ${revision} (${bytes.toLocaleString('en-US')} bytes).`);
};

/** `verdict policy build`: from a folder of Rego to the bundle that a node decides by. */
export const buildCommand = (): Command =>
  new Command('build')
    .argument('[folder]', 'the folder of Rego and data', DEFAULT_SOURCE)
    .description('build the bundle of a folder of policies; written only if it loads')
    .option('--output <file>', 'where the bundle goes', 'bundle.tar.gz')
    .option(
      '-e, --entrypoint <path>',
      'what may be asked of it; once for each',
      (value: string, before: readonly string[]) => (before === DEFAULT_ENTRYPOINTS ? [value] : [...before, value]),
      DEFAULT_ENTRYPOINTS,
    )
    .addHelpText('after', '\nExamples:\n  $ verdict policy build\n  $ verdict policy build my-policies --entrypoint platform/allow --output my-bundle.tar.gz')
    .action(build);
