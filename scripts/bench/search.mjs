import { startStoreElsewhere, startVerdict } from './platform.mjs';
import { cores } from './processes.mjs';
import { wrk } from './wrk.mjs';

const ACCOUNT = 'acc-search';
const CANDIDATES = 10_000;
const AT_ONCE = 1_000;
/** A few callers that ask without pause, so that what they wait for is the worker, and not each other. */
const CONNECTIONS = 4;

const entities = [
  { type: 'account', id: ACCOUNT, account: ACCOUNT, properties: { name: 'Search' } },
  { type: 'user', id: 'usr-search', properties: { email: 'search@example.com' } },
  { type: 'membership', id: `${ACCOUNT}:usr-search`, account: ACCOUNT, properties: { role: 'developer' } },
  ...Array.from({ length: CANDIDATES }, (_, at) => ({
    type: 'instance',
    id: `inst-s${String(at).padStart(5, '0')}`,
    account: ACCOUNT,
    properties: { name: `web-${at}`, region: 'lagos-1', tags: [`team-${at % 20}`] },
  })),
];

const subject = { type: 'user', id: 'usr-search' };
const search = { subject, action: { name: 'instance.get' }, resource: { type: 'instance' }, context: { account: ACCOUNT }, page: { limit: CANDIDATES } };
const questions = Array.from({ length: 200 }, (_, at) => ({
  subject,
  action: { name: at % 2 === 0 ? 'instance.get' : 'instance.delete' },
  resource: { type: 'instance', id: `inst-s${String(at * 37).padStart(5, '0')}` },
}));

const percentile = (values, share) => [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))];
const number = (value, digits = 0) => value.toLocaleString('en-US', { maximumFractionDigits: digits, minimumFractionDigits: digits });

/** One whole search: the milliseconds from the question to the answer's last byte. */
const searched = async (node) => {
  const begun = performance.now();
  const answer = await fetch(`${node.url}/access/v1/search/resource`, {
    method: 'POST',
    headers: { authorization: `Bearer ${node.token}`, 'content-type': 'application/json' },
    body: JSON.stringify(search),
  });
  const { page, results } = await answer.json();
  const milliseconds = performance.now() - begun;
  if (results.length !== CANDIDATES || page.next_token !== '')
    throw new Error(`A search over ${CANDIDATES} candidates found ${results.length}, ${page.next_token === '' ? 'and no more' : 'and there are more'}.`);
  return milliseconds;
};

/** A search over 10,000 candidates, alone and beside single decisions, and what those wait for it. */
export const searchRows = async ({ seconds, rounds, progress }) => {
  progress(`search: ${CANDIDATES} candidates`);
  const store = await startStoreElsewhere();
  const node = await startVerdict({ store });
  for (let from = 0; from < entities.length; from += AT_ONCE) await node.call('POST', '/v1/entities', entities.slice(from, from + AT_ONCE));
  for (let run = 0; run < 3; run++) await searched(node);
  const alone = [];
  for (let run = 0; run < 20; run++) alone.push(await searched(node));

  const load = (length) =>
    wrk({
      url: `${node.url}/access/v1/evaluation`,
      body: questions.map((one) => JSON.stringify(one)),
      headers: { Authorization: `Bearer ${node.token}` },
      connections: CONNECTIONS,
      seconds: length,
      cores: cores().shared,
    });
  await load(2);
  const runs = { without: [], beside: [] };
  const meanwhile = [];
  for (let round = 1; round <= rounds; round++) {
    progress(`search beside single decisions: round ${round} of ${rounds}`);
    runs.without.push(await load(seconds));
    let isLoaded = true;
    const searching = (async () => {
      while (isLoaded) meanwhile.push(await searched(node));
    })();
    runs.beside.push(await load(seconds));
    isLoaded = false;
    await searching;
  }
  for (const running of [node, store]) await running.stop();
  return describe({ alone, meanwhile, ...runs });
};

const middle = (runs, name) =>
  percentile(
    runs.map((run) => run[name]),
    0.5,
  );

const describe = ({ alone, meanwhile, without, beside }) => {
  const row = (name, runs) =>
    `| ${name} | ${number(middle(runs, 'rate'))} | ${number(middle(runs, 'p50'), 2)} | ${number(middle(runs, 'p99'), 2)} | ${number(middle(runs, 'p999'), 2)} |`;
  const [first, second] = [middle(without, 'p99'), middle(beside, 'p99')];
  return {
    text: `## Search

One search over ${number(CANDIDATES)} servers by the complete policy, all of them found and told in one answer, recorded as one event: ${number(percentile(alone, 0.5))} ms at the median of ${alone.length}, ${number(Math.max(...alone))} ms at most. Single decisions by ${CONNECTIONS} callers that ask without pause, and beside them one search after the other, each of ${number(percentile(meanwhile, 0.5))} ms at the median:

| single decisions | requests/s | p50 ms | p99 ms | p99.9 ms |
| --- | ---: | ---: | ---: | ---: |
${row('without a search', without)}
${row('while somebody searches', beside)}`,
    goals: [
      [
        `search over ${number(CANDIDATES)} candidates: answered in under 1 s`,
        `${number(percentile(alone, 0.5))} ms; ${number(Math.max(...alone))} ms at most`,
        Math.max(...alone) < 1_000,
      ],
      ['… and single decisions wait at most 5 ms more for it at p99', `${number(second, 2)} ms against ${number(first, 2)} ms`, second - first <= 5],
    ],
  };
};
