import type { Entity, EntityChange } from '../evaluate/directory/types.js';
import { type Json, type JsonObject, newUlid } from '../event/index.js';
import { isPermission, type Permission } from './types.js';

/** The reserved type of the entities that API keys are kept as. */
export const KEY_TYPE = 'verdict.key';

/** An API key as the directory has it. Times are RFC 3339. */
export type KeyRecord = {
  readonly name: string;
  /** SHA-256 of the secret part, in lower-case hex. */
  readonly hash: string;
  readonly accounts: 'all' | readonly string[];
  readonly permissions: readonly Permission[];
  readonly created: string;
  /** The id of the caller who made it. */
  readonly created_by: string;
  readonly expires?: string;
  readonly revoked?: string;
  readonly rotated_from?: string;
  readonly replaced_by?: string;
};

const HASH = /^[0-9a-f]{64}$/;
const OPTIONAL = ['expires', 'revoked', 'rotated_from', 'replaced_by'] as const;

const isStrings = (value: Json | undefined): value is readonly string[] => Array.isArray(value) && value.every((one) => typeof one === 'string');
const isTime = (value: Json | undefined): boolean => value === undefined || (typeof value === 'string' && !Number.isNaN(Date.parse(value)));

/** Reads an entity as a key; undefined where it is none that can be relied on: such a key opens nothing. */
export const readKey = ({ properties }: Entity): KeyRecord | undefined => {
  const { name, hash, accounts, permissions, created, created_by, expires, revoked } = properties;
  if (typeof name !== 'string' || typeof hash !== 'string' || !HASH.test(hash) || typeof created !== 'string') return undefined;
  if ((accounts !== 'all' && !isStrings(accounts)) || !isStrings(permissions) || !isTime(expires) || !isTime(revoked)) return undefined;
  const optional: Partial<Record<(typeof OPTIONAL)[number], string>> = {};
  for (const field of OPTIONAL) {
    const value = properties[field];
    if (typeof value === 'string') optional[field] = value;
  }
  const by = typeof created_by === 'string' ? created_by : '';
  return { name, hash, accounts, permissions: permissions.filter(isPermission), created, created_by: by, ...optional };
};

/** The change that writes a key down. It belongs to an account where it names exactly one. */
export const putKey = (id: string, key: KeyRecord, expected: number): EntityChange => ({
  change: newUlid(),
  type: KEY_TYPE,
  id,
  op: 'put',
  expected,
  ...(key.accounts !== 'all' && key.accounts.length === 1 && { account: key.accounts[0] as string }),
  properties: key as unknown as JsonObject,
});

/** A key as it may be shown: everything but its hash. */
export const showKey = (id: string, key: KeyRecord): { readonly id: string; readonly name: string; readonly [field: string]: Json } => {
  const { hash: _hash, ...shown } = key;
  return { id, ...shown };
};
