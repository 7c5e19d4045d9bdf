import type { Kind, Position, Result } from '../../event/index.js';
import { rowsOf, type StoreClient } from '../client.js';
import type { Tables } from '../tables.js';

/** Which earlier event is looked for. Times are in milliseconds since the epoch, both included. */
export type PrecedentAsked = {
  readonly kind: Kind;
  readonly result: Result;
  /** Absent: of whatever account. */
  readonly account?: string;
  /** One of these; none: nothing is found. */
  readonly actions: readonly string[];
  /** The resource is of one of these types … */
  readonly types: readonly string[];
  /** … and has this id; absent: whatever id. */
  readonly id?: string;
  /** Absent: from whatever source. */
  readonly sources?: readonly string[];
  readonly from: number;
  readonly to: number;
};

/** The expression that the index over resources is made of. */
const RESOURCE = "has([resource_id, concat(resource_type, '/', resource_id), resource_name], {id:String})";

const conditions = (asked: PrecedentAsked): string =>
  [
    ...(asked.account === undefined ? [] : ['account = {account:String}']),
    "timestamp BETWEEN fromUnixTimestamp64Milli({from:Int64}, 'UTC') AND fromUnixTimestamp64Milli({to:Int64}, 'UTC')",
    'kind = {kind:String} AND result = {result:String}',
    'action IN {actions:Array(String)}',
    'resource_type IN {types:Array(String)}',
    ...(asked.id === undefined ? [] : [`${RESOURCE} AND resource_id = {id:String}`]),
    ...(asked.sources === undefined ? [] : ['source IN {sources:Array(String)}']),
    'expires > now()',
  ].join(' AND ');

/** Where an event like the one asked for stands, if there is one: any of them. Rejects where the store can't answer, in time or at all. */
export const newPrecedent =
  (config: { readonly seconds: number }, { client, tables }: { readonly client: StoreClient; readonly tables: Tables }) =>
  async (asked: PrecedentAsked): Promise<Position | undefined> => {
    const query = `SELECT log, seq FROM ${tables.events} WHERE ${conditions(asked)} LIMIT 1 FORMAT JSONEachRow`;
    const [found] = await rowsOf<Position>(client, { query, params: { ...asked } }, { seconds: config.seconds });
    return found;
  };
