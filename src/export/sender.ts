import type { Event } from '../event/index.js';
import type { GuardedDial, Step } from '../outbound/index.js';

/** One event on its way out: as it stands in the record (salts taken off), and its place. */
export type Outgoing = { readonly event: Event; readonly raw: string; readonly log: string; readonly seq: number };

/** What became of a batch. Retry is a declared field, never guessed from a text. */
export type Sent =
  | { readonly outcome: 'accepted'; readonly refused?: readonly { readonly index: number; readonly reason: string }[] } // whole batch is safe at the destination, but for those refused for their content
  | { readonly outcome: 'again'; readonly reason: string; readonly after_ms?: number; readonly from?: number /* first index not accepted */ } // 429, 5xx, network: same events later
  | { readonly outcome: 'stopped'; readonly reason: string }; // it refuses everything (401, 403, certificate): a person must act

export type Sender = {
  readonly name: string;
  /** Most events and bytes that one `send` should carry; `linger_ms`: how long events may wait for more, where each `send` costs an object of its own. */
  readonly limits: { readonly events: number; readonly bytes: number; readonly linger_ms?: number };
  /** Resolves only when the events are as safe as this protocol can say (RELP: acknowledged; TCP: out of the grace period). Never rejects for what the network does. */
  readonly send: (batch: readonly Outgoing[], signal: AbortSignal) => Promise<Sent>;
  /** Sends one marked message and says what each step did. */
  readonly test: (message: Outgoing, signal: AbortSignal) => Promise<readonly Step[]>;
  readonly close: () => Promise<void>;
};

/** Opens sockets and HTTP for senders: the address guard stands behind it. */
export type Dial = GuardedDial;

export type { Step };
