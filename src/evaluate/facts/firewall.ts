import type { Json, JsonObject } from '../../event/index.js';
import { ALL_PORTS, joined, NO_PORTS, type Ports, portsOf } from './ports.js';
import { isAnywhere, type Range, sourcesOf } from './sources.js';

/** One range of ports that a rule is about. `index` counts the rules as they came, from 0; `anywhere`: from or to everybody. */
export type FirewallRule = Ports & {
  readonly index: number;
  readonly direction: 'inbound' | 'outbound';
  readonly allow: boolean;
  readonly protocol: string;
  readonly anywhere: boolean;
};

export type Firewall = { readonly rules: readonly FirewallRule[]; readonly unreadable: readonly { readonly index: number; readonly message: string }[] };

type Read = FirewallRule & { readonly ranges: readonly Range[] };

/** The most rules that are read of one question. */
const MOST_RULES = 1_000;

const KINDS = /^(?:firewall|security_group|network_acl)(?:[._]|$)/;
const DIRECTIONS: { readonly [word: string]: 'inbound' | 'outbound' } = {
  inbound: 'inbound',
  ingress: 'inbound',
  in: 'inbound',
  outbound: 'outbound',
  egress: 'outbound',
  out: 'outbound',
};
const ALLOWED = /^(?:allow|accept|permit|pass)(?:ed)?$/i;
const DENIED = /^(?:deny|denied|drop|reject|block)(?:ed)?$/i;
const EVERY_PROTOCOL = /^(?:all|any|\*|-1|ip|0)$/i;
const NUMBERED: { readonly [protocol: string]: string } = { 1: 'icmp', 6: 'tcp', 17: 'udp', 58: 'icmpv6', 132: 'sctp' };
const WITH_PORTS = new Set(['tcp', 'udp', 'sctp', 'udplite', 'dccp']);
const BOTH = /^(?:tcp.{0,3}udp|udp.{0,3}tcp)$/;

const PORTS = ['port', 'ports', 'port_range', 'port_ranges', 'destination_port', 'destination_ports', 'dst_port'] as const;
const FROM = ['source', 'sources', 'source_addresses', 'source_ranges', 'source_cidr', 'remote_ip_prefix', 'remote_ip'] as const;
const TO = ['destination', 'destinations', 'destination_addresses', 'destination_ranges', 'destination_cidr'] as const;
const EITHER = ['cidr', 'cidrs', 'cidr_block', 'ip_range', 'ip_ranges', 'addresses'] as const;
const OF_A_RULE = ['direction', 'protocol', 'from_port', 'to_port', ...PORTS, ...FROM, ...TO, ...EITHER] as const;
const LISTS: { readonly [name: string]: 'inbound' | 'outbound' | undefined } = {
  rules: undefined,
  rule: undefined,
  inbound_rules: 'inbound',
  ingress: 'inbound',
  outbound_rules: 'outbound',
  egress: 'outbound',
};

/** Thrown and caught in here: one sentence that says what of a rule can't be read. */
class Unreadable extends Error {}

const fail = (message: string): never => {
  throw new Unreadable(message);
};

/** Every value that stands under one of the names; undefined where none does. */
const under = (rule: JsonObject, names: readonly string[]): Json | undefined => {
  const found = names.filter((name) => rule[name] !== undefined && rule[name] !== null).map((name) => rule[name] as Json);
  return found.length <= 1 ? found[0] : found.flat();
};

const directionOf = (rule: JsonObject, given: 'inbound' | 'outbound' | undefined): 'inbound' | 'outbound' => {
  const said = rule['direction'];
  if (said === undefined || said === null) return given ?? (under(rule, TO) !== undefined && under(rule, FROM) === undefined ? 'outbound' : 'inbound');
  const word = typeof said === 'string' ? said.toLowerCase() : '';
  return Object.hasOwn(DIRECTIONS, word) ? (DIRECTIONS[word] as 'inbound') : fail('Its direction is neither inbound nor outbound.');
};

const isAllowed = (rule: JsonObject): boolean => {
  const said = rule['action'] ?? rule['allow'] ?? rule['policy'] ?? true;
  if (typeof said === 'boolean') return said;
  if (typeof said === 'string' && ALLOWED.test(said)) return true;
  return typeof said === 'string' && DENIED.test(said) ? false : fail('Its action is neither allow nor deny.');
};

/** One name, `all`, or undefined where a rule with ports names none, or TCP and UDP both. */
const protocolOf = (rule: JsonObject): string | undefined => {
  const said = rule['protocol'] ?? rule['ip_protocol'];
  if (said === undefined || said === null || said === '') return undefined;
  const word = typeof said === 'number' || typeof said === 'string' ? String(said).trim().toLowerCase() : fail('Its protocol is no name and no number.');
  if (BOTH.test(word)) return undefined;
  if (EVERY_PROTOCOL.test(word)) return 'all';
  return NUMBERED[word] ?? (/^[a-z0-9][a-z0-9_-]{0,15}$/.test(word) ? word : fail('Its protocol is not one that is known.'));
};

const portsFor = (rule: JsonObject, protocol: string | undefined): readonly Ports[] => {
  if (protocol === 'all') return [ALL_PORTS];
  if (protocol !== undefined && !WITH_PORTS.has(protocol)) return [NO_PORTS];
  const low = rule['from_port'];
  const pair = low === undefined || low === null ? [] : [{ from: low, to: rule['to_port'] ?? low }];
  const named = [...pair, under(rule, PORTS) ?? []].flat();
  return portsOf(named.length > 0 ? named : undefined) ?? fail('Its ports can not be read: write 22, "22", "8000-8100", "all" or {"from": 22, "to": 22}.');
};

const readRule = (rule: Json, index: number, given: 'inbound' | 'outbound' | undefined): readonly Read[] => {
  if (typeof rule !== 'object' || rule === null || Array.isArray(rule)) return fail('It is no object with direction, protocol, port, source and action.');
  const fields = rule as JsonObject;
  const direction = directionOf(fields, given);
  const protocol = protocolOf(fields);
  const [first, second] = direction === 'inbound' ? [FROM, TO] : [TO, FROM];
  const named = under(fields, [...first, ...EITHER]) ?? (direction === 'outbound' ? under(fields, second) : undefined);
  const sources = sourcesOf(named);
  if (!sources.ok) return fail(sources.message);
  const { ranges } = sources;
  const common = { index, direction, allow: isAllowed(fields), protocol: protocol ?? 'all', ranges, anywhere: isAnywhere(ranges) } as const;
  return portsFor(fields, protocol).map((ports) => ({ ...common, ...ports }));
};

const alike = (rule: Read): string => `${rule.direction} ${rule.allow} ${rule.protocol}`;
const alikeInPorts = (rule: Read): string => `${alike(rule)} ${rule.from}-${rule.to}`;

const groups = (rules: readonly Read[], keyOf: (rule: Read) => string): ReadonlyMap<string, readonly Read[]> => {
  const found = new Map<string, Read[]>();
  for (const rule of rules) found.set(keyOf(rule), [...(found.get(keyOf(rule)) ?? []), rule]);
  return found;
};

/** Rules that are open to everybody only together, as 0.0.0.0/1 and 128.0.0.0/1 are, are open to everybody each. */
const joinSources = (rules: readonly Read[]): readonly Read[] =>
  [...groups(rules, alikeInPorts).values()]
    .flatMap((group) => {
      const anywhere = group.length > 1 && isAnywhere(group.flatMap(({ ranges }) => ranges));
      return anywhere ? group.map((rule) => ({ ...rule, anywhere })) : group;
    })
    .sort((left, right) => left.index - right.index);

/** Rules open to everybody that are about all ports only together say so in one more, by the last one's index. */
const joinPorts = (rules: readonly Read[]): readonly Read[] => {
  const open = rules.filter(({ anywhere }) => anywhere);
  const whole = [...groups(open, alike).values()].flatMap((group) => {
    const isWhole = ({ from, to }: Ports): boolean => from <= ALL_PORTS.from && to >= ALL_PORTS.to;
    const all = group.some(isWhole) ? undefined : joined(group).find(isWhole);
    return all ? [{ ...(group.at(-1) as Read), ...all }] : [];
  });
  return [...rules, ...whole];
};

type Given = { readonly rule: Json; readonly direction: 'inbound' | 'outbound' | undefined };

const listed = (properties: JsonObject | undefined): readonly Given[] => {
  if (!properties) return [];
  const inLists = Object.keys(LISTS).flatMap((name) => {
    const value = properties[name];
    const direction = LISTS[name];
    if (value === undefined || value === null) return [];
    return Array.isArray(value) ? value.map((rule: Json) => ({ rule, direction })) : [{ rule: value, direction }];
  });
  const isRule = OF_A_RULE.some((name) => properties[name] !== undefined);
  return isRule ? [...inLists, { rule: properties, direction: undefined }] : inLists;
};

/** Whether an action is about a firewall, a security group or a network ACL. */
export const isAboutFirewall = (action: string, resource: string): boolean => KINDS.test(resource) || KINDS.test(action);

/**
 * The rules that the properties ask for, in `rules` or as one rule themselves; undefined where they ask for none. What
 * can't be read is told by its place, with a sentence.
 */
export const firewallOf = (asked: readonly (JsonObject | undefined)[]): Firewall | undefined => {
  const given = asked.flatMap(listed);
  if (given.length === 0) return undefined;
  const rules: Read[] = [];
  const unreadable: { readonly index: number; readonly message: string }[] = [];
  for (const [index, { rule, direction }] of given.slice(0, MOST_RULES).entries()) {
    try {
      rules.push(...readRule(rule, index, direction));
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      unreadable.push({ index, message: error.message });
    }
  }
  if (given.length > MOST_RULES) unreadable.push({ index: MOST_RULES, message: `There are more than ${MOST_RULES} rules in one question; ask about fewer.` });
  return { rules: joinPorts(joinSources(rules)).map(({ ranges: _ranges, ...rule }) => rule), unreadable };
};
