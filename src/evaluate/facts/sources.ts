import ipaddr from 'ipaddr.js';
import type { Json } from '../../event/index.js';

/** Addresses from the first to the last, both included, as numbers of their family. */
export type Range = { readonly family: 4 | 6; readonly first: bigint; readonly last: bigint };

/** What a rule's source (or destination) lets in: ranges of addresses, or why it can't be read. */
export type Sources = { readonly ok: true; readonly ranges: readonly Range[] } | { readonly ok: false; readonly message: string };

const TOP = { 4: (1n << 32n) - 1n, 6: (1n << 128n) - 1n } as const;
const EVERYWHERE: readonly Range[] = [
  { family: 4, first: 0n, last: TOP[4] },
  { family: 6, first: 0n, last: TOP[6] },
];

const block = (family: 4 | 6, start: string, bits: number): Range => {
  const first = numberOf(ipaddr.parse(start));
  return { family, first, last: first + (1n << BigInt((family === 4 ? 32 : 128) - bits)) - 1n };
};

const numberOf = (address: ipaddr.IPv4 | ipaddr.IPv6): bigint => BigInt(`0x${Buffer.from(address.toByteArray()).toString('hex')}`);

/** Addresses that nobody on the internet has (RFC 6890; outside 2000::/3 in IPv6): leaving them out leaves nobody out. */
const NOBODY: readonly Range[] = [
  block(4, '0.0.0.0', 8),
  block(4, '10.0.0.0', 8),
  block(4, '100.64.0.0', 10),
  block(4, '127.0.0.0', 8),
  block(4, '169.254.0.0', 16),
  block(4, '172.16.0.0', 12),
  block(4, '192.168.0.0', 16),
  block(4, '224.0.0.0', 3),
  block(6, '::', 3),
  { family: 6, first: numberOf(ipaddr.parse('4000::')), last: TOP[6] },
];

/** So much of the internet may be left out, and it is still open to anybody: a /8 of IPv4, a /11 of IPv6. */
const LEFT_OUT = { 4: 1n << 24n, 6: 1n << 117n } as const;

const covers = (ranges: readonly Range[], family: 4 | 6): boolean => {
  if (!ranges.some((range) => range.family === family)) return false;
  const sorted = [...ranges, ...NOBODY].filter((range) => range.family === family).sort((left, right) => (left.first < right.first ? -1 : 1));
  let next = 0n;
  let missing = 0n;
  for (const { first, last } of sorted) {
    if (first > next) missing += first - next;
    if (last >= next) next = last + 1n;
  }
  return missing + TOP[family] + 1n - next <= LEFT_OUT[family];
};

/** Whether the ranges, all together, are as good as every address of IPv4 or of IPv6. */
export const isAnywhere = (ranges: readonly Range[]): boolean => covers(ranges, 4) || covers(ranges, 6);

const ANY = /^(?:\*|(?:any|all|anywhere|everyone|everything|world|internet|public)(?:[-_ ]?(?:ipv?[46]|ips?|address(?:es)?|sources?|destinations?))?)$/i;
/** What names no addresses but a thing of the cloud: members of a group, instances with a tag, a load balancer. */
const REFERENCE = /^(?:sg|security[-_ ]?group|firewall|fw|group|grp|instance|inst|server|lb|load[-_ ]?balancer|tag|net|network|subnet|vpc|pl)[-_:/ ]\S+$/i;

/** Where IPv6 carries IPv4: ::ffff:0:0/96 (RFC 4291, section 2.5.5.2). */
const MAPPED = 0xffffn << 32n;

/** A range with the IPv4 addresses that it carries, if it is of IPv6. */
const withMapped = (range: Range): readonly Range[] => {
  const first = range.first > MAPPED ? range.first - MAPPED : 0n;
  const last = range.last - MAPPED < TOP[4] ? range.last - MAPPED : TOP[4];
  return range.family === 6 && first <= last ? [range, { family: 4, first, last }] : [range];
};

const cidr = (text: string): Range => {
  const [start = '', bits, more] = text.split('/');
  const address = ipaddr.parse(start);
  const family = address.kind() === 'ipv4' ? 4 : 6;
  const width = family === 4 ? 32 : 128;
  const isUnspecified = numberOf(address) === 0n;
  const length = bits === undefined ? (isUnspecified ? 0 : width) : bits.includes('.') ? ipaddr.IPv4.parse(bits).prefixLengthFromSubnetMask() : Number(bits);
  if (length === null || !Number.isInteger(length) || length < 0 || length > width || bits === '' || more !== undefined) throw new RangeError(text);
  const size = 1n << BigInt(width - length);
  const first = (numberOf(address) / size) * size;
  return { family, first, last: first + size - 1n };
};

const span = (from: string, to: string): Range => {
  const [low, high] = [ipaddr.parse(from.trim()), ipaddr.parse(to.trim())];
  const range = { family: low.kind() === 'ipv4' ? 4 : 6, first: numberOf(low), last: numberOf(high) } as const;
  if (low.kind() !== high.kind() || range.first > range.last) throw new RangeError(`${from}-${to}`);
  return range;
};

const textRanges = (text: string): readonly Range[] => {
  if (text === '' || ANY.test(text)) return EVERYWHERE;
  if (REFERENCE.test(text)) return [];
  const [from = '', to, more] = text.split('-');
  if (more !== undefined) throw new RangeError(text);
  return withMapped(to === undefined ? cidr(text) : span(from, to));
};

/** How an object may name addresses; one without any of these refers to something else. */
const NAMES = ['cidr', 'cidrs', 'cidr_ip', 'cidr_ipv6', 'cidr_block', 'address', 'addresses', 'ip', 'ips', 'ip_range', 'ip_ranges', 'range'] as const;

const rangesOf = (value: Json, depth: number): readonly Range[] => {
  if (typeof value === 'string') return value.split(',').flatMap((one) => textRanges(one.trim()));
  if (depth === 0 || typeof value !== 'object' || value === null) throw new RangeError(String(value));
  if (Array.isArray(value)) return value.flatMap((one: Json) => rangesOf(one, depth - 1));
  return NAMES.flatMap((name) => {
    const inner = (value as { readonly [name: string]: Json })[name];
    return inner === undefined ? [] : rangesOf(inner, depth - 1);
  });
};

/**
 * The addresses that a source names: a CIDR, an address, `from-to`, a word for everybody, a list of these, an object with
 * one of them, or a thing of the cloud (`sg-1`, `tag:web`), which is no address. Nothing at all is everybody.
 */
export const sourcesOf = (value: Json | undefined): Sources => {
  if (value === undefined || value === null || (typeof value === 'object' && Object.keys(value).length === 0)) return { ok: true, ranges: EVERYWHERE };
  try {
    return { ok: true, ranges: rangesOf(value, 4) };
  } catch {
    return { ok: false, message: 'Its source is no CIDR, no address, no word for everybody and no group: write a CIDR such as 203.0.113.0/24.' };
  }
};
