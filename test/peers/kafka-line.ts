import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Admin } from 'kafkajs';
import { pino } from 'pino';
import type { KafkaConfig } from '../../src/config.js';
import type { StreamGap } from '../../src/ingest/kafka-positions.js';
import { type KafkaPublisher, kafkaPublisher } from '../../src/ingest/kafka-publisher.js';
import { kafkaStream } from '../../src/ingest/kafka-stream.js';
import type { SetAside } from '../../src/ingest/quarantine.js';
import type { Batch, Consumer } from '../../src/ingest/stream.js';
import { ensureTopics, kafkaClient } from '../../src/kafka/index.js';
import { type Note, testWriter } from './kafka-writer.js';

const log = pino({ level: process.env['VERDICT_TEST_LOG'] ?? 'silent' });

/** A consumer that keeps the notes of every event, in the order of handling. */
export type Reader = { readonly notes: string[]; readonly batches: Batch[]; readonly consumer: Consumer; readonly stop: () => Promise<void> };

/** A publisher and readers on the topics of one configuration. */
export type KafkaLine = {
  readonly config: KafkaConfig;
  readonly admin: Admin;
  readonly gaps: StreamGap[];
  readonly setAside: SetAside[];
  readonly publisher: KafkaPublisher;
  /** Publishes as the journal's stream does: again and again, in order, until it is taken. */
  readonly write: (notes: readonly Note[]) => Promise<void>;
  /** `node` names whose cursors it has; `handle` may reject or take its time. */
  readonly read: (options?: { readonly node?: string; readonly name?: string; readonly handle?: (batch: Batch) => Promise<void> }) => Promise<Reader>;
  readonly close: () => Promise<void>;
};

const NOTE = /"details":\{"note":"([^"]*)"\}/g;

export const notesIn = (batch: Batch): readonly string[] =>
  batch.flatMap(({ lines }) => [...lines.toString('latin1').matchAll(NOTE)].map(([, note]) => note as string));

export const numbered = (account: string, count: number, from = 0): readonly Note[] =>
  Array.from({ length: count }, (_, index) => ({ account, note: `${account}/${from + index}` }));

export const eventually = async (what: string, isSo: () => boolean | Promise<boolean>, ms = 30_000): Promise<void> => {
  const end = Date.now() + ms;
  while (!(await isSo())) {
    if (Date.now() > end) throw new Error(`Waited in vain until ${what}.`);
    await delay(20);
  }
};

/** What is left of each account when repetitions are struck out, in order of first arrival. */
export const firstOf = (notes: readonly string[], account: string): readonly string[] => [...new Set(notes)].filter((note) => note.startsWith(`${account}/`));

export const kafkaLine = async (
  config: KafkaConfig,
  settings: { readonly limits?: { readonly bytes: number; readonly age_ms: number } } = {},
): Promise<KafkaLine> => {
  const client = kafkaClient(config, log);
  const admin = client.admin();
  await admin.connect();
  await ensureTopics(admin, config);
  const folder = mkdtempSync(join(tmpdir(), 'verdict-kafka-line-'));
  const setAside: SetAside[] = [];
  const gaps: StreamGap[] = [];
  const readers: Reader[] = [];
  const writer = testWriter();
  const publisher = kafkaPublisher(config, { client, log, quarantine: { put: async (items) => void setAside.push(...items) } });

  return {
    config,
    admin,
    gaps,
    setAside,
    publisher,
    write: async (notes) => {
      const chunk = writer.chunk(notes);
      for (;;) {
        try {
          return await publisher.publish([chunk]);
        } catch {
          await delay(200);
        }
      }
    },
    read: async ({ node = 'node', name = 'store', handle } = {}) => {
      const notes: string[] = [];
      const batches: Batch[] = [];
      const stream = kafkaStream(config, {
        client: kafkaClient(config, log),
        log,
        cursors: join(folder, node),
        onGap: (_, gap) => void gaps.push(gap),
        session_ms: 3_000,
      });
      const consumer = stream.consumer(name, settings.limits ?? { bytes: 1 << 20, age_ms: 50 }, async (batch) => {
        await handle?.(batch);
        batches.push(batch);
        notes.push(...notesIn(batch));
      });
      await consumer.start();
      const reader = { notes, batches, consumer, stop: stream.close };
      readers.push(reader);
      return reader;
    },
    close: async () => {
      for (const reader of readers) await reader.stop();
      await publisher.close();
      await admin.disconnect();
      rmSync(folder, { recursive: true, force: true });
    },
  };
};
