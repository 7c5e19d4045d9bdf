import { rowsOf, type StoreClient } from '../client.js';
import type { Tables } from '../tables.js';
import { accountsOf, all, conditionsOf, type EventFilter, type Reach, spanOf, whereText } from './filter.js';

/** How many events match: those that came twice, or were recorded twice under one id, count once. */
export const newCount =
  (config: { readonly seconds: number }, { client, tables }: { readonly client: StoreClient; readonly tables: Tables }) =>
  async (filter: EventFilter, reach: Reach): Promise<number> => {
    const accounts = accountsOf(filter, reach);
    if (accounts !== 'all' && accounts.length === 0) return 0;
    const { from, to } = spanOf(filter);
    const where = all(
      conditionsOf(filter, accounts),
      Number.isFinite(from) ? { sql: ["timestamp >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')"], params: { from } } : undefined,
      Number.isFinite(to) ? { sql: ["timestamp < fromUnixTimestamp64Milli({to:Int64}, 'UTC')"], params: { to } } : undefined,
    );
    // In the order of the key: equal rows stand beside each other, so nothing has to be remembered.
    const query = `SELECT count() AS events FROM (
  SELECT 1 FROM ${tables.events} WHERE ${whereText(where)} GROUP BY account, timestamp, source, id
) SETTINGS optimize_aggregation_in_order = 1 FORMAT JSONEachRow`;
    const [row] = await rowsOf<{ events: number }>(client, { query, params: where.params }, { seconds: config.seconds });
    return row?.events ?? 0;
  };
