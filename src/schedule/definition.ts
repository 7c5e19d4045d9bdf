import type { Entity, EntityChange } from '../evaluate/directory/types.js';
import { isObject, type JsonObject, newUlid } from '../event/index.js';
import type { Compression, ExportFormat } from '../export/index.js';
import type { ForwarderFilter } from '../forward/index.js';

/** The reserved type of the entities that schedules are kept as. */
export const SCHEDULE_TYPE = 'verdict.export_schedule';

/** One run that has ended. Times are RFC 3339. */
export type PastRun = {
  /** When it was due; it holds what was recorded from `from` up to, not including, this. */
  readonly planned: string;
  readonly from: string;
  readonly ended: string;
  readonly state: 'done' | 'failed';
  readonly rows: number;
  /** Where it went, as a person would look for it. */
  readonly place?: string;
  readonly reason?: string;
};

/** A node's claim to a run: until then nobody else begins it. */
export type Claim = { readonly node: string; readonly planned: string; readonly until: string };

/** An export that is made again and again. Times are RFC 3339. */
export type ExportSchedule = {
  readonly name: string;
  readonly accounts: 'all' | readonly string[];
  readonly filter: ForwarderFilter;
  readonly format: ExportFormat;
  readonly compression?: Compression;
  /** Five fields: minute, hour, day of the month, month, day of the week. */
  readonly cron: string;
  /** By IANA's name. */
  readonly time_zone: string;
  /** `type` and what that type's schema asks for; secrets are sealed. */
  readonly destination: JsonObject & { readonly type: string };
  /** Where the destination lies, as its owner says. */
  readonly region?: string;
  readonly paused: boolean;
  /** Everything recorded before this was exported. */
  readonly through: string;
  /** A run that somebody asked for: up to this time. */
  readonly wanted?: string;
  readonly claim?: Claim;
  /** The last ten, newest first. */
  readonly runs: readonly PastRun[];
  readonly created: string;
  readonly created_by: string;
};

/** Reads an entity as a schedule; undefined where it is none that can be relied on: such a one is never run. */
export const readSchedule = ({ type, properties }: Entity): ExportSchedule | undefined => {
  const { cron, time_zone, through, destination, accounts, format } = properties;
  const isWhole = [cron, time_zone, through, format].every((one) => typeof one === 'string') && isObject(destination);
  if (type !== SCHEDULE_TYPE || !isWhole || (accounts !== 'all' && !Array.isArray(accounts))) return undefined;
  return properties as unknown as ExportSchedule;
};

/** The change that writes a schedule down. It belongs to an account where it names exactly one. */
export const putSchedule = (id: string, schedule: ExportSchedule, expected: number): EntityChange => ({
  change: newUlid(),
  type: SCHEDULE_TYPE,
  id,
  op: 'put',
  expected,
  ...(schedule.accounts !== 'all' && schedule.accounts.length === 1 && { account: schedule.accounts[0] as string }),
  properties: schedule as unknown as JsonObject,
});
