import { randomBytes } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, readFileSync, readSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cores, pinned, start } from './processes.mjs';

const ROOT = resolve(import.meta.dirname, '../..');
const TOKEN = randomBytes(24).toString('hex');
const BATCH = 1_000;
const LF = 10;

const clientOf = (url) => {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  return (method, path, body) =>
    new Promise((done, failed) => {
      const text = body === undefined ? undefined : JSON.stringify(body);
      const headers = { authorization: `Bearer ${TOKEN}`, ...(text && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }) };
      const outgoing = request(`${url}${path}`, { method, agent, headers }, (answer) => {
        const parts = [];
        answer.on('data', (part) => parts.push(part));
        answer.on('end', () => done({ status: answer.statusCode, body: Buffer.concat(parts).toString() }));
      });
      outgoing.on('error', failed);
      outgoing.end(text);
    });
};

/** An ordinary activity. */
const eventOf = (action, index) => ({
  account: `acc-${index % 20}`,
  actor: { type: 'user', id: `usr-${index % 1000}`, email: 'ada@example.com', ip: '198.51.100.7' },
  action,
  resource: { type: 'instance', id: `inst-${index}`, name: `web-${index}` },
  result: 'success',
  details: { plan: 's-2vcpu', image: 'ubuntu-24.04', tags: ['a', 'b'] },
  request: { id: `req-${index}`, method: 'POST', path: '/v1/instances', status: 201, duration_ms: 12 },
});

/** A whole family with forwarders, on the shared cores, its store with it. */
export const startFamily = async ({ workers = 1 } = {}) => {
  const folder = mkdtempSync(join(tmpdir(), 'verdict-bench-forward-'));
  const family = start(pinned(cores().shared, [process.execPath, join(ROOT, 'bin/verdict.js'), 'serve']), {
    cwd: folder,
    pattern: /Verdict listens on (\S+)/,
    env: {
      VERDICT_DATA_DIR: join(folder, 'data'),
      VERDICT_HTTP_PORT: '0',
      VERDICT_LOG_LEVEL: 'error',
      VERDICT_DECISION_WORKERS: String(workers),
      VERDICT_ADMIN_TOKEN: TOKEN,
      VERDICT_OUTBOUND_ALLOW: '127.0.0.0/8',
    },
  });
  const [, url] = await family.ready;
  const call = clientOf(url);
  const json = async (method, path, body) => {
    const { status, body: text } = await call(method, path, body);
    if (status >= 300) throw new Error(`${method} ${path} answered ${status}: ${text}`);
    return text === '' ? undefined : JSON.parse(text);
  };
  const metric = async (pattern) => Number(pattern.exec((await call('GET', '/metrics')).body)?.[1] ?? Number.NaN);

  /** Records events of one action, four requests at a time; resolves with their ids. `rate`: the most a second. */
  const record = async (action, count, { rate = Number.POSITIVE_INFINITY } = {}) => {
    const ids = [];
    let begun = 0;
    const started = performance.now();
    const post = async () => {
      while (begun < count) {
        const from = begun;
        begun += BATCH;
        const wait = (from / rate) * 1000 - (performance.now() - started);
        if (wait > 0) await sleep(wait);
        const events = Array.from({ length: Math.min(BATCH, count - from) }, (_, index) => eventOf(action, from + index));
        for (;;) {
          const { status, body } = await call('POST', '/v1/events', events);
          if (status < 300) {
            for (const { id } of JSON.parse(body).data.events) ids.push(id);
            break;
          }
          // The journal is full until the store has caught up.
          await sleep(200);
        }
      }
    };
    // As many connections as spread evenly over two workers.
    await Promise.all([post(), post(), post(), post()]);
    return ids;
  };

  return {
    call,
    json,
    metric,
    record,
    /** Waits until the store has everything. */
    drained: async () => {
      while (!((await metric(/^verdict_consumer_lag_events\{consumer="ingest"\} (\d+)/m)) === 0)) await sleep(300);
    },
    add: async (wish) => (await json('POST', '/v1/forwarders', wish)).data.forwarder.id,
    show: async (id) => (await json('GET', `/v1/forwarders/${id}`)).data.forwarder,
    /** Megabytes of the pipeline's own memory, without the files that it maps (LMDB's). */
    pipelineMemory: () => {
      const { pid } = JSON.parse(readFileSync(join(folder, 'data/processes.json'), 'utf8')).find((one) => {
        try {
          return readFileSync(`/proc/${one.pid}/cmdline`, 'utf8').endsWith('\0pipeline\0');
        } catch {
          return false;
        }
      });
      return Number(/^RssAnon:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
    },
    stop: async () => {
      await family.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
};

/** Counts lines as a file grows. */
export const newLineCounter = (file) => {
  const fd = openSync(file, 'r');
  const piece = Buffer.allocUnsafe(4_194_304);
  let lines = 0;
  return {
    count: () => {
      for (let read = readSync(fd, piece); read > 0; read = readSync(fd, piece))
        for (let at = piece.indexOf(LF); at >= 0 && at < read; at = piece.indexOf(LF, at + 1)) lines += 1;
      return lines;
    },
    close: () => closeSync(fd),
  };
};
