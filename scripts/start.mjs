// `npm start`: sets up what is missing, builds, and runs Verdict with the sample platform.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { build, install } from './setup.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

try {
  install(root);
  build(root);
} catch (error) {
  console.error(error.message);
  process.exit(1);
}

// Verdict has a process of its own; the terminal sends it Ctrl-C itself, a service manager's SIGTERM is passed on.
const verdict = spawn(process.execPath, ['bin/verdict.js', 'serve', '--demo', ...process.argv.slice(2)], { cwd: root, stdio: 'inherit' });
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => verdict.kill('SIGTERM'));
verdict.on('exit', (code, signal) => {
  process.exitCode = code ?? (signal === 'SIGINT' ? 130 : 1);
});
