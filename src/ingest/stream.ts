import type { LogRange } from '../event/index.js';

/**
 * A part of one log on its way: `lines` holds the events `from`..`to` as JSON lines, each ended by a newline.
 * On Kafka one chunk may be a single event; from the journal it is one commit.
 */
export type Chunk = LogRange & {
  readonly lines: Buffer;
  /** Set where the bytes are no event of ours: `lines` is then the message as it came (whatever its newlines), `log` is empty, `from` and `to` are 0. */
  readonly foreign?: Foreign;
};

/** Where a message stands that is no event, and why it is none: a stable code, a colon and a sentence. */
export type Foreign = { readonly topic: string; readonly partition: number; readonly offset: number; readonly reason: string };

/** What a consumer is handed at once: chunks in stream order. Never empty. */
export type Batch = readonly Chunk[];

/** Handles one batch. Resolves when its effects are durable: only then does the cursor move. A rejection means: the same batch again, later. */
export type Handler = (batch: Batch) => Promise<void>;

/** How far a consumer is behind: events not yet handled, and the age in seconds of the oldest of them. */
export type Lag = { readonly events: number; readonly seconds: number };

/** One durable reader of the stream. `stop` resolves when the batch in hand is handled and the cursor is saved. */
export type Consumer = {
  readonly start: () => Promise<void>;
  readonly stop: () => Promise<void>;
  readonly lag: () => Lag;
  /** What keeps it from moving at the moment, as a sentence; undefined when all is well. */
  readonly trouble: () => string | undefined;
};

/** Batches by size and age: handed on when `bytes` are there, or the oldest waits `age_ms`. */
export type BatchLimits = { readonly bytes: number; readonly age_ms: number };

/** The feed of events that consumers read with a durable cursor. Two adapters: the journal itself, and Kafka. */
export type Stream = {
  /** A consumer by a stable name; its cursor is kept under that name across restarts. */
  readonly consumer: (name: string, limits: BatchLimits, handle: Handler) => Consumer;
  readonly close: () => Promise<void>;
};
