import { decodeTime } from 'ulid';
import { run, type StoreClient } from '../client.js';
import type { Tables } from '../tables.js';
import { all, type Conditions, conditionsOf, type Reach, whereText } from './filter.js';

const DAY_MS = 86_400_000;
const OWN_ID = /^evt-([0-7][0-9A-HJKMNP-TV-Z]{25})$/;

/** Verdict's own ids carry the time they were made at: the event was recorded about then. */
const aboutThen = (id: string): Conditions | undefined => {
  const ulid = OWN_ID.exec(id)?.[1];
  if (!ulid) return undefined;
  const time = decodeTime(ulid);
  return {
    sql: ["recorded BETWEEN fromUnixTimestamp64Milli({early:Int64}, 'UTC') AND fromUnixTimestamp64Milli({late:Int64}, 'UTC')"],
    params: { early: time - DAY_MS, late: time + DAY_MS },
  };
};

/**
 * The lines of the events with this id that the caller may see, the one recorded first in front: usually one, and one
 * for each account and source where several producers used the same id; `source`: only of that one. By index: it doesn't scan the table.
 */
export const newGet =
  (config: { readonly seconds: number }, { client, tables }: { readonly client: StoreClient; readonly tables: Tables }) =>
  async (id: string, reach: Reach, source?: string): Promise<readonly string[]> => {
    if (reach !== 'all' && reach.length === 0) return [];
    const look = async (narrow: Conditions | undefined): Promise<readonly string[]> => {
      const bySource = source === undefined ? undefined : { sql: ['source = {source:String}'], params: { source } };
      const where = all(conditionsOf({}, reach), { sql: ['id = {id:String}'], params: { id } }, bySource, narrow);
      const query = `SELECT raw FROM ${tables.events} WHERE ${whereText(where)} ORDER BY recorded, log, seq LIMIT 1 BY account, source FORMAT TSVRaw`;
      const lines = await run(client, { query, params: where.params }, { seconds: config.seconds });
      return lines.toString('utf8').split('\n').filter(Boolean);
    };
    const narrow = aboutThen(id);
    const found = narrow ? await look(narrow) : [];
    return found.length > 0 ? found : look(undefined);
  };
