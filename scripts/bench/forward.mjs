import { createReadStream, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { startRsyslog } from '../peers/rsyslog.mjs';
import { newLineCounter, startFamily } from './forward-family.mjs';
import { cores, pinned } from './processes.mjs';
import { certificates } from './syslog.mjs';

/**
 * Measures forwarders of a whole family to a real rsyslog, all on the same two cores: from the stream to the
 * receiver's file over TLS and over RELP; catching up from the store while decisions are asked; and what a receiver
 * that stands still costs. `node scripts/bench/forward.mjs [feed|catch-up|stall]` after a build, for one part alone.
 * BENCH_FORWARD_EVENTS (60,000) is how many each round of the first part has: so many lie in what two journals keep for
 * those just behind; BENCH_CATCH_UP_EVENTS (1,000,000) how many are caught up.
 */
const EVENTS = Number(process.env.BENCH_FORWARD_EVENTS ?? 60_000);
const CATCH_UP = Number(process.env.BENCH_CATCH_UP_EVENTS ?? 1_000_000);
const GOALS = { tls: 20_000, relp: 10_000 };
const CALLERS = 32;
/** Decisions a second that are asked for during the catch-up, and without it. */
const ASKED = 1_000;
const ALONE_SECONDS = 15;
/** The product connects anew after 120 s of standstill; here after 5: what is measured is as long as ten minutes there. */
const STALL = { stall_ms: 5_000, seconds: 25, warm_seconds: 60, rate: 2_000, scale: 24 };
/** A feed begins with a connection's grace period (2 s in the product), in which it waits: it isn't what is measured. */
const GRACE_MS = 100;

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const at = (values, part) => [...values].sort((a, b) => a - b)[Math.floor(values.length * part)] ?? Number.NaN;
const number = (value, digits = 0) => value.toLocaleString('en-US', { maximumFractionDigits: digits, minimumFractionDigits: digits });

/** The ids of the events in a file, which may be larger than a string can be. */
const idsIn = async (file) => {
  const ids = new Set();
  for await (const line of createInterface({ input: createReadStream(file, { highWaterMark: 1 << 20 }) })) {
    const id = / id="([^"]+)"/.exec(line)?.[1];
    if (id !== undefined) ids.add(id);
  }
  return ids;
};

const receiverOf = async (protocol) => {
  const folder = mkdtempSync(join(tmpdir(), 'verdict-bench-rsyslog-'));
  const tls = certificates(folder);
  const rsyslog = await startRsyslog({ folder, protocol, tls, pinned: pinned(cores().shared, []) });
  const [file] = rsyslog.files();
  const counter = newLineCounter(file);
  return {
    ...rsyslog,
    destination: {
      type: 'syslog',
      protocol,
      host: '127.0.0.1',
      port: rsyslog.port,
      grace_ms: GRACE_MS,
      ...(protocol === 'tls' && { tls: { ca: readFileSync(tls.ca, 'utf8') } }),
    },
    count: counter.count,
    ids: () => idsIn(file),
    stop: async () => {
      counter.close();
      await rsyslog.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
};

/** Waits until `count` lines more than `before` are there: the seconds from the first of them to the last. */
const secondsFor = async (receiver, before, count, most = 900) => {
  let first;
  for (const end = performance.now() + most * 1000; ; await sleep(5)) {
    const lines = receiver.count() - before;
    if (lines > 0) first ??= { at: performance.now(), lines };
    if (lines >= count) return { seconds: (performance.now() - first.at) / 1000, counted: count - first.lines };
    if (performance.now() > end) return { seconds: Number.POSITIVE_INFINITY, counted: lines };
  }
};

/** Waits until rsyslog writes nothing more. */
const quiet = async (receiver) => {
  for (let [last, since] = [receiver.count(), performance.now()]; performance.now() - since < 2_000; await sleep(100)) {
    const lines = receiver.count();
    if (lines !== last) [last, since] = [lines, performance.now()];
  }
};

/** A paused feed has EVENTS before it, all in the journal; resumed, it brings them into the receiver's file. */
const feedRound = async (family, protocol, round) => {
  const receiver = await receiverOf(protocol);
  const action = `bench.${protocol}-${round}`;
  const id = await family.add({ name: action, filter: { actions: [action] }, destination: receiver.destination });
  try {
    while ((await family.show(id)).state !== 'running') await sleep(100);
    await family.json('POST', `/v1/forwarders/${id}/pause`);
    await sleep(2_500);
    const ids = await family.record(action, EVENTS);
    await family.drained();
    await sleep(1_000);
    const before = receiver.count();
    await family.json('POST', `/v1/forwarders/${id}/resume`);
    const { seconds, counted } = await secondsFor(receiver, before, EVENTS, 120);
    const found = await receiver.ids();
    return { rate: counted / seconds, missing: ids.filter((one) => !found.has(one)).length };
  } finally {
    await family.json('DELETE', `/v1/forwarders/${id}`);
    await receiver.stop();
  }
};

const feedRows = async ({ rounds, progress }) => {
  // Two journals keep twice as much for those just behind.
  const family = await startFamily({ workers: 2 });
  const rows = [];
  try {
    for (const protocol of Object.keys(GOALS)) {
      const runs = [];
      for (let round = 1; round <= rounds; round += 1) {
        runs.push(await feedRound(family, protocol, round));
        progress(`forwarder over ${protocol}, round ${round} of ${rounds}: ${number(runs.at(-1).rate)} events/s, ${runs.at(-1).missing} missing`);
      }
      rows.push({ protocol, rate: median(runs.map(({ rate }) => rate)), missing: runs.reduce((sum, { missing }) => sum + missing, 0) });
    }
  } finally {
    await family.stop();
  }
  return rows;
};

const question = (index) => ({
  subject: { type: 'user', id: `usr-${index % 50}` },
  action: { name: 'instance.get' },
  resource: { type: 'instance', id: `inst-${index % 500}`, properties: { account: `acc-${index % 5}` } },
});

/**
 * Asks for decisions at a steady rate while `act` goes on. Each is timed from when it was due, so that one that waits
 * behind another is not counted as quick.
 */
const asking = async (family, act) => {
  const latencies = [];
  let isAsking = true;
  const ask = async (_, caller) => {
    const every = (CALLERS / ASKED) * 1000;
    const first = performance.now() + (caller / CALLERS) * every;
    for (let index = 0; isAsking; index += 1) {
      const due = first + index * every;
      if (due > performance.now()) await sleep(due - performance.now());
      await family.call('POST', '/access/v1/evaluation', question(index * CALLERS + caller));
      latencies.push(performance.now() - due);
    }
  };
  const began = performance.now();
  const callers = Array.from({ length: CALLERS }, ask);
  const result = await act();
  isAsking = false;
  await Promise.all(callers);
  const seconds = (performance.now() - began) / 1000;
  return { result, rate: latencies.length / seconds, p50: at(latencies, 0.5), p99: at(latencies, 0.99) };
};

const catchUpRow = async ({ progress }) => {
  const family = await startFamily();
  const receiver = await receiverOf('tls');
  try {
    const action = 'bench.missed';
    const id = await family.add({ name: action, filter: { actions: [action] }, destination: receiver.destination });
    await family.json('POST', `/v1/forwarders/${id}/pause`);
    await sleep(2_500);
    const began = performance.now();
    const ids = await family.record(action, CATCH_UP);
    await family.drained();
    progress(`recorded and stored ${number(CATCH_UP)} events in ${number((performance.now() - began) / 1000)} s while the feed was paused`);
    await asking(family, () => sleep(3_000));
    const alone = await asking(family, () => sleep(ALONE_SECONDS * 1000));
    progress(`decisions alone: ${number(alone.rate)}/s, p50 ${number(alone.p50, 1)} ms, p99 ${number(alone.p99, 1)} ms`);
    const before = receiver.count();
    const memory = family.pipelineMemory();
    const during = await asking(family, async () => {
      await family.json('POST', `/v1/forwarders/${id}/resume`);
      return secondsFor(receiver, before, CATCH_UP);
    });
    const found = await receiver.ids();
    const row = {
      rate: during.result.counted / during.result.seconds,
      seconds: during.result.seconds,
      missing: ids.filter((one) => !found.has(one)).length,
      memory: family.pipelineMemory() - memory,
      alone,
      during,
    };
    progress(`decisions meanwhile: ${number(during.rate)}/s, p50 ${number(during.p50, 1)} ms, p99 ${number(during.p99, 1)} ms`);
    progress(`caught up at ${number(row.rate)} events/s, ${row.missing} missing; the pipeline's memory changed by ${number(row.memory)} MB`);
    return row;
  } finally {
    await receiver.stop();
    await family.stop();
  }
};

const stallRow = async ({ progress }) => {
  const family = await startFamily();
  const receiver = await receiverOf('tls');
  try {
    const action = 'bench.stalled';
    const destination = { ...receiver.destination, stall_ms: STALL.stall_ms };
    const id = await family.add({ name: action, filter: { actions: [action] }, destination });
    const most = async (seconds) => {
      const loading = family.record(action, STALL.rate * seconds, { rate: STALL.rate });
      let peak = 0;
      let isLoading = true;
      const watching = (async () => {
        while (isLoading) {
          peak = Math.max(peak, family.pipelineMemory());
          await sleep(250);
        }
      })();
      const ids = await loading;
      isLoading = false;
      await watching;
      return { peak, ids };
    };
    // Until the process is as large as it gets by this load alone, and what a feed keeps to send again (30 s of it) is full.
    const warm = await most(STALL.warm_seconds);
    receiver.pause();
    const stalled = await most(STALL.seconds);
    const { state } = await family.show(id);
    receiver.resume();
    const ids = [...warm.ids, ...stalled.ids];
    for (const end = performance.now() + 90_000; performance.now() < end && (await family.show(id)).sent < ids.length; ) await sleep(500);
    await quiet(receiver);
    const found = await receiver.ids();
    const row = { more: stalled.peak - warm.peak, peak: warm.peak, state, missing: ids.filter((one) => !found.has(one)).length };
    progress(`a receiver that stands still: ${number(row.more)} MB more than ${number(row.peak)}, state ${row.state}, ${row.missing} missing in the end`);
    return row;
  } finally {
    receiver.resume();
    await receiver.stop();
    await family.stop();
  }
};

/** The rows of forwarders, and whether they reach their goals. */
export const forwardRows = async ({ rounds = 3, progress }) => {
  const feeds = await feedRows({ rounds, progress });
  const caught = await catchUpRow({ progress });
  const stall = await stallRow({ progress });
  const factor = caught.during.p99 / caught.alone.p99;
  return {
    text: `## Forwarders

A whole family with its store, and rsyslog, on the same two cores. From the journal to the receiver's file: ${number(EVENTS)} events of an ordinary activity before a feed that begins, from the first line to the last, the median of ${rounds} rounds (\`grace_ms\` ${GRACE_MS}).

| | events/s | missing in all rounds |
| --- | ---: | ---: |
${feeds.map((row) => `| forwarder over ${row.protocol.toUpperCase()} | ${number(row.rate)} | ${row.missing} |`).join('\n')}
| catching up ${number(CATCH_UP)} events from the store over TLS, while decisions are asked | ${number(caught.rate)} | ${caught.missing} |

| | decisions/s | p50 ms | p99 ms |
| --- | ---: | ---: | ---: |
| asked for at ${number(ASKED)}/s, nothing else | ${number(caught.alone.rate)} | ${number(caught.alone.p50, 1)} | ${number(caught.alone.p99, 1)} |
| the same during the catch-up | ${number(caught.during.rate)} | ${number(caught.during.p50, 1)} | ${number(caught.during.p99, 1)} |

A receiver that stands still, at ${number(STALL.rate)} events/s: ${number(stall.more)} MB more in the pipeline than the same load took before (${number(stall.peak)} MB). Ten minutes, shortened ${STALL.scale} times: the feed gives a connection up after ${STALL.stall_ms / 1000} s instead of 120, and the receiver stands still for ${STALL.seconds} s. When it went on, ${stall.missing} were missing.`,
    goals: [
      ...feeds.map((row) => [
        `forwarder over ${row.protocol.toUpperCase()}: ≥ ${number(GOALS[row.protocol])} events/s from the stream to the receiver's file, all present`,
        `${number(row.rate)}/s, ${row.missing} missing`,
        row.rate >= GOALS[row.protocol] && row.missing === 0,
      ]),
      [
        `catching up ${number(CATCH_UP)} events costs the decisions' p99 at most a factor of 2`,
        `${number(factor, 2)} × (${number(caught.alone.p99, 1)} ms, ${number(caught.during.p99, 1)} ms), ${caught.missing} missing`,
        factor <= 2 && caught.missing === 0,
      ],
      ['a receiver that stands still adds < 50 MB', `${number(stall.more)} MB, ${stall.missing} missing`, stall.more < 50 && stall.missing === 0],
    ],
  };
};

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const progress = (text) => process.stderr.write(`${text}\n`);
  const part = { feed: () => feedRows({ rounds: 3, progress }), 'catch-up': () => catchUpRow({ progress }), stall: () => stallRow({ progress }) }[
    process.argv[2]
  ];
  if (part) await part();
  else console.log(await forwardRows({ progress }));
}
