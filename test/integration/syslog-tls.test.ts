import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, createServer as createTcp, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createServer as createTls, type TLSSocket, type TlsOptions } from 'node:tls';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import type { Sender, Sent } from '../../src/export/sender.js';
import { type SyslogConfig, syslogSender } from '../../src/export/syslog/index.js';
import { makeAuthority, makeCertificate } from '../peers/certificates.js';
import { hostileBatch } from '../peers/hostile-events.js';
import { describeWithRsyslog, eachLine, freePort, openDial, quiet, startRsyslog } from '../peers/rsyslog.js';
import { temporaryFolder } from '../peers/store.js';

const never = new AbortController().signal;
const folder = temporaryFolder();
const pem = (file: string): string => readFileSync(file, 'utf8');
const authority = makeAuthority(folder.path, 'authority');
const ca = pem(authority);
makeAuthority(folder.path, 'stranger');
const good = makeCertificate(folder.path, 'authority', 'receiver');
const own = makeCertificate(folder.path, 'authority', 'verdict-node', { names: 'DNS:verdict-node' });
const strange = makeCertificate(folder.path, 'stranger', 'verdict-node-2', { names: 'DNS:verdict-node' });
const certificates = {
  good,
  expired: makeCertificate(folder.path, 'authority', 'expired', { isExpired: true }),
  elsewhere: makeCertificate(folder.path, 'authority', 'elsewhere', { names: 'DNS:logs.elsewhere.example' }),
  untrusted: makeCertificate(folder.path, 'stranger', 'untrusted'),
};

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});
afterAll(() => folder.remove());

const senderFor = (config: Partial<SyslogConfig> & { readonly port: number }): Sender => {
  const sender = syslogSender({ protocol: 'tls', host: 'localhost', grace_ms: 300, ...config }, { dial: openDial });
  ends.push(sender.close);
  return sender;
};

/** Starts a server on a free port; its connections end with it. */
const listening = async <S extends Server>(server: S): Promise<{ server: S; port: number }> => {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ends.push(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return { server, port: (server.address() as { port: number }).port };
};

const tlsServer = async (options: TlsOptions, onSocket: (socket: TLSSocket) => void) => {
  const server = createTls({ cert: pem(good.cert), key: pem(good.key), ...options }, onSocket);
  server.on('tlsClientError', () => undefined);
  return listening(server);
};

/** OpenSSL's own server, which asks for a client certificate of our authority and says by an alert why it refuses one. */
const opensslServer = async (): Promise<number> => {
  const port = await freePort();
  const refusing = ['-Verify', '1', '-verify_return_error', '-CAfile', authority, '-tls1_3', '-quiet'];
  const child = spawn('openssl', ['s_server', '-accept', `127.0.0.1:${port}`, '-cert', good.cert, '-key', good.key, ...refusing], { stdio: 'ignore' });
  ends.push(async () => {
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
  for (let isThere = false; !isThere; await sleep(20))
    isThere = await new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(true));
      socket.on('error', () => resolve(false));
      socket.unref();
      socket.on('connect', () => socket.destroy());
    });
  return port;
};

const one = (sender: Sender, from = 1, to = from): Promise<Sent> => sender.send(hostileBatch(from, to), never);

describeWithRsyslog('a certificate of rsyslog', () => {
  const start = async (which: keyof typeof certificates, protocol: 'tls' | 'relp-tls' = 'tls', clients = 'none') => {
    const its = temporaryFolder();
    const rsyslog = await startRsyslog({ folder: its.path, protocol, tls: { ca: authority, ...certificates[which] }, clients });
    ends.push(async () => {
      await rsyslog.stop();
      its.remove();
    });
    return rsyslog;
  };

  it.each([
    ['expired', /The certificate of localhost:\d+ has expired/],
    ['elsewhere', /The certificate of localhost:\d+ is for another host \(DNS:logs\.elsewhere\.example\)/],
    ['untrusted', /The certificate of localhost:\d+ is not trusted: no authority that is configured here signed it/],
  ] as const)('that is %s is refused, and the sentence says so', async (which, sentence) => {
    const { port } = await start(which);
    const sender = senderFor({ port, tls: { ca } });
    const sent = await one(sender);
    expect(sent).toEqual({ outcome: 'stopped', reason: expect.stringMatching(sentence) as string });
    const steps = await sender.test(hostileBatch(1, 1)[0]!, never);
    expect(steps.at(-1)).toMatchObject({ step: 'tls', ok: false, detail: (sent as { reason: string }).reason });
    expect(steps.slice(0, -1).map(({ step, ok }) => [step, ok])).toEqual([
      ['resolve', true],
      ['connect', true],
    ]);
  });

  it('is accepted under the name that the configuration gives it', async () => {
    const rsyslog = await start('elsewhere');
    expect(await one(senderFor({ port: rsyslog.port, tls: { ca, server_name: 'logs.elsewhere.example' } }))).toEqual({ outcome: 'accepted' });
  });

  it('of a client is asked for: the right one is accepted, another or none loses no event in silence', async () => {
    const rsyslog = await start('good', 'tls', 'verdict-node');
    expect(await one(senderFor({ port: rsyslog.port, tls: { ca, cert: pem(own.cert), key: pem(own.key) } }), 1)).toEqual({ outcome: 'accepted' });
    for (const tls of [{ ca }, { ca, cert: pem(strange.cert), key: pem(strange.key) }]) {
      const sent = await one(senderFor({ port: rsyslog.port, tls }), 2);
      expect(sent.outcome).not.toBe('accepted');
      expect((sent as { reason: string }).reason).toMatch(/client certificate|TLS/);
    }
    await quiet(rsyslog, 300);
    const lines: string[] = [];
    for (const file of rsyslog.files()) eachLine(file, (line) => lines.push(line));
    expect(lines).toHaveLength(1);
  });

  it('of a client that RELP over TLS 1.3 does not accept is told of', async () => {
    const { port } = await start('good', 'relp-tls', 'verdict-node');
    const other = makeCertificate(folder.path, 'authority', 'other-node', { names: 'DNS:other-node' });
    const sent = await one(senderFor({ protocol: 'relp-tls', port, tls: { ca, cert: pem(other.cert), key: pem(other.key) } }));
    expect(sent.outcome).not.toBe('accepted');
    expect((sent as { reason: string }).reason).toMatch(/may have refused our client certificate/);
  });
});

describe('TLS', () => {
  it.each([
    ['none', {}, 'certificate required'],
    ['an untrusted one', { cert: pem(strange.cert), key: pem(strange.key) }, 'unknown ca'],
  ])('1.3 has a server refuse a client certificate after the handshake: %s stops the feed with the alert that came', async (_which, client, alert) => {
    const port = await opensslServer();
    const sent = await one(senderFor({ port, tls: { ca, ...client } }));
    expect(sent).toEqual({
      outcome: 'stopped',
      reason: expect.stringContaining(`localhost:${port} refused our client certificate (TLS alert ${alert})`) as string,
    });
  });

  it('1.3 has a server close without an alert: the events written until then count as unsent', async () => {
    let got = 0;
    const { port } = await tlsServer({ ca, requestCert: true, rejectUnauthorized: true, minVersion: 'TLSv1.3' }, (socket) =>
      socket.on('data', () => (got += 1)),
    );
    const strangers = { ca, cert: pem(strange.cert), key: pem(strange.key) };
    expect(await one(senderFor({ port, tls: strangers }))).toEqual({
      outcome: 'again',
      reason: expect.stringContaining('may have refused our client certificate') as string,
    });
    expect(got).toBe(0);
    expect(await one(senderFor({ port, tls: { ca, cert: pem(own.cert), key: pem(own.key) } }))).toEqual({ outcome: 'accepted' });
    expect(got).toBeGreaterThan(0);
  });

  it('that breaks within the grace period, after the write went well, takes the batch back', async () => {
    const { port } = await tlsServer({}, (socket) => socket.once('data', () => setTimeout(() => socket.destroy(), 50)));
    const sent = await one(senderFor({ port, tls: { ca }, grace_ms: 1_000 }));
    expect(sent).toEqual({ outcome: 'again', reason: expect.stringContaining('may have refused our client certificate') as string });
  });

  it('below 1.2 is not spoken', async () => {
    const { port } = await tlsServer({ minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }, () => undefined);
    expect((await one(senderFor({ port, tls: { ca } }))).outcome).toBe('stopped');
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('%s resumes its session on the next connection', async (version) => {
    const reused: boolean[] = [];
    const { port } = await tlsServer({ minVersion: version, maxVersion: version }, (socket) => {
      reused.push(socket.isSessionReused());
      socket.once('data', () => setTimeout(() => socket.destroy(), 400));
    });
    const sender = senderFor({ port, tls: { ca }, overlap: { ms: 0, bytes: 0 } });
    expect(await one(sender, 1)).toEqual({ outcome: 'accepted' });
    await sleep(500);
    expect(await one(sender, 2)).toEqual({ outcome: 'accepted' });
    expect(reused).toEqual([false, true]);
  });

  it('is told apart from a port that speaks something else', async () => {
    const { port } = await listening(createTcp((socket) => socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))));
    expect(await one(senderFor({ port, tls: { ca } }))).toEqual({
      outcome: 'stopped',
      reason: `localhost:${port} doesn't speak TLS. Check the port and the protocol.`,
    });
  });

  it('with certificates that can not be read says so, and connects to nobody', async () => {
    let connections = 0;
    const { port } = await listening(createTcp(() => (connections += 1)));
    const sent = await one(senderFor({ port, tls: { ca, cert: 'no certificate', key: pem(own.key) } }));
    expect(sent).toEqual({ outcome: 'stopped', reason: expect.stringMatching(/^The certificates or the key in tls can't be used: /) as string });
    expect(JSON.stringify(sent)).not.toContain('PRIVATE KEY');
    expect(connections).toBe(0);
  });
});

describe('a connection', () => {
  it('that the receiver half-closes is left at once, and what it may not have read is sent again', async () => {
    const lives: string[] = [];
    const { port } = await listening(
      createTcp({ allowHalfOpen: true }, (socket) => {
        const life = lives.push('') - 1;
        if (life > 0) socket.on('end', () => socket.end());
        socket.on('data', (bytes) => {
          lives[life] += bytes.toString();
          // It says that it has ended, and goes on taking what nobody will read.
          if (life === 0) setTimeout(() => socket.end(), 100);
        });
      }),
    );
    const sender = senderFor({ protocol: 'tcp', host: '127.0.0.1', port, grace_ms: 0 });
    expect(await one(sender, 1)).toEqual({ outcome: 'accepted' });
    // Nothing new comes: it connects again by itself.
    for (let waited = 0; lives.length < 2 && waited < 10_000; waited += 50) await sleep(50);
    await sleep(100);
    expect(await one(sender, 2)).toEqual({ outcome: 'accepted' });
    await sleep(100);
    expect(lives).toHaveLength(2);
    expect(lives[1]).toContain(' seq="1"');
    expect(lives[1]?.indexOf(' seq="1"')).toBeLessThan(lives[1]?.indexOf(' seq="2"') ?? 0);
  });

  it('that nobody answers is a matter of time, and one to a guarded address is not', async () => {
    const { server, port } = await listening(createTcp());
    await new Promise((resolve) => server.close(resolve));
    expect(await one(senderFor({ protocol: 'tcp', host: '127.0.0.1', port }))).toEqual({ outcome: 'again', reason: `Nothing listens at 127.0.0.1:${port}.` });
    const sent = await syslogSender({ protocol: 'udp', host: '127.0.0.1', port, rate: 200 }, { dial: openDial }).send(hostileBatch(1, 50), never);
    expect(sent).toEqual({ outcome: 'again', reason: `Nothing listens at 127.0.0.1:${port}.` });
    class GuardedAddress extends Error {
      override readonly name = 'GuardedAddress';
    }
    const refuse = (): never => {
      throw new GuardedAddress('127.0.0.1 is a loopback address.');
    };
    for (const protocol of ['udp', 'tcp', 'tls', 'relp', 'relp-tls'] as const) {
      const literal = syslogSender({ protocol, host: '127.0.0.1', port }, { dial: { lookup: openDial.lookup, check: refuse } });
      expect(await one(literal)).toEqual({ outcome: 'stopped', reason: '127.0.0.1 is a loopback address.' });
      const named = syslogSender(
        { protocol, host: 'localhost', port },
        { dial: { check: () => undefined, lookup: (_host, _options, done) => done(new GuardedAddress('localhost is guarded.'), '', 4) } },
      );
      expect(await one(named)).toEqual({ outcome: 'stopped', reason: 'localhost is guarded.' });
    }
  });

  it('to a receiver that speaks no RELP says so', async () => {
    const { port } = await listening(createTcp((socket) => socket.once('data', () => socket.write('220 mail.example ESMTP ready\r\n'))));
    const sent = await one(senderFor({ protocol: 'relp', host: '127.0.0.1', port }));
    expect(sent).toEqual({ outcome: 'stopped', reason: expect.stringContaining("doesn't speak RELP on this port") as string });
  });

  it('is given up where the signal says so, without a word lost', async () => {
    const { port } = await listening(createTcp());
    const stop = new AbortController();
    const sending = senderFor({ protocol: 'relp', host: '127.0.0.1', port }).send(hostileBatch(1, 10), stop.signal);
    setTimeout(() => stop.abort(), 100);
    expect(await sending).toMatchObject({ outcome: 'again', reason: 'It was told to stop.' });
  });
});
