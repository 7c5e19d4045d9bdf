// Checks, tests and builds each bundle of policies/ from its folder. Runs on the compiled product: `npm run policies` builds it first.
import { fileURLToPath } from 'node:url';
import { findOpa } from '../dist/evaluate/opa.js';
import { buildBundle, checkPolicies, sayProblem, testPolicies } from '../dist/evaluate/tools/index.js';

const policies = fileURLToPath(new URL('../policies', import.meta.url));
const BUNDLES = [
  { folder: 'platform', file: 'bundle.tar.gz', entrypoint: 'verdict/decision' },
  { folder: 'api', file: 'api.tar.gz', entrypoint: 'verdict/api/decision' },
];

const stop = (message) => {
  console.error(message);
  process.exit(1);
};

const opa = await findOpa({ exact: true, say: console.error });
if (!opa.found) stop(opa.message);

const make = async ({ folder, file, entrypoint }) => {
  const task = { source: `${policies}/${folder}`, opa: opa.path };
  const problems = await checkPolicies(task);
  if (problems.length > 0) stop(problems.map(sayProblem).join('\n'));

  const tests = await testPolicies(task);
  for (const { name, place, message } of tests.failed) console.error(`${folder}/${place}: ${name} ${message}`);
  if (tests.failed.length > 0) stop(`${tests.failed.length} of the tests in policies/${folder} failed.`);
  if (tests.skipped > 0) stop(`${tests.skipped} of the tests in policies/${folder} were skipped, and all must run.`);
  if (tests.coverage !== 100)
    stop(
      `No test reaches ${tests.uncovered.join(', ') || 'what was to be counted'}: ${tests.coverage ?? 0} % of the lines in policies/${folder} are covered, and all must be.`,
    );

  const bundle = await buildBundle({ ...task, out: `${policies}/${file}`, entrypoints: [entrypoint] });
  console.log(`${tests.passed} tests passed; policies/${file} is revision ${bundle.revision} (${bundle.bytes} bytes).`);
};

for (const bundle of BUNDLES) await make(bundle);
