import { type EventDraft, newEventId, newUlid, place, toLine } from '../../src/event/index.js';
import type { Chunk } from '../../src/ingest/stream.js';

export type Note = { readonly account: string; readonly note: string };

/** A writer's log, which numbers what it is given; each call makes one chunk, as a journal's commit does. */
export const testWriter = (): { readonly log: string; readonly chunk: (notes: readonly Note[]) => Chunk } => {
  const log = newUlid();
  let seq = 0;
  return {
    log,
    chunk: (notes) => {
      const from = seq + 1;
      const now = new Date().toISOString();
      const lines = notes.map(({ account, note }) => {
        seq += 1;
        return `${toLine(place(draft(account, note, now), { log, seq }, now))}\n`;
      });
      return { log, from, to: seq, lines: Buffer.from(lines.join('')) };
    },
  };
};

const draft = (account: string, note: string, timestamp: string): EventDraft => ({
  id: newEventId(),
  timestamp,
  account,
  kind: 'activity',
  actor: { type: 'user', id: 'usr-1' },
  action: 'instance.create',
  resource: { type: 'instance', id: 'inst-1' },
  result: 'success',
  details: { note },
  source: 'libvirt',
});
