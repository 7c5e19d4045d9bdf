import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { ConfigError } from '../config.js';

type Address = ipaddr.IPv4 | ipaddr.IPv6;
type Range = readonly [Address, number];

/** An address that nothing may be sent to, unless `outbound.allow` names its range. */
export class GuardedAddress extends Error {
  override readonly name = 'GuardedAddress';
  readonly code = 'outbound.guarded';
}

/** Whether an address may be connected to; a sentence where it may not. */
export type AddressGuard = { readonly fault: (address: string) => string | undefined };

/**
 * What ipaddr.js takes for ordinary and isn't: the cloud's own services behind a public address, and forms of IPv6 that
 * lead elsewhere than they say (RFC 4291 2.5.5.1, RFC 3879, RFC 8215, RFC 9602).
 */
const FURTHER: readonly (readonly [range: string, what: string])[] = [
  ['168.63.129.16/32', "a cloud's own service"],
  ['192.88.99.0/24', 'a relay of 6to4'],
  ['::/96', 'an IPv4 address in IPv6'],
  ['fec0::/10', 'site-local'],
  ['64:ff9b:1::/48', 'a translator'],
  ['5f00::/16', 'a segment identifier'],
];

/** Ranges by ipaddr.js's names, in words. */
const WORDS: Readonly<Record<string, string>> = {
  loopback: 'this machine itself',
  private: 'a private network',
  uniqueLocal: 'a private network',
  linkLocal: "link-local, where clouds keep their machines' credentials",
  carrierGradeNat: "a carrier's inner network",
  multicast: 'multicast',
  broadcast: 'broadcast',
  unspecified: 'no address',
  rfc6052: 'a translator (NAT64)',
  rfc6145: 'a translator',
  '6to4': 'a tunnel (6to4)',
  teredo: 'a tunnel (Teredo)',
};

const parseRange = (text: string): Range => {
  try {
    const [address, bits] = text.includes('/') ? ipaddr.parseCIDR(text) : [ipaddr.parse(text), undefined];
    if (address.kind() === 'ipv6' && (address as ipaddr.IPv6).isIPv4MappedAddress())
      return [(address as ipaddr.IPv6).toIPv4Address(), Math.max(0, (bits ?? 128) - 96)];
    return [address, bits ?? (address.kind() === 'ipv4' ? 32 : 128)];
  } catch {
    throw new ConfigError(`outbound.allow: "${text}" is no address and no CIDR such as 10.1.0.0/16.`);
  }
};

const isIn = (address: Address, [range, bits]: Range): boolean => address.kind() === range.kind() && address.match(range as ipaddr.IPv4 & ipaddr.IPv6, bits);

const further = FURTHER.map(([range, what]) => ({ range: parseRange(range), what }));

/** What an address is, where nothing may be sent there. Anything that isn't plainly of the open internet is guarded. */
const kindOf = (address: Address): string | undefined => {
  const special = further.find(({ range }) => isIn(address, range));
  if (special) return special.what;
  const range = address.range();
  if (range !== 'unicast') return WORDS[range] ?? `reserved (${range})`;
  // Of IPv6, 2000::/3 alone is given out for the internet.
  return address.kind() === 'ipv6' && ((address as ipaddr.IPv6).parts[0] as number) >> 13 !== 1 ? 'reserved' : undefined;
};

/**
 * Guards every way out: loopback, link-local, private and reserved ranges, and the forms of IPv6 that carry such an
 * address, are refused unless `allow` (CIDRs) names them. Throws ConfigError for what is no CIDR.
 */
export const addressGuard = (allow: readonly string[]): AddressGuard => {
  const allowed = allow.map(parseRange);
  return {
    fault: (text) => {
      const bare = text.replace(/^\[(.*)\]$/, '$1').replace(/%.*$/, '');
      if (isIP(bare) === 0) return `"${text}" is no address.`;
      // ::ffff:10.0.0.1 is 10.0.0.1, and judged as that.
      const address = ipaddr.process(bare);
      if (allowed.some((range) => isIn(address, range))) return undefined;
      const kind = kindOf(address);
      return kind && `The address ${address.toString()} is guarded (${kind}): nothing is sent there unless outbound.allow names its range.`;
    },
  };
};
