import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import { DECISION_BYTES, readBody, requestIdOf } from '../api/index.js';
import type { Authenticate, Authentication, Caller, RefusedRequest } from '../caller/index.js';
import type { AskedBy, Query, QueryOutcome } from '../evaluate/index.js';
import { pathWithoutSecrets } from '../event/index.js';
import { JournalUnavailable } from '../ingest/index.js';
import { type InputRead, type ReadFault, readBareInput, readDataBody, readInputParameter, readInputs } from './read.js';
import { type OpaReply, opaError, replyBatch, replyData, replyDefault, replyError, type Wanted } from './reply.js';
import { type OpaTarget, opaTarget } from './target.js';

export type OpaFrontConfig = {
  /** The decision that `POST /` asks for: `policy.entrypoint`. */
  readonly entrypoint: string;
  readonly version: string;
};

export type OpaFrontDeps = {
  readonly authenticate: Authenticate;
  readonly query: Query;
  readonly addressOf: (request: IncomingMessage) => string;
  /** Resolves when a known caller's refusal is recorded; of nobody's at once. */
  readonly refused: (caller: Caller | undefined, refusal: RefusedRequest) => Promise<void>;
  readonly observe: (seconds: number, status: number) => void;
  readonly log: Pick<Logger, 'error'>;
  readonly now?: () => number;
};

type Listener = (request: IncomingMessage, response: ServerResponse) => void;
type Asking = Extract<OpaTarget, { readonly query: URLSearchParams | undefined }>;

const HEALTHY: OpaReply = { status: 200, body: '{}' };
const PLAIN: Wanted = { pretty: false, provenance: false, metrics: false };

/** OPA's switches are on for "true" alone; those that Verdict has nothing to say to (explain, strict-builtin-errors) are let be. */
const wantedOf = (query: URLSearchParams | undefined): Wanted => {
  if (!query) return PLAIN;
  const isOn = (name: string): boolean => query.get(name) === 'true';
  return { pretty: isOn('pretty'), provenance: isOn('provenance'), metrics: isOn('metrics') || isOn('instrument') };
};

const malformed = ({ code, message }: ReadFault): OpaReply => opaError(400, 'invalid_parameter', message, { code, message });

/**
 * Serves OPA's REST API straight on node:http, as evaluationFront serves AuthZEN's two paths, and hands every other
 * request on. Each query is a decision; its answer leaves when its record is durable.
 */
export const opaFront = (config: OpaFrontConfig, deps: OpaFrontDeps, other: Listener): Listener => {
  const now = deps.now ?? Date.now;

  const answer = async (request: IncomingMessage, response: ServerResponse, target: OpaTarget): Promise<void> => {
    const started = performance.now();
    const requestId = requestIdOf(request.headers['x-request-id']);
    const reply = await replyOrFailure(request, target, requestId);
    write(response, reply, requestId);
    if (target.kind !== 'health') deps.observe((performance.now() - started) / 1000, reply.status);
  };

  const replyOrFailure = async (request: IncomingMessage, target: OpaTarget, requestId: string): Promise<OpaReply> => {
    try {
      return await replyTo(request, target, requestId);
    } catch (error) {
      if (error instanceof JournalUnavailable) return replyError(503, { code: error.code, message: error.message });
      deps.log.error({ request_id: requestId, err: error }, 'a query failed');
      return replyError(500, { code: 'internal', message: 'Verdict could not answer this request; its log says why, under the request id.' });
    }
  };

  const replyTo = async (request: IncomingMessage, target: OpaTarget, requestId: string): Promise<OpaReply> => {
    if (target.kind === 'health') return HEALTHY;
    const known = deps.authenticate(request.headers.authorization, now());
    const authentication: Authentication = known instanceof Promise ? await known : known;
    const address = deps.addressOf(request);
    if (!authentication.ok) {
      request.resume();
      await deps.refused(undefined, { address, code: authentication.code, path: pathOf(request), requestId });
      return replyError(401, authentication);
    }
    if (target.kind === 'refused') {
      request.resume();
      const refusal = replyError(target.status, { code: target.status === 405 ? 'method.not_allowed' : 'path.invalid', message: target.message });
      return target.allow ? { ...refusal, allow: target.allow } : refusal;
    }
    return asked(request, target, { caller: authentication.caller, address, requestId });
  };

  const asked = async (request: IncomingMessage, target: Asking, by: AskedBy): Promise<OpaReply> => {
    if (request.method === 'GET') {
      request.resume();
      return one(request, target, by, readInputParameter(target.query?.get('input') ?? null), false);
    }
    const body = await readBody(request, DECISION_BYTES);
    if (!body.ok) return replyError(body.problem.status, { code: body.problem.code, message: body.problem.detail });
    if (target.kind === 'batch') return batch(request, target, by, body.bytes);
    return one(request, target, by, target.kind === 'data' ? readDataBody(body.bytes) : readBareInput(body.bytes), true);
  };

  const one = async (request: IncomingMessage, target: Asking, by: AskedBy, read: InputRead, warns: boolean): Promise<OpaReply> => {
    if (!read.ok) return malformed(read);
    const path = target.kind === 'default' ? config.entrypoint : target.path;
    const outcome = await deps.query.one({ path, asked: read.asked }, by);
    await noteRefusals(request, [outcome], by);
    const wanted = wantedOf(target.query);
    return target.kind === 'default' ? replyDefault(outcome, path, wanted) : replyData(outcome, warns && !read.given, wanted, config.version);
  };

  const batch = async (request: IncomingMessage, target: Extract<Asking, { readonly path: string }>, by: AskedBy, bytes: Buffer): Promise<OpaReply> => {
    const read = readInputs(bytes, target.path);
    if (!read.ok) return malformed(read);
    const outcomes = await deps.query.many(read.queries, by);
    await noteRefusals(request, outcomes, by);
    return replyBatch(read.names, outcomes, by.requestId, wantedOf(target.query));
  };

  /** The refusals among the outcomes, one for each code and account: each is an event. */
  const noteRefusals = async (request: IncomingMessage, outcomes: readonly QueryOutcome[], by: AskedBy): Promise<void> => {
    const found = new Map<string, Extract<QueryOutcome, { readonly kind: 'forbidden' }>>();
    for (const outcome of outcomes) if (outcome.kind === 'forbidden') found.set(`${outcome.code}/${outcome.account ?? ''}`, outcome);
    for (const { code, account } of found.values())
      await deps.refused(by.caller, {
        address: by.address,
        requestId: by.requestId,
        code,
        path: pathOf(request),
        permission: 'decision.evaluate',
        ...(account !== undefined && { account }),
      });
  };

  return (request, response) => {
    const target = opaTarget(request.method, request.url ?? '');
    if (!target) return other(request, response);
    answer(request, response, target).catch((error: unknown) => {
      response.destroy(error instanceof Error ? error : undefined);
    });
  };
};

const pathOf = (request: IncomingMessage): string => pathWithoutSecrets((request.url ?? '').split('?', 1)[0] ?? '').slice(0, 512);

const write = (response: ServerResponse, reply: OpaReply, requestId: string): void => {
  if (response.destroyed) return;
  const headers = [
    'Content-Type',
    'application/json',
    'Content-Length',
    String(Buffer.byteLength(reply.body)),
    'X-Request-ID',
    requestId,
    'Cache-Control',
    'no-store',
    'X-Content-Type-Options',
    'nosniff',
  ];
  if (reply.status === 401) headers.push('WWW-Authenticate', 'Bearer');
  if (reply.status === 503) headers.push('Retry-After', '1');
  if (reply.allow) headers.push('Allow', reply.allow);
  if (reply.decisionId) headers.push('X-Verdict-Decision', reply.decisionId);
  response.writeHead(reply.status, headers);
  response.end(reply.body);
};
