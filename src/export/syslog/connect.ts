import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { checkServerIdentity, connect as connectTls, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import { again, type Failure, failureOf, type OnStep, stopped, type TlsConfig, tlsOptions } from '../../outbound/index.js';
import type { Dial, Step } from '../sender.js';
import type { Settings } from './config.js';

export type Connected = { readonly ok: true; readonly socket: Socket /** How long it took, in milliseconds. */; readonly ms: number };
export type NotConnected = { readonly ok: false; readonly failure: Failure; readonly at: Step['step'] };

/** Opens one connection. Resolves also where it fails. */
export type Connect = (signal: AbortSignal, onStep?: OnStep) => Promise<Connected | NotConnected>;

/** A session is not resumed for longer: then the receiver's certificate is looked at again. */
const SESSION_MS = 3_600_000;

const literal = (host: string): boolean => isIP(host) !== 0;
const named = (host: string): string => (isIP(host) === 6 ? `[${host}]` : host);

/** Host and port, for sentences. */
export const placeOf = ({ host, port }: Pick<Settings, 'host' | 'port'>): string => `${named(host)}:${port}`;

type Session = { readonly bytes: Buffer; readonly at: number };

/** Certificates and keys as OpenSSL has them; a sentence where it can't read them. */
const secureContext = (tls: TlsConfig): SecureContext | Failure => {
  try {
    return createSecureContext(tlsOptions(tls));
  } catch (error) {
    return stopped(`The certificates or the key in tls can't be used: ${(error as Error).message}.`);
  }
};

const tlsDetail = (socket: TLSSocket): string => {
  const { subjectaltname, valid_to } = socket.getPeerCertificate();
  const names = subjectaltname === undefined ? 'a certificate without names' : `a certificate for ${subjectaltname}`;
  return socket.isSessionReused()
    ? `${socket.getProtocol()}, the last session resumed`
    : `${socket.getProtocol()} with ${socket.getCipher().name}; ${names}, valid until ${new Date(valid_to).toISOString()}`;
};

/** Connects over TCP, or TLS 1.2 and later where the settings have it, with chain and host name checked; sessions are resumed. */
export const newConnect = (settings: Settings, { dial, now }: { readonly dial: Dial; readonly now: () => number }): Connect => {
  const { host, port, tls, connect_ms } = settings;
  const place = placeOf(settings);
  const context = tls && secureContext(tls);
  let session: Session | undefined;

  const open = (): Socket => {
    if (!tls) return connectTcp({ host, port, lookup: dial.lookup });
    const name = tls.server_name ?? host;
    const resumed = session !== undefined && now() - session.at < SESSION_MS ? session.bytes : undefined;
    const socket = connectTls({
      host,
      port,
      lookup: dial.lookup,
      secureContext: context as SecureContext,
      // Said aloud: no variable of the environment may switch it off.
      rejectUnauthorized: true,
      checkServerIdentity: (_host, certificate) => checkServerIdentity(name, certificate),
      // An address is not sent along (RFC 6066, section 3).
      ...(!literal(name) && { servername: name }),
      ...(resumed && { session: resumed }),
    });
    socket.on('session', (bytes: Buffer) => {
      session = { bytes, at: now() };
    });
    return socket;
  };

  return (signal, onStep = () => undefined) =>
    new Promise((resolve) => {
      const begun = now();
      let at: Step['step'] = literal(host) ? 'connect' : 'resolve';
      if (context && 'outcome' in context) return resolve({ ok: false, failure: context, at: 'tls' });
      try {
        dial.check(host);
      } catch (error) {
        return resolve({ ok: false, failure: failureOf(error, place), at });
      }
      const socket = open();
      const end = (result: Connected | NotConnected): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
        socket.removeListener('close', onClose);
        if (!result.ok) socket.destroy();
        resolve(result);
      };
      const fail = (failure: Failure): void => end({ ok: false, failure, at });
      const onAbort = (): void => fail(again('It was told to stop.'));
      const timer = setTimeout(() => fail(again(`${place} did not answer within ${connect_ms} ms (${at}).`)), connect_ms);
      if (signal.aborted) return onAbort();
      signal.addEventListener('abort', onAbort, { once: true });
      const onClose = (): void => fail(again(`${place} closed the connection at once.`));
      // Stays for the socket's whole life: whoever was refused begins with a whole handshake.
      socket.on('error', (error) => {
        session = undefined;
        fail(failureOf(error, place));
      });
      socket.once('close', onClose);
      socket.on('lookup', (_error, address: string) => {
        if (address && at === 'resolve') {
          onStep('resolve', `${host} is ${address}.`);
          at = 'connect';
        }
      });
      socket.once('connect', () => {
        at = tls ? 'tls' : 'connect';
        onStep('connect', `Connected to ${placeOf({ host: socket.remoteAddress ?? host, port })}.`);
        if (!tls) end({ ok: true, socket, ms: now() - begun });
      });
      socket.once('secureConnect', () => {
        onStep('tls', `${tlsDetail(socket as TLSSocket)}.`);
        end({ ok: true, socket, ms: now() - begun });
      });
    });
};
