import type { EventDraft, Position } from '../event/index.js';

/** Where and when a draft was made durable. */
export type Recorded = Position & { readonly id: string; readonly recorded: string };

/** A producer's id and content, so that a retry is answered with the first record and other content is refused. */
export type Fingerprint = { readonly key: string; readonly content: string };

/** A change to the directory that is about to happen: kept until its event stands in the journal. */
export type Intent = { readonly change: string; readonly draft: EventDraft };

/** The journal can't take more: full (`journal.max_bytes`), or its disk failed. The caller answers 503. */
export class JournalUnavailable extends Error {
  override readonly name = 'JournalUnavailable';
  constructor(
    readonly code: 'journal.full' | 'journal.failed' | 'journal.closed',
    message: string,
  ) {
    super(message);
  }
}

/** This process's durable, ordered record of events not yet handed on. One writer; every append of one event loop turn shares one fdatasync. */
export type Journal = {
  /** This life's log: a ULID. */
  readonly log: string;
  /** Places the drafts, in order, in one commit; resolves when they are on disk. Rejects with JournalUnavailable; then nothing of it is promised, and nothing will be answered; or with EventTooLarge, naming the index, and nothing was placed. */
  readonly append: (
    drafts: readonly EventDraft[],
    options?: { readonly fingerprints?: readonly (Fingerprint | undefined)[]; readonly fulfils?: readonly string[] },
  ) => Promise<readonly Recorded[]>;
  /** The record of an earlier append with this fingerprint's key (two days are remembered), with the content it had. */
  readonly known: (key: string) => (Recorded & { readonly content: string }) | undefined;
  /** Resolves when an earlier append's event is as durable as `journal.durability` asks of an answer. */
  readonly settled: (position: Position) => Promise<void>;
  /** Writes down changes that are about to be made to the directory; resolves when they are on disk. `append(…, {fulfils})` strikes them out in the same commit as their events. */
  readonly intend: (intents: readonly Intent[]) => Promise<void>;
  /** Strikes out intents whose change did not happen. */
  readonly abandon: (changes: readonly string[]) => Promise<void>;
  /** Intents left open by an earlier life. */
  readonly openIntents: () => readonly Intent[];
  /** What is done every minute: says how far the log got, if it has grown, and forgets fingerprints older than two days. */
  readonly announce: () => void;
  /** Events and bytes not yet handed on. */
  readonly depth: () => { readonly events: number; readonly bytes: number };
  /** The last event of this log that is on disk; seq 0 where there is none yet. */
  readonly head: () => Position;
  /** Handed on up to here: removed with the next commit. */
  readonly release: (log: string, through: number) => void;
  /** Flushes what is under way and ends the log with `log.closed`; readers in this process can go on. */
  readonly end: () => Promise<void>;
  /** {@link end}, and closes the environment. */
  readonly close: () => Promise<void>;
};
