import { mkdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Database, open, type RootDatabase } from 'lmdb';
import { newUlid } from '../../event/index.js';
import { MAX_ID, MAX_TYPE } from './limits.js';
import { type EntityState, entityOf } from './state.js';
import type { Directory, Entity, EntityOutcome } from './types.js';

/** Outcomes are remembered for so long. */
export const REMEMBER_MS = 48 * 3_600_000;
/** Nothing is forgotten so soon after an opening: who was away may still have to ask. */
const SETTLE_MS = 600_000;
const FORGET_AT_ONCE = 500;
/** LMDB tells the cause of a failed commit a moment after the failure. */
const COMMIT_ERROR_MS = 1_000;

/** Address space, not disk: fixed, so that the processes of a node never have to agree on a growth. */
const MAP_BYTES = 16 * 2 ** 30;
/** What a process keeps parsed: entities, and the characters of their JSON. */
const CACHED = { entities: 20_000, characters: 32 * 2 ** 20 };
const GENERATION_AT = 0;
const HEARTBEAT_AT = 8;
const VIEW_BYTES = 16;

/** A clock that was set back by more makes the copy's age unknown. */
const CLOCK_MS = 5_000;

type Key = [type: string, id: string];
type Stored = { readonly e: Entity; readonly c: string };
type Mark = Omit<EntityState & { readonly kind: 'mark' }, 'kind'>;
type Remembered = EntityOutcome | { readonly outcome: 'refused' };

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

/** One LMDB environment with a directory in it. Several processes of a node open the same one. */
export type Copy = Pick<Directory, 'get' | 'list' | 'generation' | 'isEmpty' | 'close'> & {
  /** This node's name in the environment: a ULID, made with it. */
  readonly node: string;
  readonly state: (type: string, id: string) => EntityState | undefined;
  readonly outcome: (name: string) => Remembered | undefined;
  readonly heartbeat: () => number;
  /** Next offset to read, by partition. */
  readonly cursors: () => ReadonlyMap<number, number>;
  /** Keys whose last record on the topic is a rejected one, with the time at which this node publishes the accepted state again. */
  readonly owed: () => readonly { readonly type: string; readonly id: string; readonly due: number }[];
  readonly noted: (name: string) => string | undefined;
  /** True while there is no entity at all, Verdict's own included. */
  readonly isBlank: () => boolean;
  /** All or nothing; resolves after fdatasync. Rejects, with nothing written, when the disk can't take it. */
  readonly transaction: <T>(work: (writer: CopyWriter) => T) => Promise<T>;
};

type Databases = {
  readonly root: RootDatabase;
  /** JSON of {@link Stored}; kept as text so that its size is known. */
  readonly entities: Database<string, Key>;
  readonly marks: Database<Mark, Key>;
  readonly accounts: Database<string, [account: string, type: string, id: string]>;
  readonly outcomes: Database<Remembered, string>;
  readonly times: Database<string, [time: number, name: string]>;
  readonly cursors: Database<number, number>;
  readonly owed: Database<number, Key>;
  readonly notes: Database<string, string>;
  readonly view: Database<Buffer, string>;
};

// Without event turn batching a failed commit rejects nothing but the promise that was handed out.
const openDatabases = (path: string): Databases => {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const root = open({ path, maxDbs: 12, mapSize: MAP_BYTES, overlappingSync: false, eventTurnBatching: false, compression: false });
  return {
    root,
    entities: root.openDB({ name: 'entities', encoding: 'string' }),
    marks: root.openDB({ name: 'marks', encoding: 'json' }),
    accounts: root.openDB({ name: 'accounts', encoding: 'string' }),
    outcomes: root.openDB({ name: 'outcomes', encoding: 'json' }),
    times: root.openDB({ name: 'outcome-times', encoding: 'string' }),
    cursors: root.openDB({ name: 'cursors', encoding: 'json' }),
    owed: root.openDB({ name: 'owed', encoding: 'json' }),
    notes: root.openDB({ name: 'notes', encoding: 'string' }),
    view: root.openDB({ name: 'view', encoding: 'binary' }),
  };
};

const freeze = <T>(value: T): T => {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const child of Object.values(value)) freeze(child);
  return Object.freeze(value);
};

const stateIn = (db: Databases, key: Key): EntityState | undefined => {
  const text = db.entities.get(key);
  if (text !== undefined) {
    const { e, c } = JSON.parse(text) as Stored;
    return { kind: 'live', entity: e, change: c };
  }
  const mark = db.marks.get(key);
  return mark && { kind: 'mark', ...mark };
};

const readView = (db: Databases): { readonly generation: number; readonly heartbeat: number } => {
  const bytes = db.view.getBinaryFast('view');
  return bytes ? { generation: bytes.readDoubleLE(GENERATION_AT), heartbeat: bytes.readDoubleLE(HEARTBEAT_AT) } : { generation: 0, heartbeat: 0 };
};

const writerOf = (db: Databases, now: () => number, mayForget: boolean): CopyWriter => {
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
    if (entity?.account === undefined) return;
    const key: [string, string, string] = [entity.account, entity.type, entity.id];
    void (isThere ? db.accounts.put(key, '') : db.accounts.remove(key));
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
      if (before?.account !== entityOf(next)?.account) index(before, false);
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
      for (const each of [db.entities, db.marks, db.accounts, db.cursors, db.owed]) each.clearSync();
      writeView(readView(db).generation + 1, 0);
    },
  };
};

/** What went wrong with a commit, as an Error with the cause's own words. */
const commitError = async (error: unknown): Promise<Error> => {
  const { commitError: cause } = error as { readonly commitError?: Promise<unknown> };
  if (!cause) return error as Error;
  const settled = Promise.race([cause, sleep(COMMIT_ERROR_MS)]);
  return settled.then(
    () => error as Error,
    (reason: unknown) => reason as Error,
  );
};

/** The age of a copy by its heartbeat: see {@link Directory.staleness}. Never 0: that is for a directory that lives on its node. */
export const ageOf = (heartbeat: number, now: number): number =>
  heartbeat === 0 || heartbeat > now + CLOCK_MS ? Number.POSITIVE_INFINITY : Math.max(1, now - heartbeat);

/** Opens (or makes) the environment in the folder `path`. */
export const openCopy = (path: string, now: () => number = Date.now): Copy => {
  const db = openDatabases(path);
  const opened = now();
  let isFresh = false;
  let view = { generation: -1, heartbeat: 0 };
  const cached = { entities: 0, characters: 0 };
  const cache = new Map<string, Map<string, Entity | undefined>>();

  if (db.notes.get('node') === undefined) db.root.transactionSync(() => void (db.notes.get('node') ?? db.notes.putSync('node', newUlid())));

  const dropCache = (): void => {
    cache.clear();
    cached.entities = 0;
    cached.characters = 0;
  };

  const stale = (): void => {
    isFresh = false;
  };

  /**
   * Sees to it that reads are no older than what now runs: once for each callback of the event loop, so that a question
   * that comes in after another process answered a write sees that write. Costs about a microsecond.
   */
  const refresh = (): void => {
    if (isFresh) return;
    isFresh = true;
    queueMicrotask(stale);
    db.root.resetReadTxn();
    const latest = readView(db);
    if (latest.generation !== view.generation) dropCache();
    view = latest;
  };

  /** What UTF-8 can't tell apart (lone surrogates) would be found under another's key: hence the last comparison. */
  const read = (type: string, id: string): Entity | undefined => {
    const text = db.entities.get([type, id]);
    if (text === undefined) return undefined;
    cached.characters += text.length;
    const { e } = JSON.parse(text) as Stored;
    return e.type === type && e.id === id ? freeze(e) : undefined;
  };

  const get = (type: string, id: string): Entity | undefined => {
    if (type.length > MAX_TYPE || id.length > MAX_ID) return undefined;
    refresh();
    const known = cache.get(type);
    if (known?.has(id)) return known.get(id);
    if (cached.entities >= CACHED.entities || cached.characters >= CACHED.characters) dropCache();
    const ofType = cache.get(type) ?? new Map<string, Entity | undefined>();
    const entity = read(type, id);
    cache.set(type, ofType.set(id, entity));
    cached.entities += 1;
    return entity;
  };

  const list: Directory['list'] = (type, { account, after, limit }) => {
    refresh();
    const found: Entity[] = [];
    if (limit <= 0) return found;
    const keys =
      account === undefined
        ? db.entities.getKeys({ start: [type, after ?? ''] as Key }).map((key) => key as readonly string[])
        : db.accounts.getKeys({ start: [account, type, after ?? ''] }).map(([owner, ...key]) => (owner === account ? key : ['', '']));
    for (const [ofType, id] of keys) {
      if (ofType !== type || id === undefined) break;
      if (id === after) continue;
      const entity = get(type, id);
      if (entity) found.push(entity);
      if (found.length === limit) break;
    }
    return found;
  };

  const isEmpty = (): boolean => {
    refresh();
    const [first] = db.entities.getKeys({ limit: 1 });
    if (!first) return true;
    if (!first[0].startsWith('verdict.')) return false;
    const [other] = db.entities.getKeys({ start: ['verdict/', ''], limit: 1 });
    return other === undefined;
  };

  return {
    node: db.notes.get('node') as string,
    get,
    list,
    isEmpty,
    generation: () => {
      refresh();
      return view.generation;
    },
    heartbeat: () => {
      refresh();
      return view.heartbeat;
    },
    state: (type, id) => {
      refresh();
      return stateIn(db, [type, id]);
    },
    outcome: (name) => {
      refresh();
      return db.outcomes.get(name);
    },
    cursors: () => {
      refresh();
      return new Map([...db.cursors.getRange()].map(({ key, value }) => [key, value]));
    },
    owed: () => {
      refresh();
      return [...db.owed.getRange()].map(({ key: [type, id], value }) => ({ type, id, due: value }));
    },
    noted: (name) => {
      refresh();
      return db.notes.get(name);
    },
    isBlank: () => {
      refresh();
      return [...db.entities.getKeys({ limit: 1 })].length === 0;
    },
    transaction: async (work) => {
      const writer = writerOf(db, now, now() - opened > SETTLE_MS);
      try {
        return await db.root.childTransaction(() => work(writer));
      } catch (error) {
        throw await commitError(error);
      }
    },
    close: async () => {
      await db.root.close();
    },
  };
};
