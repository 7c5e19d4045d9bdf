import type { Config } from '../config.js';
import type { EventDraft } from '../event/index.js';

/** One part of the process family and whether it can do its work. */
export type PartStatus = { readonly name: string; readonly ok: boolean; readonly message?: string };

/** Where the store is reached: a server's address, or the embedded child's. */
export type StoreAddress = { readonly url: string; readonly username: string; readonly password: string };

/** What a child process is told when it starts. Secrets go this way only, never by environment or arguments. */
export type Start = {
  readonly kind: 'start';
  readonly config: Config;
  readonly store: StoreAddress;
  readonly adminToken: string;
  readonly node: string;
  /** The policy bundle to decide by, known to load. */
  readonly bundle: Uint8Array;
  /** A decision worker's journal; absent for the pipeline. */
  readonly slot?: string;
  /** The slots that have a living writer. */
  readonly slots: readonly string[];
  readonly port: number;
  readonly reason: 'start' | 'replacement';
};

/** Supervisor → child. */
export type ToChild =
  | Start
  | { readonly kind: 'stop' }
  | { readonly kind: 'release'; readonly log: string; readonly through: number }
  | { readonly kind: 'committed' }
  | { readonly kind: 'reload'; readonly bundle: Uint8Array }
  /** To the pipeline: put this into your journal, and say when it is durable. */
  | { readonly kind: 'record'; readonly draft: EventDraft }
  | { readonly kind: 'parts'; readonly parts: readonly PartStatus[] }
  | { readonly kind: 'metrics.request'; readonly id: number }
  | { readonly kind: 'metrics.text'; readonly id: number; readonly text: string };

/** Child → supervisor. */
export type FromChild =
  /** It listens now, and wants to be told its part: what is sent earlier may be lost. */
  | { readonly kind: 'hello' }
  | { readonly kind: 'ready'; readonly port?: number }
  /** A further listener of a worker, for people: "The gateway", and its address. */
  | { readonly kind: 'front'; readonly name: string; readonly url: string }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'beat' }
  | { readonly kind: 'fatal'; readonly message: string }
  | { readonly kind: 'release'; readonly slot: string; readonly log: string; readonly through: number }
  | { readonly kind: 'committed' }
  | { readonly kind: 'recorded'; readonly event: string }
  | { readonly kind: 'parts'; readonly parts: readonly PartStatus[] }
  | { readonly kind: 'metrics.json'; readonly id: number; readonly metrics: unknown }
  | { readonly kind: 'metrics.ask'; readonly id: number };

/** Sends to the supervisor; a supervisor that is gone needs nothing any more. */
export const toSupervisor = (message: FromChild): void => {
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
};

/** Tells the supervisor why this child can't go on, and ends it. */
export const endWith = (message: string): void => {
  const end = (): never => process.exit(1);
  if (process.connected && process.send) process.send({ kind: 'fatal', message } satisfies FromChild, undefined, undefined, end);
  else end();
};
