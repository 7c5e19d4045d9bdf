import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { shown } from '../../src/event/index.js';
import type { Sender } from '../../src/export/sender.js';
import { type SyslogConfig, syslogSender } from '../../src/export/syslog/index.js';
import { makeAuthority, makeCertificate } from '../peers/certificates.js';
import { hostileBatch, hostileEvent } from '../peers/hostile-events.js';
import { describeWithRsyslog, eachLine, openDial, quiet, type Rsyslog, received, rsyslogPeer, startRsyslog } from '../peers/rsyslog.js';
import { temporaryFolder } from '../peers/store.js';
import { eventIn } from '../peers/syslog-lines.js';

const never = new AbortController().signal;

/** Sends hostile events 1 … `count` in batches as large as the sender takes. */
const sendAll = async (sender: Sender, count: number): Promise<void> => {
  for (let from = 1; from <= count; from += sender.limits.events) {
    const sent = await sender.send(hostileBatch(from, Math.min(count, from + sender.limits.events - 1)), never);
    expect(sent).toEqual({ outcome: 'accepted' });
  }
};

type Found = { whole: number; cut: number; seen: Set<number> };

/** Holds a line that rsyslog wrote against the event that it must be. Not by `expect`: there are hundreds of thousands. */
const check = (line: string, found: Found): void => {
  const { raw, sd } = received(line);
  const back = eventIn(raw);
  const seq = back.kind === 'whole' ? back.event.seq : back.seq;
  const event = hostileEvent(seq);
  if (back.kind === 'whole' && !isDeepStrictEqual(back.event, shown(event))) throw new Error(`Event ${seq} came as ${raw}`);
  if (back.kind === 'cut' && (back.id !== event.id || back.log !== event.log || JSON.stringify(shown(event)).length < 6_000))
    throw new Error(`Event ${seq} was cut: ${raw}`);
  // What rsyslog itself understood of the structured data is what this test's own reader did.
  const own = Object.fromEntries(back.message.sd[0]?.params ?? []);
  if (!isDeepStrictEqual(sd, { 'verdict@32473': own })) throw new Error(`rsyslog read the structured data of ${seq} as ${JSON.stringify(sd)}`);
  found[back.kind] += 1;
  found.seen.add(seq);
};

const allIn = (rsyslog: Rsyslog): Found => {
  const found: Found = { whole: 0, cut: 0, seen: new Set() };
  for (const file of rsyslog.files()) eachLine(file, (line) => check(line, found));
  return found;
};

describeWithRsyslog('rsyslog', () => {
  const folder = temporaryFolder();
  const pem = (file: string): string => readFileSync(file, 'utf8');
  let tls: { ca: string; cert: string; key: string };
  let client: NonNullable<SyslogConfig['tls']>;
  const running: (() => Promise<void>)[] = [];

  beforeAll(() => {
    const ca = makeAuthority(folder.path, 'authority');
    tls = { ca, ...makeCertificate(folder.path, 'authority', 'receiver') };
    const own = makeCertificate(folder.path, 'authority', 'verdict-node', { names: 'DNS:verdict-node' });
    client = { ca: pem(ca), cert: pem(own.cert), key: pem(own.key) };
  });
  afterEach(async () => {
    await Promise.all(running.splice(0).map((stop) => stop()));
  });
  afterAll(() => folder.remove());

  const start = async (protocol: SyslogConfig['protocol'], more: Partial<SyslogConfig> = {}): Promise<{ rsyslog: Rsyslog; sender: Sender }> => {
    const own = temporaryFolder();
    const rsyslog = await startRsyslog({ folder: own.path, protocol, tls, clients: 'verdict-node' });
    running.push(async () => {
      await rsyslog.stop();
      own.remove();
    });
    const needsTls = protocol === 'tls' || protocol === 'relp-tls';
    const config = { protocol, host: needsTls ? 'localhost' : '127.0.0.1', port: rsyslog.port, hostname: 'node-1', ...(needsTls && { tls: client }), ...more };
    return { rsyslog, sender: syslogSender(config, { dial: openDial }) };
  };

  it.each(['tcp', 'tls', 'relp'] as const)(
    'takes 100,000 hostile events over %s, and each is equal or marked as cut',
    async (protocol) => {
      const { rsyslog, sender } = await start(protocol);
      await sendAll(sender, 100_000);
      await sender.close();
      await quiet(rsyslog);
      const found = allIn(rsyslog);
      expect([found.seen.size, found.whole + found.cut]).toEqual([100_000, 100_000]);
      expect(found.cut).toBeGreaterThanOrEqual(1_000);
      expect(found.cut).toBeLessThan(1_100);
    },
    60_000,
  );

  it('takes them over RELP with TLS, and over TCP with a line feed behind each', async () => {
    for (const { rsyslog, sender } of [await start('relp-tls'), await start('tcp', { framing: 'newline' })]) {
      await sendAll(sender, 2_000);
      await sender.close();
      await quiet(rsyslog, 500);
      expect(allIn(rsyslog).seen.size).toBe(2_000);
    }
  });

  it('takes them over UDP, in datagrams of at most 2,048 octets', async () => {
    const { rsyslog, sender } = await start('udp');
    await sendAll(sender, 1_500);
    await sender.close();
    await quiet(rsyslog, 500);
    let longest = 0;
    for (const file of rsyslog.files())
      eachLine(file, (line) => {
        const { raw } = received(line);
        longest = Math.max(longest, Buffer.byteLength(raw));
        eventIn(raw);
      });
    const seen = new Set<number>();
    for (const file of rsyslog.files()) eachLine(file, (line) => seen.add(Number(received(line).sd['verdict@32473']?.['seq'])));
    expect(seen.size).toBe(1_500);
    expect(longest).toBeLessThanOrEqual(2_048);
    expect(longest).toBeGreaterThan(2_000);
  });

  it('takes events of 30 KiB whole where messages may be that long', async () => {
    const { rsyslog, sender } = await start('relp', { max_octets: 65_000 });
    await sendAll(sender, 300);
    await sender.close();
    await quiet(rsyslog, 500);
    expect(allIn(rsyslog)).toMatchObject({ whole: 300, cut: 0 });
  });

  it('understands the configuration that docs/syslog.md gives it', () => {
    const [, configuration] = /```\n(global[\s\S]*?)```/.exec(readFileSync(new URL('../../docs/syslog.md', import.meta.url), 'utf8')) ?? [];
    const file = join(folder.path, 'documented.conf');
    writeFileSync(file, configuration ?? 'nothing');
    const { status, stderr } = spawnSync(rsyslogPeer().command ?? '', ['-N1', '-f', file], { encoding: 'utf8' });
    expect([status, stderr]).toEqual([0, expect.not.stringContaining('error') as string]);
  });

  it.each(['udp', 'tcp', 'tls', 'relp', 'relp-tls'] as const)('is tried out over %s, step by step', async (protocol) => {
    const { rsyslog, sender } = await start(protocol, { grace_ms: 300 });
    const steps = await sender.test({ ...hostileBatch(1, 1)[0]!, seq: 1 }, never);
    const secure = protocol.endsWith('tls');
    expect(steps.filter(({ ok }) => !ok)).toEqual([]);
    expect(steps.map(({ step }) => step)).toEqual([
      ...(secure ? ['resolve'] : []),
      'connect',
      ...(secure ? ['tls'] : []),
      ...(protocol.startsWith('relp') ? ['handshake'] : []),
      'send',
      ...(protocol === 'udp' ? [] : ['accepted']),
    ]);
    await sender.close();
    await quiet(rsyslog, 300);
    const lines: string[] = [];
    for (const file of rsyslog.files()) eachLine(file, (line) => lines.push(line));
    expect(lines.map((line) => received(line).sd['verdict@32473']?.['test'])).toEqual(['true']);
  });
});
