import { STATUS_CODES } from 'node:http';
import type { JsonObject } from '../event/index.js';

/** What went wrong, as RFC 9457 has it; `code` is stable and for programs, `detail` is a sentence for people. */
export type Problem = {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly request_id?: string;
  readonly [extension: string]: unknown;
};

export const PROBLEM_TYPE = 'application/problem+json';

/** A problem of this status and code. `extra` adds members of its own (RFC 9457, section 3.2). */
export const problem = (status: number, code: string, detail: string, extra: JsonObject = {}): Problem => ({
  type: `urn:verdict:problem:${code}`,
  title: STATUS_CODES[status] ?? 'Error',
  status,
  detail,
  code,
  ...extra,
});

/** The problem's JSON Schema, as /openapi.json shows it. */
export const problemSchema = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail', 'code', 'request_id'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer', minimum: 400, maximum: 599 },
    detail: { type: 'string', description: 'What was wrong, where, and what to do.' },
    code: { type: 'string', description: 'Stable; for programs.' },
    request_id: { type: 'string' },
    errors: {
      type: 'array',
      description: 'For batches: each thing that was wrong, by its place.',
      items: {
        type: 'object',
        required: ['index', 'code', 'detail'],
        properties: { index: { type: 'integer', minimum: 0 }, code: { type: 'string' }, detail: { type: 'string' } },
      },
    },
  },
} as const;
