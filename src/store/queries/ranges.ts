import type { LogRange } from '../../event/index.js';
import { rowsOf, type StoreClient } from '../client.js';
import type { Tables } from '../tables.js';

type Span = { readonly log: string; readonly from: number; readonly to: number; readonly events: number };

/** The unbroken runs of each log that the store holds, by log and place. What has expired and gone is not among them. */
export const newRanges =
  (config: { readonly seconds: number }, { client, tables }: { readonly client: StoreClient; readonly tables: Tables }) =>
  async (log?: string): Promise<readonly LogRange[]> => {
    const only = log === undefined ? '' : ' WHERE log = {log:String}';
    const spans = await rowsOf<Span>(
      client,
      {
        query: `SELECT log, min(seq) AS from, max(seq) AS to, groupBitmap(seq) AS events FROM ${tables.events}${only} GROUP BY log ORDER BY log FORMAT JSONEachRow`,
        params: log === undefined ? {} : { log },
      },
      { seconds: config.seconds },
    );
    const runs: LogRange[] = [];
    for (const span of spans) {
      if (span.events === span.to - span.from + 1) runs.push({ log: span.log, from: span.from, to: span.to });
      else runs.push(...(await runsOf(span.log)));
    }
    return runs;

    /** A log with holes: its places in order, cut where one is missing. */
    async function runsOf(holed: string): Promise<readonly LogRange[]> {
      const query = `SELECT {log:String} AS log, run[1] AS from, run[-1] AS to FROM (
  SELECT arrayJoin(arraySplit((place, gap) -> gap != 1, places, arrayDifference(places))) AS run
  FROM (SELECT arraySort(bitmapToArray(groupBitmapState(seq))) AS places FROM ${tables.events} WHERE log = {log:String})
) ORDER BY from FORMAT JSONEachRow`;
      return rowsOf<LogRange>(client, { query, params: { log: holed } }, { seconds: config.seconds });
    }
  };
