// `npm test`: sets up what is missing, fetches the real peers, and runs every check and test.
// The last line is the count: `N passed, N failed`. A check that fails (lint, types, …) counts as one failed.
//   npm test                   everything
//   npm test -- test/contract  only the tests under a path, without the checks
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, install } from './setup.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const results = join(root, '.cache', 'test-results.json');
const countFile = join(root, '.cache', 'test-count.txt');

const node = (args, env = {}) =>
  new Promise((resolve) => {
    const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...env } });
    let text = '';
    child.stdout.on('data', (part) => {
      text += part;
      process.stdout.write(part);
    });
    child.on('close', (code) => resolve({ code, text }));
  });

/** Fetches a peer by its own script; says what is left out, or in CI fails, where it can't be had. */
const peer = async (name) => {
  console.error(`Fetching ${name}, if it isn't here yet.`);
  const { code, text } = await node([`scripts/peers/${name}.mjs`]);
  if (code !== 0) throw new Error(`${name} can't be had, and with CI=true no test may be left out.`);
  return text.trim().split('\n').at(-1) ?? '';
};

const failedChecks = [];
const check = async (name, args) => {
  console.error(`\n${name}`);
  const { code } = await node(args);
  if (code !== 0) failedChecks.push(name);
};

const totals = () => {
  if (!existsSync(results)) return { passed: 0, failed: 1 };
  const { numPassedTests, numFailedTests, numFailedTestSuites, success } = JSON.parse(readFileSync(results, 'utf8'));
  // A file that can't be loaded has no failed test, but isn't a success either.
  return { passed: numPassedTests, failed: numFailedTests || (success ? 0 : Math.max(1, numFailedTestSuites)) };
};

const finish = ({ passed, failed }) => {
  const all = failed + failedChecks.length;
  for (const name of failedChecks) console.error(`Failed: ${name}`);
  mkdirSync(join(root, '.cache'), { recursive: true });
  writeFileSync(countFile, `${passed} ${all}\n`);
  console.log(`${passed} passed, ${all} failed`);
  process.exitCode = all > 0 ? 1 : 0;
};

const main = async () => {
  rmSync(results, { force: true });
  rmSync(countFile, { force: true });
  install(root);
  build(root);
  const only = process.argv.slice(2);
  const opa = await peer('opa');
  await peer('kafka');
  await peer('parquet-readers');
  await peer('nginx');
  await peer('envoy');
  await peer('caddy');
  await peer('libvirt');
  await peer('rsyslog');
  await peer('versitygw');
  if (only.length === 0) {
    await check('Lint and format (biome)', ['node_modules/@biomejs/biome/bin/biome', 'ci', '--error-on-warnings', '.']);
    await check('Types of sources and tests (tsc)', ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.test.json']);
    await check('Types of the example platform (tsc)', ['node_modules/typescript/bin/tsc', '-p', 'examples/platform/tsconfig.json']);
  }
  console.error('\nTests (vitest)');
  const report = ['--reporter=default', '--reporter=json', `--outputFile.json=${results}`];
  const { code } = await node(['node_modules/vitest/vitest.mjs', 'run', ...report, ...only], existsSync(opa) ? { OPA: opa } : {});
  const counted = totals();
  finish(code !== 0 && counted.failed === 0 ? { ...counted, failed: 1 } : counted);
};

main().catch((error) => {
  console.error(error.message);
  failedChecks.push('the set-up');
  finish({ passed: 0, failed: 0 });
});
