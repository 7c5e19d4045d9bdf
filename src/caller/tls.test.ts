import { execFileSync } from 'node:child_process';
import { copyFile, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { Agent, createServer, request, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { clientCertificate, tlsContext } from './tls.js';

let certificates: string;
const openssl = (...args: readonly string[]): void => void execFileSync('openssl', args, { stdio: 'pipe', cwd: certificates });
const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'] as const;
const newCa = (name: string): void => openssl('req', '-x509', ...newKey, '-days', '2', '-subj', `/CN=${name}`, '-keyout', `${name}.key`, '-out', `${name}.pem`);
const newLeaf = async (name: string, ca: string): Promise<void> => {
  await writeFile(join(certificates, 'san.cnf'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\n');
  openssl('req', ...newKey, '-subj', `/O=Verdict/CN=${name}`, '-keyout', `${name}.key`, '-out', `${name}.csr`);
  openssl(
    'x509',
    '-req',
    '-in',
    `${name}.csr`,
    '-CA',
    `${ca}.pem`,
    '-CAkey',
    `${ca}.key`,
    '-CAcreateserial',
    '-days',
    '1',
    '-extfile',
    'san.cnf',
    '-out',
    `${name}.pem`,
  );
};
const pem = (name: string): Promise<Buffer> => readFile(join(certificates, name));

beforeAll(async () => {
  certificates = await mkdtemp(join(tmpdir(), 'verdict-certificates-'));
  newCa('ca');
  newCa('stranger-ca');
  for (const [name, ca] of [
    ['one', 'ca'],
    ['two', 'ca'],
    ['client', 'ca'],
    ['stranger', 'stranger-ca'],
  ] as const)
    await newLeaf(name, ca);
});
afterAll(() => rm(certificates, { recursive: true, force: true }));

let folder: string;
let server: Server | undefined;
let stop: () => void;
let warnings: string[];
let news: string[];
let port: number;
const files = (mtls = false) => ({ cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem'), client_ca: mtls ? join(folder, 'ca.pem') : '' });

const put = async (from: string, to: string): Promise<void> => {
  await copyFile(join(certificates, from), join(folder, `${to}.new`));
  await rename(join(folder, `${to}.new`), join(folder, to));
};
const install = async (name: string): Promise<void> => {
  await put(`${name}.pem`, 'cert.pem');
  await put(`${name}.key`, 'key.pem');
};
const context = (mtls = false, pollMs = 60_000) =>
  tlsContext(files(mtls), { warn: (sentence) => void warnings.push(sentence), info: (sentence) => void news.push(sentence), pollMs });
const listen = async (mtls = false, pollMs = 60_000): Promise<void> => {
  const tls = context(mtls, pollMs);
  server = createServer(tls.options, (asked, response) => response.end(JSON.stringify(clientCertificate(asked) ?? null)));
  stop = tls.follow(server);
  await new Promise<void>((done) => server?.listen(0, '127.0.0.1', done));
  port = (server.address() as AddressInfo).port;
};

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'verdict-tls-'));
  warnings = [];
  news = [];
  stop = () => undefined;
  await install('one');
  await put('ca.pem', 'ca.pem');
});
afterEach(async () => {
  stop();
  server?.closeAllConnections();
  await new Promise((done) => (server ? server.close(done) : done(undefined)));
  server = undefined;
  await rm(folder, { recursive: true, force: true });
});

/** Shakes hands, and names the server's certificate. */
const shake = async (options: ConnectionOptions = {}): Promise<{ readonly socket: TLSSocket; readonly name: string; readonly protocol: string | null }> => {
  const ca = await pem('ca.pem');
  return new Promise((done, failed) => {
    const socket = connect({ port, host: '127.0.0.1', ca, ...options }, () =>
      done({ socket, name: String(socket.getPeerCertificate().subject.CN), protocol: socket.getProtocol() }),
    );
    socket.on('error', failed);
  });
};
const served = async (): Promise<string> => {
  const { socket, name } = await shake();
  socket.destroy();
  return name;
};
const get = async (options: object = {}): Promise<string> => {
  const ca = await pem('ca.pem');
  return new Promise((done, failed) => {
    request({ port, host: '127.0.0.1', ca, agent: false, ...options }, (response) => {
      let body = '';
      response.on('data', (data: Buffer) => {
        body += data.toString();
      });
      response.on('end', () => done(body));
    })
      .on('error', failed)
      .end();
  });
};

describe('A TLS listener', () => {
  it('speaks TLS 1.3 and nothing older', async () => {
    await listen();
    const { socket, protocol } = await shake();
    socket.destroy();
    expect(protocol).toBe('TLSv1.3');
    await expect(shake({ maxVersion: 'TLSv1.2' })).rejects.toThrow();
  });

  it('takes a new certificate without a restart, and keeps the connections it has', async () => {
    await listen();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const sockets = new Set<unknown>();
    agent.on('free', (socket) => sockets.add(socket));
    expect(await get({ agent })).toBe('null');
    await install('two');
    await expect.poll(served, { timeout: 10_000 }).toBe('two');
    expect(await get({ agent })).toBe('null');
    expect(sockets.size).toBe(1);
    agent.destroy();
    expect(news).toEqual([expect.stringMatching(/cert\.pem is in force\.$/)]);
    expect(warnings).toEqual([]);
  });

  it('finds a new certificate by looking, where nothing announces it', async () => {
    const elsewhere = await mkdtemp(join(tmpdir(), 'verdict-mounted-'));
    const [cert, key] = [join(elsewhere, 'cert.pem'), join(elsewhere, 'key.pem')];
    await copyFile(join(certificates, 'one.pem'), cert);
    await copyFile(join(certificates, 'one.key'), key);
    await rm(files().cert);
    await rm(files().key);
    await symlink(cert, files().cert);
    await symlink(key, files().key);
    await listen(false, 50);
    await copyFile(join(certificates, 'two.pem'), cert);
    await copyFile(join(certificates, 'two.key'), key);
    await expect.poll(served, { timeout: 10_000 }).toBe('two');
    await rm(elsewhere, { recursive: true });
  });

  it('stays with the old certificate while the new one is broken, says so once, and takes the next good one', async () => {
    await listen(false, 50);
    await put('two.pem', 'cert.pem');
    await expect
      .poll(() => warnings, { timeout: 10_000 })
      .toEqual([expect.stringMatching(/the key is not the certificate’s\. The certificate before it stays in force\.$/)]);
    expect(await served()).toBe('one');
    await writeFile(join(folder, 'cert.pem'), 'no certificate');
    await expect.poll(() => warnings.length, { timeout: 10_000 }).toBe(2);
    await rm(join(folder, 'key.pem'));
    await install('two');
    await expect.poll(served, { timeout: 10_000 }).toBe('two');
  });

  it('does not start with files that make none', async () => {
    const start = () => context();
    await put('two.pem', 'cert.pem');
    expect(start).toThrow(/the key is not the certificate’s/);
    await writeFile(join(folder, 'cert.pem'), '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');
    expect(start).toThrow(/a certificate in .* can't be read/);
    await writeFile(join(folder, 'cert.pem'), '');
    expect(start).toThrow(/no PEM certificate/);
    await rm(join(folder, 'cert.pem'));
    expect(start).toThrow(/http\.tls\.cert/);
    await install('one');
    await writeFile(join(folder, 'ca.pem'), 'nothing');
    expect(() => context(true)).toThrow(/http\.tls\.client_ca/);
  });

  it('warns of a certificate that has expired', async () => {
    tlsContext(files(), { warn: (sentence) => void warnings.push(sentence), info: () => undefined, now: () => Date.now() + 3 * 86_400_000 });
    expect(warnings).toEqual([expect.stringContaining('expired on')]);
  });
});

describe('A listener with client certificates', () => {
  it('tells whose certificate the client has', async () => {
    await listen(true);
    const shown = JSON.parse(await get({ cert: await pem('client.pem'), key: await pem('client.key') }));
    expect(shown).toEqual({
      subject: 'O=Verdict, CN=client',
      issuer: 'CN=ca',
      serial: expect.stringMatching(/^[0-9A-F]+$/),
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
  });

  it('answers nobody without one, or with one of strangers', async () => {
    await listen(true);
    await expect(get()).rejects.toThrow();
    await expect(get({ cert: await pem('stranger.pem'), key: await pem('stranger.key') })).rejects.toThrow();
  });

  it('still asks for one after the certificate was replaced', async () => {
    await listen(true);
    await install('two');
    await expect.poll(served, { timeout: 10_000 }).toBe('two');
    await expect(get()).rejects.toThrow();
    expect(await get({ cert: await pem('client.pem'), key: await pem('client.key') })).toContain('CN=client');
  });
});
