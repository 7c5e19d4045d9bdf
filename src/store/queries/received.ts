import { type LogRange, SYSTEM_ACCOUNT } from '../../event/index.js';
import { rowsOf, run, type StoreClient } from '../client.js';
import type { Tables } from '../tables.js';

/** Where a log is known to have got to, and when that was said (milliseconds since the epoch). */
export type LogHead = { readonly log: string; readonly last: number; readonly at: number };

type Deps = { readonly client: StoreClient; readonly tables: Tables };
type Limits = { readonly seconds: number };

/**
 * Publishes the runs that one consumer has received; resolves when they are on disk. `gone` are those that have become
 * part of another run.
 */
export const newPublishReceived =
  ({ client, tables }: Deps) =>
  async (consumer: string, runs: readonly LogRange[], gone: readonly LogRange[]): Promise<void> => {
    const rows = [...runs.map((one) => ({ ...one, gone: 0 })), ...gone.map((one) => ({ ...one, gone: 1 }))];
    if (rows.length === 0) return;
    await run(client, {
      query: `INSERT INTO ${tables.received} (consumer, log, from, to, gone, changed)
SELECT {consumer:String}, row.1, row.2, row.3, row.4, now64(6) FROM (SELECT arrayJoin(arrayZip({logs:Array(String)}, {froms:Array(UInt64)}, {tos:Array(UInt64)}, {gones:Array(UInt8)})) AS row)`,
      params: {
        consumer,
        logs: rows.map((row) => row.log),
        froms: rows.map((row) => row.from),
        tos: rows.map((row) => row.to),
        gones: rows.map((row) => row.gone),
      },
    });
  };

/** The runs that all consumers together have received, by log and place; they may touch and overlap. */
export const newReceived =
  ({ seconds }: Limits, { client, tables }: Deps) =>
  async (): Promise<readonly LogRange[]> =>
    rowsOf<LogRange>(client, { query: `SELECT log, from, to FROM ${tables.received} FINAL WHERE gone = 0 ORDER BY log, from FORMAT JSONEachRow` }, { seconds });

/** How far each log says it got, in the latest word of it that is kept. */
export const newHeads =
  ({ seconds }: Limits, { client, tables }: Deps) =>
  async (): Promise<readonly LogHead[]> =>
    rowsOf<LogHead>(
      client,
      {
        query: `SELECT resource_id AS log, max(JSONExtractUInt(raw, 'details', 'last')) AS last, toUnixTimestamp64Milli(max(recorded)) AS at
FROM ${tables.events}
WHERE account = {account:String} AND action IN ('log.opened', 'log.head', 'log.closed') AND source = {account:String}
GROUP BY resource_id ORDER BY log FORMAT JSONEachRow`,
        params: { account: SYSTEM_ACCOUNT },
      },
      { seconds },
    );
