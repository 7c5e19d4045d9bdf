import { execFileSync } from 'node:child_process';
import { lookup } from 'node:dns';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { newUlid, place, shown } from '../../dist/event/index.js';
import { syslogSender } from '../../dist/export/index.js';
import { startRsyslog } from '../peers/rsyslog.mjs';
import { newLineCounter } from './forward-family.mjs';
import { cores, memoryOf, pinned, start } from './processes.mjs';

/**
 * Events a second from the sender's input to the file of a real rsyslog, both on the cores that the other rows share,
 * over TLS and over RELP. BENCH_SYSLOG_EVENTS (default 200,000) is how many each round has. Run by itself with a
 * sender's configuration it is the sender.
 */
const EVENTS = Number(process.env.BENCH_SYSLOG_EVENTS ?? 200_000);
const GOALS = { tls: 20_000, relp: 10_000 };

const eventOf = (seq, log) => {
  const draft = {
    id: `evt-${seq}`,
    timestamp: '2026-11-20T10:00:00.000Z',
    account: `acc-${seq % 100}`,
    kind: 'activity',
    actor: { type: 'user', id: `usr-${seq % 1000}`, email: 'ada@example.com', ip: '198.51.100.7' },
    action: 'instance.create',
    resource: { type: 'instance', id: `inst-${seq}`, name: `web-${seq}` },
    result: 'success',
    details: { plan: 's-2vcpu', image: 'ubuntu-24.04', tags: ['a', 'b'] },
    request: { id: `req-${seq}`, method: 'POST', path: '/v1/instances', status: 201, duration_ms: 12 },
    region: 'lagos-1',
    source: 'libvirt',
  };
  const event = place(draft, { log, seq }, '2026-11-20T10:00:00.100Z');
  return { event, raw: JSON.stringify(shown(event)), log, seq };
};

/** The sender's process: says when it begins and what it has sent; a batch after another, as a forwarder does it. */
const send = async (config) => {
  const sender = syslogSender(config, { dial: { lookup, check: () => undefined } });
  const never = new AbortController().signal;
  const log = newUlid();
  // One event connects, and waits for the grace period's end; a standing feed has that behind it.
  await sender.send([eventOf(EVENTS + 1, log)], never);
  console.log('READY');
  await new Promise((resolve) => process.stdin.once('data', resolve));
  console.log(`BEGUN ${Date.now()}`);
  for (let from = 1; from <= EVENTS; from += sender.limits.events) {
    const count = Math.min(sender.limits.events, EVENTS - from + 1);
    const sent = await sender.send(
      Array.from({ length: count }, (_, n) => eventOf(from + n, log)),
      never,
    );
    if (sent.outcome !== 'accepted') throw new Error(sent.reason);
  }
  console.log(`SENT ${Date.now()}`);
  await sleep(600_000);
};

/** An authority, and a certificate for this machine's loopback, in `folder`: their files. */
export const certificates = (folder) => {
  const openssl = (...args) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  writeFileSync(join(folder, 'names'), 'subjectAltName=IP:127.0.0.1\n');
  openssl('req', '-x509', ...curve, '-days', '1', '-subj', '/CN=authority', '-keyout', 'ca-key.pem', '-out', 'ca.pem');
  openssl('req', ...curve, '-subj', '/CN=receiver', '-keyout', 'key.pem', '-out', 'request.pem');
  openssl(
    'x509',
    '-req',
    '-days',
    '1',
    '-in',
    'request.pem',
    '-CA',
    'ca.pem',
    '-CAkey',
    'ca-key.pem',
    '-CAcreateserial',
    '-extfile',
    'names',
    '-out',
    'cert.pem',
  );
  return { ca: join(folder, 'ca.pem'), cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') };
};

const distinct = (file) => new Set(readFileSync(file, 'latin1').match(/ seq="\d+"/g)).size;

const measure = async (protocol, shared) => {
  const folder = mkdtempSync(join(tmpdir(), 'verdict-bench-syslog-'));
  const tls = certificates(folder);
  const rsyslog = await startRsyslog({ folder, protocol, tls, pinned: pinned(shared, []) });
  const config = { protocol, host: '127.0.0.1', port: rsyslog.port, ...(protocol === 'tls' && { tls: { ca: readFileSync(tls.ca, 'utf8') } }) };
  const command = pinned(shared, [process.execPath, fileURLToPath(import.meta.url), JSON.stringify(config)]);
  const sender = start(command, { pattern: /READY/, stdin: 'pipe' });
  try {
    await sender.ready;
    sender.child.stdin.write('go\n');
    const begun = Date.now();
    const [file] = rsyslog.files();
    const counter = newLineCounter(file);
    let memory = 0;
    for (const end = begun + 120_000; counter.count() < EVENTS + 1 && Date.now() < end; await sleep(20)) memory = Math.max(memory, memoryOf(sender.child.pid));
    const seconds = (Date.now() - begun) / 1000;
    counter.close();
    // The first event only connected.
    return { protocol, rate: EVENTS / seconds, missing: EVENTS + 1 - distinct(file), memory };
  } finally {
    await sender.stop('SIGKILL');
    await rsyslog.stop();
    rmSync(folder, { recursive: true, force: true });
  }
};

const number = (value) => value.toLocaleString('en-US', { maximumFractionDigits: 0 });
const median = (runs) => [...runs].sort((a, b) => a.rate - b.rate)[Math.floor(runs.length / 2)];

/** The rows of syslog, and whether they reach their goals. */
export const syslogRows = async ({ rounds = 3, progress }) => {
  const { shared } = cores();
  const rows = [];
  for (const protocol of Object.keys(GOALS)) {
    const runs = [];
    for (let round = 1; round <= rounds; round += 1) {
      progress(`syslog over ${protocol}: round ${round} of ${rounds}`);
      runs.push(await measure(protocol, shared));
      progress(`  ${number(runs.at(-1).rate)} events/s, ${runs.at(-1).missing} missing`);
    }
    rows.push({ ...median(runs), missing: runs.reduce((sum, run) => sum + run.missing, 0), memory: Math.max(...runs.map((run) => run.memory)) });
  }
  return {
    text: `## Syslog

To rsyslog on the same two cores, from the sender's input to the receiver's file; ${number(EVENTS)} events of an ordinary activity a round, one batch after another, the median of ${rounds} rounds. Memory is the sender's process at its peak, with what it keeps to send again.

| | events/s | missing in all rounds | memory MB |
| --- | ---: | ---: | ---: |
${rows.map((row) => `| syslog over ${row.protocol.toUpperCase()} | ${number(row.rate)} | ${row.missing} | ${number(row.memory)} |`).join('\n')}`,
    goals: rows.map((row) => [
      `syslog over ${row.protocol.toUpperCase()}: ≥ ${number(GOALS[row.protocol])} events/s to the receiver's file, all present`,
      `${number(row.rate)}/s, ${row.missing} missing`,
      row.rate >= GOALS[row.protocol] && row.missing === 0,
    ]),
  };
};

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  if (process.argv[2] !== undefined) await send(JSON.parse(process.argv[2]));
  else console.log(await syslogRows({ progress: (text) => process.stderr.write(`${text}\n`) }));
}
