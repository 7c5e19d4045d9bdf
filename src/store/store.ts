import type { ClickHouseConfig } from '../config.js';
import type { LogRange, Position } from '../event/index.js';
import { createStoreClient, reasonOf } from './client.js';
import { type InsertOptions, type InsertOutcome, insertLines } from './insert.js';
import { newCount } from './queries/count.js';
import { decodeCursor, encodeCursor } from './queries/cursor.js';
import type { EventFilter, Reach } from './queries/filter.js';
import { type ForwarderRow, newForwarders, newPublishForwarders } from './queries/forwarders.js';
import { newGet } from './queries/get.js';
import { type LastUses, type LastUsesAsked, newLastUses } from './queries/last-uses.js';
import { newList } from './queries/list.js';
import { startOf } from './queries/look.js';
import { newOldest } from './queries/oldest.js';
import { newPrecedent, type PrecedentAsked } from './queries/precedent.js';
import { newRanges } from './queries/ranges.js';
import { type LogHead, newHeads, newPublishHead, newPublishReceived, newReceived } from './queries/received.js';
import { newScan, type Scan, type ScanOptions } from './queries/scan.js';
import { newWalk, type Walk, type WalkPage, type WalkPosition } from './queries/walk.js';
import { newRetention, REFRESH_MS, type Retention } from './retention.js';
import { tablesOf } from './tables.js';

/** One page for people and programs: the lines as recorded, salts included (`shownLine` of src/export takes them off). */
export type EventPage = { readonly lines: readonly string[]; readonly next_cursor: string | null };

/** What the store can do for the rest of Verdict. Every function rejects where the store can't be reached, but for insertLines, which says so. */
export type Store = {
  /** `lines`: NDJSON, each line as the journal made it. All or none; `inserted` means on disk. Never rejects. */
  readonly insertLines: (lines: Buffer, options?: { readonly signal?: AbortSignal }) => Promise<InsertOutcome>;
  /** A page of at most `limit` events, newest first. Rejects with CursorError for a cursor that isn't one. */
  readonly list: (filter: EventFilter, reach: Reach, page: { readonly limit: number; readonly cursor?: string }) => Promise<EventPage>;
  /** The lines of the events with this id (and source): usually one, none where the caller may see none; the one recorded first in front. */
  readonly get: (id: string, reach: Reach, source?: string) => Promise<readonly string[]>;
  readonly count: (filter: EventFilter, reach: Reach) => Promise<number>;
  /** When each grant of one account was last used, as far as its allowed decisions are kept. */
  readonly lastUses: (asked: LastUsesAsked) => Promise<LastUses>;
  /** Where an event like this stands, if there is any. */
  readonly precedent: (asked: PrecedentAsked) => Promise<Position | undefined>;
  /** When the oldest event happened, in milliseconds since the epoch. */
  readonly oldest: (reach: Reach) => Promise<number | undefined>;
  /** The unbroken runs of each log that are in the store. */
  readonly ranges: (log?: string) => Promise<readonly LogRange[]>;
  /** Everything that matches, as lines, for exports. Throws where the store fails midway. */
  readonly scan: (filter: EventFilter, reach: Reach, options?: ScanOptions) => Scan;
  /** A page of what was recorded in a span of time, in the order in which it was recorded. Rejects where the store can't be reached. */
  readonly walk: (walk: Walk, position: WalkPosition, options?: { readonly signal?: AbortSignal }) => Promise<WalkPage>;
  /** Makes known what one consumer has received of each log; `gone` are runs that have become part of another. */
  readonly publishReceived: (consumer: string, runs: readonly LogRange[], gone: readonly LogRange[]) => Promise<void>;
  /** What all consumers together have received; runs may touch and overlap. */
  readonly received: () => Promise<readonly LogRange[]>;
  /** Makes known how far a log got. */
  readonly publishHead: (head: Position) => Promise<void>;
  /** How far each log got, by its writer's own word or its events. */
  readonly heads: () => Promise<readonly LogHead[]>;
  /** Makes known how a node's forwarders do. */
  readonly publishForwarders: (node: string, rows: readonly { readonly forwarder: string; readonly status: string }[]) => Promise<void>;
  /** What every node last told of its forwarders. */
  readonly forwarders: () => Promise<readonly ForwarderRow[]>;
  readonly retention: Retention;
  /** Whether it answers at this moment; a sentence where it doesn't. */
  readonly trouble: () => Promise<string | undefined>;
  readonly close: () => Promise<void>;
};

/** The store that `config` names. Opens no connection before it is used; {@link migrate} must have run. */
export const openStore = (config: ClickHouseConfig, deps: { readonly now?: () => number; readonly settle_ms?: number } = {}): Store => {
  const client = createStoreClient(config);
  // Exports are read as fast as their callers read: they must not hold the connections that pages need.
  const scanning = createStoreClient(config);
  const tables = tablesOf(config);
  const now = deps.now ?? Date.now;
  const limits = { seconds: config.query_seconds };
  const reads = { client, tables, now };
  const list = newList(limits, reads);
  const retention = newRetention(client, tables, deps.settle_ms === undefined ? {} : { settle_ms: deps.settle_ms });
  let refreshed = Number.NEGATIVE_INFINITY;

  const insert = async (lines: Buffer, options: InsertOptions): Promise<InsertOutcome> => {
    try {
      if (now() - refreshed > REFRESH_MS) {
        await retention.refresh();
        refreshed = now();
      }
    } catch (error) {
      return { outcome: 'unavailable', reason: reasonOf(error) };
    }
    return insertLines(client, tables, lines, { ...options, days: retention.days() });
  };

  return {
    insertLines: (lines, options = {}) => insert(lines, options),
    list: async (filter, reach, { limit, cursor }) => {
      const page = await list(filter, reach, cursor === undefined ? startOf(filter, reach, now()) : decodeCursor(cursor), limit);
      return { lines: page.lines.toString('utf8').split('\n').filter(Boolean), next_cursor: page.next ? encodeCursor(page.next) : null };
    },
    get: newGet(limits, reads),
    count: newCount(limits, reads),
    lastUses: newLastUses(limits, { ...reads, client: scanning }),
    precedent: newPrecedent(limits, reads),
    oldest: newOldest(limits, reads),
    ranges: newRanges(limits, reads),
    publishReceived: newPublishReceived(reads),
    received: newReceived(limits, reads),
    publishHead: newPublishHead(reads),
    heads: newHeads(limits, reads),
    scan: newScan(limits, { ...reads, client: scanning }),
    walk: newWalk(limits, { ...reads, client: scanning }),
    publishForwarders: newPublishForwarders(reads),
    forwarders: newForwarders(limits, reads),
    retention,
    trouble: async () => {
      const answer = await client.ping({ select: true });
      return answer.success ? undefined : `The store does not answer: ${reasonOf(answer.error)}`;
    },
    close: async () => {
      await Promise.all([client.close(), scanning.close()]);
    },
  };
};
