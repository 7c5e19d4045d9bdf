import { setTimeout as sleep } from 'node:timers/promises';
import { newUlid } from '../../event/index.js';
import {
  type CopyWriter,
  granteeKey,
  hashKey,
  indexGrantees,
  indexUnowned,
  type Key,
  openDatabases,
  type Remembered,
  readView,
  SETTLE_MS,
  type Stored,
  stateIn,
  writerOf,
} from './copy-env.js';
import { MAX_ID, MAX_TYPE } from './limits.js';
import type { EntityState } from './state.js';
import type { Directory, Entity } from './types.js';

/** LMDB tells the cause of a failed commit a moment after the failure. */
const COMMIT_ERROR_MS = 1_000;
/** What a process keeps parsed: entities, and the characters of their JSON. */
const CACHED = { entities: 20_000, characters: 32 * 2 ** 20 };
/** A clock that was set back by more makes the copy's age unknown. */
const CLOCK_MS = 5_000;

/** One LMDB environment with a directory in it. Several processes of a node open the same one. */
export type Copy = Pick<Directory, 'get' | 'list' | 'ofAccount' | 'grantedTo' | 'tokenOf' | 'generation' | 'isEmpty' | 'close'> & {
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

const freeze = <T>(value: T): T => {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const child of Object.values(value)) freeze(child);
  return Object.freeze(value);
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

/**
 * Reads stored entities. What was read before is the same object again, so that what was made of an entity (see the
 * WeakMaps of src/evaluate) outlives the changes of others, which empty the cache.
 */
const parser = (): ((text: string) => Entity) => {
  const parsed = new Map<string, Entity>();
  let characters = 0;
  return (text) => {
    const before = parsed.get(text);
    if (before) return before;
    const entity = freeze((JSON.parse(text) as Stored).e);
    if (parsed.size >= CACHED.entities || characters >= CACHED.characters) {
      parsed.clear();
      characters = 0;
    }
    parsed.set(text, entity);
    characters += text.length;
    return entity;
  };
};

/** Opens (or makes) the environment in the folder `path`. */
export const openCopy = (path: string, now: () => number = Date.now): Copy => {
  const db = openDatabases(path);
  const opened = now();
  let isFresh = false;
  let view = { generation: -1, heartbeat: 0 };
  const cached = { entities: 0, characters: 0 };
  const cache = new Map<string, Map<string, Entity | undefined>>();
  const granted = new Map<string, readonly Entity[]>();
  const parse = parser();

  if (db.notes.get('node') === undefined) db.root.transactionSync(() => void (db.notes.get('node') ?? db.notes.putSync('node', newUlid())));

  indexGrantees(db);
  indexUnowned(db);

  const dropCache = (): void => {
    cache.clear();
    granted.clear();
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
    const entity = parse(text);
    return entity.type === type && entity.id === id ? entity : undefined;
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

  /** Ids of a type, in order, from `after` on (itself included). */
  function* idsOf(type: string, account: string | undefined, after: string): Generator<string> {
    if (account === undefined) {
      for (const [ofType, id] of db.entities.getKeys({ start: [type, after] as Key })) {
        if (ofType !== type) return;
        yield id;
      }
      return;
    }
    for (const [owner, ofType, id] of db.accounts.getKeys({ start: [account, type, after] })) {
      if (owner !== account || ofType !== type) return;
      yield id;
    }
  }

  const list: Directory['list'] = (type, { account, after, limit }) => {
    refresh();
    const found: Entity[] = [];
    if (limit <= 0) return found;
    for (const id of idsOf(type, account, after ?? '')) {
      const entity = id === after ? undefined : get(type, id);
      if (entity) found.push(entity);
      if (found.length === limit) break;
    }
    return found;
  };

  const ofAccount: Directory['ofAccount'] = (account, { after, limit }) => {
    refresh();
    const found: Entity[] = [];
    for (const [owner, type, id] of db.accounts.getKeys({ start: [account, after?.type ?? '', after?.id ?? ''] as [string, string, string] })) {
      if (owner !== account || found.length >= limit) break;
      const entity = type === after?.type && id === after.id ? undefined : get(type, id);
      if (entity) found.push(entity);
    }
    return found;
  };

  /** What stands among the grantees is only where to look: the entry itself says whose it is. */
  const readGranted = (account: string, grantee: string): readonly Entity[] => {
    const key = granteeKey(account, grantee);
    const found: Entity[] = [];
    for (const [of, id] of db.grantees.getKeys({ start: [key, ''] as [string, string] })) {
      if (of !== key) break;
      const entry = get('acl', id);
      if (entry?.account === account && entry.properties['grantee'] === grantee) found.push(entry);
    }
    return found;
  };

  const grantedTo: Directory['grantedTo'] = (account, grantee) => {
    refresh();
    const name = `${account.length} ${account} ${grantee}`;
    const known = granted.get(name);
    if (known) return known;
    const found = readGranted(account, grantee);
    if (granted.size >= CACHED.entities) granted.clear();
    granted.set(name, found);
    return found;
  };

  const tokenOf: Directory['tokenOf'] = (hash) => {
    refresh();
    const key = hashKey(hash);
    for (const [of, id] of db.grantees.getKeys({ start: [key, ''] as [string, string] })) {
      if (of !== key) return undefined;
      const token = get('token', id);
      if (token?.properties['hash'] === hash) return token;
    }
    return undefined;
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
    ofAccount,
    grantedTo,
    tokenOf,
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
