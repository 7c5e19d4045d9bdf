import { performance } from 'node:perf_hooks';
import type { Dial, Outgoing, Sender } from '../sender.js';
import { type SyslogConfig, settingsOf } from './config.js';
import { placeOf } from './connect.js';
import { newLineMaker } from './layout.js';
import { newRelpSender } from './relp.js';
import { newStreamSender, type SenderParts } from './stream.js';
import { tryOut } from './trial.js';
import { newUdpSender } from './udp.js';

export type SyslogDeps = {
  readonly dial: Dial;
  /** Milliseconds that never go back; the process's own clock where it isn't given. */
  readonly now?: () => number;
  /** From 0 to 1. */
  readonly random?: () => number;
  /** What stands as a message's text, as CEF for example; the event as JSON where it isn't given. */
  readonly text?: (outgoing: Outgoing) => string;
};

const LIMITS = { stream: { events: 5_000, bytes: 4_194_304 }, datagrams: { events: 500, bytes: 4_194_304 } } as const;

const senderFor = (protocol: SyslogConfig['protocol']) => {
  switch (protocol) {
    case 'udp':
      return newUdpSender;
    case 'tcp':
    case 'tls':
      return newStreamSender;
    case 'relp':
    case 'relp-tls':
      return newRelpSender;
  }
};

/**
 * Sends events as RFC 5424 over UDP, TCP, TLS or RELP. Opens nothing until the first `send`. How safe an accepted batch
 * is: over UDP it has left; over TCP and TLS it has left over a connection that the receiver kept; over RELP the
 * receiver has acknowledged it. Refuses no configuration that {@link syslogSchema} takes; certificates that can't be
 * read stop the feed with a sentence.
 */
export const syslogSender = (config: SyslogConfig, { dial, now = performance.now.bind(performance), random = Math.random, text }: SyslogDeps): Sender => {
  const settings = settingsOf(config);
  const make = newLineMaker(settings.layout);
  const textOf = text ?? (({ raw }: Outgoing) => raw);
  const parts = (test: boolean): SenderParts => ({ dial, now, random, line: (outgoing) => make(outgoing.event, { text: textOf(outgoing), test }) });
  const sender = senderFor(config.protocol)(settings, parts(false));
  return {
    name: `syslog over ${config.protocol} to ${placeOf(settings)}`,
    limits: config.protocol === 'udp' ? LIMITS.datagrams : LIMITS.stream,
    send: (batch, signal) => (batch.length === 0 ? Promise.resolve({ outcome: 'accepted' }) : sender.send(batch, signal)),
    test: (message, signal) => tryOut(settings, parts(true), message, signal),
    close: sender.close,
  };
};
