// What `npm start`, `npm test` and `npm run bench` do before anything else on a fresh clone.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The oldest Node that Verdict runs on. */
const NODE = [20, 19];

const run = (root, command, args, sentence) => {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (error) throw new Error(`${sentence}: ${command} could not be run (${error.message}).`);
  if (status !== 0) throw new Error(`${sentence}: ${command} ended with code ${status}.`);
};

const requireNode = () => {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < NODE[0] || (major === NODE[0] && minor < NODE[1]))
    throw new Error(`Verdict needs Node ${NODE.join('.')} or newer; this is ${process.versions.node}.`);
};

const fingerprint = (root, files) => {
  const hash = createHash('sha256');
  for (const file of files)
    hash
      .update(`${file}\n`)
      .update(readFileSync(join(root, file)))
      .update('\n');
  return hash.digest('hex');
};

const noted = (file) => (existsSync(file) ? readFileSync(file, 'utf8') : '');

/** Installs the dependencies, unless those of this lockfile are installed already. */
export const install = (root) => {
  requireNode();
  const mark = join(root, 'node_modules', '.verdict-installed');
  const wanted = `${process.version} ${process.platform} ${process.arch} ${fingerprint(root, ['package.json', 'package-lock.json'])}`;
  if (noted(mark) === wanted) return;
  console.error('Installing the dependencies.');
  run(root, process.platform === 'win32' ? 'npm.cmd' : 'npm', ['install', '--no-progress'], 'The dependencies could not be installed');
  // npm itself may add this platform's optional packages to the lockfile: what counts is its state afterwards.
  writeFileSync(mark, `${process.version} ${process.platform} ${process.arch} ${fingerprint(root, ['package.json', 'package-lock.json'])}`);
};

const sourcesIn = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.endsWith('.test.ts'))
    .map((entry) => join(entry.parentPath, entry.name));

/** Compiles src/ into dist/, unless dist/ is newer than every source. */
export const build = (root) => {
  const mark = join(root, 'dist', '.verdict-built');
  const sources = [...sourcesIn(join(root, 'src')), join(root, 'tsconfig.json'), join(root, 'package-lock.json')];
  const state = sources
    .map((file) => `${file} ${statSync(file).mtimeMs} ${statSync(file).size}`)
    .sort()
    .join('\n');
  const wanted = createHash('sha256').update(state).digest('hex');
  if (noted(mark) === wanted) return;
  console.error('Building.');
  // Beside the old one first: what doesn't compile takes nothing away, and what lost its source doesn't stay.
  const draft = join(root, '.cache', `dist-${process.pid}`);
  try {
    run(root, process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json', '--outDir', draft], 'Verdict could not be built');
    writeFileSync(join(draft, '.verdict-built'), wanted);
    rmSync(join(root, 'dist'), { recursive: true, force: true });
    renameSync(draft, join(root, 'dist'));
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
};
