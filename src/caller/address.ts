import type { IncomingMessage } from 'node:http';
import ipaddr from 'ipaddr.js';
import { ConfigError } from '../config.js';

type Address = ipaddr.IPv4 | ipaddr.IPv6;
type Cidr = [Address, number];

/** More proxies in a row than this are nobody's. */
const MOST_HOPS = 64;

const readCidr = (text: string): Cidr => {
  try {
    const [range, bits] = text.includes('/') ? ipaddr.parseCIDR(text) : [ipaddr.parse(text), undefined];
    const isMapped = range.kind() === 'ipv6' && (range as ipaddr.IPv6).isIPv4MappedAddress();
    if (!isMapped) return [range, bits ?? (range.kind() === 'ipv4' ? 32 : 128)];
    return [(range as ipaddr.IPv6).toIPv4Address(), Math.max(0, (bits ?? 128) - 96)];
  } catch {
    throw new ConfigError(`http.trusted_proxies: "${text}" is no address and no CIDR such as 10.0.0.0/8.`);
  }
};

const PORT = /^(?:\[([^\]]+)\]|(\d{1,3}(?:\.\d{1,3}){3}))(?::\d{1,5})?$/;

/** An address without port and brackets, IPv4 where IPv6 only carries it; undefined for what is none. */
const readAddress = (text: string): Address | undefined => {
  const [, six, four] = PORT.exec(text) ?? [];
  const bare = (six ?? four ?? text).replace(/%.*$/, '');
  // Short forms such as "1" or "0x7f.1" are addresses to ipaddr.js, and to nobody else here.
  const isWhole = bare.includes(':') || ipaddr.IPv4.isValidFourPartDecimal(bare);
  return isWhole && ipaddr.isValid(bare) ? ipaddr.process(bare) : undefined;
};

/** Whether a request's connection comes from a trusted proxy. Throws ConfigError for a proxy that is no CIDR. */
export const trustedPeer = (trustedProxies: readonly string[]): ((request: IncomingMessage) => boolean) => {
  const trusted = trustedProxies.map(readCidr);
  return ({ socket }) => {
    const address = trusted.length === 0 ? undefined : readAddress(socket.remoteAddress ?? '');
    return address !== undefined && trusted.some((cidr) => cidr[0].kind() === address.kind() && (address as ipaddr.IPv4).match(cidr as [ipaddr.IPv4, number]));
  };
};

/**
 * The address that a request comes from, normalised. `X-Forwarded-For` counts only where the peer is a trusted proxy:
 * from its right end, the first address that isn't a trusted proxy itself. Empty where the connection is gone already.
 * Throws ConfigError for a proxy that is no CIDR.
 */
export const clientAddress = (trustedProxies: readonly string[]): ((request: IncomingMessage) => string) => {
  const trusted = trustedProxies.map(readCidr);
  const isTrusted = (address: Address): boolean =>
    trusted.some((cidr) => cidr[0].kind() === address.kind() && (address as ipaddr.IPv4).match(cidr as [ipaddr.IPv4, number]));
  /** A connection's peer never changes. */
  const peers = new WeakMap<object, { readonly text: string; readonly trusted: boolean }>();

  const peerOf = ({ socket }: IncomingMessage) => {
    const known = peers.get(socket);
    if (known) return known;
    const address = readAddress(socket.remoteAddress ?? '');
    const peer = { text: address?.toString() ?? '', trusted: address !== undefined && isTrusted(address) };
    if (address) peers.set(socket, peer);
    return peer;
  };

  const forwarded = (header: string, peer: string): string => {
    let nearest = peer;
    for (const hop of header.split(',').slice(-MOST_HOPS).reverse()) {
      const address = readAddress(hop.trim());
      // Beyond what can't be read nothing can be believed.
      if (!address) return nearest;
      nearest = address.toString();
      if (!isTrusted(address)) return nearest;
    }
    return nearest;
  };

  return (request) => {
    const peer = peerOf(request);
    const header = request.headers['x-forwarded-for'];
    return peer.trusted && header !== undefined ? forwarded(String(header), peer.text) : peer.text;
  };
};
