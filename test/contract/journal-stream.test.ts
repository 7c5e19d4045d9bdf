import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { newEventId } from '../../src/event/index.js';
import { openJournal } from '../../src/ingest/journal.js';
import { journalStream } from '../../src/ingest/journal-stream.js';
import type { Stream } from '../../src/ingest/stream.js';
import { type StreamHarness, streamContract } from './stream.js';

const MAX_BYTES = 16 << 20;

const makeHarness = async (): Promise<StreamHarness> => {
  const folder = mkdtempSync(join(tmpdir(), 'verdict-stream-'));
  const path = join(folder, 'journal');
  const journal = await openJournal({
    path,
    maxBytes: MAX_BYTES,
    durability: 'disk',
    onFailure: (error) => {
      throw error;
    },
  });
  let current: Stream | undefined;
  let life = 0;

  const open = async (): Promise<Stream> => {
    await current?.close();
    const stream = journalStream({
      journals: [{ slot: '0', path }],
      maxBytes: MAX_BYTES,
      cursors: join(folder, `cursors-${life}`),
      holding: [],
      release: () => undefined,
    });
    current = stream;
    return stream;
  };

  return {
    open,
    // The cursors as they stand on disk at that moment are all that a next life finds.
    crash: async () => {
      current = undefined;
      cpSync(join(folder, `cursors-${life}`), join(folder, `cursors-${life + 1}`), { recursive: true });
      life += 1;
    },
    write: async (events) => {
      await journal.append(
        events.map(({ account, note }) => ({
          id: newEventId(),
          timestamp: new Date().toISOString(),
          account,
          kind: 'activity',
          actor: { type: 'user', id: 'usr-1' },
          action: 'instance.create',
          resource: { type: 'instance', id: 'inst-1' },
          result: 'success',
          details: { note },
          source: 'libvirt',
        })),
      );
    },
    letGo: async () => {
      const { log, seq } = journal.head();
      journal.release(log, seq);
      while (journal.depth().events > 0) await delay(20);
      await delay(300);
    },
    close: async () => {
      await current?.close();
      await journal.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
};

streamContract('The journal', makeHarness);
