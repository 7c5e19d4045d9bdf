import { again, type Failure, newTrial, type Trial } from '../../outbound/index.js';
import type { Outgoing, Step } from '../sender.js';
import type { Settings } from './config.js';
import { newConnect, placeOf } from './connect.js';
import { framed } from './framing.js';
import { newLink } from './link.js';
import { openRelp } from './relp-session.js';
import type { SenderParts } from './stream.js';
import { openDatagrams } from './udp.js';
import { unlessAborted } from './unless-aborted.js';

type Attempt = { readonly settings: Settings; readonly parts: SenderParts; readonly message: Outgoing; readonly signal: AbortSignal; readonly trial: Trial };

const overUdp = async ({ settings, parts, message, trial }: Attempt): Promise<void> => {
  const opened = await openDatagrams(settings, parts, trial.done);
  if (!opened.ok) return trial.failed('connect', opened.failure);
  const bytes = Buffer.from(parts.line(message));
  const error = await new Promise<Error | null>((resolve) => opened.socket.send(bytes, (failure) => resolve(failure)));
  opened.socket.close();
  if (error) return trial.failed('send', again(`The datagram could not be sent: ${error.message}.`));
  trial.done('send', `A datagram of ${bytes.length} octets left. UDP has no answer: look for it at the receiver.`);
};

const overStream = async ({ settings, parts, message, signal, trial }: Attempt): Promise<void> => {
  const connected = await newConnect(settings, parts)(signal, trial.done);
  if (!connected.ok) return trial.failed(connected.at, connected.failure);
  const link = newLink(connected.socket, { place: placeOf(settings), ...settings }, { onData: () => undefined, onBlocked: () => undefined });
  try {
    const bytes = Buffer.from(framed(parts.line(message), settings.framing));
    await link.write(bytes);
    if (!(await unlessAborted(link.flushed(), signal))) return trial.failed('send', link.failure() as Failure);
    trial.done('send', `${bytes.length} octets left.`);
    if (!(await unlessAborted(link.graced, signal))) return trial.failed('accepted', link.failure() as Failure);
    trial.done('accepted', `The receiver kept the connection open for ${settings.grace_ms} ms; it does not say what it has read.`);
  } finally {
    await link.finish(1_000);
  }
};

const overRelp = async ({ settings, parts, message, signal, trial }: Attempt): Promise<void> => {
  const connected = await newConnect(settings, parts)(signal, trial.done);
  if (!connected.ok) return trial.failed(connected.at, connected.failure);
  const session = await openRelp(connected, { place: placeOf(settings), ...settings }, () => undefined);
  if ('outcome' in session) return trial.failed('handshake', session);
  trial.done('handshake', 'The RELP session is open, and takes syslog.');
  try {
    const answer = new Promise<string | undefined>((resolve) => session.submit([{ bytes: () => Buffer.from(parts.line(message)), done: resolve }]));
    trial.done('send', 'The message left.');
    const end = await unlessAborted(Promise.race([answer, session.link.ended]), signal);
    if (end === undefined) return trial.done('accepted', 'The receiver acknowledged it.');
    trial.failed('accepted', typeof end === 'string' ? again(`The receiver refused it: ${end}`) : end);
  } finally {
    await session.close(1_000);
  }
};

/** Sends one message on a connection of its own, and says what each step did. The first step that failed is the last. */
export const tryOut = async (settings: Settings, parts: SenderParts, message: Outgoing, signal: AbortSignal): Promise<readonly Step[]> => {
  const trial = newTrial(parts.now);
  const over = settings.protocol === 'udp' ? overUdp : settings.protocol.startsWith('relp') ? overRelp : overStream;
  try {
    await over({ settings, parts, message, signal, trial });
  } catch {
    trial.failed('accepted', again('It was told to stop.'));
  }
  return trial.steps;
};
