import { setTimeout as sleep } from 'node:timers/promises';
import { rowsOf, run, type StoreClient } from './client.js';
import { STANDARD_DAYS } from './migrations/index.js';
import type { Tables } from './tables.js';

/** The longest that events are kept, in days. */
export const MAX_DAYS = 730;
const ENTERPRISE_DAYS = 365;

/** An account's days by its properties in the directory: `retention_days` (1–730) before `tier` (`standard`, `enterprise`). */
export const retentionDays = (properties: { readonly tier?: unknown; readonly retention_days?: unknown }): number => {
  const own = properties.retention_days;
  if (typeof own === 'number' && Number.isInteger(own) && own >= 1) return Math.min(own, MAX_DAYS);
  return properties.tier === 'enterprise' ? ENTERPRISE_DAYS : STANDARD_DAYS;
};

/** How long each account's events are kept. The table says what has been applied, so a change that was cut short is found and finished. */
export type Retention = {
  /** Accounts with other than the standard time. */
  readonly days: () => ReadonlyMap<string, number>;
  /** Reads the table again: another node may have changed it. */
  readonly refresh: () => Promise<void>;
  /**
   * Sets an account's days; resolves, after some seconds, when its older events, too, carry the new date. A shorter
   * time counts for what is recorded from then on: it takes nothing from older events. Nothing happens where it is so already.
   */
  readonly set: (account: string, days: number) => Promise<void>;
  /** Sets what differs from `wanted` (accounts that aren't named: the standard time), and finishes what was cut short. Answers how many accounts changed. */
  readonly reconcile: (wanted: ReadonlyMap<string, number>) => Promise<number>;
};

type Row = { readonly account: string; readonly days: number; readonly applied: number };

const ROUNDS = 5;

/** How often an inserting process reads the table again, in milliseconds. */
export const REFRESH_MS = 5000;

/** `settle_ms`: how long another process may go on inserting with the days it knew before. */
export const newRetention = (client: StoreClient, tables: Tables, { settle_ms = REFRESH_MS + 1000 }: { readonly settle_ms?: number } = {}): Retention => {
  let known = new Map<string, Row>();
  let days: ReadonlyMap<string, number> = new Map();

  const learn = (rows: Map<string, Row>): void => {
    known = rows;
    days = new Map([...rows.values()].map((row) => [row.account, row.days]));
  };

  const refresh = async (): Promise<void> => {
    const rows = await rowsOf<Row>(client, { query: `SELECT account, days, applied FROM ${tables.retention} FINAL FORMAT JSONEachRow` });
    learn(new Map(rows.map((row) => [row.account, row])));
  };

  const write = async (row: Row): Promise<void> => {
    await run(client, {
      query: `INSERT INTO ${tables.retention} (account, days, applied, changed) SELECT {account:String}, {days:UInt16}, {applied:UInt8}, now64(6)`,
      params: row,
    });
    learn(new Map(known).set(row.account, row));
  };

  const behind = async (account: string, kept: number): Promise<boolean> => {
    const [row] = await rowsOf<{ found: number }>(client, {
      query: `SELECT count() AS found FROM ${tables.events} WHERE account = {account:String} AND days < {days:UInt16} FORMAT JSONEachRow`,
      params: { account, days: kept },
    });
    return (row?.found ?? 0) > 0;
  };

  /** An insert that was under way with the old days may land behind the mutation: look again until none has. */
  const recompute = async (account: string, kept: number): Promise<void> => {
    for (let round = 0; round < ROUNDS && (await behind(account, kept)); round += 1)
      await run(
        client,
        {
          query: `ALTER TABLE ${tables.eventsLocal}${tables.onCluster} UPDATE days = {days:UInt16}, expires = toDateTime(recorded, 'UTC') + toIntervalDay({days:UInt16}) WHERE account = {account:String} AND days < {days:UInt16}`,
          params: { account, days: kept },
        },
        { settings: { mutations_sync: 2 } },
      );
  };

  const differs = (account: string, wanted: number): boolean => {
    const row = known.get(account);
    return row ? row.days !== wanted || row.applied === 0 : wanted !== STANDARD_DAYS;
  };

  /** Written first as not yet applied, then carried out, then written as applied: a change that is cut short is found and finished. */
  const apply = async (changes: readonly (readonly [account: string, days: number])[]): Promise<void> => {
    for (const [account, wanted] of changes) await write({ account, days: wanted, applied: 0 });
    for (const [account, wanted] of changes) await recompute(account, wanted);
    await sleep(settle_ms);
    for (const [account, wanted] of changes) {
      await recompute(account, wanted);
      await write({ account, days: wanted, applied: 1 });
    }
  };

  let turn: Promise<unknown> = Promise.resolve();
  /** One change at a time: two for the same account must not cross. */
  const inTurn = <Result>(act: () => Promise<Result>): Promise<Result> => {
    const mine = turn.then(act, act);
    turn = mine.catch(() => undefined);
    return mine;
  };

  return {
    days: () => days,
    refresh,
    set: async (account, wanted) => {
      if (!Number.isInteger(wanted) || wanted < 1 || wanted > MAX_DAYS)
        throw new RangeError(`Events are kept for 1 to ${MAX_DAYS} days, not for ${wanted} (${account}).`);
      await inTurn(async () => {
        if (differs(account, wanted)) await apply([[account, wanted]]);
      });
    },
    reconcile: (wanted) =>
      inTurn(async () => {
        await refresh();
        const accounts = [...new Set([...wanted.keys(), ...known.keys()])];
        const changes = accounts.map((account) => [account, wanted.get(account) ?? STANDARD_DAYS] as const).filter(([account, kept]) => differs(account, kept));
        if (changes.length > 0) await apply(changes);
        return changes.length;
      }),
  };
};
