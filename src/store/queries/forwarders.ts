import { rowsOf, run, type StoreClient } from '../client.js';
import type { Tables } from '../tables.js';

/** How one forwarder does on one node, as that node told it at `at` (milliseconds since 1970). */
export type ForwarderRow = { readonly forwarder: string; readonly node: string; readonly status: string; readonly at: number };

type Deps = { readonly client: StoreClient; readonly tables: Tables };

/** Makes known how a node's forwarders do; resolves when it is on disk. */
export const newPublishForwarders =
  ({ client, tables }: Deps) =>
  async (node: string, rows: readonly { readonly forwarder: string; readonly status: string }[]): Promise<void> => {
    if (rows.length === 0) return;
    await run(client, {
      query: `INSERT INTO ${tables.forwarders} (forwarder, node, status, changed)
SELECT row.1, {node:String}, row.2, now64(3) FROM (SELECT arrayJoin(arrayZip({forwarders:Array(String)}, {statuses:Array(String)})) AS row)`,
      params: { node, forwarders: rows.map(({ forwarder }) => forwarder), statuses: rows.map(({ status }) => status) },
    });
  };

/** What every node last told of its forwarders. */
export const newForwarders =
  ({ seconds }: { readonly seconds: number }, { client, tables }: Deps) =>
  async (): Promise<readonly ForwarderRow[]> =>
    rowsOf<ForwarderRow>(
      client,
      {
        query: `SELECT forwarder, node, status, toUnixTimestamp64Milli(changed) AS at FROM ${tables.forwarders} FINAL ORDER BY forwarder, node FORMAT JSONEachRow`,
      },
      { seconds },
    );
