import { X509Certificate } from 'node:crypto';
import { type FSWatcher, readFileSync, watch } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import type { Server } from 'node:https';
import { dirname } from 'node:path';
import { createSecureContext, type SecureContextOptions, TLSSocket } from 'node:tls';
import { type Config, ConfigError } from '../config.js';

export type TlsFiles = Config['http']['tls'];

/** What an https server is made with. */
export type TlsOptions = Pick<SecureContextOptions, 'cert' | 'key' | 'ca'> & {
  readonly minVersion: 'TLSv1.3';
  readonly requestCert: boolean;
  readonly rejectUnauthorized: boolean;
};

export type TlsContext = {
  readonly options: TlsOptions;
  /** Keeps the server on the files as they are now, until the returned function is called. Connections stay open. */
  readonly follow: (server: Pick<Server, 'setSecureContext'>) => () => void;
};

export type TlsDeps = {
  readonly warn: (sentence: string) => void;
  readonly info: (sentence: string) => void;
  /** How often the files are read even when nothing announced a change. */
  readonly pollMs?: number;
  readonly now?: () => number;
  /** Where the files are configured, as errors name it. */
  readonly section?: string;
};

const POLL_MS = 10_000;
/** Certificate and key are rarely replaced in one step: what is broken must still be so after this long. */
const SETTLE_MS = 500;

type Pems = { readonly cert: string; readonly key: string; readonly ca: string | undefined };

const read = (path: string, name: keyof TlsFiles, section: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new ConfigError(`${section}.${name}: ${path} can't be read: ${(error as Error).message}.`);
  }
};

const readPems = (files: TlsFiles, section: string): Pems => ({
  cert: read(files.cert, 'cert', section),
  key: read(files.key, 'key', section),
  ca: files.client_ca === '' ? undefined : read(files.client_ca, 'client_ca', section),
});

const BLOCK = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

const certificatesIn = (pem: string, path: string, name: string): readonly [X509Certificate, ...X509Certificate[]] => {
  try {
    const [first, ...rest] = (pem.match(BLOCK) ?? []).map((block) => new X509Certificate(block));
    if (first) return [first, ...rest];
  } catch {
    throw new ConfigError(`${name}: a certificate in ${path} can't be read.`);
  }
  throw new ConfigError(`${name}: there is no PEM certificate in ${path}.`);
};

/** Throws ConfigError where the three don't make a listener; says in a sentence what is odd but usable. */
const check = (pems: Pems, files: TlsFiles, now: number, section: string): string | undefined => {
  const [leaf] = certificatesIn(pems.cert, files.cert, `${section}.cert`);
  if (pems.ca !== undefined) certificatesIn(pems.ca, files.client_ca, `${section}.client_ca`);
  try {
    createSecureContext(contextOf(pems));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === 'ERR_OSSL_X509_KEY_VALUES_MISMATCH' ? 'the key is not the certificate’s' : message;
    throw new ConfigError(`${section}: ${files.cert} and ${files.key} can't be used together: ${why}.`);
  }
  if (Date.parse(leaf.validTo) >= now) return undefined;
  return `The certificate in ${files.cert} expired on ${new Date(leaf.validTo).toISOString()}; clients will refuse it.`;
};

const contextOf = ({ cert, key, ca }: Pems): TlsOptions => ({
  cert,
  key,
  ...(ca !== undefined && { ca }),
  minVersion: 'TLSv1.3',
  requestCert: ca !== undefined,
  rejectUnauthorized: ca !== undefined,
});

const isSame = (left: Pems, right: Pems): boolean => left.cert === right.cert && left.key === right.key && left.ca === right.ca;

/**
 * The options of a TLS 1.3 listener (mTLS where `client_ca` is given), and how it follows certificates that are
 * replaced on disk. Throws ConfigError where the files don't make a listener at the start; later, a broken certificate
 * leaves the one in force, with a warning.
 */
export const tlsContext = (files: TlsFiles, deps: TlsDeps): TlsContext => {
  const now = deps.now ?? Date.now;
  const section = deps.section ?? 'http.tls';
  const first = readPems(files, section);
  const odd = check(first, files, now(), section);
  if (odd) deps.warn(odd);

  const follow: TlsContext['follow'] = (server) => {
    let inForce = first;
    let lastFault = '';
    let soon: NodeJS.Timeout | undefined;

    const take = (): void => {
      const pems = readPems(files, section);
      if (isSame(pems, inForce)) return;
      const oddity = check(pems, files, now(), section);
      server.setSecureContext(contextOf(pems));
      inForce = pems;
      deps.info(`The certificate in ${files.cert} is in force.`);
      if (oddity) deps.warn(oddity);
    };

    /** A fault is told when it is seen the second time: the first look may have come between two writes. */
    const look = (isSecond: boolean): void => {
      soon = undefined;
      try {
        take();
        lastFault = '';
      } catch (error) {
        const fault = (error as Error).message;
        if (fault === lastFault) return;
        if (isSecond) {
          lastFault = fault;
          deps.warn(`${fault} The certificate before it stays in force.`);
        } else lookSoon(true);
      }
    };
    const lookSoon = (isSecond: boolean): void => {
      soon ??= setTimeout(look, SETTLE_MS, isSecond).unref();
    };

    const watchers = watchFolders(files, () => lookSoon(false));
    const poll = setInterval(() => lookSoon(false), deps.pollMs ?? POLL_MS).unref();
    return () => {
      clearInterval(poll);
      clearTimeout(soon);
      for (const watcher of watchers) watcher.close();
    };
  };

  return { options: contextOf(first), follow };
};

/** Watches the folders, not the files: a replaced file is another file. Where that fails, polling is enough. */
const watchFolders = (files: TlsFiles, changed: () => void): readonly FSWatcher[] => {
  const folders = new Set([files.cert, files.key, files.client_ca].filter((path) => path !== '').map((path) => dirname(path)));
  return [...folders].flatMap((folder) => {
    try {
      const watcher = watch(folder, { persistent: false }, changed);
      watcher.on('error', () => watcher.close());
      return [watcher];
    } catch {
      return [];
    }
  });
};

/** Who a client certificate was made out to. For the details of events: a credential is still needed. */
export type ClientCertificate = { readonly subject: string; readonly issuer: string; readonly serial: string; readonly sha256: string };

/** The verified certificate that the client of this request showed; undefined without mTLS. */
export const clientCertificate = ({ socket }: Pick<IncomingMessage, 'socket'>): ClientCertificate | undefined => {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
  const certificate = socket.getPeerX509Certificate();
  if (!certificate) return undefined;
  const oneLine = (name: string): string => name.replaceAll('\n', ', ');
  const { subject, issuer, serialNumber, fingerprint256 } = certificate;
  return { subject: oneLine(subject), issuer: oneLine(issuer), serial: serialNumber, sha256: fingerprint256.replaceAll(':', '').toLowerCase() };
};
