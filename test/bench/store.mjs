// Measures the store's queries and exports on a big table, while ingest runs.
// node test/bench/store.mjs <dist folder> <data folder> [rows=10000000] [events a second of ingest=5000] [days=60]
// The data folder is filled when it is empty, and kept.
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';

const [dist, data, rows = '10000000', rate = '5000', days = '60'] = process.argv.slice(2);
const load = (file) => import(pathToFileURL(join(resolve(dist), file)).href);
const { startEmbeddedStore, migrate, openStore, createStoreClient } = await load('store/index.js');
const { newExporter } = await load('export/index.js');
const { place, toLine, newEventId } = await load('event/index.js');

const log = { info: () => undefined, warn: (fields, message) => console.error(message, fields) };
mkdirSync(data, { recursive: true });
const embedded = await startEmbeddedStore({ dataDir: data }, { log });
const config = {
  url: embedded.url,
  username: embedded.username,
  password: embedded.password,
  database: 'verdict',
  cluster: '',
  tls: { ca: '', cert: '', key: '' },
  query_seconds: 10,
};
await migrate(config);
const store = openStore(config);
const client = createStoreClient(config);
const sql = async (query) => (await (await client.exec({ query })).stream.toArray()).join('').trim();

const base32 = (seed) =>
  `substring(replaceRegexpAll(base64Encode(toString(sipHash64(${seed})) || toString(sipHash64(${seed} + 1))), '[^A-Za-z0-9]', ''), 1, 20)`;
const eventSql = (from, count, total, start, span) => `
INSERT INTO events (raw) SELECT concat(
 '{"id":"evt-01JD', upper(${base32('number * 7')}), '","timestamp":"', t, '","recorded":"', t, '","account":"', if(number % 5 = 0, 'acc-' || toString(2 + intDiv(number, 5) % 300), 'acc-1'),
 '","kind":"decision","actor":{"type":"user","id":"usr-', toString(sipHash64(number) % 5000), '","email":"user', toString(sipHash64(number) % 5000), '@example.com","ip":"10.', toString(sipHash64(number, 2) % 4), '.', toString(sipHash64(number, 3) % 256), '.', toString(sipHash64(number, 4) % 256), '","user_agent":"curl/8.5.0"},"action":"',
 ['instance.create', 'instance.delete', 'instance.read', 'firewall.update', 'volume.attach', 'ssh_key.create', 'billing.read', 'login'][1 + sipHash64(number, 5) % 8],
 '","resource":{"type":"instance","id":"inst-', toString(sipHash64(number, 6) % 200000), '","name":"web-', toString(sipHash64(number, 6) % 200000), '"},"result":"', if(sipHash64(number, 7) % 50 = 0, 'denied', 'allowed'),
 '","details":{"plan":"s-2vcpu-4gb","region":"lagos-1","image":"ubuntu-24.04","tag":"', lower(hex(sipHash64(number, 8))), '"},"decision":{"allow":true,"reasons":[{"code":"role.allows","message":"developer may instance.create"}],"advice":[],"policy":"0b7a1d2e3f405162","duration_us":12,"question":{"subject":{"type":"user","id":"usr-', toString(sipHash64(number) % 5000), '"},"action":{"name":"instance.create"},"resource":{"type":"instance","id":"inst-', toString(sipHash64(number, 6) % 200000), '"},"context":{}},"facts":{"user/usr-', toString(sipHash64(number) % 5000), '":17}},"request":{"id":"', lower(hex(sipHash64(number, 9))), '","method":"POST","path":"/access/v1/evaluation","status":200,"duration_ms":1.5},"region":"lagos-1","source":"pdp","log":"01JD0000000000000000000001","seq":', toString(number + 1), ',"salts":["', lower(hex(sipHash128(number))), '","', lower(hex(sipHash128(number, 1))), '"]}')
FROM (SELECT number, formatDateTime(fromUnixTimestamp64Milli(toInt64(${start} + number * ${span} / ${total}), 'UTC'), '%Y-%m-%dT%H:%i:%S', 'UTC') || '.' || leftPad(toString(toInt64(${start} + number * ${span} / ${total}) % 1000), 3, '0') || 'Z' AS t FROM numbers(${from}, ${count}))`;

const fill = async () => {
  const total = Number(rows);
  const span = Number(days) * 86_400_000;
  const start = Date.now() - span - 60_000;
  const chunk = 200_000;
  const began = Date.now();
  for (let from = Number(await sql('SELECT count() FROM events')); from < total; from += chunk) {
    await sql(eventSql(from, Math.min(chunk, total - from), total, start, span));
    if (from % 2_000_000 === 0) console.log(`filled ${from} in ${Math.round((Date.now() - began) / 1000)} s`);
  }
};
await fill();
console.log(await sql("SELECT 'rows', count(), 'parts', (SELECT count() FROM system.parts WHERE active AND table = 'events') FROM events"));
console.log(
  await sql(
    "SELECT formatReadableSize(sum(bytes_on_disk)), formatReadableSize(sum(secondary_indices_compressed_bytes)), formatReadableSize(sum(primary_key_bytes_in_memory)) FROM system.parts WHERE active AND table = 'events'",
  ),
);
console.log(await sql("SELECT name, formatReadableSize(data_compressed_bytes) FROM system.data_skipping_indices WHERE table = 'events'"));
console.log(
  await sql(
    "SELECT name, formatReadableSize(data_compressed_bytes), formatReadableSize(data_uncompressed_bytes) FROM system.columns WHERE table = 'events' AND database = 'verdict' ORDER BY data_compressed_bytes DESC LIMIT 8",
  ),
);

let ingesting = true;
let ingested = 0;
const ingest = async () => {
  let seq = 1;
  const stream = newEventId().slice(4);
  while (ingesting) {
    const began = Date.now();
    const at = new Date(began).toISOString();
    const lines = [];
    for (let n = 0; n < Number(rate) / 2; n += 1) {
      const draft = {
        id: newEventId(),
        timestamp: at,
        account: n % 5 ? 'acc-1' : `acc-${2 + (n % 300)}`,
        kind: 'decision',
        actor: { type: 'user', id: `usr-${n}` },
        action: 'instance.read',
        resource: { type: 'instance', id: `inst-${n}` },
        result: 'allowed',
        decision: {
          allow: true,
          reasons: [{ code: 'role.allows', message: 'developer may' }],
          advice: [],
          policy: '0b7a',
          duration_us: 9,
          question: { subject: { type: 'user', id: `usr-${n}` } },
          facts: {},
        },
        request: { id: randomBytes(8).toString('hex') },
        source: 'pdp',
      };
      lines.push(toLine(place(draft, { log: stream, seq: seq++ }, at)));
    }
    const done = await store.insertLines(Buffer.from(`${lines.join('\n')}\n`));
    if (done.outcome !== 'inserted') console.error(done);
    ingested += lines.length;
    await sleep(Math.max(0, 500 - (Date.now() - began)));
  }
};

const quantile = (times, q) => [...times].sort((a, b) => a - b)[Math.min(times.length - 1, Math.floor(times.length * q))];
const measure = async (name, filter, reach, times = 40) => {
  const took = [];
  let found = 0;
  let more = '';
  for (let n = 0; n < times; n += 1) {
    const began = performance.now();
    const page = await store.list(filter, reach, { limit: 50 });
    took.push(performance.now() - began);
    found = page.lines.length;
    more = page.next_cursor ? '+' : '';
  }
  console.log(
    `${name.padEnd(44)} ${String(found).padStart(3)}${more.padEnd(1)} p50 ${quantile(took, 0.5).toFixed(0).padStart(5)} ms  p99 ${quantile(took, 0.99).toFixed(0).padStart(5)} ms`,
  );
};

const sample = JSON.parse(
  (await sql("SELECT raw FROM events WHERE account = 'acc-1' AND timestamp < now() - INTERVAL 30 DAY ORDER BY timestamp DESC LIMIT 1 FORMAT TSVRaw")) ||
    (await sql('SELECT raw FROM events LIMIT 1 FORMAT TSVRaw')),
);
const running = Number(rate) > 0 ? ingest() : undefined;
await sleep(2000);
for (const [who, reach] of [
  ['all', 'all'],
  ['acc-1', ['acc-1']],
  ['acc-77', ['acc-77']],
]) {
  await measure(`${who}: first page`, {}, reach, 200);
  const filters = {
    event: ['instance.delete', 'no.such'],
    'event ': ['inst*.del*', 'no*such'],
    user: [sample.actor.id, 'usr-none'],
    resource: [sample.resource.id, 'inst-none'],
    'resource ': [sample.resource.name, 'web-none'],
    result: ['denied', 'error'],
    kind: ['decision', 'activity'],
    ip: [sample.actor.ip, '192.0.2.1'],
    request_id: [sample.request.id, 'none'],
    q: ['ssh_key', 'nothinglikethis'],
    'q ': [sample.details.tag, sample.actor.email],
    'q  ': ['zq', sample.details.tag.slice(0, 8)],
    account: ['acc-1', 'acc-none'],
    end_date: ['2020-01-01', sample.timestamp],
  };
  for (const [name, values] of Object.entries(filters))
    for (const value of values) await measure(`${who}: ${name.trim()}=${value}`, { [name.trim()]: value }, reach, 20);
}
const timed = async (name, act) => {
  const began = performance.now();
  const result = await act();
  console.log(`${name.padEnd(44)} ${(performance.now() - began).toFixed(0)} ms`, result);
};
await timed('get', async () => (await store.get(sample.id, 'all')).length);
await timed('get absent', async () => (await store.get('evt-01JDNONE', 'all')).length);
await timed('oldest', () => store.oldest('all'));
await timed('count all', () => store.count({}, 'all'));
await timed('count acc-1', () => store.count({}, ['acc-1']));
await timed('ranges', async () => (await store.ranges()).length);
ingesting = false;
await running;
console.log('ingested meanwhile', ingested);
const status = readFileSync(`/proc/${embedded.pid}/status`, 'utf8');
console.log("the store's process:", status.match(/VmRSS.*/)?.[0], status.match(/VmHWM.*/)?.[0]);
const EXPORTED = 1_000_000;
for (const format of ['jsonl', 'json', 'csv'])
  for (const reach of [['acc-1'], 'all']) {
    // as many days from the beginning as hold a million rows
    const first = await store.oldest(reach);
    const share = reach === 'all' ? 1 : 0.8;
    const end_date = new Date(first + (EXPORTED / share / Number(rows)) * Number(days) * 86_400_000).toISOString();
    const began = performance.now();
    const run = newExporter({}, { store })({ end_date }, reach, format);
    let worst = 0;
    let most = 0;
    let last = performance.now();
    const watch = setInterval(() => {
      worst = Math.max(worst, performance.now() - last - 5);
      last = performance.now();
      most = Math.max(most, process.memoryUsage().rss);
    }, 5);
    for await (const _chunk of run.chunks);
    clearInterval(watch);
    const seconds = (performance.now() - began) / 1000;
    const { rows: count, bytes } = run.manifest();
    console.log(
      `export ${format} ${reach}: ${count} rows, ${Math.round(bytes / 1e6)} MB in ${seconds.toFixed(1)} s: ${Math.round(count / seconds)} rows/s; at most ${Math.round(most / 1e6)} MB, loop held for at most ${worst.toFixed(0)} ms`,
    );
  }
await client.close();
await store.close();
await embedded.stop();
