import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { type AnswerBody, answerJson, readAnswer } from './answer-body.js';
import { answeredAbout, type Followed, follow, readsAnswer } from './follow.js';
import { framingOf, hasBody } from './framing.js';
import { answerHeaders, type Framing, upstreamHeaders } from './headers.js';
import { pump } from './pump.js';
import { record } from './record.js';
import { discardBody, type Refusal } from './reply.js';
import type { About, Cleared, Exchange, GatewayDeps } from './types.js';
import type { CallFailure, CallOutcome } from './upstream.js';

/** What became of a request that went on: it is being answered, switched over, or must be answered by the gateway itself. */
export type Forwarded =
  | { readonly kind: 'answered' }
  | { readonly kind: 'upgraded'; readonly outcome: Extract<CallOutcome, { kind: 'upgraded' }> }
  /** `acted`: the upstream may have done what was asked. */
  | ({ readonly kind: 'refused'; readonly acted: boolean } & Refusal);

const OPEN_WAIT_S = 1;
/** The least status of an answer: 1xx says that one will come. */
const LEAST_FINAL = 200;

const protocolOf = ({ request }: Exchange, isTrusted: boolean): 'http' | 'https' => {
  const said = request.headers['x-forwarded-proto'];
  if (isTrusted && (said === 'https' || said === 'http')) return said;
  return (request.socket as TLSSocket).encrypted ? 'https' : 'http';
};

const callOf = (exchange: Exchange, cleared: Cleared, wantsPlainAnswer: boolean, deps: GatewayDeps) => {
  const { request } = exchange;
  const came = framingOf(request);
  const isStreamed = !cleared.body && hasBody(came) && !request.readableEnded;
  const read = cleared.body?.bytes ?? (hasBody(came) ? Buffer.alloc(0) : undefined);
  const framing: Framing = isStreamed || read === undefined ? came : { kind: 'length', length: String(read.length) };
  const expectsContinue = exchange.expectsContinue && isStreamed;
  const host = request.headers.host ?? '';
  const introduction = {
    requestId: exchange.id,
    trace: exchange.trace,
    client: exchange.address,
    peer: (request.socket.remoteAddress ?? '').replace(/^::ffff:/, ''),
    protocol: protocolOf(exchange, deps.isTrustedPeer(request)),
    host,
    upstreamHost: deps.limits.preserve_host && host !== '' ? host : deps.upstream.host,
    ...(cleared.user && { user: cleared.user }),
    decisions: cleared.decisions,
  };
  const hop = { ...(exchange.isUpgrade && { upgrade: request.headers.upgrade as string }), expectsContinue, wantsPlainAnswer };
  return {
    method: exchange.method,
    target: exchange.target,
    headers: upstreamHeaders(request, introduction, framing, hop),
    body: isStreamed ? request : read,
    expectsContinue,
  };
};

/** 102 and 103 (RFC 8297) say nothing of what came of the request: they go on before it is recorded. */
const passInformation = ({ response, request }: Exchange, status: number, headers: IncomingMessage['headers']): void => {
  if (response.headersSent || response.destroyed || request.httpVersion !== '1.1') return;
  try {
    if (status === 102) response.writeProcessing();
    if (status === 103 && headers.link !== undefined) response.writeEarlyHints({ link: headers.link });
  } catch {
    // Links that node:http doesn't write are hints that aren't given.
  }
};

/** Failures before anything was sent. */
const UNSENT: ReadonlySet<string> = new Set(['upstream.unreachable', 'upstream.unsendable', 'upstream.busy']);

const refusedBy = (about: About, outcome: CallFailure): Forwarded => ({
  kind: 'refused',
  about,
  status: outcome.status,
  code: outcome.code,
  message: outcome.message,
  acted: !UNSENT.has(outcome.code),
  ...(outcome.code === 'upstream.busy' && { retryAfter: OPEN_WAIT_S }),
});

const open = (about: About, deps: GatewayDeps): Forwarded => {
  const state = deps.breaker.state();
  return {
    kind: 'refused',
    about,
    status: 503,
    code: 'upstream.open',
    message: `The upstream has not answered for a while, so it is not asked at the moment. ${state.open ? state.reason : ''}`.trim(),
    retryAfter: Math.max(OPEN_WAIT_S, Math.ceil(deps.breaker.wait() / 1000)),
    acted: false,
  };
};

const spoilt = (about: About): Forwarded => ({
  kind: 'refused',
  about,
  status: 400,
  code: 'request.invalid',
  message: 'What followed the headers of this request is not what HTTP/1.1 allows.',
  acted: false,
});

type Told = { wasContinued: boolean };
type Answered = Extract<CallOutcome, { kind: 'answered' }>;

const callUpstream = async (exchange: Exchange, cleared: Cleared, wantsPlainAnswer: boolean, told: Told, deps: GatewayDeps): Promise<CallOutcome> => {
  const begun = performance.now();
  const outcome = await deps.upstream.call(callOf(exchange, cleared, wantsPlainAnswer, deps), {
    onContinue: () => {
      told.wasContinued = true;
      if (!exchange.response.destroyed) exchange.response.writeContinue();
    },
    onInformation: (status, headers) => passInformation(exchange, status, headers),
    client: exchange.response,
  });
  deps.metrics.asked((performance.now() - begun) / 1000);
  if (outcome.kind !== 'failed') deps.breaker.answered();
  else if (outcome.blame === 'upstream') deps.breaker.failed(outcome.message);
  else deps.breaker.ended();
  return outcome;
};

type Read = { readonly followed: Followed; readonly about: About; readonly body?: AnswerBody };

const NOTHING: Followed = { kind: 'nothing' };

/** What a successful answer says of entities goes into the directory, and its names into the record. */
const readOf = async (exchange: Exchange, cleared: Cleared, answer: IncomingMessage, deps: GatewayDeps): Promise<Read> => {
  const { about } = cleared;
  const status = answer.statusCode as number;
  const { entity, resourceName } = cleared.match.route;
  if (status < 200 || status > 299 || (!entity && !resourceName)) return { followed: NOTHING, about };
  const isRead = readsAnswer(cleared) && exchange.method !== 'HEAD';
  const body = isRead ? await readAnswer(answer, deps.limits.answer_bytes, deps.limits.idle_ms) : undefined;
  if (body?.kind === 'broken' || body?.kind === 'idle') return { followed: NOTHING, about, body };
  const failed = (code: string, message: string): Read => ({ followed: { kind: 'failed', code, message }, about, ...(body && { body }) });
  if (body?.kind === 'too_large') return failed('answer.too_large', `The answer has over ${deps.limits.answer_bytes} bytes (gateway.answer_bytes).`);
  const json = body ? answerJson(answer, body.bytes) : { value: null };
  if ('fault' in json) return failed('answer.unreadable', json.fault);
  const followed = await follow(exchange, cleared, json.value, deps);
  return { followed, about: answeredAbout(exchange, cleared, json.value, followed), ...(body && { body }) };
};

/** An entity that could not follow is told of in an event of its own; the answer goes on. */
const noteFollowed = async (exchange: Exchange, about: About, status: number, followed: Followed, deps: GatewayDeps): Promise<void> => {
  if (followed.kind === 'nothing') return;
  deps.metrics.followed(followed.kind === 'failed' ? 'failed' : 'written');
  if (followed.kind !== 'failed') return;
  const { code, message } = followed;
  await record(exchange, { ...about, action: 'gateway.entity_failed' }, { status, result: 'error', code, message }, deps);
};

/** Hands the answer on. What breaks off from here on is a second event with the same request id. */
const passAnswer = (
  exchange: Exchange,
  cleared: Cleared,
  about: About,
  { answer, stopBody }: Answered,
  told: Told,
  read: AnswerBody | undefined,
  deps: GatewayDeps,
): void => {
  const { request, response } = exchange;
  const status = answer.statusCode as number;
  let isOver = false;
  let stop: () => void = () => undefined;
  const brokenBy = (code: string, message: string): void => {
    if (isOver) return;
    isOver = true;
    stop();
    stopBody();
    answer.destroy();
    response.destroy();
    deps.metrics.broken(code);
    record(exchange, about, { status, result: 'error', code, message }, deps).catch((error: Error) =>
      deps.log.error({ request: exchange.id, code, error: error.message }, 'an answer broke off, and that could not be recorded'),
    );
  };
  const headers = answerHeaders(answer, exchange.id, cleared.decisions);
  if (exchange.isUpgrade || (exchange.expectsContinue && !told.wasContinued && !request.complete)) headers.push('Connection', 'close');
  response.on('close', () => {
    if (!response.writableFinished) brokenBy('client.gone', 'The client went away before it had the whole answer.');
  });
  response.on('finish', () => {
    isOver = true;
    // An upstream that answers early may take no more; what still comes must not wait for it.
    stopBody();
    discardBody(exchange);
  });
  response.writeHead(status, headers);
  if (read?.kind === 'whole') return void response.end(read.bytes);
  if (read?.kind === 'too_large') response.write(read.bytes);
  stop = pump(answer, response, {
    idleMs: deps.limits.idle_ms,
    onIdle: (isFull) =>
      isFull
        ? brokenBy('client.idle', `The client has taken nothing of the answer for ${deps.limits.idle_ms} ms (gateway.idle_ms).`)
        : brokenBy('upstream.idle', `Nothing more of the answer has come for ${deps.limits.idle_ms} ms (gateway.idle_ms).`),
    onEnd: () => undefined,
    onBroken: () => brokenBy('upstream.broken', 'The upstream broke its answer off.'),
  });
  if (response.destroyed) brokenBy('client.gone', 'The client went away before it had the whole answer.');
};

const noStatus = (about: About, status: number): Forwarded => ({
  kind: 'refused',
  about,
  status: 502,
  code: 'upstream.invalid',
  message: `The upstream answered with ${status}, which is no status of an answer (RFC 9110, section 15).`,
  acted: true,
});

const brokenBefore = (about: About, kind: 'broken' | 'idle'): Forwarded => ({
  kind: 'refused',
  about,
  status: kind === 'idle' ? 504 : 502,
  code: kind === 'idle' ? 'upstream.timeout' : 'upstream.broken',
  message: 'The upstream began an answer and did not end it; it may have acted on the request.',
  acted: true,
});

/**
 * Asks the upstream on behalf of a request that may go on, records what it answered, and hands the answer on: its
 * headers leave when the event is on disk. Rejects with JournalUnavailable where that can't be; nothing was shown then.
 */
export const forward = async (exchange: Exchange, cleared: Cleared, deps: GatewayDeps): Promise<Forwarded> => {
  if (exchange.isSpoilt()) return spoilt(cleared.about);
  if (!deps.breaker.allows()) return open(cleared.about, deps);
  const told: Told = { wasContinued: false };
  const outcome = await callUpstream(exchange, cleared, readsAnswer(cleared), told, deps);
  if (outcome.kind === 'failed') return refusedBy(cleared.about, outcome);
  if (outcome.kind === 'upgraded') return { kind: 'upgraded', outcome };
  const { answer } = outcome;
  const status = answer.statusCode as number;
  if (status < LEAST_FINAL) {
    answer.destroy();
    return noStatus(cleared.about, status);
  }
  try {
    const { followed, about, body } = await readOf(exchange, cleared, answer, deps);
    if (body?.kind === 'broken' || body?.kind === 'idle') {
      answer.destroy();
      return brokenBefore(about, body.kind);
    }
    const recording = cleared.match.route.isRecorded ? record(exchange, about, { status }, deps) : Promise.resolve();
    await Promise.all([recording, noteFollowed(exchange, about, status, followed, deps)]);
    deps.metrics.answered((performance.now() - exchange.begun) / 1000, status);
    passAnswer(exchange, cleared, about, outcome, told, body, deps);
    return { kind: 'answered' };
  } catch (error) {
    answer.destroy();
    throw error;
  }
};
