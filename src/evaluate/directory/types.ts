import type { JsonObject } from '../../event/index.js';

/** What Verdict knows of one subject or resource. (type, id) is unique over all accounts. */
export type Entity = {
  readonly type: string;
  readonly id: string;
  /** Absent for what belongs to no account, such as a person in several. */
  readonly account?: string;
  readonly properties: JsonObject;
  /** Counts the changes, from 1. */
  readonly version: number;
  /** When this version was made: RFC 3339, UTC, milliseconds. */
  readonly updated: string;
};

/** One wished-for change. `expected` is the version it rests on: 0 for "must not exist", undefined for "whatever is there". */
export type EntityChange = {
  /** Names this change for ever: a ULID. Asking twice with the same id changes once. */
  readonly change: string;
  readonly type: string;
  readonly id: string;
  readonly expected?: number;
} & ({ readonly op: 'put'; readonly account?: string; readonly properties: JsonObject } | { readonly op: 'delete' });

export type EntityOutcome =
  | { readonly outcome: 'applied'; readonly entity: Entity; readonly created: boolean }
  | { readonly outcome: 'deleted'; readonly entity: Entity }
  /** Somebody else's version stands there. */
  | { readonly outcome: 'version_mismatch'; readonly current: Entity | undefined }
  /** The entity belongs to another account already. */
  | { readonly outcome: 'account_mismatch'; readonly current: Entity }
  | { readonly outcome: 'not_found' }
  /** It could not be written, or not be seen to be written: nothing is promised. */
  | { readonly outcome: 'unavailable'; readonly reason: string };

/** This node's copy of what Verdict knows. Reads are synchronous and local; a read after a resolved `apply` sees it. */
export type Directory = {
  readonly get: (type: string, id: string) => Entity | undefined;
  /** In the order of their ids' UTF-8 bytes, after `after`, at most `limit`. `account`: its own alone; '' those of no account. */
  readonly list: (type: string, options: { readonly account?: string; readonly after?: string; readonly limit: number }) => readonly Entity[];
  /** An account's entities of every type, in the order of type and id, after `after`, at most `limit`. */
  readonly ofAccount: (account: string, options: { readonly after?: Pick<Entity, 'type' | 'id'>; readonly limit: number }) => readonly Entity[];
  /** The account's ACL entries (type `acl`) whose `grantee` is this one, such as `user/usr-2` or `group/ops`, in order of id. */
  readonly grantedTo: (account: string, grantee: string) => readonly Entity[];
  /** The entity of type `token` whose `hash` (SHA-256 of the token, in small hexadecimal letters) is this; of several with one hash, the first by id. */
  readonly tokenOf: (hash: string) => Entity | undefined;
  /** Applies changes in order, each by itself; resolves when all are durable and readable on this node. */
  readonly apply: (changes: readonly EntityChange[]) => Promise<readonly EntityOutcome[]>;
  /** What became of a change, if this node still knows (it keeps outcomes for two days). */
  readonly outcomeOf: (change: string) => EntityOutcome | undefined;
  /** Milliseconds since this copy was last known to be complete; 0 where the directory lives on this node. */
  readonly staleness: () => number;
  /** Rises whenever anything in this copy changes; caches are dropped when it does. */
  readonly generation: () => number;
  readonly isEmpty: () => boolean;
  readonly close: () => Promise<void>;
};
