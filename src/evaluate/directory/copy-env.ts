import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { type Database, open, type RootDatabase } from 'lmdb';
import { type EntityState, entityOf } from './state.js';
import type { Entity, EntityOutcome } from './types.js';

/** Outcomes are remembered for so long. */
export const REMEMBER_MS = 48 * 3_600_000;
/** Nothing is forgotten so soon after an opening: who was away may still have to ask. */
export const SETTLE_MS = 600_000;
const FORGET_AT_ONCE = 500;

/** Address space, not disk: fixed, so that the processes of a node never have to agree on a growth. */
const MAP_BYTES = 16 * 2 ** 30;
const GENERATION_AT = 0;
const HEARTBEAT_AT = 8;
const VIEW_BYTES = 16;

export type Key = [type: string, id: string];
export type Stored = { readonly e: Entity; readonly c: string };
type Mark = Omit<EntityState & { readonly kind: 'mark' }, 'kind'>;
export type Remembered = EntityOutcome | { readonly outcome: 'refused' };

/** What may be done inside a transaction: reads see its own writes. */
export type CopyWriter = {
  readonly state: (type: string, id: string) => EntityState | undefined;
  readonly set: (type: string, id: string, next: EntityState) => void;
  readonly outcome: (name: string) => Remembered | undefined;
  /** Keeps what became of a change (or of an attempt at one) for two days. */
  readonly remember: (name: string, outcome: Remembered) => void;
  /** Makes every process that reads this copy drop what it has cached. */
  readonly bump: () => void;
  /** When the copy was last known to be complete, in milliseconds since the epoch; 0: it isn't. */
  readonly beat: (time: number) => void;
  readonly cursor: (partition: number, next: number) => void;
  readonly owe: (type: string, id: string, due: number | undefined) => void;
  readonly note: (name: string, value: string) => void;
  /** Empties the copy for a rebuild: entities, marks, cursors; outcomes stay. */
  readonly clear: () => void;
};

export type Databases = {
  readonly root: RootDatabase;
  /** JSON of {@link Stored}; kept as text so that its size is known. */
  readonly entities: Database<string, Key>;
  readonly marks: Database<Mark, Key>;
  /** Entities by their account; those of none by {@link NO_ACCOUNT}. */
  readonly accounts: Database<string, [account: string, type: string, id: string]>;
  /** ACL entries by whom they are granted to (see {@link granteeKey}), and tokens by their hash (see {@link hashKey}). */
  readonly grantees: Database<string, [grantee: string, id: string]>;
  readonly outcomes: Database<Remembered, string>;
  readonly times: Database<string, [time: number, name: string]>;
  readonly cursors: Database<number, number>;
  readonly owed: Database<number, Key>;
  readonly notes: Database<string, string>;
  readonly view: Database<Buffer, string>;
};

// Without event turn batching a failed commit rejects nothing but the promise that was handed out.
export const openDatabases = (path: string): Databases => {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const root = open({ path, maxDbs: 12, mapSize: MAP_BYTES, overlappingSync: false, eventTurnBatching: false, compression: false });
  return {
    root,
    entities: root.openDB({ name: 'entities', encoding: 'string' }),
    marks: root.openDB({ name: 'marks', encoding: 'json' }),
    accounts: root.openDB({ name: 'accounts', encoding: 'string' }),
    grantees: root.openDB({ name: 'grantees', encoding: 'string' }),
    outcomes: root.openDB({ name: 'outcomes', encoding: 'json' }),
    times: root.openDB({ name: 'outcome-times', encoding: 'string' }),
    cursors: root.openDB({ name: 'cursors', encoding: 'json' }),
    owed: root.openDB({ name: 'owed', encoding: 'json' }),
    notes: root.openDB({ name: 'notes', encoding: 'string' }),
    view: root.openDB({ name: 'view', encoding: 'binary' }),
  };
};

/** Account and grantee in so few bytes that they fit into a key, whatever their length. */
export const granteeKey = (account: string, grantee: string): string =>
  createHash('sha256')
    .update(JSON.stringify([account, grantee]))
    .digest('base64url');

/** A token's hash, apart from every grantee. */
export const hashKey = (hash: string): string => `token:${hash}`;

/** Where an ACL entry stands among the grantees, or a token with a hash; undefined for what is neither, or is granted to nobody. */
const granteeOf = (entity: Entity | undefined): string | undefined => {
  if (entity?.type === 'token') {
    const hash = entity.properties['hash'];
    return typeof hash === 'string' ? hashKey(hash) : undefined;
  }
  const grantee = entity?.type === 'acl' ? entity.properties['grantee'] : undefined;
  return entity?.account === undefined || typeof grantee !== 'string' ? undefined : granteeKey(entity.account, grantee);
};

/** What stands in an account's place for entities of none: no account's name is empty. */
export const NO_ACCOUNT = '';

/** Environments from before entities of no account were listed get that list at their first opening; `set` keeps it from then on. */
export const indexUnowned = (db: Databases): void => {
  if (db.notes.get('unowned') !== undefined) return;
  db.root.transactionSync(() => {
    if (db.notes.get('unowned') !== undefined) return;
    for (const { key, value } of db.entities.getRange({}))
      if ((JSON.parse(value) as Stored).e.account === undefined) db.accounts.putSync([NO_ACCOUNT, key[0], key[1]], '');
    db.notes.putSync('unowned', '1');
  });
};

/** What the index holds: ACL entries since 1, tokens since 2. */
const INDEXED = '2';

/** Environments from before the index held all of this get it at their first opening; `set` keeps it from then on. */
export const indexGrantees = (db: Databases): void => {
  if (db.notes.get('grantees') === INDEXED) return;
  db.root.transactionSync(() => {
    if (db.notes.get('grantees') === INDEXED) return;
    for (const type of ['acl', 'token'])
      for (const { key, value } of db.entities.getRange({ start: [type, ''] as Key })) {
        if (key[0] !== type) break;
        const grantee = granteeOf((JSON.parse(value) as Stored).e);
        if (grantee !== undefined) db.grantees.putSync([grantee, key[1]], '');
      }
    db.notes.putSync('grantees', INDEXED);
  });
};

export const stateIn = (db: Databases, key: Key): EntityState | undefined => {
  const text = db.entities.get(key);
  if (text !== undefined) {
    const { e, c } = JSON.parse(text) as Stored;
    return { kind: 'live', entity: e, change: c };
  }
  const mark = db.marks.get(key);
  return mark && { kind: 'mark', ...mark };
};

export const readView = (db: Databases): { readonly generation: number; readonly heartbeat: number } => {
  const bytes = db.view.getBinaryFast('view');
  return bytes ? { generation: bytes.readDoubleLE(GENERATION_AT), heartbeat: bytes.readDoubleLE(HEARTBEAT_AT) } : { generation: 0, heartbeat: 0 };
};

export const writerOf = (db: Databases, now: () => number, mayForget: boolean): CopyWriter => {
  const writeView = (generation: number, heartbeat: number): void => {
    const bytes = Buffer.alloc(VIEW_BYTES);
    bytes.writeDoubleLE(generation, GENERATION_AT);
    bytes.writeDoubleLE(heartbeat, HEARTBEAT_AT);
    void db.view.put('view', bytes);
  };
  const bump = (): void => {
    const { generation, heartbeat } = readView(db);
    writeView(generation + 1, heartbeat);
  };
  const index = (entity: Entity | undefined, isThere: boolean): void => {
    if (!entity) return;
    const key: [string, string, string] = [entity.account ?? NO_ACCOUNT, entity.type, entity.id];
    void (isThere ? db.accounts.put(key, '') : db.accounts.remove(key));
  };
  const grant = (before: Entity | undefined, next: Entity | undefined): void => {
    const [from, to] = [granteeOf(before), granteeOf(next)];
    if (from === to) return;
    if (before && from !== undefined) void db.grantees.remove([from, before.id]);
    if (next && to !== undefined) void db.grantees.put([to, next.id], '');
  };
  const forget = (): void => {
    for (const key of [...db.times.getKeys({ end: [now() - REMEMBER_MS, ''], limit: FORGET_AT_ONCE })]) {
      void db.outcomes.remove(key[1]);
      void db.times.remove(key);
    }
  };
  return {
    state: (type, id) => stateIn(db, [type, id]),
    set: (type, id, next) => {
      const key: Key = [type, id];
      const before = entityOf(stateIn(db, key));
      if (next.kind !== 'live' || before?.account !== next.entity.account) index(before, false);
      grant(before, entityOf(next));
      if (next.kind === 'live') {
        index(next.entity, true);
        void db.entities.put(key, JSON.stringify({ e: next.entity, c: next.change } satisfies Stored));
        void db.marks.remove(key);
      } else {
        const { kind: _kind, ...mark } = next;
        void db.marks.put(key, mark);
        void db.entities.remove(key);
      }
    },
    outcome: (name) => db.outcomes.get(name),
    remember: (name, outcome) => {
      if (db.outcomes.get(name)) return;
      void db.outcomes.put(name, outcome);
      void db.times.put([now(), name], '');
      if (mayForget) forget();
    },
    bump,
    beat: (time) => writeView(readView(db).generation, time),
    cursor: (partition, next) => void db.cursors.put(partition, next),
    owe: (type, id, due) => void (due === undefined ? db.owed.remove([type, id]) : db.owed.put([type, id], due)),
    note: (name, value) => void db.notes.put(name, value),
    clear: () => {
      for (const each of [db.entities, db.marks, db.accounts, db.grantees, db.cursors, db.owed]) each.clearSync();
      writeView(readView(db).generation + 1, 0);
    },
  };
};
