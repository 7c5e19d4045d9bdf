import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, it } from 'vitest';
import type { Sender } from '../../src/export/sender.js';
import { type SyslogConfig, syslogSender } from '../../src/export/syslog/index.js';
import { makeAuthority, makeCertificate } from '../peers/certificates.js';
import { hostileBatch } from '../peers/hostile-events.js';
import { describeWithRsyslog, eachLine, openDial, quiet, type Rsyslog, startRsyslog } from '../peers/rsyslog.js';
import { temporaryFolder } from '../peers/store.js';

const never = new AbortController().signal;
const KILLS = 10;
const BATCH = 500;

/** As a forwarder does it: one batch after another, each as often as it takes. Resolves with how many events were accepted. */
const feed = async (sender: Sender, goesOn: () => boolean): Promise<{ accepted: number; again: number }> => {
  let accepted = 0;
  let again = 0;
  while (goesOn()) {
    let batch = hostileBatch(accepted + 1, accepted + BATCH);
    while (batch.length > 0) {
      const sent = await sender.send(batch, never);
      if (sent.outcome === 'stopped') throw new Error(sent.reason);
      if (sent.outcome === 'accepted') batch = [];
      else {
        again += 1;
        batch = batch.slice(sent.from ?? 0);
        await sleep(50);
      }
    }
    accepted += BATCH;
  }
  return { accepted, again };
};

const seqsIn = (rsyslog: Rsyslog): Map<number, number> => {
  const seen = new Map<number, number>();
  for (const file of rsyslog.files())
    eachLine(file, (line) => {
      const seq = Number(/ seq="(\d+)"/.exec(line)?.[1]);
      seen.set(seq, (seen.get(seq) ?? 0) + 1);
    });
  return seen;
};

describeWithRsyslog('a receiver that is killed ten times under load', () => {
  const folder = temporaryFolder();
  const ca = makeAuthority(folder.path, 'authority');
  const tls = { ca, ...makeCertificate(folder.path, 'authority', 'receiver') };
  afterAll(() => folder.remove());

  const config = (protocol: SyslogConfig['protocol'], port: number): SyslogConfig => ({
    protocol,
    host: '127.0.0.1',
    port,
    grace_ms: 200,
    ...(protocol === 'tls' && { tls: { ca: readFileSync(ca, 'utf8') } }),
  });

  it.each([
    ['tcp', {}, undefined],
    ['tls', {}, undefined],
    ['relp', {}, undefined],
    // Nothing is kept: what RELP acknowledged is safe where the receiver writes before it acknowledges.
    ['relp', { overlap: { ms: 0, bytes: 0 } }, 'queue.type="direct"'],
  ] as const)(
    'over %s (%j, main queue: %s) loses no event',
    async (protocol, more, mainQueue) => {
      const own = temporaryFolder();
      const rsyslog = await startRsyslog({ folder: own.path, protocol, tls, ...(mainQueue !== undefined && { mainQueue }) });
      const sender = syslogSender({ ...config(protocol, rsyslog.port), ...more }, { dial: openDial });
      try {
        let kills = 0;
        const feeding = feed(sender, () => kills < KILLS);
        const killing = (async () => {
          for (; kills < KILLS; kills += 1) {
            await sleep(300 + ((kills * 137) % 400));
            await rsyslog.kill();
            await rsyslog.begin();
          }
        })();
        const [{ accepted, again }] = await Promise.all([feeding, killing]);
        // One that was accepted just before the last kill is sent again by itself, also where nothing new comes.
        await quiet(rsyslog, 2_000);
        await sender.close();
        await quiet(rsyslog, 500);
        const seen = seqsIn(rsyslog);
        const missing = Array.from({ length: accepted }, (_, n) => n + 1).filter((seq) => !seen.has(seq));
        expect(missing).toEqual([]);
        expect(again).toBeGreaterThan(0);
        expect(accepted).toBeGreaterThan(2_000);
      } finally {
        await sender.close();
        await rsyslog.stop();
        own.remove();
      }
    },
    90_000,
  );
});
