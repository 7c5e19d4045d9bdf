import { again, type Failure, stopped } from '../../outbound/index.js';
import type { Connected } from './connect.js';
import { type Link, type LinkConfig, newLink } from './link.js';
import { LAST_TXNR, newRelpReader, type RelpFrame, relpFrame, relpStatus } from './relp-frames.js';

/** A message on its way. */
export type Submission = {
  /** Its bytes; asked for once, when it is written. Undefined: it isn't to be sent any more. */
  readonly bytes: () => Buffer | undefined;
  /** Told of the server's answer: undefined, or why it was refused. Never told where the connection breaks first. */
  readonly done: (refusal: string | undefined) => void;
};

/** A RELP session: opened, and good for as long as its link. */
export type RelpSession = {
  readonly link: Link;
  /** Takes messages in order; at most the window's number of them is without an answer. */
  readonly submit: (messages: readonly Submission[]) => void;
  /** The server said that it closes: what it acknowledged is safe, the connection's end is in order. */
  readonly isOrderly: () => boolean;
  readonly close: (ms: number) => Promise<void>;
};

export type RelpConfig = LinkConfig & { readonly window: number };

const OFFER = 'relp_version=0\nrelp_software=verdict\ncommands=syslog';
/** The first transaction of a session. */
const OPEN_TXNR = 1;
/** How long the answer to it may take, in milliseconds. */
const OPEN_MS = 10_000;
/** Frames written at once. */
const AT_ONCE = 128;

/** What the server's answer to `open` means; undefined: it is open. */
const openRefused = (data: Buffer, place: string): Failure | undefined => {
  const { code, text } = relpStatus(data);
  if (code !== 200) return again(`${place} refused the RELP session: ${text.split('\n', 1)[0]}.`);
  const commands = /^commands=(.*)$/m.exec(text)?.[1]?.split(',') ?? [];
  return commands.includes('syslog') ? undefined : stopped(`${place} speaks RELP, but takes no syslog: it offers ${commands.join(', ') || 'nothing'}.`);
};

/**
 * Opens a RELP session on a connection. The promise resolves with the failure where the server refuses, doesn't speak
 * RELP, or doesn't answer.
 */
export const openRelp = async ({ socket }: Connected, config: RelpConfig, onBlocked: (isBlocked: boolean) => void): Promise<RelpSession | Failure> => {
  const { place, window } = config;
  const reader = newRelpReader();
  const unanswered = new Map<number, Submission>();
  let waiting: Submission[] = [];
  let next = 0;
  let txnr = 0;
  let isPumping = false;
  let isOrderly = false;
  let onOpen: (data: Buffer) => void = () => undefined;

  const answered = (number: number, message: Submission, data: Buffer): void => {
    unanswered.delete(number);
    const { code, text } = relpStatus(data);
    message.done(code === 200 ? undefined : text.slice(0, 500));
  };

  const heard = ({ txnr: number, command, data }: RelpFrame): void => {
    if (command === 'serverclose') {
      isOrderly = true;
      link.give(again(`${place} closed the session.`));
    } else if (command === 'rsp') {
      const message = unanswered.get(number);
      if (message) answered(number, message, data);
      else if (number === OPEN_TXNR) onOpen(data);
    }
  };

  const onData = (bytes: Buffer): void => {
    silence.refresh();
    try {
      for (const frame of reader(bytes)) heard(frame);
    } catch (error) {
      link.give(stopped(`${place} doesn't speak RELP on this port: ${(error as Error).message}.`));
    }
    void pump();
  };

  const link = newLink(socket, config, { onData, onBlocked });
  const silence = setTimeout(() => {
    if (unanswered.size > 0) link.give(again(`${place} has acknowledged nothing for ${config.stall_ms} ms.`));
  }, config.stall_ms).unref();
  void link.ended.then(() => clearTimeout(silence));

  /** As many messages as the window and one write hold. */
  const nextFrames = (): Buffer | undefined => {
    const frames: Buffer[] = [];
    while (next < waiting.length && unanswered.size < window && frames.length < AT_ONCE) {
      const message = waiting[next] as Submission;
      waiting[next] = undefined as unknown as Submission;
      next += 1;
      const bytes = message.bytes();
      if (!bytes) continue;
      if (unanswered.size === 0) silence.refresh();
      txnr = txnr === LAST_TXNR ? 1 : txnr + 1;
      unanswered.set(txnr, message);
      frames.push(relpFrame(txnr, 'syslog', bytes));
    }
    if (next === waiting.length) {
      waiting = [];
      next = 0;
    }
    return frames.length === 0 ? undefined : Buffer.concat(frames);
  };

  const pump = async (): Promise<void> => {
    if (isPumping) return;
    isPumping = true;
    for (let frames = nextFrames(); frames && (await link.write(frames)); ) frames = nextFrames();
    isPumping = false;
  };

  const opened = new Promise<Failure | undefined>((resolve) => {
    onOpen = (data) => resolve(openRefused(data, place));
  });
  const late = setTimeout(() => link.give(again(`${place} did not answer RELP's open.`)), OPEN_MS);
  txnr = OPEN_TXNR;
  void link.write(relpFrame(txnr, 'open', OFFER));
  const failure = await Promise.race([opened, link.ended]);
  clearTimeout(late);
  if (failure) {
    link.give(failure);
    return failure;
  }

  return {
    link,
    submit: (messages) => {
      for (const message of messages) waiting.push(message);
      void pump();
    },
    isOrderly: () => isOrderly,
    close: async (ms) => {
      void link.write(relpFrame(txnr === LAST_TXNR ? 1 : txnr + 1, 'close', ''));
      await link.finish(ms);
    },
  };
};
