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

/** Events that a consumer has not had and that the stream has no more: they stand in the store. */
export type Missed = {
  /** They were recorded between these times (milliseconds since 1970, both in); others may have been, too. */
  readonly from: number;
  readonly to: number;
  /** Their places, where they are known by them: whoever looks for them need not look at others. */
  readonly ranges?: readonly LogRange[];
  /** Whether an event is one of them. */
  readonly has: (event: { readonly account: string; readonly log: string; readonly seq: number }) => boolean;
  /** Names where they begin: the same after a restart in the midst of making them good. */
  readonly key: string;
};

/** What makes a consumer a follower: it never holds the stream back, and is told what the stream has let go of before it came. */
export type Following = {
  /** A follower without a cursor begins with what was recorded at this time (milliseconds since 1970); a little before that may come, too. */
  readonly since: number;
  /** Resolves when the events have been had elsewhere; only then what follows them is handed on. A rejection means: again, later. */
  readonly onMissed: (missed: Missed) => Promise<void>;
};

/** The feed of events that consumers read with a durable cursor. Two adapters: the journal itself, and Kafka. */
export type Stream = {
  /** A consumer by a stable name; its cursor is kept under that name across restarts. */
  readonly consumer: (name: string, limits: BatchLimits, handle: Handler, following?: Following) => Consumer;
  /** Forgets the cursor of a follower that will never come again; it must be stopped. */
  readonly forget: (name: string) => Promise<void>;
  readonly close: () => Promise<void>;
};
