import { isTimeout, rowsOf, type StoreClient } from '../client.js';
import type { Tables } from '../tables.js';
import { all, conditionsOf, whereText } from './filter.js';
import { narrowed } from './look.js';

/** What to look for: one account, not before `from` (milliseconds since the epoch). */
export type LastUsesAsked = {
  readonly account: string;
  readonly from: number;
  /** Names of IAM documents that are no entities, because they ship with the policy: a decision's facts can't name them. */
  readonly documents: readonly string[];
};

/** The last allowed decision of one asker that rested on one grant. */
export type LastUseRow = {
  /** The asker's membership as `membership/<account>:<id>`; who is no member as `<type>/<id>`. */
  readonly who: string;
  /** `membership/…`, `token/…`, `acl/…`, `iam_policy/…`, or `verdict.key/…` for the key that asked. */
  readonly grant: string;
  /** Milliseconds since the epoch. */
  readonly last_used: number;
};

/** `from`: how far back it looked: later than was asked where the time was up. */
export type LastUses = { readonly from: number; readonly rows: readonly LastUseRow[] };

export type LastUsesConfig = {
  /** The most time one question to the store may take, in seconds. */
  readonly seconds: number;
};

const FIRST_WINDOW_MS = 6 * 3_600_000;
/** A window that was quicker than this is followed by a wider one; one that took longer than a second, by a narrower. */
const QUICK_MS = 250;
const SLOW_MS = 1000;
const WIDEN_BY = 4;
/** All questions together may take so many times the limit of one. */
const PATIENCE = 6;

/** What is read of a line; the other fields are passed over. */
const READ = `Tuple(details Tuple(caller String), decision Tuple(reasons Array(Tuple(code String, message String)), facts Map(String, UInt64)))`;

/**
 * A decision that is allowed by an ACL entry says so by a code that begins with `acl.`, by a document with `iam.`, by a
 * role with one of the others; what is said of none (another bundle's codes) counts for all. Of several entries or
 * documents that a decision looked at, those count that its sentences name; all, where they name none.
 */
const statement = (events: string, where: string): string => `
WITH
  JSONExtract(raw, '${READ}') AS line,
  tupleElement(line, 'decision') AS decided,
  tupleElement(decided, 'reasons') AS reasons,
  mapKeys(tupleElement(decided, 'facts')) AS facts,
  arrayMap(reason -> splitByChar('.', tupleElement(reason, 'code'))[1], reasons) AS kinds,
  NOT hasAny(kinds, ['rbac', 'root', 'auditor', 'acl', 'iam']) AS untold,
  arrayFirst(fact -> startsWith(fact, 'membership/'), facts) AS membership,
  arrayFilter(fact -> startsWith(fact, 'acl/'), facts) AS entries,
  arrayFilter(fact -> startsWith(fact, 'iam_policy/'), facts) AS own,
  arrayDistinct(arrayConcat(own, arrayMap(name -> concat('iam_policy/', {account:String}, ':', name), {documents:Array(String)}))) AS documents,
  (prefix, label) -> arrayExists(reason -> startsWith(tupleElement(reason, 'code'), prefix)
    AND position(concat(tupleElement(reason, 'message'), ' '), concat(' ', label, ' ')) > 0, reasons) AS is_named
SELECT who, grant, toUnixTimestamp64Milli(max(timestamp)) AS last_used FROM (
  SELECT timestamp,
    if(membership = '', concat(actor_type, '/', actor_id), membership) AS who,
    arrayFilter(entry -> is_named('acl.', substring(entry, length('acl/') + 1)), entries) AS named_entries,
    arrayFilter(document -> is_named('iam.', substring(document, length('iam_policy/') + length({account:String}) + 2)), documents) AS named_documents,
    arrayConcat(
      if(untold OR hasAny(kinds, ['rbac', 'root', 'auditor']), arrayFilter(fact -> fact = membership, facts), []),
      arrayFilter(fact -> startsWith(fact, 'token/'), facts),
      if(untold OR has(kinds, 'acl'), if(empty(named_entries), entries, named_entries), []),
      if(untold OR has(kinds, 'iam'), if(empty(named_documents), own, named_documents), []),
      if(startsWith(tupleElement(tupleElement(line, 'details'), 'caller'), 'key:'),
        [concat('verdict.key/', substring(tupleElement(tupleElement(line, 'details'), 'caller'), 5))], [])
    ) AS grants
  FROM ${events} WHERE ${where}
) ARRAY JOIN grants AS grant GROUP BY who, grant FORMAT JSONEachRow`;

const between = {
  sql: ["timestamp >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')", "timestamp < fromUnixTimestamp64Milli({to:Int64}, 'UTC')"],
  params: {},
};

const resized = (window: number, took: number): number => (took < QUICK_MS ? window * WIDEN_BY : took > SLOW_MS ? Math.ceil(window / 2) : window);

const merge = (known: Map<string, LastUseRow>, rows: readonly LastUseRow[]): void => {
  for (const row of rows) {
    const key = JSON.stringify([row.who, row.grant]);
    if (row.last_used > (known.get(key)?.last_used ?? Number.NEGATIVE_INFINITY)) known.set(key, row);
  }
};

/**
 * When each grant of an account was last used, by its allowed decisions: newest first, in windows of time that each end
 * soon, so that other questions have their turn. Rejects where the store can't answer; a time limit is no failure.
 */
export const newLastUses =
  (config: LastUsesConfig, { client, tables, now }: { readonly client: StoreClient; readonly tables: Tables; readonly now: () => number }) =>
  async ({ account, from, documents }: LastUsesAsked): Promise<LastUses> => {
    const where = all(conditionsOf({ kind: 'decision', result: 'allowed' }, [account]), between);
    const query = statement(tables.events, whereText(where));
    const found = new Map<string, LastUseRow>();
    const deadline = now() + PATIENCE * config.seconds * 1000;
    let window = FIRST_WINDOW_MS;
    // What is dated ahead of the clock (by 5 minutes at most) counts too.
    let to = now() + FIRST_WINDOW_MS;
    while (to > from && now() < deadline) {
      const began = now();
      const edge = Math.max(from, to - window);
      try {
        merge(found, await rowsOf<LastUseRow>(client, { query, params: { ...where.params, documents, from: edge, to } }, { seconds: config.seconds }));
        to = edge;
        window = resized(window, now() - began);
      } catch (error) {
        if (!isTimeout(error)) throw error;
        window = narrowed(window);
      }
    }
    return { from: to, rows: [...found.values()] };
  };
