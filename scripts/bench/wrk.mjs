import { execFile } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { pinned } from './processes.mjs';

const run = promisify(execFile);

/** One body, or several that take turns. Lua reads JSON's text literals as they are, but for its \\u escapes and \\/. */
const bodies = (body) => {
  if (!Array.isArray(body)) return `wrk.body = ${JSON.stringify(body)}`;
  return `local bodies = {${body.map((one) => JSON.stringify(one)).join(',\n')}}
local turn = 0
function request()
  turn = turn % #bodies + 1
  return wrk.format(nil, nil, nil, bodies[turn])
end`;
};

const script = ({ body, headers }) => `
wrk.method = "POST"
${bodies(body)}
${Object.entries(headers)
  .map(([name, value]) => `wrk.headers[${JSON.stringify(name)}] = ${JSON.stringify(value)}`)
  .join('\n')}
function done(summary, latency)
  io.write(string.format("RESULT %d %d %d %d %d %d %d\\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9), summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout))
end
`;

/** Loads one URL with `wrk` for some seconds: requests answered, requests/s, latencies in milliseconds, refusals, broken connections. */
export const wrk = async ({ url, body, headers = {}, connections = 32, seconds, cores }) => {
  const file = join(mkdtempSync(join(tmpdir(), 'verdict-wrk-')), 'load.lua');
  writeFileSync(file, script({ body, headers: { 'Content-Type': 'application/json', ...headers } }));
  const [command, ...args] = pinned(cores, ['wrk', '-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '10s', '-s', file, url]);
  const { stdout } = await run(command, args);
  const found = /RESULT (\d+) (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)/.exec(stdout);
  if (!found) throw new Error(`wrk gave no result:\n${stdout}`);
  const [requests, microseconds, p50, p99, p999, refused, broken] = found.slice(1).map(Number);
  return { requests, rate: requests / (microseconds / 1e6), p50: p50 / 1000, p99: p99 / 1000, p999: p999 / 1000, refused, broken };
};
