import type { IHeaders, KafkaMessage, Message } from 'kafkajs';
import { isObject } from '../../event/index.js';
import { isShallow, MAX_ID, MAX_TYPE } from './limits.js';
import { type EntityState, versionOf } from './state.js';
import type { Entity } from './types.js';

/** One record of the topic of entities: what its writer says stands under (type, id) from now on. */
export type EntityRecord = {
  readonly type: string;
  readonly id: string;
  readonly state: EntityState;
  /** Names this record: one change may be tried more than once. */
  readonly attempt: string;
  /** Which node wrote it. */
  readonly node: string;
  /** An accepted state, published again because a rejected record stood last. */
  readonly isRepair: boolean;
  /** When it was written, in milliseconds since the epoch. */
  readonly time: number;
};

/** What one message of the topic is. `malformed`: whoever wrote it wasn't Verdict; `key` is given where it is readable. */
export type Parsed =
  | { readonly kind: 'record'; readonly record: EntityRecord }
  | { readonly kind: 'beacon' }
  | { readonly kind: 'malformed'; readonly reason: string; readonly key?: readonly [type: string, id: string] };

/** No entity's key: a type has no tilde-only name before a slash. A tombstone under it marks the end of a partition. */
const BEACON = '~end';

/** A tombstone that says nothing but that all before it was read; compaction removes it. */
export const beacon = (partition: number): Message => ({ key: BEACON, value: null, partition });

/** Why a record was written: for people who read the topic; no rule rests on it. */
export type Purpose = { readonly op: 'create' | 'update' | 'delete' | 'repair'; readonly expected?: number };

/** The message of a record. A deletion is a tombstone, so that compaction removes the entity with all it said. */
export const toMessage = ({ type, id, state, attempt, node, isRepair }: Omit<EntityRecord, 'time'>, { op, expected }: Purpose): Message => {
  const origin: IHeaders = { attempt, node, ...(isRepair && { repair: '1' }) };
  const key = `${type}/${id}`;
  if (state.kind === 'mark')
    return { key, value: null, headers: { ...origin, version: String(state.version), change: state.change, 'deleted-at': state.deleted } };
  return { key, value: JSON.stringify({ ...state.entity, change: state.change, op, expected: expected ?? null }), headers: origin };
};

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
const isVersion = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 1;

const headersOf = (headers: IHeaders | undefined): ((name: string) => string | undefined) => {
  return (name) => {
    const value = headers?.[name];
    return value === undefined ? undefined : String(Array.isArray(value) ? value[0] : value);
  };
};

const keyOf = (key: string): readonly [string, string] | undefined => {
  const slash = key.indexOf('/');
  const type = key.slice(0, slash);
  const id = key.slice(slash + 1);
  return slash < 1 || id === '' || type.length > MAX_TYPE || id.length > MAX_ID ? undefined : [type, id];
};

const markFrom = (header: (name: string) => string | undefined): EntityState | string => {
  const version = Number(header('version'));
  const change = header('change');
  const deleted = header('deleted-at');
  if (!isVersion(version) || change === undefined || deleted === undefined || Number.isNaN(Date.parse(deleted)))
    return 'a tombstone without the headers version, change and deleted-at';
  return { kind: 'mark', version, change, deleted };
};

const liveFrom = (json: string, [type, id]: readonly [string, string]): EntityState | string => {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return 'its value is no JSON';
  }
  if (!isObject(value)) return 'its value is no object';
  if (!isShallow(value)) return 'its value is nested too deeply';
  const { account, properties, version, updated, change } = value;
  const isWhole = value['type'] === type && value['id'] === id && isObject(properties) && isVersion(version) && text(updated) !== undefined;
  if (!isWhole || text(change) === undefined || (account !== undefined && text(account) === undefined)) return 'its value is no entity of that key';
  const entity: Entity = { type, id, ...(account !== undefined && { account: account as string }), properties, version, updated: updated as string };
  return { kind: 'live', entity, change: change as string };
};

/** Reads a message of the topic. Never throws: what isn't Verdict's is `malformed`. */
export const parseMessage = ({ key, value, headers, timestamp }: Pick<KafkaMessage, 'key' | 'value' | 'headers' | 'timestamp'>): Parsed => {
  const name = key?.toString() ?? '';
  if (name === BEACON) return { kind: 'beacon' };
  const place = keyOf(name);
  if (!place) return { kind: 'malformed', reason: 'its key is not <type>/<id>' };
  const header = headersOf(headers);
  const state = value === null ? markFrom(header) : liveFrom(value.toString(), place);
  if (typeof state === 'string') return { kind: 'malformed', reason: state, key: place };
  const [type, id] = place;
  const origin = { attempt: header('attempt') ?? '', node: header('node') ?? '', isRepair: header('repair') !== undefined };
  return { kind: 'record', record: { type, id, state, ...origin, time: Number(timestamp) } };
};

/** What a record comes to at its place in the topic. */
export type Ruling =
  /** It stands from now on. */
  | 'accepted'
  /** It stands already. */
  | 'repeated'
  /** Another one stands, and must be published again if this one is the last of its key. */
  | 'rejected';

/**
 * The one rule by which every node turns the topic into the same directory: a record stands if its version is higher
 * than that of what stands (a deleted entity's mark counts), so that of two that rest on the same version the first
 * in the topic wins. A repair also stands at the same version. A mark that is older than `markMs` counts no more: by
 * then some node may have rebuilt its copy without it, and started to count anew.
 */
export const rule = (state: EntityState | undefined, record: EntityRecord, markMs: number): Ruling => {
  const isForgotten = state?.kind === 'mark' && record.time - Date.parse(state.deleted) > markMs;
  const current = isForgotten ? undefined : state;
  const version = versionOf(record.state);
  if (current && current.change === record.state.change && versionOf(current) === version) return 'repeated';
  return version > versionOf(current) || (record.isRepair && version === versionOf(current)) ? 'accepted' : 'rejected';
};
