import { type Event, fromLine, isObject, type JsonObject } from '../event/index.js';
import type { Outgoing } from '../export/sender.js';
import { shownLine } from '../export/shown-line.js';
import type { Batch } from '../ingest/index.js';
import type { Forwarder } from './definition.js';

/** A pattern in which `*` stands for any characters, as a test. Linear in the text, whatever the pattern. */
export const wildcard = (pattern: string): ((text: string) => boolean) => {
  const parts = pattern.split('*');
  if (parts.length === 1) return (text) => text === pattern;
  const [first, last] = [parts[0] as string, parts.at(-1) as string];
  return (text) => {
    if (!text.startsWith(first) || text.length < first.length + last.length) return false;
    let at = first.length;
    for (const part of parts.slice(1, -1)) {
      const found = text.indexOf(part, at);
      if (found < 0) return false;
      at = found + part.length;
    }
    return text.length - last.length >= at && text.endsWith(last);
  };
};

export type Matcher = (event: Event) => boolean;

/** Of a forwarder's own refusals it tells others alone, or each of them would make another. */
const isOwnRefusal = (event: Event, id: string): boolean => event.action === 'forwarder.refused' && event.resource.id === id;

/** Which events a forwarder sends, but for residency. */
export const matcherOf = (id: string, { accounts, filter, since }: Forwarder): Matcher => {
  const among = accounts === 'all' ? undefined : new Set(accounts);
  const actions = filter.actions?.map(wildcard);
  const known = new Map<string, boolean>();
  const isAction = (action: string): boolean => {
    if (!actions) return true;
    const before = known.get(action);
    if (before !== undefined) return before;
    const is = actions.some((one) => one(action));
    if (known.size < 10_000) known.set(action, is);
    return is;
  };
  return (event) =>
    (!among || among.has(event.account)) &&
    isAction(event.action) &&
    (!filter.results || filter.results.includes(event.result)) &&
    (!filter.kinds || filter.kinds.includes(event.kind)) &&
    event.recorded >= since &&
    !isOwnRefusal(event, id);
};

const isEventLike = (value: unknown): value is Event =>
  isObject(value) && typeof (value as JsonObject)['account'] === 'string' && typeof (value as JsonObject)['action'] === 'string';

/** A recorded line as it goes out, without its salts; undefined for what is no event. */
export const outgoingOf = (line: string): Outgoing | undefined => {
  try {
    const raw = shownLine(line);
    const event: unknown = fromLine(raw);
    return isEventLike(event) ? { event, raw, log: event.log, seq: event.seq } : undefined;
  } catch {
    return undefined;
  }
};

const CACHED_BYTES = 4 << 20;

/**
 * Takes batches apart. Forwarders that are in step read the same commits one after the other: each is parsed once, as
 * long as it is among the last ones read.
 */
export const parsedChunks = (mostBytes = CACHED_BYTES) => {
  const cache = new Map<string, { readonly events: readonly Outgoing[]; readonly bytes: number }>();
  let bytes = 0;

  const keep = (key: string, events: readonly Outgoing[], size: number): void => {
    cache.set(key, { events, bytes: size });
    bytes += size;
    for (const [oldest, one] of cache) {
      if (bytes <= mostBytes) return;
      cache.delete(oldest);
      bytes -= one.bytes;
    }
  };

  return (batch: Batch): readonly Outgoing[] =>
    batch.flatMap(({ log, from, to, lines, foreign }) => {
      if (foreign) return [];
      const key = `${log}/${from}/${to}`;
      const known = cache.get(key);
      if (known) return known.events;
      const events = lines
        .toString('utf8')
        .split('\n')
        .flatMap((line) => (line === '' ? [] : (outgoingOf(line) ?? [])));
      keep(key, events, lines.length);
      return events;
    });
};
export type ParsedChunks = ReturnType<typeof parsedChunks>;
