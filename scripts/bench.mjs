import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { createServer } from 'node:net';
import { resolve } from 'node:path';
import { createClient } from '@clickhouse/client';
import { findOpa } from '../dist/evaluate/index.js';
import { forwardRows } from './bench/forward.mjs';
import { gatewayRows } from './bench/gateway.mjs';
import {
  ACCOUNT,
  hasCommand,
  issuer,
  opaQuestion,
  question,
  questions,
  roleTableBundle,
  SOURCES,
  startOpa,
  startStoreElsewhere,
  startVerdict,
} from './bench/platform.mjs';
import { policyRows } from './bench/policy.mjs';
import { cores, machine, watchMemory } from './bench/processes.mjs';
import { bigTableRows } from './bench/queries.mjs';
import { searchRows } from './bench/search.mjs';
import { syslogRows } from './bench/syslog.mjs';
import { wrk } from './bench/wrk.mjs';

/**
 * Measures Verdict beside `opa run --server` on the same two cores with the same load generator, in one go, and
 * writes docs/benchmarks.md. BENCH_SECONDS (default 10) is the length of a row, BENCH_ROUNDS (5) how often the rows
 * take turns; a row shows the median of its rounds, and a ratio is the median of the rounds' ratios: what slows the
 * machine for a while slows both sides of a round.
 */
const SECONDS = Number(process.env.BENCH_SECONDS ?? 10);
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 5);
const FULL_LOAD_SECONDS = Number(process.env.BENCH_FULL_LOAD_SECONDS ?? 60);
const FILE = resolve(import.meta.dirname, '../docs/benchmarks.md');

const progress = (text) => process.stderr.write(`${text}\n`);
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const freePort = () =>
  new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });

const middle = (runs) => ({
  rate: median(runs.map((run) => run.rate)),
  p50: median(runs.map((run) => run.p50)),
  p99: median(runs.map((run) => run.p99)),
  p999: median(runs.map((run) => run.p999)),
  requests: runs.reduce((sum, run) => sum + run.requests, 0),
  refused: runs.reduce((sum, run) => sum + run.refused + run.broken, 0),
  rates: runs.map((run) => run.rate),
});

/** How many times as fast as `other`, round by round: the median, and all of them from the least to the most. */
const timesAs = (one, other) => {
  const ratios = one.rates.map((rate, round) => rate / other.rates[round]);
  return { median: median(ratios), text: `${number(median(ratios), 2)} × (${number(Math.min(...ratios), 2)} to ${number(Math.max(...ratios), 2)})` };
};

/** Decisions of the bench's account in the store, as a whole export counts them. */
const decisionsFound = (node) =>
  new Promise((done, failed) => {
    const url = `${node.url}/v1/audit-logs/export?format=jsonl&account=${ACCOUNT}&kind=decision`;
    get(url, { headers: { authorization: `Bearer ${node.token}` } }, (response) => {
      response.on('end', () => done(Number(response.trailers['verdict-rows'])));
      response.on('error', failed);
      response.resume();
    }).on('error', failed);
  });

/** Asks once more and waits until that decision can be queried: the seconds it took. */
const untilQueryable = async (node, most = 120) => {
  const begun = Date.now();
  const answer = await fetch(`${node.url}/access/v1/evaluation`, {
    method: 'POST',
    headers: { authorization: `Bearer ${node.key}`, 'content-type': 'application/json' },
    body: JSON.stringify(question),
  });
  if (!answer.ok) throw new Error(`After the load a decision was answered ${answer.status}: ${await answer.text()}`);
  const { id } = (await answer.json()).context;
  while (Date.now() - begun < most * 1000) {
    const found = await fetch(`${node.url}/v1/audit-logs/${id}`, { headers: { authorization: `Bearer ${node.token}` } });
    await found.arrayBuffer();
    if (found.ok) break;
    await new Promise((done) => setTimeout(done, 100));
  }
  return (Date.now() - begun) / 1000;
};

const shared = cores().shared;
const load = (url, body, token, seconds = SECONDS) =>
  wrk({ url, body: JSON.stringify(body), headers: token ? { Authorization: `Bearer ${token}` } : {}, seconds, cores: shared });

const decisionRows = async (opa) => {
  const jwt = await issuer();
  const store = await startStoreElsewhere();
  const bundle = await roleTableBundle(opa);
  const remote = await startVerdict({ store, issuers: [jwt.config], bundle });
  const local = await startVerdict({ issuers: [jwt.config], bundle });
  const two = await startVerdict({ store, workers: 2, bundle });
  const peer = await startOpa(opa, await freePort(), SOURCES.roleTable);
  const contenders = [
    { name: 'Verdict, API key, store elsewhere', node: remote, per: 1, run: (s) => load(`${remote.url}/access/v1/evaluation`, question, remote.key, s) },
    {
      name: "Verdict, API key, store elsewhere, by OPA's REST API",
      node: remote,
      per: 1,
      run: (s) => load(`${remote.url}/v1/data/verdict/decision`, { input: question }, remote.key, s),
    },
    { name: 'Verdict, ES256 JWT, store elsewhere', node: remote, per: 1, run: (s) => load(`${remote.url}/access/v1/evaluation`, question, jwt.token, s) },
    { name: 'Verdict, API key, chDB on the same cores', node: local, per: 1, run: (s) => load(`${local.url}/access/v1/evaluation`, question, local.key, s) },
    { name: 'OPA, console decision logs, no authentication', per: 1, pid: peer.pid, run: (s) => load(peer.url, opaQuestion, undefined, s) },
    {
      name: 'Verdict, 20 questions a request, store elsewhere',
      node: remote,
      per: 20,
      run: (s) => load(`${remote.url}/access/v1/evaluations`, questions, remote.key, s),
    },
    {
      name: 'Verdict, 20 questions, two workers, store elsewhere',
      node: two,
      per: 20,
      run: (s) => load(`${two.url}/access/v1/evaluations`, questions, two.key, s),
    },
  ];
  const answered = { elsewhere: 0, here: 0 };
  const count = (one, run) => {
    if (one.node) answered[one.node === local ? 'here' : 'elsewhere'] += run.requests * one.per;
    return run;
  };
  const runs = new Map(contenders.map((one) => [one, []]));
  const memory = new Map(contenders.map((one) => [one, 0]));
  for (const one of contenders) count(one, await one.run(3));
  for (let round = 1; round <= ROUNDS; round++)
    for (const one of contenders) {
      progress(`round ${round} of ${ROUNDS}: ${one.name}`);
      const watch = watchMemory(one.pid ?? one.node.pid);
      const run = count(one, await one.run());
      progress(`  ${Math.round(run.rate)} requests/s, p99 ${run.p99} ms, ${run.refused + run.broken} refused or broken`);
      runs.get(one).push(run);
      memory.set(one, Math.max(memory.get(one), watch.most()));
      watch.stop();
      // What is still on its way to the store must not be paid for by the next row.
      if (one.node) await drained(one.node);
    }
  const rows = contenders.map((one) => ({ name: one.name, per: one.per, memory: memory.get(one), ...middle(runs.get(one)) }));
  progress('counting what the stores hold');
  const elsewhere = await countedIn(store);
  const found = { elsewhere: elsewhere.found, bytes: elsewhere.bytes, here: await decisionsFound(local) };
  for (const one of [remote, local, two, peer, store]) await one.stop();
  jwt.stop();
  return { rows, answered, found };
};

/** Different decisions of the bench's account in a store that more than one node fills. */
const countedIn = async (store) => {
  const client = createClient({ url: store.url, username: store.username, password: store.password, database: 'verdict' });
  const result = await client.query({
    query: "SELECT toUInt32(uniqExact(id)) AS found FROM events WHERE account = {account:String} AND kind = 'decision'",
    query_params: { account: ACCOUNT },
    format: 'JSONEachRow',
  });
  const [{ found }] = await result.json();
  const parts = await client.query({
    query: "SELECT sum(bytes_on_disk) / sum(rows) AS bytes FROM system.parts WHERE active AND database = 'verdict' AND table = 'events'",
    format: 'JSONEachRow',
  });
  const [{ bytes }] = await parts.json();
  await client.close();
  return { found, bytes };
};

const drained = async (node) => {
  for (let attempt = 0; attempt < 600; attempt++) {
    const text = await (await fetch(`${node.url}/metrics`, { headers: { authorization: `Bearer ${node.token}` } })).text();
    const lags = [...text.matchAll(/^verdict_consumer_lag_events\{[^}]*\} (\d+)/gm)].map((match) => Number(match[1]));
    // A pipeline too busy to say how far behind it is has given no line at all.
    if (lags.length > 0 && lags.every((lag) => lag < 100)) return;
    await new Promise((done) => setTimeout(done, 200));
  }
};

const fullLoadRow = async (opa) => {
  progress(`${FULL_LOAD_SECONDS} s of full load with chDB on the same cores`);
  const node = await startVerdict({ bundle: await roleTableBundle(opa) });
  const watch = watchMemory(node.pid);
  const run = await load(`${node.url}/access/v1/evaluation`, question, node.key, FULL_LOAD_SECONDS);
  const queryable = await untilQueryable(node);
  const found = await decisionsFound(node);
  watch.stop();
  await node.stop();
  return { ...run, queryable, found, memory: watch.most() };
};

const number = (value, digits = 0) => value.toLocaleString('en-US', { maximumFractionDigits: digits, minimumFractionDigits: digits });
const reached = (isReached) => (isReached ? 'reached' : '**missed**');

const report = ({ decisions, full, big, complete, search, gateway, syslog, forward }) => {
  const { rows, answered, found } = decisions;
  const [key, viaOpa, jwt, local, opa, batch, pair] = rows;
  const table = rows.map(
    (row) =>
      `| ${row.name} | ${number(row.rate)} | ${number(row.rate * row.per)} | ${number(row.p50, 2)} | ${number(row.p99, 2)} | ${number(row.p999, 2)} | ${number(row.memory)} | ${number(row.requests)} (${row.refused} refused or broken) |`,
  );
  const goals = [
    ['one question, store elsewhere, API key: ≥ 2 × OPA', timesAs(key, opa).text, timesAs(key, opa).median >= 2],
    ['one question, store elsewhere, ES256 JWT: ≥ 2 × OPA', timesAs(jwt, opa).text, timesAs(jwt, opa).median >= 2],
    ['one question, chDB on the same cores: ≥ 1.5 × OPA', timesAs(local, opa).text, timesAs(local, opa).median >= 1.5],
    [
      "each with a lower p99 than OPA's",
      `${number(key.p99, 1)} / ${number(jwt.p99, 1)} / ${number(local.p99, 1)} ms against ${number(opa.p99, 1)} ms`,
      Math.max(key.p99, jwt.p99, local.p99) < opa.p99,
    ],
    [
      "OPA's REST API as fast as AuthZEN: neither below 80 % of the other",
      timesAs(viaOpa, key).text,
      timesAs(viaOpa, key).median >= 0.8 && timesAs(key, viaOpa).median >= 0.8,
    ],
    [
      '20 questions a request: ≥ 60,000 decisions/s',
      `${number(batch.rate * 20)}/s; with two workers ${number(pair.rate * 20)}/s`,
      Math.max(batch.rate, pair.rate) * 20 >= 60_000,
    ],
    [`after ${FULL_LOAD_SECONDS} s of full load, the last answered decision queryable within 5 s`, `${number(full.queryable, 1)} s`, full.queryable <= 5],
    [
      'every answered decision counted in the store',
      `${number(full.found)} found of ${number(full.requests)} answered`,
      full.found >= full.requests && found.elsewhere >= answered.elsewhere && found.here >= answered.here,
    ],
    ['memory of all processes together under 1.5 GB at full load', `${number(full.memory)} MB`, full.memory < 1500],
    ...big.goals,
    ...complete.goals,
    ...search.goals,
    ...gateway.goals,
    ...syslog.goals,
    ...forward.goals,
  ].map(([goal, measured, isReached]) => `| ${goal} | ${measured} | ${reached(isReached)} |`);
  const elsewhere = cores().elsewhere ?? 'the same cores, for this machine has no others';
  return `# Benchmarks

Written by \`npm run bench\`. Machine: ${machine()}. Verdict's whole process family, OPA and the load generator (wrk, one thread, 32 connections) share cores ${shared}; a store elsewhere runs on ${elsewhere}. Each row is the median of ${ROUNDS} rounds of ${SECONDS} s that took turns; a ratio is the median of the rounds' ratios, with the least and the most. Verdict authenticates each request, looks up its directory, and has every decision fsynced before the answer; OPA does neither and prints its decision log.

## Decisions

The policy of these rows is the role table alone (test/fixtures/policies/role-table).

| | requests/s | decisions/s | p50 ms | p99 ms | p99.9 ms | memory MB | answered |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
${table.join('\n')}

Memory is the proportional set size of all processes of the row at its peak. Found afterwards, the warm-up included: ${number(found.elsewhere)} decisions in the store elsewhere of ${number(answered.elsewhere)} answered, ${number(found.here)} in chDB of ${number(answered.here)} answered; a few more than answered are those in flight when the load ended. In the store a decision takes ${number(found.bytes)} bytes on disk, its columns and indexes included.

${big.text}

${complete.text}

${search.text}

${gateway.text}

${syslog.text}

${forward.text}

## Goals

| goal | measured | |
| --- | --- | --- |
${goals.join('\n')}
`;
};

for (const command of ['wrk', 'taskset'])
  if (!hasCommand(command)) throw new Error(`${command} is missing: apt-get install ${command === 'wrk' ? 'wrk' : 'util-linux'}.`);
const opa = await findOpa({ say: progress });
if (!opa.found) throw new Error(opa.message);
const decisions = await decisionRows(opa.path);
const full = await fullLoadRow(opa.path);
const big = await bigTableRows({ progress });
const complete = await policyRows({ opa: opa.path, port: await freePort(), seconds: SECONDS, rounds: ROUNDS, timesAs, middle, progress });
const search = await searchRows({ seconds: SECONDS, rounds: ROUNDS, progress });
const gateway = await gatewayRows({ seconds: SECONDS, rounds: ROUNDS, progress });
const syslog = await syslogRows({ rounds: ROUNDS, progress });
const forward = await forwardRows({ rounds: ROUNDS, progress });
const text = report({ decisions, full, big, complete, search, gateway, syslog, forward });
const notes = existsSync(FILE) ? /\n## Notes\n[\s\S]*$/.exec(readFileSync(FILE, 'utf8'))?.[0] : undefined;
writeFileSync(FILE, text + (notes ?? ''));
process.stdout.write(text);
