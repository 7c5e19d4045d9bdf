import { rowsOf, type StoreClient } from '../client.js';
import type { Tables } from '../tables.js';
import { conditionsOf, type Reach, whereText } from './filter.js';

/** When the oldest event that can still be seen happened (milliseconds since the epoch); undefined where there is none. */
export const newOldest =
  (config: { readonly seconds: number }, { client, tables }: { readonly client: StoreClient; readonly tables: Tables }) =>
  async (reach: Reach): Promise<number | undefined> => {
    if (reach !== 'all' && reach.length === 0) return undefined;
    const where = conditionsOf({}, reach);
    const query = `SELECT count() AS events, toUnixTimestamp64Milli(min(timestamp)) AS oldest FROM ${tables.events} WHERE ${whereText(where)} FORMAT JSONEachRow`;
    const [row] = await rowsOf<{ events: number; oldest: number }>(client, { query, params: where.params }, { seconds: config.seconds });
    return row && row.events > 0 ? row.oldest : undefined;
  };
