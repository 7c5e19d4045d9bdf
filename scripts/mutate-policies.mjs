// Changes every cell, threshold and statement of the policies' data, one at a time, in a copy, and sees that a test fails.
// `npm run policies` first; then `node scripts/mutate-policies.mjs [part of a mutant's name]`. Ends with 1 if a mutant survives.
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { findOpa } from '../dist/evaluate/opa.js';

const policies = fileURLToPath(new URL('../policies/platform', import.meta.url));
const PROCESSES = 2;

/**
 * Each data folder, and what tells soonest whether a mutant lives: one rule that holds the whole table against the data (of these
 * files), or the tests that try the thresholds. A mutant that these let live is shown to all tests.
 */
const FOLDERS = {
  catalogue: { needs: ['catalogue'], rule: 'catalogue.test_catalogue_holds_nothing_else' },
  roles: { needs: ['roles', 'catalogue', 'asked_test.rego'], rule: 'roles.test_table_holds_these_rows_and_no_others' },
  limits: { needs: ['.'], tests: '^data.verdict_test.limits' },
  conditions: { needs: ['.'], tests: '^data.verdict_test.conditions' },
  guardrails: { needs: ['.'], tests: '^data.verdict_test.guardrails' },
  managed: { needs: ['catalogue', 'managed', 'patterns.rego'], rule: 'managed.test_managed_policies_are_these_and_no_others' },
};

const ROLES = ['owner', 'admin', 'developer', 'viewer', 'auditor', 'root'];
const SCOPES = ['read', 'write', 'admin'];
const LEVELS = ['off', 'warn', 'deny'];
const FLAGS = ['places', 'enrols', 'own', 'approves'];

/** What else a text could be, by where it stands; elsewhere it becomes another text. */
const CHOICES = [
  [/^catalogue actions .* access$/, ['read', 'write']],
  [/^catalogue actions .* scope$|^limits default_scope$|^limits scopes |refused_for /, SCOPES],
  [/^roles permissions .* \d+$/, ROLES],
  [/^guardrails defaults /, LEVELS],
  [/ effect$/, ['allow', 'deny']],
];

/** What could be added to a list. */
const ADDITIONS = [
  [/^roles permissions /, ROLES],
  [/^limits scopes |refused_for$/, SCOPES],
  [/two_factor methods$/, ['sms']],
  [/root modules$/, ['servers']],
  [/welcome$/, ['dsa']],
  [/ (actions|resources)$/, ['*.create', 'instance/*']],
];

const listed = (table, name) => table.find(([pattern]) => pattern.test(name))?.[1];
const without = (value, key) =>
  Array.isArray(value) ? value.filter((_, index) => index !== Number(key)) : Object.fromEntries(Object.entries(value).filter(([one]) => one !== key));
const replaced = (value, key, by) => (Array.isArray(value) ? value.with(Number(key), by) : { ...value, [key]: by });

const leaves = (name, value) => {
  if (typeof value === 'number') return [value - 1, value + 1];
  if (typeof value === 'boolean') return [!value];
  return (listed(CHOICES, name) ?? [`${value}_x`]).filter((one) => one !== value);
};

const additions = (name, value) => {
  if (Array.isArray(value)) return (listed(ADDITIONS, name) ?? []).filter((one) => !value.includes(one)).map((one) => [`adds ${one}`, [...value, one]]);
  if (/^catalogue actions \S+$/.test(name)) return FLAGS.filter((flag) => !value[flag]).map((flag) => [`adds ${flag}`, { ...value, [flag]: true }]);
  return /^guardrails database_ports$/.test(name) ? [['adds 443', { ...value, 443: 'HTTPS' }]] : [];
};

/** Every change of a value as [what was done, the value changed]. `name` is the path to it, with spaces. */
const changes = function* (name, value) {
  if (typeof value !== 'object') {
    for (const one of leaves(name, value)) yield [`${name} becomes ${one}`, one];
    return;
  }
  for (const [what, changed] of additions(name, value)) yield [`${name} ${what}`, changed];
  for (const [key, inner] of Object.entries(value)) {
    yield [`${name} loses ${Array.isArray(value) && typeof inner === 'string' ? inner : key}`, without(value, key)];
    for (const [what, changed] of changes(`${name} ${key}`, inner)) yield [what, replaced(value, key, changed)];
  }
};

const stop = (message) => {
  console.error(message);
  process.exit(1);
};

const opa = await findOpa({ exact: true, say: console.error });
if (!opa.found) stop(opa.message);

const run = (folder, args) =>
  new Promise((done) => {
    execFile(opa.path, args, { cwd: folder, maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      if (error && error.code !== 2) stop(`OPA did not run: ${stderr || stdout || error.message}`);
      done({ failed: Boolean(error), stdout });
    });
  });

/** Whether no test fails, of those that are named or of all. */
const passes = async (folder, { rule, tests } = {}) => {
  if (rule) return (await run(folder, ['eval', '-d', '.', '--format=raw', `data.verdict_test.${rule}`])).stdout.trim() === 'true';
  return !(await run(folder, ['test', '.', '--timeout', '60s', ...(tests ? ['--run', tests] : [])])).failed;
};

const scratch = await mkdtemp(join(tmpdir(), 'verdict-mutants-'));
/** A worker's own copies of the files, each made when it is first needed. */
const createCopies = (id) => {
  const copies = new Map();
  const make = async (root, needs) => {
    for (const one of needs) await cp(join(policies, one), join(root, one), { recursive: true });
    return root;
  };
  return (name, needs) => {
    if (!copies.has(name)) copies.set(name, make(join(scratch, `${id}-${name}`), needs));
    return copies.get(name);
  };
};

/** Whether the tests still pass in the copy when the folder's data is changed; the copy is then as before. */
const survives = async (root, folder, data, chosen) => {
  const file = join(root, folder, 'data.yaml');
  const original = await readFile(file);
  await writeFile(file, JSON.stringify(data));
  const alive = await passes(root, chosen);
  await writeFile(file, original);
  return alive;
};

const work = async (id, mutants) => {
  const copy = createCopies(id);
  const survivors = [];
  for (let mutant = mutants.pop(); mutant; mutant = mutants.pop()) {
    const { folder, what, data } = mutant;
    const chosen = FOLDERS[folder];
    if (!(await survives(await copy(folder, chosen.needs), folder, data, chosen))) continue;
    if (await survives(await copy('all', ['.']), folder, data)) survivors.push(what);
  }
  return survivors;
};

const mutantsOf = async (folder) => {
  const whole = parse(await readFile(join(policies, folder, 'data.yaml'), 'utf8'));
  return [...changes(folder, whole)].map(([what, data]) => ({ folder, what, data }));
};

const began = Date.now();
try {
  if (!(await passes(policies))) stop('The tests fail before anything is changed.');
  const all = (await Promise.all(Object.keys(FOLDERS).map(mutantsOf))).flat().filter(({ what }) => what.includes(process.argv[2] ?? ''));
  const left = [...all];
  const survivors = (await Promise.all(Array.from({ length: PROCESSES }, (_, id) => work(id, left)))).flat();
  for (const what of survivors) console.error(`No test fails when ${what}.`);
  console.log(`${all.length - survivors.length} of ${all.length} mutants killed in ${Math.round((Date.now() - began) / 1000)} s.`);
  process.exitCode = survivors.length > 0 || all.length === 0 ? 1 : 0;
} finally {
  await rm(scratch, { recursive: true, force: true });
}
