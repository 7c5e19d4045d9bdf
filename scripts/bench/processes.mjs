import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/** The cores that the measured family and its load share, and those for what stands elsewhere (none on two cores). */
export const cores = () => {
  const all = availableParallelism();
  return { shared: '0,1', elsewhere: all >= 4 ? `2-${all - 1}` : undefined };
};

export const pinned = (set, command) => (set === undefined ? command : ['taskset', '-c', set, ...command]);

/** Starts a command; `ready` resolves with the first match of `pattern` in its output, and rejects if it ends before. */
export const start = (command, { env = {}, cwd, pattern, ms = 60_000, stdin = 'ignore' } = {}) => {
  const child = spawn(command[0], command.slice(1), { cwd, env: { ...process.env, ...env }, stdio: [stdin, 'pipe', 'pipe'] });
  let output = '';
  const exited = new Promise((done) => child.once('exit', (code, signal) => done({ code, signal })));
  const ready = new Promise((found, failed) => {
    const look = (data) => {
      if (output.length < 65_536) output += data.toString();
      const match = pattern?.exec(output);
      if (match) found(match);
    };
    child.stdout.on('data', look);
    child.stderr.on('data', look);
    void exited.then(({ code }) => failed(new Error(`${command.join(' ')} ended with ${code}:\n${output}`)));

    if (pattern) setTimeout(() => failed(new Error(`${command.join(' ')} was not ready within ${ms} ms:\n${output}`)), ms).unref();
  });
  ready.catch(() => undefined);
  return {
    child,
    ready,
    stop: async (signal = 'SIGINT') => {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal);
      return exited;
    },
  };
};

const children = (pid) =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
        return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1] === String(pid);
      } catch {
        return false;
      }
    })
    .map(Number);

const family = (pid) => [pid, ...children(pid).flatMap(family)];

/** Megabytes that a process and all below it hold: proportional set size, so that shared pages count once. */
export const memoryOf = (pid) =>
  family(pid).reduce((sum, one) => {
    const file = `/proc/${one}/smaps_rollup`;
    try {
      return sum + (existsSync(file) ? Number(/^Pss:\s+(\d+)/m.exec(readFileSync(file, 'utf8'))?.[1] ?? 0) / 1024 : 0);
    } catch {
      return sum;
    }
  }, 0);

/** Samples the family's memory once a second; `most()` is the peak in megabytes. */
export const watchMemory = (pid) => {
  let most = 0;
  const timer = setInterval(() => {
    most = Math.max(most, memoryOf(pid));
  }, 1000);
  return { most: () => most, stop: () => clearInterval(timer) };
};

/** The machine in one line. */
export const machine = () => {
  const cpu = /model name\s*:\s*(.*)/.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? 'unknown processor';
  const memory = Math.round(Number(/MemTotal:\s+(\d+)/.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1] ?? 0) / 1024 / 1024);
  const kernel = execFileSync('uname', ['-sr']).toString().trim();
  return `${cpu}, ${availableParallelism()} cores, ${memory} GiB, ${kernel}, Node ${process.version}`;
};
