import type { Directory, Entity, EntityChange, EntityOutcome } from '../evaluate/directory/types.js';
import { type Json, newUlid } from '../event/index.js';
import { readExpiry } from './expiry.js';
import { mayGrant, reachesAll } from './grant.js';
import { KEY_TYPE, type KeyRecord, putKey, readKey, showKey } from './key-entity.js';
import type { LastUse } from './last-use.js';
import { isAccountName, nameFault } from './name.js';
import { oneByOne } from './one-by-one.js';
import { hashOf, keyPrefix, newSecret, secretPart } from './secret.js';
import { type Caller, isPermission, type Permission } from './types.js';

export type ShownApiKey = { readonly id: string; readonly name: string; readonly [field: string]: Json };

/** What a key is to be. `expires`: a span (`7d`), a date or RFC 3339; absent: never. */
export type ApiKeyWish = {
  readonly name: string;
  readonly accounts: 'all' | readonly string[];
  readonly permissions: readonly Permission[];
  readonly expires?: string;
};

export type ApiKeyOutcome =
  /** `secret` is the credential itself; Verdict can't show it again. */
  | { readonly outcome: 'made'; readonly key: ShownApiKey; readonly secret: string }
  | { readonly outcome: 'revoked'; readonly key: ShownApiKey }
  /** There is none, or none that this caller may know of. */
  | { readonly outcome: 'not_found' }
  | { readonly outcome: 'refused'; readonly code: string; readonly message: string }
  | { readonly outcome: 'unavailable'; readonly message: string };

export type ApiKeysDeps<Meta> = {
  readonly directory: Pick<Directory, 'get' | 'list'>;
  /** Records the changes as events of this caller and applies them, in order. */
  readonly write: (caller: Caller, changes: readonly EntityChange[], meta: Meta) => Promise<readonly EntityOutcome[]>;
  readonly lastUse?: Pick<LastUse, 'get'>;
  readonly now?: () => number;
};

/** The life of API keys. Who may call is checked before: `key.manage`. */
export type ApiKeys<Meta> = {
  readonly create: (caller: Caller, wish: ApiKeyWish, meta: Meta) => Promise<ApiKeyOutcome>;
  /** All keys whose accounts are among the caller's, revoked ones too, oldest first. */
  readonly list: (caller: Caller) => readonly ShownApiKey[];
  /**
   * Makes a successor with the same name, accounts, permissions and length of life. The old key stays valid until it is
   * revoked. Rotations of one key are made one after the other: `replaced_by` names the latest successor.
   */
  readonly rotate: (caller: Caller, id: string, meta: Meta) => Promise<ApiKeyOutcome>;
  /** Ends a key at once; once more changes nothing. */
  readonly revoke: (caller: Caller, id: string, meta: Meta) => Promise<ApiKeyOutcome>;
};

const PAGE = 500;
/** An entity has at most 32 KiB; a key must leave room for what rotation and revocation add. */
const MAX_BYTES = 24 * 1024;

type Standing = { readonly entity: Entity; readonly key: KeyRecord };
type Refused = ApiKeyOutcome & { readonly outcome: 'refused' };
/** A key as it now stands in the directory. */
type Written = { readonly outcome: 'written'; readonly key: KeyRecord };

type Change<Meta> = (
  caller: Caller,
  id: string,
  next: (key: KeyRecord) => KeyRecord | ApiKeyOutcome,
  meta: Meta,
) => Promise<Written | ApiKeyOutcome | undefined>;

const BUSY: ApiKeyOutcome = { outcome: 'unavailable', message: 'The key is being changed by others at this moment; try again.' };

const refuse = (code: string, message: string): Refused => ({ outcome: 'refused', code, message });

const checkWish = (wish: ApiKeyWish): Refused | undefined => {
  const fault = nameFault(wish.name);
  if (fault) return refuse('key.name', `The key's name ${fault}.`);
  if (wish.accounts !== 'all' && (wish.accounts.length === 0 || !wish.accounts.every(isAccountName)))
    return refuse('key.accounts', 'A key is for "all" accounts or names at least one; an account has 1 to 128 characters.');
  const unknown = wish.permissions.find((permission) => !isPermission(permission));
  if (unknown !== undefined) return refuse('key.permissions', `There is no permission ${String(unknown).slice(0, 64)}.`);
  if (wish.permissions.length === 0) return refuse('key.permissions', 'A key needs at least one permission.');
  if (Buffer.byteLength(JSON.stringify(wish)) > MAX_BYTES)
    return refuse('key.too_large', `The key's accounts come to more than ${MAX_BYTES} bytes; make several keys, or one for all accounts.`);
  return undefined;
};

/** Creates, lists, rotates and revokes API keys, each a directory entity of type `verdict.key`. */
export const apiKeys = <Meta>(deps: ApiKeysDeps<Meta>): ApiKeys<Meta> => {
  const now = deps.now ?? Date.now;
  const inTurn = oneByOne();
  const text = (time: number): string => new Date(time).toISOString();

  const show = (id: string, key: KeyRecord): ShownApiKey => {
    const used = deps.lastUse?.get(`key:${id}`);
    return { ...showKey(id, key), ...(used !== undefined && { last_used: text(used) }) };
  };

  const find = (caller: Caller, id: string): Standing | undefined => {
    const entity = deps.directory.get(KEY_TYPE, id);
    const key = entity && readKey(entity);
    return key && reachesAll(caller, key.accounts) ? { entity, key } : undefined;
  };

  const writeOne = async (caller: Caller, change: EntityChange, meta: Meta): Promise<EntityOutcome> => {
    const [outcome] = await deps.write(caller, [change], meta);
    return outcome ?? { outcome: 'unavailable', reason: 'The directory gave no answer.' };
  };

  const make = async (caller: Caller, id: string, record: Omit<KeyRecord, 'hash'>, meta: Meta): Promise<ApiKeyOutcome> => {
    const secret = newSecret(keyPrefix(id));
    const key: KeyRecord = { ...record, hash: hashOf(secretPart(secret)) };
    const outcome = await writeOne(caller, putKey(id, key, 0), meta);
    return outcome.outcome === 'applied' ? { outcome: 'made', key: show(id, key), secret } : notWritten(outcome);
  };

  /** Changes a key from what stands there; undefined, if that moved meanwhile. `next` says what it becomes, or why it doesn't. */
  const change: Change<Meta> = async (caller, id, next, meta) => {
    const standing = find(caller, id);
    if (!standing) return { outcome: 'not_found' };
    const key = next(standing.key);
    if ('outcome' in key) return key;
    const outcome = await writeOne(caller, putKey(id, key, standing.entity.version), meta);
    if (outcome.outcome === 'applied') return { outcome: 'written', key };
    return outcome.outcome === 'version_mismatch' ? undefined : notWritten(outcome);
  };

  // The old key is marked first: if the second write fails there is no key that nobody has the secret of.
  const rotateOnce = async (caller: Caller, id: string, meta: Meta): Promise<ApiKeyOutcome | undefined> => {
    const successor = newUlid();
    const marked = await change(caller, id, (key) => rotatable(caller, key) ?? { ...key, replaced_by: successor }, meta);
    if (marked?.outcome !== 'written') return marked;
    const { name, accounts, permissions } = marked.key;
    const time = now();
    const expires = renewed(marked.key, time);
    const record = { name, accounts, permissions, created: text(time), created_by: caller.id, rotated_from: id, ...(expires && { expires }) };
    return make(caller, successor, record, meta);
  };

  const revokeOnce = async (caller: Caller, id: string, meta: Meta): Promise<ApiKeyOutcome | undefined> => {
    const revoked = text(now());
    const outcome = await change(caller, id, (key) => (key.revoked === undefined ? { ...key, revoked } : { outcome: 'revoked', key: show(id, key) }), meta);
    return outcome?.outcome === 'written' ? { outcome: 'revoked', key: show(id, outcome.key) } : outcome;
  };

  /** The successor's end: as far from now as the old key's was from its beginning. */
  const renewed = (key: KeyRecord, time: number): string | undefined =>
    key.expires === undefined ? undefined : text(time + Math.max(0, Date.parse(key.expires) - Date.parse(key.created)));

  const rotatable = (caller: Caller, key: KeyRecord): Refused | undefined => {
    if (key.revoked !== undefined) return refuse('key.revoked', 'This key is revoked; make a new one.');
    if (key.expires !== undefined && Date.parse(key.expires) <= now()) return refuse('key.expired', 'This key has expired; make a new one.');
    const granted = mayGrant(caller, key);
    return granted.ok ? undefined : refuse(granted.code, granted.message);
  };

  return {
    create: async (caller, wish, meta) => {
      const fault = checkWish(wish);
      if (fault) return fault;
      const granted = mayGrant(caller, wish);
      if (!granted.ok) return refuse(granted.code, granted.message);
      const time = now();
      const expiry = wish.expires === undefined ? undefined : readExpiry(wish.expires, time);
      if (expiry && !expiry.ok) return refuse('key.expires', expiry.message);
      const { name, accounts, permissions } = wish;
      const record = { name, accounts, permissions, created: text(time), created_by: caller.id, ...(expiry && { expires: text(expiry.time) }) };
      return make(caller, newUlid(), record, meta);
    },

    list: (caller) => {
      const found: ShownApiKey[] = [];
      let after: string | undefined;
      for (;;) {
        const page = deps.directory.list(KEY_TYPE, { limit: PAGE, ...(after !== undefined && { after }) });
        for (const entity of page) {
          const key = readKey(entity);
          if (key && reachesAll(caller, key.accounts)) found.push(show(entity.id, key));
        }
        if (page.length < PAGE) return found;
        after = page.at(-1)?.id;
      }
    },

    rotate: async (caller, id, meta) => (await inTurn(id, () => rotateOnce(caller, id, meta))) ?? BUSY,

    revoke: async (caller, id, meta) => (await inTurn(id, () => revokeOnce(caller, id, meta))) ?? BUSY,
  };
};

const notWritten = (outcome: EntityOutcome): ApiKeyOutcome => (outcome.outcome === 'unavailable' ? { outcome: 'unavailable', message: outcome.reason } : BUSY);
