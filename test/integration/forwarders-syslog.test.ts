import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { makeAuthority, makeCertificate } from '../peers/certificates.js';
import { cliIn } from '../peers/cli.js';
import { type Collector, startCollector } from '../peers/collector.js';
import { RECEIVER_ENV } from '../peers/receiver.js';
import { describeWithRsyslog, eachLine, type Rsyslog, received, startRsyslog } from '../peers/rsyslog.js';
import { eventIn } from '../peers/syslog-lines.js';
import { clientOf, type RunningVerdict, removeFolder, startVerdict, temporaryFolder, until } from '../peers/verdict.js';

type Protocol = 'udp' | 'tcp' | 'tls' | 'relp' | 'relp-tls';
type Shown = { readonly state: string; readonly reason?: string; readonly sent: number; readonly replays: readonly { readonly state: string }[] };
type Step = { readonly step: string; readonly ok: boolean; readonly detail: string };

describeWithRsyslog('a family, its command line and rsyslog', () => {
  const folder = temporaryFolder();
  const authority = makeAuthority(folder, 'authority');
  makeAuthority(folder, 'stranger');
  const certificates = {
    good: makeCertificate(folder, 'authority', 'receiver'),
    expired: makeCertificate(folder, 'authority', 'expired', { isExpired: true }),
    elsewhere: makeCertificate(folder, 'authority', 'elsewhere', { names: 'DNS:logs.elsewhere.example' }),
    untrusted: makeCertificate(folder, 'stranger', 'untrusted'),
  };
  const own = makeCertificate(folder, 'authority', 'verdict-node', { names: 'DNS:verdict-node' });
  let node: RunningVerdict;
  let client: ReturnType<typeof clientOf>;
  let verdict: ReturnType<typeof cliIn>;
  const running: (() => Promise<void>)[] = [];

  beforeAll(async () => {
    node = await startVerdict({ env: RECEIVER_ENV });
    client = clientOf(node);
    verdict = cliIn(folder, { VERDICT_URL: node.url, VERDICT_TOKEN: node.token });
    await until('readiness', async () => ((await client.call('GET', '/readyz')).status === 200 ? true : undefined), 60_000);
  }, 120_000);
  afterEach(async () => {
    await Promise.all(running.splice(0).map((stop) => stop()));
  });
  afterAll(async () => {
    client.close();
    await node.stop();
    removeFolder(node.folder);
    removeFolder(folder);
  });

  const rsyslogWith = async (protocol: Protocol, certificate: keyof typeof certificates, port?: number): Promise<Rsyslog> => {
    const place = temporaryFolder();
    const tls = { ca: authority, ...certificates[certificate] };
    const rsyslog = await startRsyslog({ folder: place, protocol, tls, clients: 'verdict-node', ...(port !== undefined && { port }) });
    running.push(async () => {
      await rsyslog.stop();
      removeFolder(place);
    });
    return rsyslog;
  };

  /** Platform A's command, as its users give it. */
  const configure = async (name: string, protocol: Protocol, port: number, ...more: readonly string[]) => {
    const tls = protocol.endsWith('tls') ? ['--syslog-ca', authority, '--syslog-cert', own.cert, '--syslog-key', own.key] : [];
    const endpoint = ['--endpoint', `127.0.0.1:${port}`, '--protocol', protocol, '--format', 'rfc5424'];
    const ran = await verdict('audit-logs', 'configure-syslog', ...endpoint, '--name', name, '--event', 'instance.*', ...tls, ...more);
    expect([ran.code, ran.err]).toEqual([0, '']);
    return ran;
  };

  const post = async (count: number): Promise<readonly string[]> => {
    const events = Array.from({ length: count }, (_, index) => ({
      account: `acc-${index % 5}`,
      actor: { type: 'user', id: `usr-${index % 7}` },
      action: 'instance.create',
      resource: { type: 'instance', id: `inst-${index}`, name: 'a "quoted" ] name\n' },
      result: 'success',
      details: { text: 'line\nfeed, emoji 🙂, ] and \\' },
    }));
    return (await client.json<{ data: { events: { id: string }[] } }>('POST', '/v1/events', events)).data.events.map(({ id }) => id);
  };

  const show = async (name: string): Promise<Shown> =>
    (JSON.parse((await verdict('forwarders', 'show', name, '--output', 'json')).out) as { data: { forwarder: Shown } }).data.forwarder;

  const whenRunning = (name: string): Promise<true> => until(`${name} runs`, async () => ((await show(name)).state === 'running' ? true : undefined));

  /** Each message in rsyslog's files, by the id of its event. */
  const messagesIn = (rsyslog: Rsyslog) => {
    const found = new Map<string, unknown[]>();
    for (const file of rsyslog.files())
      eachLine(file, (line) => {
        const back = eventIn(received(line).raw);
        if (back.kind !== 'whole') return;
        found.set(back.event.id, [...(found.get(back.event.id) ?? []), back.event]);
      });
    return found;
  };

  const arrived = (rsyslog: Rsyslog, ids: readonly string[]) =>
    until(`${ids.length} events in rsyslog's file`, () => {
      const found = messagesIn(rsyslog);
      return ids.every((id) => found.has(id)) ? found : undefined;
    });

  const trial = async (name: string): Promise<{ readonly code: number | null; readonly steps: readonly Step[] }> => {
    const ran = await verdict('forwarders', 'test', name, '--output', 'json');
    return { code: ran.code, steps: (JSON.parse(ran.out) as { data: { steps: readonly Step[] } }).data.steps };
  };

  it.each([
    ['tls', ['connect', 'tls', 'send', 'accepted']],
    ['tcp', ['connect', 'send', 'accepted']],
    ['relp', ['connect', 'handshake', 'send', 'accepted']],
    ['relp-tls', ['connect', 'tls', 'handshake', 'send', 'accepted']],
    ['udp', ['connect', 'send']],
  ] as const)(
    '`configure-syslog` over %s: what is recorded from then on stands in rsyslog’s file, as it stands in the record',
    { timeout: 90_000 },
    async (protocol, steps) => {
      const rsyslog = await rsyslogWith(protocol, 'good');
      await configure(protocol, protocol, rsyslog.port);
      const tried = await trial(protocol);
      expect([tried.code, tried.steps.map(({ step }) => step), tried.steps.filter(({ ok }) => !ok)]).toEqual([0, steps, []]);
      await whenRunning(protocol);
      const ids = await post(200);
      const found = await arrived(rsyslog, ids);
      const of = await until('the store has it', async () => {
        const answer = await client.call('GET', `/v1/audit-logs/${ids[7]}`);
        return answer.status === 200 ? (JSON.parse(answer.body) as { data: unknown }).data : undefined;
      });
      expect(found.get(ids[7] as string)?.[0]).toEqual(of);
      const trials = [...found.values()].filter(([event]) => (event as { action: string }).action === 'forwarder.test');
      expect(trials.length).toBe(1);
      const list = await verdict('forwarders', 'list');
      expect(list.out).toMatch(new RegExp(`${protocol}\\s.*syslog \\(rfc5424\\)`));
      expect((await verdict('forwarders', 'remove', protocol)).code).toBe(0);
    },
  );

  it('pause, resume and replay do with rsyslog what they say, and remove ends the feed', { timeout: 120_000 }, async () => {
    const rsyslog = await rsyslogWith('tls', 'good');
    await configure('life', 'tls', rsyslog.port);
    await whenRunning('life');
    const from = new Date().toISOString();
    const first = await post(50);
    await arrived(rsyslog, first);
    expect((await verdict('forwarders', 'pause', 'life')).code).toBe(0);
    await until('it is paused', async () => ((await show('life')).state === 'paused' ? true : undefined));
    await new Promise((done) => setTimeout(done, 1_500));
    const second = await post(50);
    await new Promise((done) => setTimeout(done, 1_500));
    expect(second.some((id) => messagesIn(rsyslog).has(id))).toBe(false);
    expect((await verdict('forwarders', 'resume', 'life')).code).toBe(0);
    await arrived(rsyslog, second);
    const to = new Date(Date.now() + 1).toISOString();
    await until('the store has them', async () => ((await client.call('GET', `/v1/audit-logs/${second.at(-1)}`)).status === 200 ? true : undefined));
    expect((await verdict('forwarders', 'replay', 'life', '--from', from, '--to', to)).code).toBe(0);
    await until('the replay is done', async () => ((await show('life')).replays[0]?.state === 'done' ? true : undefined));
    await until('all came again', () => {
      const found = messagesIn(rsyslog);
      return [...first, ...second].every((id) => (found.get(id)?.length ?? 0) >= 2) ? true : undefined;
    });
    expect((await verdict('forwarders', 'remove', 'life')).code).toBe(0);
    await new Promise((done) => setTimeout(done, 2_500));
    const third = await post(20);
    await new Promise((done) => setTimeout(done, 1_500));
    expect(third.some((id) => messagesIn(rsyslog).has(id))).toBe(false);
  });

  it('an rsyslog killed under load gets every event', { timeout: 120_000 }, async () => {
    const rsyslog = await rsyslogWith('tls', 'good');
    await configure('killed', 'tls', rsyslog.port);
    await whenRunning('killed');
    const ids: string[] = [];
    let isLoading = true;
    const loading = (async () => {
      while (isLoading) ids.push(...(await post(100)));
    })();
    for (let round = 0; round < 3; round += 1) {
      await new Promise((done) => setTimeout(done, 700));
      await rsyslog.kill();
      await rsyslog.begin();
    }
    isLoading = false;
    await loading;
    await arrived(rsyslog, ids);
    expect((await verdict('forwarders', 'remove', 'killed')).code).toBe(0);
  });

  const SENTENCES = { expired: /has expired/, elsewhere: /is for another host \(DNS:logs\.elsewhere\.example\)/, untrusted: /is not trusted/ } as const;

  /** The trial names the fault at its step `tls`, and the feed stands still with the same sentence. */
  const expectStopped = async (name: string, sentence: RegExp): Promise<void> => {
    const { code, steps } = await trial(name);
    expect([code, steps.at(-1)]).toEqual([6, { step: 'tls', ok: false, detail: expect.stringMatching(sentence) as string, ms: expect.any(Number) as number }]);
    await post(3);
    const stopped = await until('it stops', async () => {
      const one = await show(name);
      return one.state === 'stopped' ? one : undefined;
    });
    expect(stopped.reason).toMatch(sentence);
    const { out } = await verdict('forwarders', 'list');
    expect(out).toMatch(new RegExp(`${name}\\s.*stopped`));
  };

  it.each(['expired', 'elsewhere', 'untrusted'] as const)(
    'an %s certificate of rsyslog stops the feed with a sentence that says so; mended and resumed, it loses nothing',
    { timeout: 90_000 },
    async (fault) => {
      const name = `syslog-${fault}`;
      const bad = await rsyslogWith('tls', fault);
      await configure(name, 'tls', bad.port);
      await expectStopped(name, SENTENCES[fault]);
      const ids = await post(20);
      await bad.stop();
      const good = await rsyslogWith('tls', 'good', bad.port);
      expect((await verdict('forwarders', 'resume', name)).code).toBe(0);
      await arrived(good, ids);
      expect((await verdict('forwarders', 'remove', name)).code).toBe(0);
    },
  );

  it.each(['expired', 'elsewhere', 'untrusted'] as const)(
    'an %s certificate of an HTTPS receiver stops the feed with a sentence that says so',
    { timeout: 60_000 },
    async (fault) => {
      const name = `https-${fault}`;
      const { cert, key } = certificates[fault];
      const collector: Collector = await startCollector((_, response) => void response.writeHead(204).end(), {
        cert: readFileSync(cert, 'utf8'),
        key: readFileSync(key, 'utf8'),
      });
      running.push(collector.close);
      const destination = JSON.stringify({ type: 'https', url: collector.url, tls: { ca: readFileSync(join(folder, 'authority.pem'), 'utf8') } });
      expect((await verdict('forwarders', 'add', '--name', name, '--event', 'instance.*', '--destination', destination)).code).toBe(0);
      await expectStopped(name, SENTENCES[fault]);
      expect(collector.asked).toEqual([]);
      expect((await verdict('forwarders', 'remove', name)).code).toBe(0);
    },
  );

  it.each(['ocsf', 'cef', 'ecs'] as const)('a message carries %s as its text where that is the format', { timeout: 60_000 }, async (format) => {
    const rsyslog = await rsyslogWith('relp', 'good');
    const destination = JSON.stringify({ type: 'syslog', protocol: 'relp', host: '127.0.0.1', port: rsyslog.port });
    expect((await verdict('forwarders', 'add', '--name', format, '--event', 'instance.*', '--format', format, '--destination', destination)).code).toBe(0);
    await whenRunning(format);
    const [id] = await post(1);
    const line = await until('the message', () => {
      let found: string | undefined;
      for (const file of rsyslog.files())
        eachLine(file, (one) => {
          if (one.includes(id as string)) found = received(one).raw;
        });
      return found;
    });
    expect(line).toMatch({ ocsf: /"class_uid":\d+/, cef: /CEF:\d\|/, ecs: /"ecs":\{"version"/ }[format]);
    expect((await verdict('forwarders', 'remove', format)).code).toBe(0);
  });
});
