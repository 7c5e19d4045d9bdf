import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import {
  bypassDetection,
  type Collector,
  LIBVIRT,
  libvirtCollector,
  openCollectorState,
  openReports,
  openVirsh,
  ownerFinder,
  reportsIn,
} from './collect/index.js';
import type { Config } from './config.js';
import type { Directory } from './evaluate/directory/index.js';
import type { EventDraft } from './event/index.js';
import type { Batch } from './ingest/index.js';
import { endOrphans, marksOf } from './serve/process-marks.js';
import type { Store } from './store/index.js';

export type CollectorsDeps = {
  readonly log: Logger;
  readonly directory: Pick<Directory, 'get' | 'list' | 'generation'>;
  readonly store: Pick<Store, 'precedent'>;
  /** Everything recorded by then (milliseconds since the epoch) that comes through this node is in the store. */
  readonly completeUntil: () => number;
  /** Puts an event into the pipeline's journal, unless one of the same name `once` is there. Rejects where it takes none now. */
  readonly record: (draft: EventDraft, once: string) => Promise<unknown>;
};

export type Collectors = {
  readonly parts: readonly Collector[];
  /** Told of every batch that the store has taken; resolves when what is to be judged in it is on disk. */
  readonly taken: (batch: Batch) => Promise<void>;
};

const second = (seconds: number): number => seconds * 1000;

/** What this node notices by itself: its collectors, and what changed without a decision. `folder` is theirs. */
export const openCollectors = (config: Pick<Config, 'collect' | 'ground_truth'>, folder: string, deps: CollectorsDeps): Collectors => {
  const { collect, ground_truth: truth } = config;
  const warn = (sentence: string): void => deps.log.warn(sentence);
  const sources = [...new Set([...truth.sources, ...collect.sources])];
  const collectors = collect.sources.includes(LIBVIRT) ? [openLibvirt(collect.libvirt, folder, { ...deps, warn })] : [];
  if (sources.length === 0) return { parts: collectors, taken: async () => undefined };
  const reports = openReports(join(folder, 'reports'));
  const find = reportsIn(sources);
  const bypass = bypassDetection(
    { sources, window_ms: second(truth.window_minutes * 60), grace_ms: second(truth.grace_seconds) },
    { reports, precedent: deps.store.precedent, completeUntil: deps.completeUntil, record: deps.record, warn },
  );
  return { parts: [...collectors, bypass], taken: (batch) => reports.add(batch.flatMap((chunk) => (chunk.foreign ? [] : find(chunk.lines)))) };
};

const openLibvirt = (
  config: Config['collect']['libvirt'],
  folder: string,
  deps: Pick<CollectorsDeps, 'directory' | 'record'> & { readonly warn: (sentence: string) => void },
): Collector => {
  const path = join(folder, LIBVIRT);
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const marks = join(path, 'virsh.json');
  const collector = libvirtCollector(
    { uri: config.uri, reconcile_ms: second(config.reconcile_seconds), account_wait_ms: second(config.account_wait_seconds) },
    {
      virsh: openVirsh(config),
      state: openCollectorState(join(path, 'state')),
      find: ownerFinder(config, deps),
      record: deps.record,
      warn: deps.warn,
      onProcess: (pid) => {
        try {
          writeFileSync(marks, JSON.stringify(pid === undefined ? [] : marksOf(path, [pid])), { mode: 0o600 });
        } catch (error) {
          deps.warn(`Which virsh watches could not be written down: ${(error as Error).message}`);
        }
      },
    },
  );
  return {
    ...collector,
    start: async () => {
      // A pipeline that was killed leaves the virsh behind that it watched with.
      await endOrphans(path, marks);
      await collector.start();
    },
  };
};
