import type { EventFilter, Reach } from '../../store/index.js';
import type { Compression } from '../compress.js';
import type { ExportFormat } from '../files.js';

/** What was asked for, as it stands on disk from the moment it is taken. */
export type ExportJob = {
  readonly id: string;
  /** The account that is exported; absent: every account that the caller reached. */
  readonly account?: string;
  readonly filter: EventFilter;
  readonly reach: Reach;
  readonly format: ExportFormat;
  readonly compression?: Compression;
  readonly csv_raw?: boolean;
  /** All that is known of the account, as one archive: then `account` is there, and the filter names nothing else. */
  readonly archive?: true;
  /** Who asked (the credential), and when: RFC 3339. */
  readonly by: string;
  readonly created: string;
  /** The revision of the policy that was in force then. */
  readonly policy: string;
};

/** One file of an export. `sha256` is of its bytes as they lie there, in hex. */
export type Part = { readonly name: string; readonly rows: number; readonly bytes: number; readonly sha256: string };

export type JobState = {
  readonly state: 'queued' | 'running' | 'done' | 'failed';
  /** Rows written so far. */
  readonly rows: number;
  readonly bytes: number;
  readonly parts: readonly Part[];
  readonly started?: string;
  readonly ended?: string;
  /** When its files go: RFC 3339. */
  readonly expires?: string;
  /** Why it waits or failed, as a sentence. */
  readonly message?: string;
};

/** The first and the last place of one log that the export holds, and how many of its events. */
export type LogSpan = { readonly log: string; readonly first: number; readonly last: number; readonly rows: number };

/** A file within an archive. `sha256` is of its bytes, in hex; a row is a line. */
export type ArchivedFile = { readonly name: string; readonly rows: number; readonly bytes: number; readonly sha256: string };

/** What stands beside the parts: what they are, so that they can be checked without Verdict. */
export type JobManifest = {
  readonly id: string;
  readonly account?: string;
  readonly filter: EventFilter;
  readonly format: ExportFormat;
  readonly compression?: Compression;
  readonly by: string;
  readonly asked: string;
  readonly policy: string;
  /** Events recorded later than this (RFC 3339) are not in it. */
  readonly recorded_until: string;
  readonly rows: number;
  readonly parts: readonly Part[];
  /** Events by day (UTC, of their timestamp) and action. */
  readonly counts: { readonly [day: string]: { readonly [action: string]: number } };
  readonly logs: readonly LogSpan[];
  /** Of an archive: what is in it, beside its own `manifest.json`. */
  readonly files?: readonly ArchivedFile[];
};

/** Only so many logs are told apart in a manifest: a fleet that restarts daily has fewer in two years. */
export const MOST_LOGS = 10_000;
export const NOTHING_YET: JobState = { state: 'queued', rows: 0, bytes: 0, parts: [] };
export const hasEnded = ({ state }: JobState): boolean => state === 'done' || state === 'failed';
