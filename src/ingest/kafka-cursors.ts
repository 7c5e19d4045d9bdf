import { mkdirSync } from 'node:fs';
import { open } from 'lmdb';

/** How far this node itself has handled each partition: the offset of the next message. One environment for each consumer. */
export type Cursors = {
  readonly get: (partition: number) => number | undefined;
  /** Resolves after fdatasync. */
  readonly save: (next: ReadonlyMap<number, number>) => Promise<void>;
  readonly close: () => Promise<void>;
};

export const openCursors = (path: string, topic: string): Cursors => {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const saved = open<number, [topic: string, partition: number]>({ path, overlappingSync: false, encoding: 'json' });
  return {
    get: (partition) => saved.get([topic, partition]),
    save: async (next) => {
      await saved.transaction(() => {
        for (const [partition, offset] of next) void saved.put([topic, partition], offset);
      });
    },
    close: () => saved.close(),
  };
};
