import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  DECISION_BYTES,
  echoedIdOf,
  problem,
  type Reply,
  readBody,
  readEvaluation,
  readEvaluations,
  refusalsAmong,
  replyEvaluation,
  replyEvaluations,
  replyProblem,
  requestIdOf,
} from '../api/index.js';
import type { Authenticate, Authentication, Caller } from '../caller/index.js';
import type { AskedBy, Decide } from '../evaluate/index.js';
import { JournalUnavailable } from '../ingest/index.js';

export type RefusedCall = {
  readonly address: string;
  readonly code: string;
  readonly path: string;
  readonly requestId: string;
  readonly permission?: 'decision.evaluate';
  readonly account?: string;
};

export type EvaluationFrontDeps = {
  readonly authenticate: Authenticate;
  readonly decide: Decide;
  readonly addressOf: (request: IncomingMessage) => string;
  /** Resolves when a known caller's refusal is recorded; of nobody's at once. */
  readonly refused: (caller: Caller | undefined, call: RefusedCall) => Promise<void>;
  readonly observe: (seconds: number, status: number) => void;
  readonly now?: () => number;
};

type Listener = (request: IncomingMessage, response: ServerResponse) => void;

const ONE = '/access/v1/evaluation';
const MANY = '/access/v1/evaluations';

/**
 * Serves AuthZEN's two evaluation paths straight on node:http and hands every other request on. They are asked
 * thousands of times a second, and need nothing of a general router (docs/decisions/evaluation-front.md). Reading and answering are the same functions that the API is made of.
 */
export const evaluationFront = (deps: EvaluationFrontDeps, other: Listener): Listener => {
  const now = deps.now ?? Date.now;

  const answer = async (request: IncomingMessage, response: ServerResponse, isBatch: boolean): Promise<void> => {
    const started = performance.now();
    const requestId = requestIdOf(request.headers['x-request-id']);
    const reply = await replyTo(request, isBatch, requestId);
    write(response, reply, echoedIdOf(request.headers, request.url ?? '', requestId));
    deps.observe((performance.now() - started) / 1000, reply.status);
  };

  const replyTo = async (request: IncomingMessage, isBatch: boolean, requestId: string): Promise<Reply> => {
    const path = isBatch ? MANY : ONE;
    const known = deps.authenticate(request.headers.authorization, now());
    const authentication: Authentication = known instanceof Promise ? await known : known;
    const address = deps.addressOf(request);
    if (!authentication.ok) {
      request.resume();
      await deps.refused(undefined, { address, code: authentication.code, path, requestId });
      return replyProblem(problem(401, authentication.code, authentication.message), requestId);
    }
    const body = await readBody(request, DECISION_BYTES);
    if (!body.ok) return replyProblem(body.problem, requestId);
    const by: AskedBy = { caller: authentication.caller, address, requestId };
    try {
      return isBatch ? await many(body.bytes, request, by) : await one(body.bytes, request, by);
    } catch (error) {
      if (error instanceof JournalUnavailable) return replyProblem(problem(503, error.code, error.message), requestId);
      throw error;
    }
  };

  const one = async (bytes: Buffer, request: IncomingMessage, by: AskedBy): Promise<Reply> => {
    const read = readEvaluation(bytes, request.headers['content-type']);
    if (!read.ok) return replyProblem(read.problem, by.requestId);
    const outcome = await deps.decide.evaluate(read.question, by);
    await noteRefusals([outcome], by, ONE);
    return replyEvaluation(outcome, by.requestId);
  };

  const many = async (bytes: Buffer, request: IncomingMessage, by: AskedBy): Promise<Reply> => {
    const read = readEvaluations(bytes, request.headers['content-type']);
    if (!read.ok) return replyProblem(read.problem, by.requestId);
    if (read.kind === 'one') {
      const outcome = await deps.decide.evaluate(read.question, by);
      await noteRefusals([outcome], by, MANY);
      return replyEvaluation(outcome, by.requestId);
    }
    const outcomes = await deps.decide.evaluations(read.items, read.semantic, by);
    await noteRefusals(outcomes, by, MANY);
    return replyEvaluations(outcomes, by.requestId);
  };

  const noteRefusals = async (outcomes: Parameters<typeof refusalsAmong>[0], by: AskedBy, path: string): Promise<void> => {
    for (const { code, account } of refusalsAmong(outcomes))
      await deps.refused(by.caller, {
        address: by.address,
        requestId: by.requestId,
        code,
        path,
        permission: 'decision.evaluate',
        ...(account !== undefined && { account }),
      });
  };

  return (request, response) => {
    const isBatch = request.url === MANY;
    if (request.method !== 'POST' || (!isBatch && request.url !== ONE)) return other(request, response);
    answer(request, response, isBatch).catch((error: unknown) => {
      response.destroy(error instanceof Error ? error : undefined);
    });
  };
};

const write = (response: ServerResponse, reply: Reply, echoedId: string): void => {
  if (response.destroyed) return;
  const headers = [
    'Content-Type',
    reply.contentType,
    'Content-Length',
    String(Buffer.byteLength(reply.body)),
    'X-Request-ID',
    echoedId,
    'Cache-Control',
    'no-store',
  ];
  if (reply.status === 401) headers.push('WWW-Authenticate', 'Bearer');
  if (reply.status === 503) headers.push('Retry-After', '1');
  response.writeHead(reply.status, headers);
  response.end(reply.body);
};
