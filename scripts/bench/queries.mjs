import { readFileSync } from 'node:fs';
import { get } from 'node:http';
import { createClient } from '@clickhouse/client';
import { startStoreElsewhere, startVerdict } from './platform.mjs';
import { memoryOf } from './processes.mjs';

/** Rows of the big table, BENCH_TABLE_ROWS (10 million); four fifths of them are one account's. */
const ROWS = Number(process.env.BENCH_TABLE_ROWS ?? 10_000_000);
const EXPORT_ROWS = 1_000_000;
const REPEAT = 20;
const BIG = 'acc-0';

/** Events made inside the store, in the shape that Verdict writes: a year of them is 90 days here, newest last. */
const fill = async (store, progress) => {
  const client = createClient({ url: store.url, username: store.username, password: store.password, database: 'verdict', request_timeout: 600_000 });
  const step = 500_000;
  for (let from = 0; from < ROWS; from += step) {
    await client.command({
      query: `INSERT INTO events (raw) SELECT concat(
        '{"id":"evt-', leftPad(toString(number), 26, '0'), '","timestamp":"', formatDateTime(at, '%Y-%m-%dT%H:%i:%S', 'UTC'), '.000Z","recorded":"', formatDateTime(at, '%Y-%m-%dT%H:%i:%S', 'UTC'), '.100Z","account":"', account,
        '","kind":"', if(number % 10 < 8, 'decision', 'activity'), '","actor":{"type":"user","id":"usr-', toString(cityHash64(number) % 20000), '","email":"user', toString(cityHash64(number) % 20000), '@example.com","ip":"10.', toString(cityHash64(number) % 250), '.', toString(cityHash64(number + 1) % 250), '.7"},"action":"',
        ['instance.get','instance.create','instance.delete','auth.login','firewall.update','billing.view'][1 + cityHash64(number + 2) % 6], '","resource":{"type":"instance","id":"inst-', toString(cityHash64(number + 3) % 100000), '","name":"web-', toString(cityHash64(number + 3) % 100000), '"},"result":"',
        if(number % 10 < 8, if(number % 7 = 0, 'denied', 'allowed'), if(number % 3 = 0, 'failure', 'success')), '","details":{"plan":"s-', toString(number % 4), '","note":"change ', toString(number % 9973), '"},"request":{"id":"req-', toString(number), '"},"region":"lagos-1","source":"pdp","log":"01J0000000000000000000000', toString(number % 4), '","seq":', toString(intDiv(number, 4) + 1), ',"salts":["00000000000000000000000000000000","00000000000000000000000000000000"]}')
        FROM (SELECT number, if(number % 5 < 4, '${BIG}', concat('acc-', toString(1 + number % 200))) AS account, now() - INTERVAL 89 DAY + toIntervalSecond(intDiv(number * 89 * 86400, ${ROWS})) AS at
              FROM numbers(${from}, ${Math.min(step, ROWS - from)}))`,
    });
    progress(`big table: ${Math.min(from + step, ROWS).toLocaleString('en-US')} rows`);
  }
  await client.close();
};

const middle = Math.floor(ROWS / 2);
const filters = [
  ['first page, every account', ''],
  ['first page, the big account', `account=${BIG}`],
  ['first page, a small account', 'account=acc-25'],
  ['account and event', `account=${BIG}&event=instance.delete`],
  ['event, absent', 'event=volume.detach'],
  ['user by e-mail', 'user=user777@example.com'],
  ['user, absent', 'user=nobody@example.com'],
  ['resource', 'resource=inst-4242'],
  ['resource, absent', 'resource=inst-none'],
  ['result', `account=${BIG}&result=failure`],
  ['kind', 'kind=activity'],
  ['ip', 'ip=10.77.12.7'],
  ['ip, absent', 'ip=203.0.113.9'],
  ['request id', `request_id=req-${middle}`],
  ['request id, absent', 'request_id=req-none'],
  ['q, present', 'q=change%209001'],
  ['q, absent', 'q=never%20said%20anywhere'],
  ['dates', 'start_date=2000-01-01&end_date=2001-01-01'],
];

const timed = async (node, query) => {
  const begun = performance.now();
  const answer = await fetch(`${node.url}/v1/audit-logs?limit=50${query && `&${query}`}`, { headers: { authorization: `Bearer ${node.token}` } });
  const { data } = await answer.json();
  return { ms: performance.now() - begun, events: data?.events.length ?? 0, isWhole: answer.ok };
};

/** A page by each filter while events keep coming, and an export of a million rows. */
export const bigTableRows = async ({ progress }) => {
  const store = await startStoreElsewhere();
  const node = await startVerdict({ store });
  await fill(store, progress);
  let isIngesting = true;
  const ingest = (async () => {
    while (isIngesting) {
      const batch = Array.from({ length: 500 }, () => ({
        account: 'acc-bench',
        actor: { type: 'user', id: 'usr-1' },
        action: 'instance.get',
        resource: { type: 'instance', id: 'inst-1' },
        result: 'success',
      }));
      await node.call('POST', '/v1/events', batch);
      await new Promise((done) => setTimeout(done, 100));
    }
  })();
  const measured = [];
  for (const [name, query] of filters) {
    progress(`big table: ${name}`);
    const runs = [];
    for (let index = 0; index < REPEAT; index++) runs.push(await timed(node, query));
    const sorted = runs.map((run) => run.ms).sort((a, b) => a - b);
    measured.push({ name, p50: sorted[Math.floor(REPEAT / 2)], p99: sorted.at(-1), events: runs.at(-1).events, isWhole: runs.every((run) => run.isWhole) });
  }
  isIngesting = false;
  await ingest;
  progress('big table: export');
  const exported = await exportRows(node);
  await node.stop();
  await store.stop();
  return describe(measured, exported);
};

const workerOf = (folder) => JSON.parse(readFileSync(`${folder}/data/processes.json`, 'utf8')).map((mark) => mark.pid);

const exportRows = (node) =>
  new Promise((done, failed) => {
    const [, , worker] = workerOf(node.folder);
    let most = 0;
    const timer = setInterval(() => {
      most = Math.max(most, memoryOf(worker));
    }, 200);
    const begun = performance.now();
    const url = `${node.url}/v1/audit-logs/export?format=jsonl&account=${BIG}&event=instance.*`;
    let rows = 0;
    const outgoing = get(url, { headers: { authorization: `Bearer ${node.token}` } }, (response) => {
      response.on('data', (chunk) => {
        for (const byte of chunk) if (byte === 10) rows += 1;
        if (rows >= EXPORT_ROWS) outgoing.destroy();
      });
      response.on('close', () => {
        clearInterval(timer);
        done({ rows, rate: rows / ((performance.now() - begun) / 1000), memory: most });
      });
    });
    outgoing.on('error', (error) => (rows >= EXPORT_ROWS ? undefined : failed(error)));
  });

const number = (value, digits = 0) => value.toLocaleString('en-US', { maximumFractionDigits: digits, minimumFractionDigits: digits });

const describe = (measured, exported) => {
  const firsts = measured.filter(({ name }) => name.startsWith('first page'));
  const others = measured.filter(({ name }) => !name.startsWith('first page'));
  const slowest = (rows) => rows.reduce((most, row) => (row.p99 > most.p99 ? row : most));
  const table = measured.map((row) => `| ${row.name} | ${number(row.p50)} | ${number(row.p99)} | ${row.events}${row.isWhole ? '' : ' (failed)'} |`);
  return {
    text: `## Queries among ${number(ROWS)} events

Four fifths of them are one account's; ${REPEAT} requests each, through the API, while events are being ingested. The last column is what a page of 50 gave.

| page | p50 ms | slowest ms | events |
| --- | ---: | ---: | ---: |
${table.join('\n')}

Export: ${number(exported.rows)} rows as JSON lines at ${number(exported.rate)} rows/s; the decision process held ${number(exported.memory)} MB at most.`,
    goals: [
      ['a first page under 100 ms at p99', `${number(slowest(firsts).p99)} ms (${slowest(firsts).name})`, slowest(firsts).p99 < 100],
      ['a page by each filter under 500 ms', `${number(slowest(others).p99)} ms (${slowest(others).name})`, slowest(others).p99 < 500],
      ['an export of at least 100,000 rows/s', `${number(exported.rate)} rows/s`, exported.rate >= 100_000],
      ['in under 200 MB of the decision process', `${number(exported.memory)} MB`, exported.memory < 200],
    ],
  };
};
