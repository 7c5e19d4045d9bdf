import { createHash } from 'node:crypto';
import type { Entity, EntityChange } from '../evaluate/directory/types.js';
import { isObject, type Json, type JsonObject, newUlid } from '../event/index.js';

/** The reserved type of the entities that forwarders are kept as. */
export const FORWARDER_TYPE = 'verdict.forwarder';

/** Which events go out. An absent part doesn't narrow. */
export type ForwarderFilter = {
  /** Actions, where `*` stands for any characters. */
  readonly actions?: readonly string[];
  readonly results?: readonly string[];
  readonly kinds?: readonly string[];
};

/** A past range that is to be sent again. Times are RFC 3339; `from` is in, `to` is not. */
export type Replay = {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly asked: string /** The node that does it. */;
  readonly node: string;
};

/** A forwarder as the directory has it: a standing feed. Times are RFC 3339. */
export type Forwarder = {
  readonly name: string;
  readonly accounts: 'all' | readonly string[];
  readonly filter: ForwarderFilter;
  readonly format: string;
  /** `type` and what that type's schema asks for; secrets are sealed. */
  readonly destination: JsonObject & { readonly type: string };
  /** The region that the destination lies in, as its owner says. */
  readonly region?: string;
  /** What was recorded at this time or later goes out. */
  readonly since: string;
  readonly paused: boolean;
  /** When it was last told to go on: a feed that had stopped tries again. */
  readonly resumed?: string;
  readonly replays: readonly Replay[];
  readonly created: string;
  /** The id of the caller who made it. */
  readonly created_by: string;
};

const isStrings = (value: Json | undefined): value is readonly string[] => Array.isArray(value) && value.every((one) => typeof one === 'string');
const text = (value: Json | undefined): string | undefined => (typeof value === 'string' ? value : undefined);

const readFilter = (value: Json | undefined): ForwarderFilter | undefined => {
  if (!isObject(value)) return undefined;
  const filter: { -readonly [part in keyof ForwarderFilter]: ForwarderFilter[part] } = {};
  for (const part of ['actions', 'results', 'kinds'] as const) {
    const given = value[part];
    if (given === undefined) continue;
    if (!isStrings(given)) return undefined;
    filter[part] = given;
  }
  return filter;
};

const readReplay = (value: Json): readonly Replay[] => {
  if (!isObject(value)) return [];
  const [id, from, to, asked, node] = ['id', 'from', 'to', 'asked', 'node'].map((name) => text(value[name]));
  return id === undefined || from === undefined || to === undefined || asked === undefined || node === undefined ? [] : [{ id, from, to, asked, node }];
};

/** Reads an entity as a forwarder; undefined where it is none that can be relied on: such a one sends nothing. */
export const readForwarder = ({ properties }: Entity): Forwarder | undefined => {
  const { name, accounts, format, destination, since, created, created_by, region, resumed, replays } = properties;
  const filter = readFilter(properties['filter']);
  if (typeof name !== 'string' || typeof format !== 'string' || typeof since !== 'string' || Number.isNaN(Date.parse(since)) || !filter) return undefined;
  if ((accounts !== 'all' && !isStrings(accounts)) || !isObject(destination) || typeof destination['type'] !== 'string') return undefined;
  return {
    name,
    accounts,
    filter,
    format,
    destination: destination as Forwarder['destination'],
    since,
    paused: properties['paused'] === true,
    replays: Array.isArray(replays) ? (replays as readonly Json[]).flatMap(readReplay) : [],
    created: text(created) ?? since,
    created_by: text(created_by) ?? '',
    ...(typeof region === 'string' && { region }),
    ...(typeof resumed === 'string' && { resumed }),
  };
};

/** The change that writes a forwarder down. It belongs to an account where it names exactly one. */
export const putForwarder = (id: string, forwarder: Forwarder, expected: number): EntityChange => ({
  change: newUlid(),
  type: FORWARDER_TYPE,
  id,
  op: 'put',
  expected,
  ...(forwarder.accounts !== 'all' && forwarder.accounts.length === 1 && { account: forwarder.accounts[0] as string }),
  properties: forwarder as unknown as JsonObject,
});

/** Names what the feed is made of: where it changes, the feed begins anew from its cursor, and one that had stopped tries again. */
export const eraOf = ({ accounts, filter, format, destination, region, resumed }: Forwarder): string =>
  createHash('sha256')
    .update(JSON.stringify([accounts, filter, format, destination, region ?? '', resumed ?? '']))
    .digest('hex')
    .slice(0, 16);
