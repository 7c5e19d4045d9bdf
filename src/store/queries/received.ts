import { type LogRange, type Position, SYSTEM_ACCOUNT } from '../../event/index.js';
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

/** Makes known how far a log got; resolves when it is on disk. */
export const newPublishHead =
  ({ client, tables }: Deps) =>
  async ({ log, seq }: Position): Promise<void> => {
    await run(client, {
      query: `INSERT INTO ${tables.heads} (log, last, changed) SELECT {log:String}, {last:UInt64}, now64(3)`,
      params: { log, last: seq },
    });
  };

/** How far each log got, by the latest word of it that is kept: its writer's own, or its events in the stream. */
export const newHeads =
  ({ seconds }: Limits, { client, tables }: Deps) =>
  async (): Promise<readonly LogHead[]> =>
    rowsOf<LogHead>(
      client,
      {
        query: `SELECT log, max(last) AS last, toUnixTimestamp64Milli(max(told)) AS at
FROM (
  SELECT resource_id AS log, JSONExtractUInt(raw, 'details', 'last') AS last, recorded AS told
  FROM ${tables.events}
  WHERE account = {account:String} AND action IN ('log.opened', 'log.head', 'log.closed') AND source = {account:String}
  UNION ALL
  SELECT log, last, changed AS told FROM ${tables.heads}
)
GROUP BY log ORDER BY log FORMAT JSONEachRow`,
        params: { account: SYSTEM_ACCOUNT },
      },
      { seconds },
    );
