// Has OPA ready for the tests and prints its path. Exits with 1 if it can't be had and CI=true, else with 0 and a sentence on how to get it.
import { findOpa } from '../../dist/evaluate/opa.js';

const opa = await findOpa({ exact: true, say: console.error });
if (opa.found) console.log(opa.path);
else console.error(process.env.CI === 'true' ? opa.message : `${opa.message} The tests that need it are left out.`);
process.exitCode = opa.found || process.env.CI !== 'true' ? 0 : 1;
