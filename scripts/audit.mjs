// Asks the registry for known vulnerabilities of the dependencies that ship. Exits with 1 if one is high or critical.
// Where the registry doesn't answer such questions it says so and exits with 0: nothing is known then.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
const { stdout, error } = spawnSync(npm, ['audit', '--omit=dev', '--json'], { cwd: root, encoding: 'utf8', timeout: 120_000, maxBuffer: 64 * 1024 * 1024 });

const report = (() => {
  try {
    return JSON.parse(stdout ?? '');
  } catch {
    return {};
  }
})();

const counts = report.metadata?.vulnerabilities;
if (!counts) {
  const why = error?.message || report.error?.summary || report.message || 'no answer';
  console.log(`Audit: the registry does not answer for vulnerabilities (${String(why).split(/\n| - /)[0]}); nothing is known about them here.`);
} else {
  const serious = Object.values(report.vulnerabilities ?? {}).filter(({ severity }) => severity === 'high' || severity === 'critical');
  for (const { name, severity, range, via } of serious) {
    const title = via.find((one) => typeof one === 'object')?.title ?? `by ${via.join(', ')}`;
    console.error(`${name} ${range}: ${severity}, ${title}`);
  }
  console.log(`Audit: ${counts.critical} critical, ${counts.high} high, ${counts.moderate} moderate, ${counts.low} low in the dependencies that ship.`);
  process.exitCode = serious.length > 0 ? 1 : 0;
}
