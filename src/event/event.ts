/** Any JSON value, as RFC 8259 defines it. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** A JSON object. */
export type JsonObject = { readonly [key: string]: Json };

/** An object, and neither a list nor null. */
export const isObject = (value: unknown): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Who acted. `email`, `ip` and `user_agent` are personal data: they can be erased without touching the rest. */
export type Actor = {
  readonly type: string;
  readonly id: string;
  readonly email?: string;
  readonly ip?: string;
  readonly user_agent?: string;
};

/** What was acted on. */
export type Resource = { readonly type: string; readonly id: string; readonly name?: string };

/** Why a decision came out as it did: a stable code for programs, a sentence for people. */
export type Reason = { readonly code: string; readonly message: string };

/** The policy's answer as it is recorded. */
export type DecisionRecord = {
  readonly allow: boolean;
  readonly reasons: readonly Reason[];
  readonly advice: readonly Json[];
  /** The revision of the policy bundle that answered. */
  readonly policy: string;
  readonly duration_us: number;
  /** The question as it was asked (AuthZEN's subject, action, resource, context). */
  readonly question: JsonObject;
  /** `<type>/<id>` → version, for each entity of the directory that the answer rested on. */
  readonly facts: { readonly [entity: string]: number };
};

export type RequestRecord = {
  readonly id?: string;
  readonly method?: string;
  readonly path?: string;
  readonly status?: number;
  readonly duration_ms?: number;
};

export type Result = 'allowed' | 'denied' | 'success' | 'failure' | 'error';
export type Kind = 'decision' | 'activity';

/** What a writer brings: an event before the journal gives it its place. */
export type EventDraft = {
  /** `evt-` + ULID made by Verdict, or the producer's own id. */
  readonly id: string;
  /** When it happened: RFC 3339, UTC, milliseconds. */
  readonly timestamp: string;
  readonly account: string;
  readonly kind: Kind;
  readonly actor: Actor;
  readonly action: string;
  readonly resource: Resource;
  readonly result: Result;
  readonly details?: JsonObject;
  readonly decision?: DecisionRecord;
  /** For an activity: the id of the decision that allowed it. */
  readonly caused_by?: string;
  readonly request?: RequestRecord;
  readonly region?: string;
  /** Which credential wrote it: `pdp`, `gateway`, `libvirt`, or a producer's name. */
  readonly source: string;
};

/** One audit record, as it stands in the journal, on the stream and in the store. */
export type Event = EventDraft & {
  /** When Verdict made it durable: RFC 3339, UTC, milliseconds. */
  readonly recorded: string;
  /** The writer's log (a ULID), and this event's place in it, counted from 1. */
  readonly log: string;
  readonly seq: number;
  /** Two random 128-bit values (hex) for the ledger; never shown by any interface. */
  readonly salts: readonly [string, string];
};

/** Where an event stands: its log and its place there. */
export type Position = { readonly log: string; readonly seq: number };

/** An unbroken run of one log's events, both ends included. */
export type LogRange = { readonly log: string; readonly from: number; readonly to: number };

/** The account that Verdict's own acts, which concern no customer, are recorded under. */
export const SYSTEM_ACCOUNT = 'verdict';

/** The largest event, in bytes of its JSON line. */
export const MAX_EVENT_BYTES = 48 * 1024;

/** An event over {@link MAX_EVENT_BYTES}: `index` says which of those that were to be recorded together. None of them was. */
export class EventTooLarge extends Error {
  override readonly name = 'EventTooLarge';
  constructor(readonly index: number) {
    super(`The event would be over ${MAX_EVENT_BYTES} bytes as a JSON line; send less in details, properties and context.`);
  }
}
