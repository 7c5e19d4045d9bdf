import type { Json, JsonObject, Reason } from '../event/index.js';

export type { Json, JsonObject, Reason } from '../event/index.js';

/** A question (AuthZEN 1.0, section 5). */
export type Question = {
  readonly subject: { readonly type: string; readonly id: string; readonly properties?: JsonObject };
  readonly action: { readonly name: string; readonly properties?: JsonObject };
  readonly resource: { readonly type: string; readonly id: string; readonly properties?: JsonObject };
  readonly context?: JsonObject;
};

/** Several questions, and what they have in common (AuthZEN 1.0, section 7.1). A part that a question names replaces the whole default. */
export type Questions = Partial<Question> & {
  readonly evaluations: readonly Partial<Question>[];
  readonly options?: { readonly evaluations_semantic?: 'execute_all' | 'deny_on_first_deny' | 'permit_on_first_permit' };
};

/** An answer. Only `decision: true` allows; what could not be asked is `false`, and `error` says why. */
export type Decision = {
  readonly decision: boolean;
  /** Why: a stable code for programs, a sentence for people. */
  readonly reasons: readonly Reason[];
  readonly advice: readonly Json[];
  /** The record's id; undefined where Verdict gave no answer. */
  readonly id?: string;
  /** The revision of the policy that answered. */
  readonly policy?: string;
  /** True where an earlier answer was taken from the cache: it has no record of its own. */
  readonly cached: boolean;
  readonly error?: VerdictError;
};

/** Something that a search found: a subject or resource by type and id, an action by name. */
export type Found = { readonly type: string; readonly id: string };
export type FoundAction = { readonly name: string };

/** A search (AuthZEN 1.0, section 8): the id of what is searched for is left out. */
export type SubjectSearch = Omit<Question, 'subject'> & { readonly subject: { readonly type: string; readonly properties?: JsonObject } };
export type ResourceSearch = Omit<Question, 'resource'> & { readonly resource: { readonly type: string; readonly properties?: JsonObject } };
export type ActionSearch = Omit<Question, 'action'>;

/** What happened, as `POST /v1/events` takes it. With an `id` and `timestamp` of its own it may be sent twice and counts once. */
export type NewEvent = {
  readonly id?: string;
  readonly timestamp?: string;
  readonly account?: string;
  readonly actor: { readonly type: string; readonly id: string; readonly email?: string; readonly ip?: string; readonly user_agent?: string };
  readonly action: string;
  readonly resource: { readonly type: string; readonly id: string; readonly name?: string };
  readonly result: 'success' | 'failure' | 'error';
  readonly details?: JsonObject;
  /** The id of the decision that allowed it. */
  readonly caused_by?: string;
  readonly request?: {
    readonly id?: string;
    readonly method?: string;
    readonly path?: string;
    readonly status?: number;
    readonly duration_ms?: number;
  };
  readonly region?: string;
};

/** Where an event stands. */
export type Recorded = { readonly id: string; readonly log: string; readonly seq: number; readonly recorded: string; readonly duplicate?: boolean };

/**
 * Why there is no answer. `code` is stable: `client.timeout`, `client.unreachable`, `client.aborted`, `client.token` (the token
 * could not be had), `client.answer` (what came back is no answer of Verdict), else the code of Verdict's own problem, such as `credential.invalid`.
 */
export class VerdictError extends Error {
  override readonly name = 'VerdictError';
  constructor(
    readonly code: string,
    message: string,
    /** The status of the answer that said so; undefined where there was none. */
    readonly status?: number,
  ) {
    super(message);
  }
}
