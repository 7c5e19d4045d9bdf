import { Command } from 'commander';
import { findOpa } from '../evaluate/opa.js';
import { buildBundle, checkPolicies, type PolicyTask, testPolicies } from '../evaluate/policy-tools.js';
import { EXIT, Failure } from './failure.js';
import { type Output, outputOption, printJson, remark } from './output.js';
import { counted } from './text.js';

const DEFAULT_SOURCE = 'policies';

const taskFor = async (source: string): Promise<PolicyTask> => {
  const opa = await findOpa({ say: remark });
  if (!opa.found) throw new Failure(EXIT.failed, opa.message);
  return { source, opa: opa.path };
};

type BuildOptions = { readonly output: string; readonly entrypoint: readonly string[] };

const build = async (source: string, { output, entrypoint }: BuildOptions): Promise<void> => {
  const { revision, bytes } = await buildBundle({ ...(await taskFor(source)), out: output, entrypoints: entrypoint });
  remark(`${output} is revision ${revision} (${bytes.toLocaleString('en-US')} bytes).`);
};

const test = async (source: string, { output }: { readonly output: Output }): Promise<void> => {
  const task = await taskFor(source);
  const problems = await checkPolicies(task);
  const tests = await testPolicies(task);
  if (output === 'json') printJson({ problems, ...tests });
  else {
    for (const problem of problems) remark(problem);
    for (const { name, place, message } of tests.failed) remark(`${place}: ${name} ${message}`);
    if (tests.coverage !== undefined)
      remark(`The tests reach ${tests.coverage.toFixed(1)} % of the lines${tests.uncovered.length > 0 ? `, all but ${tests.uncovered.join(', ')}` : ''}.`);
    remark(`${counted(tests.passed, 'test')} passed, ${tests.failed.length} failed, ${tests.skipped} skipped.`);
  }
  if (tests.failed.length > 0) throw new Failure(EXIT.check, `${counted(tests.failed.length, 'test')} of the policies in ${source} failed.`);
  if (problems.length > 0) throw new Failure(EXIT.check, `The policies in ${source} do not pass OPA's checks.`);
};

/** `verdict policy`: from Rego to the bundle that a node decides by. Needs OPA, found or built. */
export const policyCommand = (): Command => {
  const command = new Command('policy').description('build and test policy bundles');
  command.addCommand(
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
      .action(build),
  );
  command.addCommand(
    new Command('test')
      .argument('[folder]', 'the folder of Rego and data', DEFAULT_SOURCE)
      .description('check the policies and run their tests (exit code 6 if any fails)')
      .addOption(outputOption())
      .addHelpText('after', '\nExamples:\n  $ verdict policy test\n  $ verdict policy test my-policies --output json')
      .action(test),
  );
  return command;
};

const DEFAULT_ENTRYPOINTS: readonly string[] = ['verdict/decision'];
