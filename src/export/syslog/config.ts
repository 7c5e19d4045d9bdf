import { hostname } from 'node:os';
import { type TlsConfig, tlsSchema } from '../../outbound/index.js';
import { FRAMINGS, type Framing } from './framing.js';
import { FACILITIES, type Facility, type Layout, LEAST_OCTETS } from './layout.js';

export const PROTOCOLS = ['udp', 'tcp', 'tls', 'relp', 'relp-tls'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/** Where syslog goes, and how. Plain JSON, as {@link syslogSchema} says. */
export type SyslogConfig = {
  readonly protocol: Protocol;
  readonly host: string;
  readonly port: number;
  readonly framing?: Framing;
  readonly facility?: Facility;
  readonly hostname?: string;
  readonly app_name?: string;
  readonly enterprise?: number;
  readonly max_octets?: number;
  readonly rate?: number;
  readonly tls?: TlsConfig;
  readonly overlap?: { readonly ms?: number; readonly bytes?: number };
  readonly grace_ms?: number;
  readonly window?: number;
  readonly connect_ms?: number;
  readonly stall_ms?: number;
};

const count = (minimum: number, maximum: number, fallback: number, description: string) =>
  ({ type: 'integer', minimum, maximum, default: fallback, description }) as const;
const printable = (maxLength: number, description: string) => ({ type: 'string', minLength: 1, maxLength, pattern: '^[!-~]+$', description }) as const;

/** Reserved for examples (RFC 5612); whoever has a number of their own sets it. */
const EXAMPLE_ENTERPRISE = 32_473;
/** rsyslog splits at 8,096. */
const STREAM_OCTETS = 8_000;
/** What every receiver should take (RFC 5426, section 3.2). */
const DATAGRAM_OCTETS = 2_048;
const MOST_OCTETS = 65_000;

/** The JSON Schema of {@link SyslogConfig}. */
export const syslogSchema = {
  type: 'object',
  required: ['protocol', 'host', 'port'],
  additionalProperties: false,
  properties: {
    protocol: { enum: PROTOCOLS, description: 'udp, tcp and tls carry RFC 5424; relp, or relp-tls, has each message acknowledged.' },
    host: { type: 'string', minLength: 1, maxLength: 253, pattern: '^[^\\s/]+$', description: "The receiver's name or address." },
    port: { type: 'integer', minimum: 1, maximum: 65_535, description: "The receiver's port; 6514 is usual for tls, 514 or 601 for tcp, 514 for udp." },
    framing: { enum: FRAMINGS, default: 'octet-counting', description: 'Over tcp and tls: the length in front of each message, or a line feed behind it.' },
    facility: { enum: FACILITIES, default: 'authpriv', description: 'The facility in PRI.' },
    hostname: printable(255, "HOSTNAME: who sends. This machine's name where it isn't given."),
    app_name: { ...printable(48, 'APP-NAME.'), default: 'verdict' },
    enterprise: count(1, 4_294_967_295, EXAMPLE_ENTERPRISE, 'The private enterprise number in the structured data, `verdict@<number>`.'),
    max_octets: {
      type: 'integer',
      minimum: LEAST_OCTETS,
      maximum: MOST_OCTETS,
      description: `The longest message, in octets: ${STREAM_OCTETS} where it isn't given, over udp ${DATAGRAM_OCTETS}. What is longer is cut, and says so.`,
    },
    rate: count(1, 1_000_000, 2_000, 'Over udp: the most messages a second.'),
    tls: { ...tlsSchema, description: 'Over tls and relp-tls. The certificate is always checked.', dependencies: { cert: ['key'], key: ['cert'] } },
    overlap: {
      type: 'object',
      additionalProperties: false,
      description: 'What is kept of what was sent, and sent again after a connection broke.',
      properties: {
        ms: count(0, 600_000, 30_000, 'For how many milliseconds.'),
        bytes: count(0, 1_073_741_824, 67_108_864, 'At most so many bytes of it.'),
      },
    },
    grace_ms: count(0, 60_000, 2_000, 'So long after connecting, in milliseconds, what was written counts as unsent if the connection breaks.'),
    window: count(1, 100_000, 1_000, 'Over relp: the most messages without their acknowledgement.'),
    connect_ms: count(100, 120_000, 10_000, 'How long connecting may take, in milliseconds.'),
    stall_ms: count(100, 3_600_000, 120_000, 'A receiver that takes nothing for so long, in milliseconds, is connected to anew.'),
  },
} as const;

/** A configuration with every default in its place. */
export type Settings = Required<Omit<SyslogConfig, 'tls' | 'overlap' | 'facility' | 'hostname' | 'app_name' | 'enterprise' | 'max_octets'>> & {
  readonly tls: TlsConfig | undefined;
  readonly overlap: { readonly ms: number; readonly bytes: number };
  readonly layout: Layout;
};

const defaults = syslogSchema.properties;

export const layoutOf = (config: Pick<SyslogConfig, 'facility' | 'hostname' | 'app_name' | 'enterprise'>, max_octets: number): Layout => ({
  facility: config.facility ?? defaults.facility.default,
  hostname: config.hostname ?? hostname(),
  app_name: config.app_name ?? defaults.app_name.default,
  enterprise: config.enterprise ?? defaults.enterprise.default,
  max_octets,
});

export const settingsOf = (config: SyslogConfig): Settings => ({
  protocol: config.protocol,
  host: config.host.replace(/^\[(.*)\]$/, '$1'),
  port: config.port,
  framing: config.framing ?? defaults.framing.default,
  rate: config.rate ?? defaults.rate.default,
  tls: config.protocol === 'tls' || config.protocol === 'relp-tls' ? (config.tls ?? {}) : undefined,
  overlap: {
    ms: config.overlap?.ms ?? defaults.overlap.properties.ms.default,
    bytes: config.overlap?.bytes ?? defaults.overlap.properties.bytes.default,
  },
  grace_ms: config.grace_ms ?? defaults.grace_ms.default,
  window: config.window ?? defaults.window.default,
  connect_ms: config.connect_ms ?? defaults.connect_ms.default,
  stall_ms: config.stall_ms ?? defaults.stall_ms.default,
  layout: layoutOf(config, config.max_octets ?? (config.protocol === 'udp' ? DATAGRAM_OCTETS : STREAM_OCTETS)),
});
