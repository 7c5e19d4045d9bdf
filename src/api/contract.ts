import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Caller, Permission } from '../caller/types.js';
import type { Problem } from './problem.js';

/** A JSON Schema, in the words that draft-07 (ajv) and 2020-12 (OpenAPI 3.1) share. */
export type Schema = { readonly [keyword: string]: unknown };
/** A schema for named parameters: strings, as a URL has them. */
export type ParameterSchema = { readonly required?: readonly string[]; readonly properties: { readonly [name: string]: Schema } };

/** What one route takes and gives: the API's description and its checks are both made of it. */
export type Contract = {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** As OpenAPI writes it: `/v1/entities/{type}/{id}`. */
  readonly path: string;
  readonly operation: string;
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  /** What the caller must hold; `authenticated`: any credential; `anonymous`: none is asked for. */
  readonly permission: Permission | 'authenticated' | 'anonymous';
  readonly params?: ParameterSchema;
  readonly query?: ParameterSchema;
  readonly headers?: ParameterSchema;
  readonly body?: {
    readonly limit: number;
    /** `json`: read, checked against the schema, and handed over; `bytes`: the handler reads them itself. */
    readonly as: 'json' | 'bytes';
    readonly content: { readonly [mediaType: string]: Schema };
    readonly optional?: boolean;
    /** `handler`: the handler judges the Content-Type by itself; otherwise one that isn't in `content` is a 415. */
    readonly type?: 'handler';
  };
  readonly answers: { readonly [status: number]: AnswerContract };
};

export type AnswerContract = {
  readonly description: string;
  /** By media type; none: the answer has no body. */
  readonly content?: { readonly [mediaType: string]: Schema };
  readonly headers?: readonly string[];
};

/** One request, checked as its contract says. */
export type Ask = {
  readonly caller: Caller;
  readonly requestId: string;
  readonly address: string;
  readonly params: { readonly [name: string]: string };
  readonly query: { readonly [name: string]: string };
  readonly header: (name: string) => string | undefined;
  /** The parsed body where the contract says `json`. */
  readonly body: unknown;
  /** The body where the contract says `bytes`. */
  readonly bytes: Buffer;
  readonly origin: string;
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
};

export type Headers = { readonly [name: string]: string };

/** What a handler answers. */
export type Answer =
  | { readonly kind: 'json'; readonly status: number; readonly value: unknown; readonly headers?: Headers }
  | { readonly kind: 'text'; readonly status: number; readonly contentType: string; readonly text: string; readonly headers?: Headers }
  | { readonly kind: 'empty'; readonly status: number; readonly headers?: Headers }
  | { readonly kind: 'problem'; readonly problem: Problem; readonly headers?: Headers }
  /** The caller may not do this: the refusal is recorded. */
  | { readonly kind: 'refused'; readonly problem: Problem; readonly account?: string; readonly permission?: Permission }
  /** The handler wrote the answer itself. */
  | { readonly kind: 'sent'; readonly status: number };

export type Handler = (ask: Ask) => Answer | Promise<Answer>;
export type Route = { readonly contract: Contract; readonly handle: Handler };

/** Joins a contract and the handler that keeps it. */
export const route = (contract: Contract, handle: Handler): Route => ({ contract, handle });

export const json = (value: unknown, headers?: Headers, status = 200): Answer => ({ kind: 'json', status, value, ...(headers && { headers }) });
export const failed = (problem: Problem): Answer => ({ kind: 'problem', problem });
