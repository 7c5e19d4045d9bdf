import type { IncomingMessage, ServerResponse } from 'node:http';
import { getRequestListener, type HttpBindings } from '@hono/node-server';
import { type Context, Hono } from 'hono';
import type { Caller } from '../caller/types.js';
import { pathWithoutSecrets } from '../event/index.js';
import { auditRoutes } from './audit-logs.js';
import { authzenRoutes } from './authzen-routes.js';
import type { Answer, Contract, Route } from './contract.js';
import type { ApiConfig, ApiDeps } from './deps.js';
import { discoveryRoutes } from './discovery.js';
import { endpoint } from './endpoint.js';
import { entityRoutes } from './entities.js';
import { bulkEntityRoutes } from './entities-bulk.js';
import { eventRoutes } from './events.js';
import { exportRoutes } from './export.js';
import { scheduleRoutes } from './export-schedules.js';
import { exportJobRoutes } from './exports.js';
import { forwarderRoutes } from './forwarders.js';
import { keyRoutes } from './keys.js';
import { openApiOf, openApiRoute } from './openapi.js';
import { operateRoutes } from './operate.js';
import { PROBLEM_TYPE, type Problem, problem } from './problem.js';
import { quarantineRoutes } from './quarantine.js';
import { echoedIdOf, requestIdOf } from './request-id.js';
import { reviewRoutes } from './review.js';
import { searchRoutes } from './search-routes.js';

export type Api = {
  readonly app: Hono<{ Bindings: HttpBindings }>;
  /** Answers a node:http request; every answer, failures too, is written by it. */
  readonly nodeListener: (incoming: IncomingMessage, outgoing: ServerResponse) => Promise<void>;
  /** The contracts of all routes, for those who describe the API. */
  readonly routes: readonly Route[];
};

/** Hono's mark for an answer that the handler has written to the socket itself. */
const SENT_HEADER = 'x-hono-already-sent';

/** Every route but the API's description, which is made of them. Fixed paths come before those with a name in the same place. */
const allRoutes = (config: ApiConfig, deps: ApiDeps): readonly Route[] => [
  ...authzenRoutes(deps),
  ...searchRoutes(deps),
  ...discoveryRoutes(config),
  ...eventRoutes(deps),
  ...reviewRoutes(deps),
  ...entityRoutes(deps),
  ...bulkEntityRoutes(deps),
  ...exportRoutes(deps),
  ...exportJobRoutes(deps),
  ...scheduleRoutes(deps),
  ...auditRoutes(deps),
  ...keyRoutes(deps),
  ...forwarderRoutes(deps),
  ...quarantineRoutes(deps),
  ...operateRoutes(deps),
];

/** The HTTP interface: one Hono app over the routes of this folder. `elsewhere` are contracts that fronts before it keep: it describes them too. */
export const createApi = (config: ApiConfig, given: ApiDeps, elsewhere: readonly Contract[] = []): Api => {
  const deps: ApiDeps = { ...given, refused: tolerant(given) };
  const described = allRoutes(config, deps);
  const routes = [...described, openApiRoute(() => document)];
  const document = openApiOf(config, [...routes, ...elsewhere.map((contract) => ({ contract }))]);
  const app = new Hono<{ Bindings: HttpBindings }>();

  for (const one of routes) {
    const answerTo = endpoint(one, deps);
    app.on(one.contract.method, one.contract.path.replaceAll(/\{(\w+)\}/g, ':$1'), async (c) => {
      const started = performance.now();
      const requestId = requestIdOf(c.env.incoming.headers['x-request-id']);
      const params = c.req.param() as { readonly [name: string]: string };
      const { incoming, outgoing } = c.env;
      // Answers of these routes can't be had without their body, so HEAD is no cheaper GET; only /healthz and /readyz take it.
      const isHead = incoming.method === 'HEAD' && one.contract.permission !== 'anonymous';
      const { answer, caller } = isHead
        ? { answer: methodNotAllowed([one.contract.method]), caller: undefined }
        : await answerTo({ requestId, url: new URL(c.req.url), params, incoming, outgoing });
      return respond(c, answer, { requestId, caller, route: one.contract.path, started });
    });
  }

  type Meta = { readonly requestId: string; readonly caller: Caller | undefined; readonly route: string; readonly started: number };

  const respond = (c: Context<{ Bindings: HttpBindings }>, answer: Answer, meta: Meta): Response => {
    const response = toResponse(answer, meta.requestId);
    const echoed = echoedIdOf(c.env.incoming.headers, c.req.path, meta.requestId);
    if (echoed !== meta.requestId) response.headers.set('x-request-id', echoed);
    const status = answer.kind === 'sent' ? answer.status : response.status;
    const milliseconds = performance.now() - meta.started;
    const code = answer.kind === 'problem' || answer.kind === 'refused' ? answer.problem.code : undefined;
    deps.log.info(
      {
        request_id: meta.requestId,
        method: c.req.method,
        path: pathWithoutSecrets(c.req.path),
        status,
        ms: Math.round(milliseconds * 10) / 10,
        ...(meta.caller && { caller: meta.caller.id }),
        ...(code && { code }),
      },
      'request',
    );
    deps.observe?.({ method: c.req.method, route: meta.route, status, seconds: milliseconds / 1000 });
    return response;
  };

  app.notFound((c) => {
    const requestId = requestIdOf(c.env.incoming.headers['x-request-id']);
    const allowed = methodsOf(routes, c.req.path);
    const answer: Answer =
      allowed.length > 0
        ? methodNotAllowed(allowed)
        : { kind: 'problem', problem: problem(404, 'route.unknown', 'There is nothing at this address; /openapi.json lists what there is.') };
    return respond(c, answer, { requestId, caller: undefined, route: 'unknown', started: performance.now() });
  });

  app.onError((error, c) => {
    const requestId = requestIdOf(c.env.incoming.headers['x-request-id']);
    deps.log.error({ request_id: requestId, path: pathWithoutSecrets(c.req.path), err: error }, 'a request failed');
    const found = problem(500, 'internal', 'Verdict could not answer this request; its log says why, under the request id.');
    return respond(c, { kind: 'problem', problem: found }, { requestId, caller: undefined, route: 'unknown', started: performance.now() });
  });

  const listener = getRequestListener(app.fetch as Parameters<typeof getRequestListener>[0], {
    hostname: 'localhost',
    overrideGlobalObjects: false,
    errorHandler: (error) => {
      const status = (error as Error).name === 'RequestError' ? 400 : 500;
      const found =
        status === 400 ? problem(400, 'request.invalid', 'The address or the Host header is not valid.') : problem(500, 'internal', 'Verdict failed.');
      if (status === 500) deps.log.error({ err: error }, 'a request failed outside of every route');
      return problemResponse(found, requestIdOf(undefined));
    },
  });

  return { app, routes, nodeListener: (incoming, outgoing) => listener(incoming, outgoing) };
};

/** A refusal that can't be recorded is still a refusal: it is logged, and answered as one. */
const tolerant =
  ({ refused, log }: ApiDeps): ApiDeps['refused'] =>
  async (caller, refusal) => {
    try {
      await refused(caller, refusal);
    } catch (error) {
      log.error({ request_id: refusal.requestId, code: refusal.code, err: error }, 'a refusal could not be recorded');
    }
  };

const methodNotAllowed = (allowed: readonly string[]): Answer => ({
  kind: 'problem',
  problem: problem(405, 'method.not_allowed', `This address takes ${allowed.join(', ')}.`),
  headers: { allow: allowed.join(', ') },
});

/** The methods that some route takes at this path. */
const methodsOf = (routes: readonly Route[], path: string): readonly string[] => [
  ...new Set(routes.filter(({ contract }) => patternOf(contract.path).test(path)).map(({ contract }) => contract.method)),
];

const patternOf = (path: string): RegExp => new RegExp(`^${path.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}$`);

const problemResponse = (found: Problem, requestId: string, headers: { readonly [name: string]: string } = {}): Response =>
  new Response(JSON.stringify({ ...found, request_id: requestId }), {
    status: found.status,
    headers: {
      'content-type': PROBLEM_TYPE,
      'x-request-id': requestId,
      ...(found.status === 401 && { 'www-authenticate': 'Bearer realm="verdict"' }),
      ...(found.status === 503 && { 'retry-after': '1' }),
      ...headers,
    },
  });

/** What may be kept by no cache: every answer is about one caller. */
const PRIVATE = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' } as const;

const toResponse = (answer: Answer, requestId: string): Response => {
  switch (answer.kind) {
    case 'json':
      return new Response(JSON.stringify(answer.value), {
        status: answer.status,
        headers: { 'content-type': 'application/json', 'x-request-id': requestId, ...PRIVATE, ...answer.headers },
      });
    case 'text':
      return new Response(answer.text, {
        status: answer.status,
        headers: { 'content-type': answer.contentType, 'x-request-id': requestId, ...PRIVATE, ...answer.headers },
      });
    case 'empty':
      return new Response(null, { status: answer.status, headers: { 'x-request-id': requestId, ...answer.headers } });
    case 'problem':
      return problemResponse(answer.problem, requestId, { ...PRIVATE, ...answer.headers });
    case 'refused':
      return problemResponse(answer.problem, requestId, PRIVATE);
    case 'sent':
      return new Response(null, { headers: { [SENT_HEADER]: 'true' } });
  }
};
