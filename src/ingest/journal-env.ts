import { mkdirSync } from 'node:fs';
import { type Database, open, type RootDatabase } from 'lmdb';
import type { LogRange } from '../event/index.js';

/** A commit's key: its log, and the seq of its first event. Logs are ULIDs, so keys run in order of time. */
export type CommitKey = [log: string, seq: number];

/** Room for what is remembered of producers' ids: 140 million of them. */
const IDS_BYTES = 64 * 2 ** 30;

/** Bytes before the lines in a commit's value: the number of its events, unsigned, big-endian. */
const COUNT_BYTES = 4;

/** A commit's value: how many events it has, then their JSON lines, each ended by a newline. */
export const packCommit = (count: number, lines: Buffer): Buffer => {
  const value = Buffer.allocUnsafe(COUNT_BYTES + lines.length);
  value.writeUInt32BE(count);
  lines.copy(value, COUNT_BYTES);
  return value;
};

/** The inverse of {@link packCommit}. `lines` shares the value's memory. */
export const unpackCommit = ([log, from]: CommitKey, value: Buffer): LogRange & { readonly lines: Buffer } => ({
  log,
  from,
  to: from + value.readUInt32BE(0) - 1,
  lines: value.subarray(COUNT_BYTES),
});

/** How many events a commit's value has. */
export const commitCount = (value: Buffer): number => value.readUInt32BE(0);

/** The latest log of a journal and how far it got. */
export type Head = { readonly log: string; readonly seq: number; readonly closed: boolean };

export type JournalEnvironment = {
  readonly root: RootDatabase;
  readonly commits: Database<Buffer, CommitKey>;
  readonly state: Database<Head, string>;
  /** Every log that was ever written here, with its last seq once it has ended (0 until then): it outlives the commits. */
  readonly logs: Database<number, string>;
  readonly intents: Database<unknown, string>;
  readonly fingerprints: Database<unknown, string>;
  readonly fingerprintTimes: Database<string, [time: number, key: string]>;
};

/**
 * Opens one worker's journal. `mapSize` is address space, not disk: it is fixed at the start so that writer and
 * readers in other processes never have to agree on a growth, and has room for two days of producers' ids beside the
 * events. A `put` resolves after fdatasync.
 */
export const openJournalEnvironment = (path: string, maxBytes: number, readOnly = false): JournalEnvironment => {
  if (!readOnly) mkdirSync(path, { recursive: true, mode: 0o700 });
  const root = open({ path, maxDbs: 8, mapSize: IDS_BYTES + maxBytes * 2, overlappingSync: false, readOnly, compression: false });
  return {
    root,
    commits: root.openDB<Buffer, CommitKey>({ name: 'commits', encoding: 'binary' }),
    state: root.openDB<Head, string>({ name: 'state', encoding: 'json' }),
    logs: root.openDB<number, string>({ name: 'logs', encoding: 'json' }),
    intents: root.openDB<unknown, string>({ name: 'intents', encoding: 'json' }),
    fingerprints: root.openDB<unknown, string>({ name: 'fingerprints', encoding: 'json' }),
    fingerprintTimes: root.openDB<string, [time: number, key: string]>({ name: 'fingerprint-times', encoding: 'string' }),
  };
};
