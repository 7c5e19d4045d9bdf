// Checks, tests and builds policies/ into policies/bundle.tar.gz. Runs on the compiled product: `npm run policies` builds it first.
import { fileURLToPath } from 'node:url';
import { findOpa } from '../dist/evaluate/opa.js';
import { buildBundle, checkPolicies, sayProblem, testPolicies } from '../dist/evaluate/tools/index.js';

const source = fileURLToPath(new URL('../policies', import.meta.url));
const out = `${source}/bundle.tar.gz`;

const stop = (message) => {
  console.error(message);
  process.exit(1);
};

const opa = await findOpa({ exact: true, say: console.error });
if (!opa.found) stop(opa.message);
const task = { source, opa: opa.path };

const problems = await checkPolicies(task);
if (problems.length > 0) stop(problems.map(sayProblem).join('\n'));

const tests = await testPolicies(task);
for (const { name, place, message } of tests.failed) console.error(`${place}: ${name} ${message}`);
if (tests.failed.length > 0) stop(`${tests.failed.length} of the policies' tests failed.`);
if (tests.skipped > 0) stop(`${tests.skipped} of the policies' tests were skipped, and all must run.`);
if (tests.coverage !== 100)
  stop(`No test reaches ${tests.uncovered.join(', ') || 'what was to be counted'}: ${tests.coverage ?? 0} % of the lines are covered, and all must be.`);

const bundle = await buildBundle({ ...task, out, entrypoints: ['verdict/decision'] });
console.log(`${tests.passed} tests passed; policies/bundle.tar.gz is revision ${bundle.revision} (${bundle.bytes} bytes).`);
