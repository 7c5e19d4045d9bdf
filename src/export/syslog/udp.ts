import { createSocket, type Socket } from 'node:dgram';
import { isIP } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { again, type Failure, failureOf, type OnStep } from '../../outbound/index.js';
import type { Outgoing, Sender, Sent } from '../sender.js';
import type { Settings } from './config.js';
import { placeOf } from './connect.js';
import type { SenderParts } from './stream.js';
import { unlessAborted } from './unless-aborted.js';

/** The rate is kept over spans of so many milliseconds. */
const SPAN_MS = 20;
/** A name is looked up again after so long, in milliseconds: nothing else tells that a receiver has moved. */
const LOOKUP_MS = 60_000;

type Opened = { readonly ok: true; readonly socket: Socket } | { readonly ok: false; readonly failure: Failure };

const addressOf = ({ host }: Settings, { dial }: Pick<SenderParts, 'dial'>): Promise<{ address: string; family: number }> => {
  dial.check(host);
  const family = isIP(host);
  if (family !== 0) return Promise.resolve({ address: host, family });
  return new Promise((resolve, reject) => {
    dial.lookup(host, {}, (error, address, family) => (error ? reject(error) : resolve({ address: String(address), family: family ?? isIP(String(address)) })));
  });
};

/** A datagram socket that is connected, so that the network's "nobody is there" (ICMP) reaches us. */
export const openDatagrams = async (settings: Settings, parts: Pick<SenderParts, 'dial'>, onStep: OnStep = () => undefined): Promise<Opened> => {
  const place = placeOf(settings);
  try {
    const { address, family } = await addressOf(settings, parts);
    if (isIP(settings.host) === 0) onStep('resolve', `${settings.host} is ${address}.`);
    const socket = createSocket(family === 6 ? 'udp6' : 'udp4');
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.connect(settings.port, address, resolve);
    });
    socket.removeAllListeners('error');
    onStep('connect', `Datagrams go to ${placeOf({ host: address, port: settings.port })}.`);
    return { ok: true, socket };
  } catch (error) {
    return { ok: false, failure: failureOf(error, place) };
  }
};

/** Lets so many through each second, evenly; resolves when the next may go. */
const newPace = (rate: number, now: () => number): ((signal: AbortSignal) => Promise<void>) => {
  let free = Number.NEGATIVE_INFINITY;
  return async (signal) => {
    free = Math.max(free, now() - SPAN_MS) + 1000 / rate;
    const ahead = free - now();
    if (ahead >= SPAN_MS) await delay(ahead, undefined, { signal });
  };
};

/**
 * Syslog over UDP (RFC 5426): one datagram a message, at a steady rate. Nobody says what arrived: `send` resolves when
 * the system has taken the datagrams, and only a refusal that the network reports on the way is noticed.
 */
export const newUdpSender = (settings: Settings, parts: SenderParts): Pick<Sender, 'send' | 'close'> => {
  const place = placeOf(settings);
  const pace = newPace(settings.rate, parts.now);
  let open: { readonly socket: Socket; readonly at: number } | undefined;
  let turn: Promise<unknown> = Promise.resolve();
  /** What the network reported since the last batch began. */
  let reported: Error | undefined;

  const drop = (): void => {
    open?.socket.close();
    open = undefined;
  };

  const ready = async (): Promise<Opened> => {
    if (open && parts.now() - open.at < LOOKUP_MS) return { ok: true, socket: open.socket };
    drop();
    const opened = await openDatagrams(settings, parts);
    if (!opened.ok) return opened;
    opened.socket.on('error', (error) => {
      reported = error;
    });
    open = { socket: opened.socket, at: parts.now() };
    return opened;
  };

  const put = (socket: Socket, bytes: Buffer): Promise<Error | null> => new Promise((resolve) => socket.send(bytes, (error) => resolve(error)));

  const sendAll = async (batch: readonly Outgoing[], signal: AbortSignal): Promise<Sent> => {
    const opened = await unlessAborted(ready(), signal);
    if (!opened.ok) return opened.failure;
    reported = undefined;
    const refused: { index: number; reason: string }[] = [];
    for (const [index, outgoing] of batch.entries()) {
      await pace(signal);
      signal.throwIfAborted();
      const error = (await put(opened.socket, Buffer.from(parts.line(outgoing)))) ?? reported;
      if (!error) continue;
      if ((error as NodeJS.ErrnoException).code === 'EMSGSIZE')
        refused.push({ index, reason: 'It is too long for a datagram on this network; lower max_octets.' });
      else {
        drop();
        return failureOf(error, place);
      }
    }
    return refused.length === 0 ? { outcome: 'accepted' } : { outcome: 'accepted', refused };
  };

  return {
    send: (batch, signal) => {
      const sending = turn.then(() => sendAll(batch, signal)).catch(() => again('It was told to stop.'));
      turn = sending;
      return sending;
    },
    close: async () => {
      await turn;
      drop();
    },
  };
};
