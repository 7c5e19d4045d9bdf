import { json, type Route, route } from './contract.js';
import type { ApiDeps } from './deps.js';
import { problem } from './problem.js';

const status = {
  type: 'object',
  required: ['status'],
  properties: { status: { enum: ['ok', 'not ready'] } },
} as const;

const readiness = {
  type: 'object',
  required: ['status', 'parts'],
  properties: {
    status: { enum: ['ok', 'not ready'] },
    parts: {
      type: 'array',
      items: {
        type: 'object',
        required: ['name', 'ok'],
        properties: { name: { type: 'string' }, ok: { type: 'boolean' }, message: { type: 'string' } },
      },
    },
  },
} as const;

/** What those who run Verdict ask: whether it lives, whether it is ready, how it does. */
export const operateRoutes = (deps: ApiDeps): readonly Route[] => [
  route(
    {
      method: 'GET',
      path: '/healthz',
      operation: 'health',
      tag: 'operate',
      summary: 'Whether this process answers.',
      permission: 'anonymous',
      answers: { 200: { description: 'It does.', content: { 'application/json': status } } },
    },
    () => json({ status: 'ok' }),
  ),
  route(
    {
      method: 'GET',
      path: '/readyz',
      operation: 'readiness',
      tag: 'operate',
      summary: 'Whether every part can do its work; names those that can not.',
      permission: 'anonymous',
      answers: {
        200: { description: 'All parts are ready.', content: { 'application/json': readiness } },
        503: { description: 'Some part is not ready: `errors` and `parts` say which.' },
      },
    },
    () => {
      const { ok, parts } = deps.ready();
      if (ok) return json({ status: 'ok', parts });
      return { kind: 'problem', problem: notReady(parts) };
    },
  ),
  route(
    {
      method: 'GET',
      path: '/metrics',
      operation: 'metrics',
      tag: 'operate',
      summary: "Prometheus' text format.",
      permission: 'operate',
      answers: { 200: { description: 'The metrics.', content: { 'text/plain': { type: 'string' } } } },
    },
    async () => ({ kind: 'text', status: 200, contentType: deps.metrics.contentType, text: await deps.metrics.metrics() }),
  ),
];

const notReady = (parts: ReturnType<ApiDeps['ready']>['parts']) => {
  const behind = parts.filter((part) => !part.ok);
  const detail = behind.map((part) => `${part.name}: ${part.message ?? 'not ready'}`).join(' ') || 'Some part is not ready.';
  return { ...problem(503, 'not_ready', detail), status: 503, parts };
};
