import { mkdirSync } from 'node:fs';
import { type Database, open } from 'lmdb';
import { type Quarantine, type Quarantined, quarantineId, type SetAside } from './quarantine.js';

/** An item without its bytes; they stand in a database of their own, as they came. */
type Kept = Omit<SetAside, 'line'>;
type Place = [at: string, id: string];

/** This node's own list, in an LMDB environment that this process alone writes. `put` and `remove` resolve after fdatasync. */
export const lmdbQuarantine = (path: string): Quarantine => {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const root = open({ path, overlappingSync: false });
  const items: Database<Kept, string> = root.openDB<Kept, string>({ name: 'items', encoding: 'json' });
  const lines: Database<Buffer, string> = root.openDB<Buffer, string>({ name: 'lines', encoding: 'binary' });
  const order: Database<string, Place> = root.openDB<string, Place>({ name: 'order', encoding: 'string' });

  const read = (id: string): Quarantined | undefined => {
    const kept = items.get(id);
    const line = lines.get(id);
    return kept && line ? { id, ...kept, line } : undefined;
  };

  return {
    put: async (put) => {
      await root.transaction(() => {
        for (const item of put) {
          const id = quarantineId(item);
          if (items.doesExist(id)) continue;
          const { line, ...kept } = item;
          void items.put(id, kept);
          void lines.put(id, line);
          void order.put([kept.at, id], '');
        }
      });
    },
    list: async ({ after, limit }) => {
      const last = after === undefined ? undefined : items.get(after);
      if (after !== undefined && !last) return [];
      const found: Quarantined[] = [];
      for (const [, id] of order.getKeys({ ...(last && after && { start: [last.at, after] }), limit: limit + 1, snapshot: false })) {
        const item = id === after ? undefined : read(id);
        if (item && found.length < limit) found.push(item);
      }
      return found;
    },
    get: async (id) => read(id),
    remove: (ids) =>
      root.transaction(() => {
        let removed = 0;
        for (const id of ids) {
          const kept = items.get(id);
          if (!kept) continue;
          void items.remove(id);
          void lines.remove(id);
          void order.remove([kept.at, id]);
          removed += 1;
        }
        return removed;
      }),
    count: () => items.getCount(),
    close: () => root.close(),
  };
};
