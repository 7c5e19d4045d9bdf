import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { answerHeaders } from './headers.js';

/** One of an upgraded connection's two ends, with what was read of it beyond its headers. */
export type End = { readonly socket: Duplex; readonly head: Buffer };

const KEEP_ALIVE_MS = 30_000;
/** How long an ended side may still take. */
const LINGER_MS = 2_000;

const settle = (socket: Duplex): void => {
  const tcp = socket as Socket;
  tcp.setTimeout?.(0);
  tcp.setNoDelay?.(true);
  // Ends that vanish without a word are found out by the system.
  tcp.setKeepAlive?.(true, KEEP_ALIVE_MS);
};

/** The 101 as the client gets it (RFC 9110, section 7.8). */
const switching = (answer: IncomingMessage, requestId: string, decisions: readonly string[]): string => {
  const list = [...answerHeaders(answer, requestId, decisions), 'Connection', 'Upgrade', 'Upgrade', String(answer.headers.upgrade ?? 'websocket')];
  let text = `HTTP/1.1 101 ${STATUS_CODES[101]}\r\n`;
  for (let at = 0; at < list.length; at += 2) text += `${list[at]}: ${list[at + 1]}\r\n`;
  return `${text}\r\n`;
};

/**
 * Switches a client over: its 101, then everything both ways, untouched, until one of both ends. Returns what ends it.
 * `onEnd` is told once.
 */
export const openTunnel = (
  client: End,
  upstream: End,
  said: { readonly answer: IncomingMessage; readonly requestId: string; readonly decisions: readonly string[] },
  onEnd: () => void,
): (() => void) => {
  let isOver = false;
  const over = (): void => {
    if (isOver) return;
    isOver = true;
    onEnd();
    for (const { socket } of [client, upstream]) {
      socket.end();
      setTimeout(() => socket.destroy(), LINGER_MS).unref();
    }
  };
  for (const { socket } of [client, upstream]) {
    settle(socket);
    socket.on('error', over).on('close', over);
  }
  client.socket.write(Buffer.from(switching(said.answer, said.requestId, said.decisions), 'latin1'));
  if (upstream.head.length > 0) client.socket.write(upstream.head);
  if (client.head.length > 0) upstream.socket.write(client.head);
  client.socket.pipe(upstream.socket);
  upstream.socket.pipe(client.socket);
  return over;
};
