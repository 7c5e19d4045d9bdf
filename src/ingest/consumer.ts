import { type Event, type EventDraft, newEventId, type Position, SYSTEM_ACCOUNT } from '../event/index.js';
import type { Conflicts } from './conflicts.js';
import { isDecisionLine, splitLines } from './lines.js';
import { quarantineId, type SetAside } from './quarantine.js';
import type { Ranges } from './ranges.js';
import type { Batch, Handler } from './stream.js';

/** What became of an insert: it is on disk; the data is at fault; or the store can't take anything now. */
export type Inserted =
  | { readonly outcome: 'inserted' }
  | { readonly outcome: 'refused'; readonly reason: string }
  | { readonly outcome: 'unavailable'; readonly reason: string };

export type ConsumerDeps = {
  readonly insert: (lines: Buffer) => Promise<Inserted>;
  readonly quarantine: { readonly put: (items: readonly SetAside[]) => Promise<void> };
  readonly conflicts: Conflicts;
  readonly ranges: Ranges;
  /** Records an act of Verdict's own, unless one of the same name `once` was recorded before: a batch may come again after a crash. */
  readonly record: (draft: EventDraft, once: string) => Promise<unknown>;
  readonly observe?: (batch: { readonly events: number; readonly bytes: number; readonly quarantined: number; readonly seconds: number }) => void;
  readonly now?: () => number;
};

/**
 * Fills the store: one batch of the stream becomes one insert. What the store refuses is halved until the culprits
 * are found; they go to quarantine with the reason, and the rest arrives. Rejects where the store can't take anything:
 * the stream hands the same batch again.
 */
export const storeHandler = (deps: ConsumerDeps): Handler => {
  const now = deps.now ?? Date.now;

  const insertOrSplit = async (lines: readonly Buffer[]): Promise<readonly SetAside[]> => {
    if (lines.length === 0) return [];
    const done = await deps.insert(lines.length === 1 ? (lines[0] as Buffer) : Buffer.concat(lines));
    if (done.outcome === 'inserted') return [];
    if (done.outcome === 'unavailable') throw new Error(`The store takes no events at the moment: ${done.reason}`);
    if (lines.length === 1) return [setAside(lines[0] as Buffer, `store.refused: ${done.reason}`, now())];
    const middle = lines.length >> 1;
    return [...(await insertOrSplit(lines.slice(0, middle))), ...(await insertOrSplit(lines.slice(middle)))];
  };

  return async (batch) => {
    const started = now();
    const { good, bad } = sift(batch, deps.conflicts, started);
    const refused = await insertOrSplit(good);
    const aside = [...bad, ...refused];
    if (aside.length > 0) {
      await deps.quarantine.put(aside);
      for (const item of aside) await deps.record(quarantined(item, now()), quarantineId(item));
    }
    await deps.conflicts.flush();
    await deps.ranges.add(batch.filter((chunk) => chunk.log !== ''));
    const bytes = batch.reduce((sum, chunk) => sum + chunk.lines.length, 0);
    const events = batch.reduce((sum, chunk) => sum + (chunk.foreign ? 0 : chunk.to - chunk.from + 1), 0);
    deps.observe?.({ events, bytes, quarantined: aside.length, seconds: (now() - started) / 1000 });
  };
};

const setAside = (line: Buffer, reason: string, time: number): SetAside => {
  const position = positionOf(line);
  return { line, reason, at: new Date(time).toISOString(), ...(position && { source: position }) };
};

const parsed = (line: Buffer): Partial<Event> | undefined => {
  try {
    const value: unknown = JSON.parse(line.toString('utf8'));
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
};

const positionOf = (line: Buffer): Position | undefined => {
  const event = parsed(line);
  return typeof event?.log === 'string' && typeof event.seq === 'number' ? { log: event.log, seq: event.seq } : undefined;
};

/**
 * Splits a batch into pieces that may be inserted and events that may not. Only activities are parsed: a decision's
 * id is Verdict's own and can't be in conflict.
 */
const sift = (batch: Batch, conflicts: Conflicts, time: number): { readonly good: readonly Buffer[]; readonly bad: readonly SetAside[] } => {
  const good: Buffer[] = [];
  const bad: SetAside[] = [];
  for (const { lines, foreign } of batch) {
    if (foreign) {
      bad.push({
        line: lines,
        reason: `${foreign.reason} (${foreign.topic}, partition ${foreign.partition}, offset ${foreign.offset})`,
        at: new Date(time).toISOString(),
      });
      continue;
    }
    for (const line of splitLines(lines)) {
      if (isDecisionLine(line)) {
        good.push(line);
        continue;
      }
      const event = parsed(line);
      if (!event || typeof event.id !== 'string' || typeof event.log !== 'string') {
        bad.push(setAside(line, event ? 'event.invalid: it is no event of Verdict: id or log is missing.' : 'event.invalid: it is no JSON object.', time));
        continue;
      }
      const first = conflicts.check(event as Event);
      if (first)
        bad.push(
          setAside(line, `id.conflict: ${event.source}'s id ${event.id} stands for other content at ${first.log}/${first.seq}; the first stands.`, time),
        );
      else good.push(line);
    }
  }
  return { good, bad };
};

/** Where it stood: in a log, or on a topic. */
const placeOf = ({ source }: SetAside): string => {
  if (!source) return 'unknown';
  return 'log' in source ? `${source.log}/${source.seq}` : `${source.topic}/${source.partition}/${source.offset}`;
};

/** The record of something set aside: it names the event and the reason, and carries nothing of its content. */
const quarantined = (item: SetAside, time: number): EventDraft => ({
  id: newEventId(),
  timestamp: new Date(time).toISOString(),
  account: SYSTEM_ACCOUNT,
  kind: 'activity',
  actor: { type: 'service', id: 'verdict' },
  action: item.reason.startsWith('id.conflict') ? 'id.conflict' : 'event.quarantined',
  resource: { type: 'event', id: placeOf(item) },
  result: 'failure',
  details: { reason: /^[\w.]+(: Code: \d+)?/.exec(item.reason)?.[0] ?? 'unknown' },
  source: 'verdict',
});
