import { lookup as systemLookup } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { type AddressGuard, GuardedAddress } from './address.js';

/** What opens sockets and HTTP for whatever goes out: the address guard stands behind it. */
export type GuardedDial = {
  /** A `lookup` for net.connect, tls.connect and http.request that refuses guarded addresses when they are connected to. */
  readonly lookup: LookupFunction;
  /** Throws GuardedAddress where the host is itself a guarded literal address (lookup isn't called for those). */
  readonly check: (host: string) => void;
};

type Found = { readonly address: string; readonly family: number };
type Resolve = (host: string, options: { readonly all: true; readonly family: number }, done: (error: Error | null, found: readonly Found[]) => void) => void;

const resolveBySystem: Resolve = (host, options, done) => systemLookup(host, { ...options, verbatim: true }, (error, found) => done(error, found ?? []));

const familyOf = (family: number | 'IPv4' | 'IPv6' | undefined): number => (family === 'IPv4' ? 4 : family === 'IPv6' ? 6 : (family ?? 0));

/**
 * Checks what a name resolves to at the moment of connecting, so that a name can't be one address when it is checked
 * and another when it is used. A name with any guarded address is refused as a whole: which of them is taken is chance.
 */
export const guardedDial = (guard: AddressGuard, resolve: Resolve = resolveBySystem): GuardedDial => {
  const lookup: LookupFunction = (host, options, done) => {
    resolve(host, { all: true, family: familyOf(options.family) }, (error, found) => {
      if (error) return done(error as NodeJS.ErrnoException, '', 0);
      const [first] = found;
      if (!first) return done(Object.assign(new Error(`${host} has no address.`), { code: 'ENOTFOUND' }), '', 0);
      const fault = found.map(({ address }) => guard.fault(address)).find((one) => one !== undefined);
      if (fault !== undefined) return done(new GuardedAddress(`${host} can't be used. ${fault}`), '', 0);
      if (options.all)
        return done(
          null,
          found.map(({ address, family }) => ({ address, family })),
        );
      done(null, first.address, first.family);
    });
  };
  return {
    lookup,
    check: (host) => {
      const bare = host.replace(/^\[(.*)\]$/, '$1');
      const fault = isIP(bare.replace(/%.*$/, '')) === 0 ? undefined : guard.fault(bare);
      if (fault !== undefined) throw new GuardedAddress(fault);
    },
  };
};
