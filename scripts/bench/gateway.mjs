import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { client, startStoreElsewhere } from './platform.mjs';
import { cores, pinned, start } from './processes.mjs';

/**
 * What the gateway costs: the most requests/s through it with everything recorded, and, at half of that rate, how much
 * later its answers come than the upstream's own. Direct calls, calls through a bare proxy of node:http that neither
 * asks nor records, and calls through the gateway take turns in one run.
 */
const ROOT = resolve(import.meta.dirname, '../..');
const ACCOUNT = 'acc-bench-gateway';
const TOKEN = 'token-of-the-bench-and-of-nobody-else';
const PATH = '/v1/instances/inst-7';
const ROUTES = 'version: 1\nroutes:\n  - { method: GET, path: "/v1/instances/{id}", action: instance.get, resource: { type: instance, id: "{params.id}" } }\n';

const entities = [
  { type: 'account', id: ACCOUNT, account: ACCOUNT, properties: { name: 'Gateway', access_models: ['roles'] } },
  { type: 'user', id: 'usr-gateway', properties: { email: 'gateway@example.com' } },
  { type: 'membership', id: `${ACCOUNT}:usr-gateway`, account: ACCOUNT, properties: { role: 'developer' } },
  {
    type: 'token',
    id: 'tok-gateway',
    account: ACCOUNT,
    properties: { owner: 'usr-gateway', scope: 'write', hash: createHash('sha256').update(TOKEN).digest('hex') },
  },
  { type: 'instance', id: 'inst-7', account: ACCOUNT, properties: { name: 'web-7' } },
];

const run = promisify(execFile);
const headers = { Authorization: `Bearer ${TOKEN}` };
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const number = (value, digits = 0) => value.toLocaleString('en-US', { maximumFractionDigits: digits, minimumFractionDigits: digits });

const startUpstream = async () => {
  const running = start(pinned(cores().elsewhere, [process.execPath, join(ROOT, 'scripts/bench/upstream.mjs')]), { pattern: /UPSTREAM (\d+)/ });
  const [, port] = await running.ready;
  return { ...running, url: `http://127.0.0.1:${port}` };
};

/** The least that a proxy in Node.js can do, on the shared cores. */
const startBareProxy = async (upstream) => {
  const running = start(pinned(cores().shared, [process.execPath, join(ROOT, 'scripts/bench/bare-proxy.mjs'), upstream]), { pattern: /PROXY (\d+)/ });
  const [, port] = await running.ready;
  return { ...running, url: `http://127.0.0.1:${port}` };
};

/** A gateway on the shared cores, by the policy that ships. `store` is the address of one elsewhere; none: chDB on the same cores. */
export const startGateway = async ({ upstream, store, workers = 1 }) => {
  const folder = mkdtempSync(join(tmpdir(), 'verdict-bench-gateway-'));
  writeFileSync(join(folder, 'routes.yaml'), ROUTES);
  const config = {
    data_dir: join(folder, 'data'),
    http: { port: 0 },
    gateway: { upstream, port: 0 },
    routes: { file: join(folder, 'routes.yaml') },
    decision: { workers },
    log: { level: 'warn' },
    ...(store && { clickhouse: { url: store.url, username: store.username, password: store.password } }),
  };
  writeFileSync(join(folder, 'verdict.yaml'), JSON.stringify(config));
  const running = start(pinned(cores().shared, [process.execPath, join(ROOT, 'bin/verdict.js'), 'gateway']), {
    cwd: folder,
    pattern: /The gateway listens on (\S+)[\s\S]*Verdict listens on (\S+)/,
  });
  const [, url, api] = await running.ready;
  const token = readFileSync(join(folder, 'data', 'admin-token'), 'utf8').trim();
  await client(api, token)('POST', '/v1/entities', entities);
  return { ...running, url, api, token };
};

/** Loads a URL with GETs on the shared cores as fast as it answers. */
const most = async (url, seconds) => {
  const args = ['wrk', '-t1', '-c32', `-d${seconds}s`, '--latency', '--timeout', '10s', '-H', `Authorization: ${headers.Authorization}`, `${url}${PATH}`];
  const [command, ...rest] = pinned(cores().shared, args);
  const { stdout } = await run(command, rest);
  const requests = Number(/(\d+) requests in/.exec(stdout)?.[1] ?? 0);
  const rate = Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1] ?? 0);
  const refused = Number(/Non-2xx or 3xx responses: (\d+)/.exec(stdout)?.[1] ?? 0);
  return { requests, rate, refused };
};

/** Asks at a steady rate, from the cores that the gateway isn't on. */
const paced = async (url, rate, seconds) => {
  const options = JSON.stringify({ url: `${url}${PATH}`, headers, rate, seconds });
  const [command, ...rest] = pinned(cores().elsewhere, [process.execPath, join(ROOT, 'scripts/bench/paced.mjs'), options]);
  const { stdout } = await run(command, rest);
  return JSON.parse(/PACED (\{.*\})/.exec(stdout)[1]);
};

/** Activities of the gateway in the store, as a whole export counts them. */
const recorded = (node) =>
  new Promise((done, failed) => {
    const url = `${node.api}/v1/audit-logs/export?format=jsonl&account=${ACCOUNT}&kind=activity&event=instance.get`;
    get(url, { headers: { authorization: `Bearer ${node.token}` } }, (response) => {
      response.on('end', () => done(Number(response.trailers['verdict-rows'])));
      response.on('error', failed);
      response.resume();
    }).on('error', failed);
  });

const allRecorded = async (node, answered) => {
  for (let attempt = 0; attempt < 300; attempt++) {
    const found = await recorded(node);
    if (found >= answered) return found;
    await new Promise((done) => setTimeout(done, 500));
  }
  return recorded(node);
};

/** The bench's rows about the gateway, and its goals. */
export const gatewayRows = async ({ seconds, rounds, progress }) => {
  const store = await startStoreElsewhere();
  const upstream = await startUpstream();
  const bare = await startBareProxy(upstream.url);
  const bareRates = [];
  await most(bare.url, 2);
  const nodes = [
    { name: 'one worker, store elsewhere', node: await startGateway({ upstream: upstream.url, store }) },
    { name: 'two workers, store elsewhere', node: await startGateway({ upstream: upstream.url, store, workers: 2 }) },
    { name: 'one worker, chDB on the same cores', node: await startGateway({ upstream: upstream.url }) },
  ].map((one) => ({ ...one, rates: [], answered: 0, refused: 0 }));
  for (const one of nodes) one.answered += (await most(one.node.url, 2)).requests;
  for (let round = 1; round <= rounds; round++) {
    progress(`round ${round} of ${rounds}: a bare proxy`);
    bareRates.push((await most(bare.url, seconds)).rate);
    for (const one of nodes) {
      progress(`round ${round} of ${rounds}: the gateway, ${one.name}`);
      const { requests, rate, refused } = await most(one.node.url, seconds);
      progress(`  ${Math.round(rate)} requests/s, ${refused} refused`);
      one.rates.push(rate);
      one.answered += requests;
      one.refused += refused;
      // What is still on its way to the store must not be paid for by the next row.
      await new Promise((done) => setTimeout(done, 2_000));
    }
  }
  progress('counting what was recorded');
  const [single, pair, embedded] = nodes;
  // The two with the store elsewhere fill the same tables: what is found is both of theirs. Only when all has arrived,
  // and one gateway alone is left, does a request's time tell of the gateway and not of what lies behind it.
  const elsewhere = single.answered + pair.answered;
  const counted = [
    { answered: elsewhere, found: await allRecorded(single.node, elsewhere) },
    { answered: embedded.answered, found: await allRecorded(embedded.node, embedded.answered) },
  ];
  for (const { node } of [pair, embedded]) await node.stop();
  const half = Math.max(1, Math.floor(median(single.rates) / 2));
  const pairs = [];
  for (let round = 1; round <= rounds; round++) {
    progress(`round ${round} of ${rounds}: ${half} requests/s, directly, through a bare proxy, and through the gateway`);
    const direct = await paced(upstream.url, half, seconds);
    const proxied = await paced(bare.url, half, seconds);
    const through = await paced(single.node.url, half, seconds);
    single.refused += through.refused;
    pairs.push({ direct, proxied, through });
  }
  const addedBy = (side) => ({
    p50: median(pairs.map((pair) => pair[side].p50 - pair.direct.p50)),
    p99: median(pairs.map((pair) => pair[side].p99 - pair.direct.p99)),
  });
  const added = addedBy('through');
  const bareAdded = addedBy('proxied');
  for (const one of [single.node, bare, upstream, store]) await one.stop();
  const row = (name, { p50, p99, p999 }) => `| ${name} | ${number(p50, 2)} | ${number(p99, 2)} | ${number(p999, 2)} |`;
  const middle = (side) => ({
    p50: median(pairs.map((pair) => pair[side].p50)),
    p99: median(pairs.map((pair) => pair[side].p99)),
    p999: median(pairs.map((pair) => pair[side].p999)),
  });
  const text = `## The gateway

\`GET ${PATH}\` with an opaque token, by the policy that ships: two events for each request, each on disk before what rests on it. The upstream runs on other cores; wrk shares the gateway's. The bare proxy is node:http alone, one process that neither asks nor records: what any proxy in Node.js costs on this machine.

| | requests/s | refused or broken |
| --- | ---: | ---: |
| a bare proxy | ${number(median(bareRates))} | |
${nodes.map(({ name, rates, refused }) => `| ${name} | ${number(median(rates))} | ${refused} |`).join('\n')}

At a steady ${number(half)} requests/s, half of the most with one worker, a request's time counted from when it was due:

| | p50 ms | p99 ms | p99.9 ms |
| --- | ---: | ---: | ---: |
${row('directly', middle('direct'))}
${row('through a bare proxy', middle('proxied'))}
${row('through the gateway', middle('through'))}`;
  const best = Math.max(...nodes.map(({ rates }) => median(rates)));
  const goals = [
    [
      'the gateway: ≥ 5,000 requests/s on two shared cores',
      `${nodes.map(({ name, rates }) => `${number(median(rates))}/s ${name}`).join('; ')}`,
      best >= 5_000,
    ],
    ['the gateway adds ≤ 1 ms at the median at half of that', `${number(added.p50, 2)} ms (a bare proxy: ${number(bareAdded.p50, 2)} ms)`, added.p50 <= 1],
    ['… and ≤ 5 ms at p99', `${number(added.p99, 2)} ms (a bare proxy: ${number(bareAdded.p99, 2)} ms)`, added.p99 <= 5],
    [
      'every request through the gateway recorded',
      `${number(counted[0].found)} found of ${number(counted[0].answered)} answered; ${number(counted[1].found)} of ${number(counted[1].answered)}`,
      counted[0].found >= counted[0].answered && counted[1].found >= counted[1].answered,
    ],
  ];
  return { text, goals };
};
