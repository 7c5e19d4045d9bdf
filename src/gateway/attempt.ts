import type { ClientRequest, IncomingMessage } from 'node:http';
import { pump } from './pump.js';
import type { Call, CallEvents, CallFailure, CallOutcome, UpstreamConfig } from './upstream.js';

/** RFC 9110, section 9.2.2: asked twice they do what they do once. */
const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);
/** How long an upstream that says nothing of 100 Continue keeps a body waiting (RFC 9110, section 10.1.1). */
const CONTINUE_MS = 1_000;

/** An attempt that found its kept connection closed by the other side: nothing was answered on it. */
export type Stale = { readonly kind: 'stale'; readonly failure: CallFailure };

type Waits = Pick<UpstreamConfig, 'connect_ms' | 'headers_ms' | 'idle_ms'>;
type Settle = (outcome: CallOutcome | Stale) => void;

export const callFailure = (status: CallFailure['status'], code: string, message: string, blame: CallFailure['blame'] = 'upstream'): CallFailure => ({
  kind: 'failed',
  status,
  code,
  message,
  blame,
});

const CLIENT_GONE = callFailure(499, 'client.gone', 'The client went away before the upstream answered.', 'client');

const noConnection = (ms: number): CallFailure =>
  callFailure(504, 'upstream.unreachable', `No connection to the upstream was had within ${ms} ms (gateway.connect_ms).`);
const noneFree = (ms: number): CallFailure =>
  callFailure(503, 'upstream.busy', `All connections to the upstream (gateway.max_connections) were in use for ${ms} ms (gateway.connect_ms).`, 'nobody');
const noAnswer = (ms: number): CallFailure =>
  callFailure(504, 'upstream.timeout', `The upstream has not answered within ${ms} ms (gateway.headers_ms); it may still act on the request.`);
const notTaken = (ms: number): CallFailure =>
  callFailure(504, 'upstream.timeout', `The upstream has taken nothing of the body for ${ms} ms (gateway.idle_ms).`);
const notSent = (ms: number): CallFailure => callFailure(408, 'request.timeout', `Nothing more of the body has come for ${ms} ms (gateway.idle_ms).`, 'client');

/** Whether the client has not sent all of its body: an upstream that breaks off then may have had enough of waiting for it. */
const isStillComing = ({ body }: Call): boolean => body !== undefined && !Buffer.isBuffer(body) && !body.complete;

const faultOf = (error: NodeJS.ErrnoException, wasConnected: boolean, isUnsent: boolean): CallFailure => {
  const code = error.code ?? '';
  if (!wasConnected) return callFailure(502, 'upstream.unreachable', `The upstream can't be reached (${code || error.message}).`);
  if (code.startsWith('HPE_')) return callFailure(502, 'upstream.invalid', 'What the upstream answered is no HTTP/1.1 that the gateway takes.');
  return callFailure(
    502,
    'upstream.broken',
    `The upstream broke the connection off before it answered (${code || error.message}); it may have acted on the request.`,
    isUnsent ? 'nobody' : 'upstream',
  );
};

const isStale = (call: Call, outgoing: ClientRequest, { code }: NodeJS.ErrnoException): boolean =>
  outgoing.reusedSocket && call.body === undefined && IDEMPOTENT.has(call.method) && (code === 'ECONNRESET' || code === 'EPIPE');

/** One deadline at a time; `end` for when there is nothing to wait for. */
const deadline = (settle: Settle) => {
  let timer: NodeJS.Timeout | undefined;
  return {
    set: (ms: number, late: (ms: number) => CallFailure): void => {
      clearTimeout(timer);
      timer = setTimeout(() => settle(late(ms)), ms);
    },
    end: (): void => clearTimeout(timer),
  };
};

/** Sends a call's body when it may be sent: at once, or when the upstream says 100 Continue, or has said nothing for a while. */
const bodySender = (outgoing: ClientRequest, call: Call, events: CallEvents, waits: Waits, due: ReturnType<typeof deadline>, settle: Settle) => {
  let stopPump: (() => void) | undefined;
  let unasked: NodeJS.Timeout | undefined;
  const sent = (): void => due.set(waits.headers_ms, noAnswer);

  const sendNow = (): void => {
    clearTimeout(unasked);
    if (stopPump) return;
    if (call.body === undefined || Buffer.isBuffer(call.body)) {
      stopPump = () => undefined;
      outgoing.end(call.body);
      sent();
      return;
    }
    due.end();
    stopPump = pump(call.body, outgoing, {
      idleMs: waits.idle_ms,
      onIdle: (isFull) => settle((isFull ? notTaken : notSent)(waits.idle_ms)),
      onEnd: sent,
      onBroken: () => settle(CLIENT_GONE),
    });
  };
  const invited = (): void => {
    if (stopPump) return;
    events.onContinue();
    sendNow();
  };
  return {
    connected: (): void => {
      if (!call.expectsContinue) {
        sendNow();
        return;
      }
      due.end();
      outgoing.flushHeaders();
      unasked = setTimeout(invited, CONTINUE_MS);
    },
    invited: (): void => {
      if (call.expectsContinue) invited();
    },
    /** Nothing more may be asked of the client. */
    answered: (): void => clearTimeout(unasked),
    stop: (): void => {
      clearTimeout(unasked);
      stopPump?.();
    },
  };
};

const passInformation = (outgoing: ClientRequest, events: CallEvents): void => {
  outgoing.on('information', ({ statusCode, headers }) => {
    if (statusCode !== 100) events.onInformation(statusCode, headers as IncomingMessage['headers']);
  });
};

/** Makes one attempt on a request that is open; resolves with what came of it. Whatever comes later is nobody's. */
export const attempt = (
  outgoing: ClientRequest,
  call: Call,
  events: CallEvents,
  waits: Waits,
  connectEvent: 'connect' | 'secureConnect',
): Promise<CallOutcome | Stale> =>
  new Promise((resolve) => {
    let isSettled = false;
    let wasConnected = false;
    const settle: Settle = (outcome) => {
      if (isSettled) return;
      isSettled = true;
      due.end();
      events.client.off('close', onGone);
      if (outcome.kind === 'failed' || outcome.kind === 'stale') {
        body.stop();
        outgoing.destroy();
      } else body.answered();
      resolve(outcome);
    };
    const due = deadline(settle);
    const body = bodySender(outgoing, call, events, waits, due, settle);
    const stopBody = (): void => {
      body.stop();
      // A request that never ends would keep its connection from everybody else for ever.
      if (!outgoing.writableEnded) outgoing.destroy();
    };
    const onGone = (): void => settle(CLIENT_GONE);
    const onConnected = (): void => {
      wasConnected = true;
      if (!isSettled) body.connected();
    };

    due.set(waits.connect_ms, noneFree);
    outgoing.on('socket', (socket) => {
      due.set(waits.connect_ms, noConnection);
      if (socket.connecting) socket.once(connectEvent, onConnected);
      else onConnected();
    });
    outgoing.on('continue', () => {
      if (!isSettled) body.invited();
    });
    passInformation(outgoing, events);
    outgoing.on('response', (answer) => {
      // Listened to from the first moment: an answer that breaks off before anybody reads it must not end the process.
      answer.on('error', () => undefined);
      settle({ kind: 'answered', answer, stopBody });
    });
    outgoing.on('upgrade', (answer, socket, head) => settle({ kind: 'upgraded', answer, socket, head }));
    outgoing.on('error', (error: NodeJS.ErrnoException) => {
      const failure = faultOf(error, wasConnected, isStillComing(call));
      settle(isStale(call, outgoing, error) ? { kind: 'stale', failure } : failure);
    });
    events.client.once('close', onGone);
    if (events.client.destroyed) onGone();
  });
