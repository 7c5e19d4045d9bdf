import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import type { RefusedRequest } from '../caller/index.js';
import type { Decide, Directory, EntityChange, EntityOutcome } from '../evaluate/index.js';
import type { Actor, EventDraft, Json, JsonObject, Resource } from '../event/index.js';
import type { EndUser, Identify, RouteMatch, RouteTable, UnknownOf } from '../routes/index.js';
import type { Breaker } from './breaker.js';
import type { GatewayMetrics } from './metrics.js';
import type { Trace } from './trace.js';
import type { Upstream } from './upstream.js';

export type { RouteMatch } from '../routes/index.js';

/** What every step of a request's way may touch. */
export type GatewayDeps = {
  readonly table: RouteTable;
  readonly identify: Identify;
  readonly decide: Decide;
  readonly append: (drafts: readonly EventDraft[]) => Promise<unknown>;
  readonly directory: Pick<Directory, 'get'>;
  /** What is asked about and should be known, but isn't (src/routes/unknown.ts). */
  readonly unknownOf: UnknownOf;
  /** Records the changes as the gateway's own and makes them. Rejects with EntityRefused or JournalUnavailable. */
  readonly writeEntities: (
    changes: readonly EntityChange[],
    meta: { readonly requestId: string; readonly address: string },
  ) => Promise<readonly EntityOutcome[]>;
  /** The client's address, trusted proxies taken off. */
  readonly addressOf: (request: IncomingMessage) => string;
  readonly isTrustedPeer: (request: IncomingMessage) => boolean;
  /** Counts what is no request at all, by address. */
  readonly refused: (request: RefusedRequest) => unknown;
  readonly upstream: Upstream;
  readonly breaker: Breaker;
  readonly metrics: GatewayMetrics;
  readonly log: Pick<Logger, 'error' | 'warn' | 'info'>;
  readonly region: string;
  readonly limits: Limits;
  readonly now: () => number;
};

export type Limits = {
  /** The most bytes of a body that the route table reads, and of an answer that it reads. */
  readonly body_bytes: number;
  readonly answer_bytes: number;
  readonly idle_ms: number;
  /** After so long without a byte either way a client's connection ends: longer than anything takes that is waited for. */
  readonly quiet_ms: number;
  readonly preserve_host: boolean;
};

/** One request and what is answered to it, from its headers to its end. */
export type Exchange = {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly method: string;
  /** Exactly as it came in, as it was matched, and as it goes on. */
  readonly target: string;
  readonly id: string;
  readonly trace: Trace;
  readonly address: string;
  /** By performance.now(). */
  readonly begun: number;
  /** The client waits for 100 Continue before it sends the body. */
  readonly expectsContinue: boolean;
  readonly isUpgrade: boolean;
  /** What followed the headers turned out to be no HTTP: the client was told so, and the body will never end. */
  readonly isSpoilt: () => boolean;
};

/** What a request did, in one account: a bulk request may concern several. */
export type Act = {
  readonly account: string;
  readonly resource: Resource;
  /** The decisions that allowed or denied it; the first is its `caused_by`. */
  readonly decisions: readonly string[];
  /** The ids of a bulk request's resources, as far as an event names them. */
  readonly resources?: readonly string[];
};

/** What is known of a request by now, as its event will tell it. Each step knows more than the one before. */
export type About = {
  readonly actor: Actor;
  readonly action: string;
  readonly acts: readonly [Act, ...Act[]];
  /** Method and path template, where one was found. */
  readonly route?: string;
  readonly details?: JsonObject;
};

/** A request that may go on to the upstream. */
export type Cleared = {
  readonly match: RouteMatch;
  readonly about: About;
  readonly user?: EndUser;
  readonly decisions: readonly string[];
  /** What was read of the body, where the route needs it. */
  readonly body?: { readonly bytes: Buffer; readonly value: Json | undefined };
};
