// How fast events are written and handed over: `node scripts/bench/outgoing.mjs` after `npm run build`. The collectors
// are in this process and accept everything: what is measured is Verdict's part, on one core.
import { lookup } from 'node:dns';
import { createServer } from 'node:http';
import { createGunzip } from 'node:zlib';
import { EVENT_FORMATS, SENDERS } from '../../dist/export/index.js';

const COUNT = Number(process.env.BENCH_EVENTS ?? 50_000);
const BATCH = 2_000;

const event = (n) => ({
  id: `evt-01JD${String(n).padStart(22, '0')}`,
  timestamp: '2026-11-22T04:03:48.496Z',
  recorded: '2026-11-22T04:03:48.501Z',
  account: `acc-${n % 50}`,
  kind: 'decision',
  actor: { type: 'user', id: `usr-${n % 1000}`, email: `user${n % 1000}@example.com`, ip: '198.51.100.7', user_agent: 'curl/8.5.0' },
  action: 'instance.create',
  resource: { type: 'instance', id: `inst-${n}`, name: 'web-1' },
  result: 'allowed',
  details: { plan: 's-2vcpu', image: 'ubuntu-24.04' },
  decision: {
    allow: true,
    reasons: [{ code: 'rbac.allowed', message: 'The role developer allows it.' }],
    advice: [],
    policy: 'f'.repeat(64),
    duration_us: 212,
    question: { subject: { type: 'user', id: `usr-${n % 1000}` }, action: { name: 'instance.create' }, resource: { type: 'instance', id: `inst-${n}` } },
    facts: { [`user/usr-${n % 1000}`]: 17 },
  },
  request: { id: `req-${n}`, method: 'POST', path: '/v1/instances', status: 201, duration_ms: 12 },
  region: 'lagos-1',
  source: 'pdp',
  log: '01JD0000000000000000000001',
  seq: n + 1,
});

const outgoing = Array.from({ length: COUNT }, (_, n) => {
  const one = event(n);
  return { event: one, raw: JSON.stringify(one), log: one.log, seq: one.seq };
});

const rate = (count, began) => Math.round((count / (performance.now() - began)) * 1000);
const row = (name, perSecond) => console.log(`${name.padEnd(28)} ${perSecond.toLocaleString('en-US').padStart(10)} events/s`);

console.log(`${COUNT} events of ${outgoing[0].raw.length} bytes, Node ${process.versions.node}`);
for (const [name, format] of Object.entries(EVENT_FORMATS)) {
  for (const one of outgoing.slice(0, 5_000)) format.line(one);
  const began = performance.now();
  for (const one of outgoing) format.line(one);
  row(`written as ${name}`, rate(COUNT, began));
}

/** Reads a request to its end and counts its lines, without keeping it. */
const linesOf = async (request) => {
  const stream = request.headers['content-encoding'] === 'gzip' ? request.pipe(createGunzip()) : request;
  let lines = 0;
  for await (const part of stream) for (const byte of part) if (byte === 10) lines += 1;
  return lines;
};
const answers = {
  splunk: (response) => response.end('{"text":"Success","code":0}'),
  datadog: (response) => response.writeHead(202).end('{}'),
  elastic: (response, lines) => response.end(JSON.stringify({ errors: false, items: Array.from({ length: lines / 2 }, () => ({ create: { status: 201 } })) })),
  'sumo-logic': (response) => response.end(),
  https: (response) => response.writeHead(204).end(),
};
const configs = {
  splunk: (url) => ({ url, token: 'token' }),
  datadog: (url) => ({ url, api_key: 'key' }),
  elastic: (url) => ({ url, index: 'audit' }),
  'sumo-logic': (url) => ({ url: `${url}/source` }),
  https: (url) => ({ url }),
};

for (const [type, answer] of Object.entries(answers)) {
  const server = createServer(async (request, response) => answer(response, await linesOf(request)));
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const destination = SENDERS.find((one) => one.type === type);
  for (const gzip of [true, false]) {
    const config = { ...configs[type](`http://127.0.0.1:${server.address().port}`), plain_http: true, gzip };
    const sender = destination.make(config, { dial: { lookup, check: () => undefined }, format: destination.formats[0] });
    const began = performance.now();
    for (let from = 0; from < COUNT; from += BATCH) {
      const sent = await sender.send(outgoing.slice(from, from + BATCH), new AbortController().signal);
      if (sent.outcome !== 'accepted' || sent.refused) throw new Error(`${type} answered ${JSON.stringify(sent)}`);
    }
    row(`to ${type}, ${destination.formats[0]}${gzip ? ', gzip' : ''}`, rate(COUNT, began));
    await sender.close();
  }
  server.close();
}
