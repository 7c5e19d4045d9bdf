import { createHash } from 'node:crypto';
import type { Position } from '../event/index.js';
import type { Foreign } from './stream.js';

/** Where something stood: in a log (and which forwarder's destination refused it, where that is so), or on a topic. */
export type SetAsideSource = (Position & { readonly forwarder?: string }) | Omit<Foreign, 'reason'>;

/** Something set aside: the bytes as they came, why, and when (RFC 3339, UTC). */
export type SetAside = { readonly line: Buffer; readonly reason: string; readonly at: string; readonly source?: SetAsideSource };

/** A {@link SetAside} with the id it is known by from then on. */
export type Quarantined = SetAside & { readonly id: string };

/**
 * What could not go on, kept with the reason until somebody replays or removes it. Two adapters: this node's own list
 * (LMDB), and the fleet's (a Kafka topic); one suite of cases runs on both.
 */
export type Quarantine = {
  /** Resolves when the items are durable. The same bytes from the same source are one item: what comes twice is kept once. */
  readonly put: (items: readonly SetAside[]) => Promise<void>;
  /** In order of time, the items after the one with id `after` (none: from the first), at most `limit`. Empty if `after` is not there. */
  readonly list: (options: { readonly after?: string; readonly limit: number }) => Promise<readonly Quarantined[]>;
  readonly get: (id: string) => Promise<Quarantined | undefined>;
  /** Resolves when they are gone for good; answers how many there were. */
  readonly remove: (ids: readonly string[]) => Promise<number>;
  /** How many there are, as far as this process knows; for a metric. */
  readonly count: () => number;
  readonly close: () => Promise<void>;
};

/** What became of one replayed item. */
export type Replayed =
  | { readonly id: string; readonly outcome: 'accepted' }
  | { readonly id: string; readonly outcome: 'refused'; readonly reason: string }
  | { readonly id: string; readonly outcome: 'not_found' };

/**
 * Offers items again, one by one and in the order given, to `deliver`, which answers a reason where it refuses. What is
 * accepted is removed after that, so that a crash between the two delivers it twice and loses nothing. Rejects where
 * `deliver` does: nothing more is tried, and that item stays.
 */
export const replay = async (
  quarantine: Quarantine,
  ids: readonly string[],
  deliver: (item: Quarantined) => Promise<{ readonly refused?: string }>,
): Promise<readonly Replayed[]> => {
  const outcomes: Replayed[] = [];
  for (const id of ids) {
    const item = await quarantine.get(id);
    if (!item) {
      outcomes.push({ id, outcome: 'not_found' });
      continue;
    }
    const { refused } = await deliver(item);
    if (refused === undefined) await quarantine.remove([id]);
    outcomes.push(refused === undefined ? { id, outcome: 'accepted' } : { id, outcome: 'refused', reason: refused });
  }
  return outcomes;
};

/** The id of an item: made of its bytes and its source alone, so that a batch handled twice sets the same thing aside once. */
export const quarantineId = ({ line, source }: SetAside): string => {
  const place = !source
    ? ''
    : 'log' in source
      ? `${source.forwarder === undefined ? '' : `${source.forwarder} `}${source.log}/${source.seq}`
      : `${source.topic}/${source.partition}/${source.offset}`;
  return `q-${createHash('sha256').update(`${place}\n`).update(line).digest('hex').slice(0, 32)}`;
};
