import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { loadPolicy, localDirectory } from '../../dist/evaluate/index.js';
import { inputJson } from '../../dist/evaluate/input-json.js';
import { ask } from '../../dist/evaluate/tools/index.js';
import { newUlid } from '../../dist/event/index.js';
import { SOURCES, startOpa, startStoreElsewhere, startVerdict } from './platform.mjs';
import { cores } from './processes.mjs';
import { entities, questions } from './realistic.mjs';
import { wrk } from './wrk.mjs';

const BUNDLE = resolve(import.meta.dirname, '../../policies/bundle.tar.gz');
const PASSES = 50;
const AT_ONCE = 1_000;

const percentile = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];

/** What Verdict gives the policy for each question: with it OPA, which has no directory, is asked the same. */
const inputsOf = async (directory, policy) => {
  const inputs = [];
  let allowed = 0;
  for (const question of questions()) {
    const { input, answer } = await ask(question, { policy, directory });
    inputs.push(input);
    if (answer.allow) allowed += 1;
  }
  return { inputs, allowed };
};

const filled = async (path) => {
  const directory = localDirectory({ path });
  const all = entities();
  for (let from = 0; from < all.length; from += AT_ONCE)
    await directory.apply(all.slice(from, from + AT_ONCE).map((entity) => ({ change: newUlid(), op: 'put', ...entity })));
  return { directory, count: all.length };
};

/** Microseconds that the compiled policy takes for each of the inputs, alone in this process: bytes in, an answer out, as a decision does it. */
const alone = (policy, inputs) => {
  for (const input of inputs) policy.decide(inputJson(input));
  const times = [];
  for (let pass = 0; pass < PASSES; pass++)
    for (const input of inputs) {
      const begun = performance.now();
      const bytes = inputJson(input);
      const written = performance.now();
      policy.decide(bytes);
      times.push({ writing: (written - begun) * 1000, evaluation: (performance.now() - written) * 1000 });
    }
  const sorted = (name) => times.map((one) => one[name]).sort((a, b) => a - b);
  return { writing: sorted('writing'), evaluation: sorted('evaluation') };
};

const number = (value, digits = 0) => value.toLocaleString('en-US', { maximumFractionDigits: digits, minimumFractionDigits: digits });

/** The complete policy over a realistic directory: evaluation alone, and served beside OPA with the same bundle and the same inputs. */
export const policyRows = async ({ opa, port, seconds, rounds, timesAs, middle, progress }) => {
  const folder = mkdtempSync(join(tmpdir(), 'verdict-bench-directory-'));
  progress('the complete policy: evaluation alone');
  const { directory, count } = await filled(folder);
  const policy = await loadPolicy({ path: BUNDLE, entrypoint: 'verdict/decision', memoryPages: 2048 });
  const { inputs, allowed } = await inputsOf(directory, policy);
  const times = alone(policy, inputs);
  await directory.close();
  rmSync(folder, { recursive: true, force: true });

  const store = await startStoreElsewhere();
  const node = await startVerdict({ store });
  const all = entities();
  for (let from = 0; from < all.length; from += AT_ONCE) {
    const { data } = await node.call('POST', '/v1/entities', all.slice(from, from + AT_ONCE));
    const refused = data.entities.find(({ status }) => status >= 300);
    if (refused) throw new Error(`The directory refused ${JSON.stringify(refused)}`);
  }
  const peer = await startOpa(opa, port, SOURCES.platform);
  const ours = {
    url: `${node.url}/access/v1/evaluation`,
    body: questions().map((one) => JSON.stringify(one)),
    headers: { Authorization: `Bearer ${node.token}` },
  };
  const theirs = { url: peer.url, body: inputs.map((input) => JSON.stringify({ input })) };
  const runs = { ours: [], theirs: [] };
  for (let round = 0; round <= rounds; round++) {
    progress(`the complete policy, served: round ${round} of ${rounds}`);
    const one = await wrk({ ...ours, seconds: round === 0 ? 2 : seconds, cores: cores().shared });
    const other = await wrk({ ...theirs, seconds: round === 0 ? 2 : seconds, cores: cores().shared });
    if (round > 0) {
      runs.ours.push(one);
      runs.theirs.push(other);
    }
  }
  for (const running of [node, peer, store]) await running.stop();
  return describe(
    { count, allowed, asked: inputs.length, bytes: JSON.stringify(inputs).length / inputs.length, times },
    middle(runs.ours),
    middle(runs.theirs),
    timesAs,
  );
};

const describe = ({ count, allowed, asked, bytes, times }, ours, theirs, timesAs) => {
  const { writing, evaluation } = times;
  const [median, p99] = [percentile(evaluation, 0.5), percentile(evaluation, 0.99)];
  const ratio = timesAs(ours, theirs);
  const row = (name, { rate, p50, p99: slow, refused }) => `| ${name} | ${number(rate)} | ${number(p50, 2)} | ${number(slow, 2)} | ${refused} |`;
  return {
    text: `## The complete policy

${number(count)} entities: 10,000 users with 10 IAM documents each, 200 accounts with 100 ACL entries each, all three grant models in force. ${number(asked)} different questions with tokens (${number(allowed)} are allowed) take turns; the policy's input has ${number(bytes)} bytes of JSON on average. OPA is given the same inputs ready-made, since it has no directory; it answers from the same sources.

Evaluation alone, in one process: ${number(median)} µs at the median, ${number(percentile(evaluation, 0.9))} µs at p90, ${number(p99)} µs at p99. Writing the input as JSON, which comes before it, takes ${number(percentile(writing, 0.5), 1)} µs at the median and ${number(percentile(writing, 0.99), 1)} µs at p99.

| | requests/s | p50 ms | p99 ms | refused |
| --- | ---: | ---: | ---: | ---: |
${row('Verdict, everything on, store elsewhere', ours)}
${row('OPA, console decision logs, no authentication', theirs)}`,
    goals: [
      ['the complete policy, evaluation alone: at most 60 µs at the median', `${number(median)} µs`, median <= 60],
      ['… and at most 200 µs at p99', `${number(p99)} µs`, p99 <= 200],
      ['the complete policy, served: ≥ 1.5 × OPA', ratio.text, ratio.median >= 1.5],
    ],
  };
};
