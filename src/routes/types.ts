import type { IncomingHttpHeaders } from 'node:http';
import type { Json } from '../event/index.js';

/** A request as far as the table needs it. `target` is the origin-form exactly as it came in (RFC 9112, section 3.2.1). */
export type RouteRequest = { readonly method: string; readonly target: string; readonly headers: IncomingHttpHeaders; readonly body?: Json };

/** Where a value is read from: `params.id`, `query.page`, `header.x-region`, `body.plan`, `response.id`. */
export type Pick = { readonly from: 'params' | 'query' | 'header' | 'body' | 'response'; readonly path: readonly string[] };

/** Text with values in it: literal pieces and picks, in order. */
export type Template = readonly (string | Pick)[];

/** What a successful answer says about an entity of the directory. */
export type EntityRule = {
  readonly on: 'created' | 'changed' | 'deleted';
  readonly type: string;
  /** A list in the answer: an entity for each of its elements, which `response` then stands for. */
  readonly each?: Pick;
  readonly id: Template;
  readonly account?: Template;
  readonly properties: { readonly [name: string]: Pick };
};

/** One route of the table, ready for use. */
export type Route = {
  /** As the table has it, for people: `POST /v1/instances/{id}`. */
  readonly name: string;
  readonly methods: readonly string[];
  readonly path: string;
  readonly segments: readonly Segment[];
  /** Absent only where the route is public. */
  readonly action?: Template;
  readonly resource?: { readonly type: string; readonly id: Template };
  readonly account?: Template;
  readonly properties: { readonly [name: string]: Pick };
  readonly context: { readonly [name: string]: Pick };
  /** One question for each element of this list: its value is the resource's id. */
  readonly each?: Pick;
  readonly isPublic: boolean;
  readonly isRecorded: boolean;
  readonly login?: { readonly subject: Pick };
  readonly entity?: EntityRule;
  readonly resourceName?: Pick;
};

export type Segment =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'param'; readonly name: string }
  | { readonly kind: 'rest'; readonly name: string };

export type RouteMatch = {
  readonly kind: 'route';
  readonly route: Route;
  readonly params: { readonly [name: string]: string };
  /** The path that was matched, percent-decoded, and the query as it came. */
  readonly path: string;
  readonly query: URLSearchParams;
};

export type Matched =
  | RouteMatch
  /** Nothing in the table: denied with `route.unknown`. */
  | { readonly kind: 'none'; readonly method: string; readonly path: string }
  /** A target that two readers could read in two ways: refused before it is matched. */
  | { readonly kind: 'refused'; readonly code: string; readonly message: string };

export type RouteTable = {
  readonly routes: readonly Route[];
  readonly match: (method: string, target: string) => Matched;
  /** Whether the question, or the record, needs the request's body. */
  readonly needsBody: (route: Route) => boolean;
};

/** A table that can't be used: one sentence for each mistake, with its place. */
export class RoutesError extends Error {
  override readonly name = 'RoutesError';
}

/** Who the end user is, as the credential proves it. */
export type EndUser = {
  readonly subject: { readonly type: string; readonly id: string };
  readonly account?: string;
  /** The id of the token's entity: the question's `context.token`. */
  readonly token?: string;
  readonly email?: string;
};

export type Identified =
  | { readonly ok: true; readonly user: EndUser }
  /** `code` is stable (`credential.missing`, `credential.invalid`, `credential.expired`, `credential.unverified`). */
  | { readonly ok: false; readonly code: string; readonly message: string };

export type Identify = (headers: IncomingHttpHeaders, now: number) => Promise<Identified>;
