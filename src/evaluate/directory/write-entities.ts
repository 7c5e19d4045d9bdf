import { type EventDraft, MAX_EVENT_BYTES } from '../../event/index.js';
import { type EntityDraft, intendedEvent, type Made, madeEvent, type Redact } from './entity-event.js';
import { checkChanges, EntityRefused } from './limits.js';
import type { Directory, EntityChange, EntityOutcome } from './types.js';

/** What of the journal a writer of entities needs; see src/ingest/journal-types.ts. */
export type IntentJournal = {
  readonly append: (drafts: readonly EventDraft[], options?: { readonly fulfils?: readonly string[] }) => Promise<unknown>;
  readonly intend: (intents: readonly { readonly change: string; readonly draft: EventDraft }[]) => Promise<void>;
  readonly abandon: (changes: readonly string[]) => Promise<void>;
  readonly openIntents: () => readonly { readonly change: string; readonly draft: EventDraft }[];
};

export type WriteDeps = {
  readonly directory: Pick<Directory, 'apply' | 'outcomeOf' | 'staleness'>;
  readonly journal: IntentJournal;
  readonly redact?: Redact;
  readonly now?: () => number;
};

/** What version, name, log, salts and the like add to an intended event at most, in bytes. */
const PLACE_BYTES = 2_048;
/** A record whose writer gave up waiting, or died, has arrived on the topic after so long, or never will. */
const ARRIVAL_MS = 120_000;

/** What this process knows of a journal's intents. */
type Watched = {
  /** Changes that are being made: their intents aren't left over from anything. */
  readonly busy: Set<string>;
  /** When an intent was first found left over, in milliseconds since the epoch. */
  readonly since: Map<string, number>;
};

const watched = new WeakMap<IntentJournal, Watched>();
const watchedIn = (journal: IntentJournal): Watched => {
  const known = watched.get(journal);
  if (known) return known;
  const fresh = { busy: new Set<string>(), since: new Map<string, number>() };
  watched.set(journal, fresh);
  return fresh;
};

const isMade = (outcome: EntityOutcome | undefined): outcome is Made => outcome?.outcome === 'applied' || outcome?.outcome === 'deleted';

/** Throws where a change's event would be too large: a change that could not be recorded must not be made. */
const checkEvents = (changes: readonly EntityChange[], intents: readonly EventDraft[]): void => {
  for (const [index, draft] of intents.entries()) {
    const change = changes[index] as EntityChange;
    const said = change.op === 'put' ? JSON.stringify(change.properties) : '';
    if (Buffer.byteLength(JSON.stringify(draft)) + Buffer.byteLength(said) + PLACE_BYTES > MAX_EVENT_BYTES)
      throw new EntityRefused('entity.too_large', index, `The record of ${change.type}/${change.id} would be over ${MAX_EVENT_BYTES} bytes; send less.`);
  }
};

/** Records what was made and strikes out what was not, in one commit where the journal makes it one. */
const settle = async (journal: IntentJournal, drafts: readonly EventDraft[], fulfils: readonly string[], dropped: readonly string[]): Promise<void> => {
  const recording = async (): Promise<unknown> => drafts.length > 0 && journal.append(drafts, { fulfils });
  const dropping = async (): Promise<unknown> => dropped.length > 0 && journal.abandon(dropped);
  await Promise.all([recording(), dropping()]);
};

const writeNew = async (deps: WriteDeps, changes: readonly EntityChange[], intents: readonly EventDraft[]): Promise<readonly EntityOutcome[]> => {
  const { directory, journal } = deps;
  await journal.intend(changes.map(({ change }, index) => ({ change, draft: intents[index] as EventDraft })));
  const outcomes = await directory.apply(changes);
  const drafts: EventDraft[] = [];
  const fulfils: string[] = [];
  const dropped: string[] = [];
  for (const [index, outcome] of outcomes.entries()) {
    const { change } = changes[index] as EntityChange;
    if (isMade(outcome)) {
      drafts.push(madeEvent(intents[index] as EventDraft, outcome, deps.redact));
      fulfils.push(change);
    } else if (outcome.outcome !== 'unavailable') dropped.push(change);
  }
  await settle(journal, drafts, fulfils, dropped);
  return outcomes;
};

/**
 * Makes changes, in order, each by itself, and records each that was made as an event with the new version; resolves
 * with what became of each, in order, when all of that is durable and readable on this node. A change that was asked
 * for before is not made, and not recorded, again. What is `unavailable` may still happen: its intent stays open until
 * {@link resolveOpenIntents} knows. Rejects with EntityRefused before anything happens, or with the journal's
 * JournalUnavailable: then made changes get their events by {@link resolveOpenIntents}.
 */
export const writeEntities = async (
  deps: WriteDeps,
  changes: readonly EntityChange[],
  makeDraft: (change: EntityChange) => EntityDraft,
): Promise<readonly EntityOutcome[]> => {
  checkChanges(changes);
  const { busy } = watchedIn(deps.journal);
  const known = new Map<string, EntityOutcome>();
  const fresh = new Map<string, EntityChange>();
  for (const change of changes) {
    const outcome = deps.directory.outcomeOf(change.change);
    if (outcome) known.set(change.change, outcome);
    else if (!fresh.has(change.change)) fresh.set(change.change, change);
  }
  const mine = [...fresh.values()];
  const intents = mine.map((change) => intendedEvent(change, makeDraft(change)));
  checkEvents(mine, intents);
  for (const { change } of mine) busy.add(change);
  try {
    const outcomes = mine.length > 0 ? await writeNew(deps, mine, intents) : [];
    for (const [index, outcome] of outcomes.entries()) known.set((mine[index] as EntityChange).change, outcome);
  } finally {
    for (const { change } of mine) busy.delete(change);
  }
  return changes.map(({ change }) => known.get(change) as EntityOutcome);
};

/** What became of the intents that stood open: `left` can't be told yet; ask again later. */
export type Resolved = { readonly recorded: number; readonly dropped: number; readonly left: number };

/**
 * Sees to intents that an earlier life of this process, or a change that was `unavailable`, left open: a change that was
 * made gets its event, one that wasn't is struck out. Where the directory is a fleet's, only a copy that was complete
 * two minutes after the intent was found can tell that a change never happened. Call it at the start and every few seconds.
 */
export const resolveOpenIntents = async (deps: WriteDeps): Promise<Resolved> => {
  const { directory, journal } = deps;
  const { busy, since } = watchedIn(journal);
  const now = (deps.now ?? Date.now)();
  const age = directory.staleness();
  const drafts: EventDraft[] = [];
  const fulfils: string[] = [];
  const dropped: string[] = [];
  const left: string[] = [];
  for (const { change, draft } of journal.openIntents()) {
    if (busy.has(change)) continue;
    const first = since.get(change) ?? now;
    const outcome = directory.outcomeOf(change);
    if (isMade(outcome)) {
      drafts.push(madeEvent(draft, outcome, deps.redact));
      fulfils.push(change);
    } else if (outcome || age === 0 || now - age > first + ARRIVAL_MS) dropped.push(change);
    else left.push(change);
    since.set(change, first);
  }
  await settle(journal, drafts, fulfils, dropped);
  for (const change of [...fulfils, ...dropped]) since.delete(change);
  return { recorded: drafts.length, dropped: dropped.length, left: left.length };
};
