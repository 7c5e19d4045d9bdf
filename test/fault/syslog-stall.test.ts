import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, expect, it } from 'vitest';
import { type SyslogConfig, syslogSender } from '../../src/export/syslog/index.js';
import { makeAuthority, makeCertificate } from '../peers/certificates.js';
import { hostileBatch } from '../peers/hostile-events.js';
import { describeWithRsyslog, eachLine, openDial, quiet, startRsyslog } from '../peers/rsyslog.js';
import { temporaryFolder } from '../peers/store.js';

const BATCH = 1_000;
const MOST_MORE = 50 * 1_048_576;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Bytes that are really held. */
const held = (): number => {
  collect();
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  return heapUsed + Math.max(external, arrayBuffers);
};

describeWithRsyslog('a receiver that stands still', () => {
  const folder = temporaryFolder();
  const ca = makeAuthority(folder.path, 'authority');
  const tls = { ca, ...makeCertificate(folder.path, 'authority', 'receiver') };
  afterAll(() => folder.remove());

  // A second here is two minutes as the product is set: six attempts to connect anew, as in more than ten minutes.
  const impatient = { grace_ms: 100, stall_ms: 1_000, connect_ms: 1_000 };

  it.each(['tcp', 'tls', 'relp'] as const)(
    'over %s costs no memory, however long, and gets every event when it goes on',
    async (protocol) => {
      const own = temporaryFolder();
      const rsyslog = await startRsyslog({ folder: own.path, protocol, tls });
      const config: SyslogConfig = {
        protocol,
        host: '127.0.0.1',
        port: rsyslog.port,
        ...impatient,
        ...(protocol === 'tls' && { tls: { ca: readFileSync(ca, 'utf8') } }),
      };
      const sender = syslogSender(config, { dial: openDial });
      const stop = new AbortController();
      let accepted = 0;
      const reasons = new Set<string>();
      const feeding = (async () => {
        while (!stop.signal.aborted) {
          const sent = await sender.send(hostileBatch(accepted + 1, accepted + BATCH), stop.signal);
          if (sent.outcome === 'accepted') accepted += BATCH;
          else {
            if (!stop.signal.aborted) reasons.add(sent.outcome === 'again' ? sent.reason : `stopped: ${sent.reason}`);
            await sleep(100);
          }
        }
      })();
      try {
        while (accepted < 10_000) await sleep(20);
        rsyslog.pause();
        await sleep(500);
        const before = held();
        const stoodAt = accepted;
        let most = 0;
        for (let n = 0; n < 12; n += 1) {
          await sleep(500);
          most = Math.max(most, held() - before);
        }
        // What the system's buffers took may have counted; then nothing more.
        expect(accepted - stoodAt).toBeLessThan(40_000);
        expect(most).toBeLessThan(MOST_MORE);
        expect([...reasons].join()).toMatch(/has taken nothing for|did not answer|acknowledged nothing/);
        expect([...reasons].join()).not.toMatch(/stopped/);
        rsyslog.resume();
        const goal = accepted + 3 * BATCH;
        while (accepted < goal) await sleep(20);
      } finally {
        rsyslog.resume();
        stop.abort();
        await feeding;
        await quiet(rsyslog, 1_000);
        await sender.close();
        await quiet(rsyslog, 500);
      }
      const seen = new Set<string>();
      for (const file of rsyslog.files()) eachLine(file, (line) => seen.add(/ seq="(\d+)"/.exec(line)?.[1] ?? ''));
      await rsyslog.stop();
      own.remove();
      expect(Array.from({ length: accepted }, (_, n) => String(n + 1)).filter((seq) => !seen.has(seq))).toEqual([]);
    },
    60_000,
  );
});
