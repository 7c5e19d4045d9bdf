import type { SecureContextOptions } from 'node:tls';

/** How a destination's certificate is checked, and what it is shown. */
export type TlsConfig = {
  /** Certificates (PEM) of the authorities that may have signed the destination's; those that Node knows where it isn't given. */
  readonly ca?: string;
  /** Our own certificate with its chain, and its key (PEM), for a destination that asks for one. */
  readonly cert?: string;
  readonly key?: string;
  /** The name that the destination's certificate must have; the host where it isn't given. */
  readonly server_name?: string;
};

const pem = (description: string) => ({ type: 'string', maxLength: 262_144, description }) as const;

export const tlsSchema = {
  type: 'object',
  additionalProperties: false,
  description: 'How the certificate is checked. It always is.',
  properties: {
    ca: pem("Certificates (PEM) of the authorities that may have signed the destination's; Node's own list where it isn't given."),
    cert: pem('Our own certificate (PEM) with its chain, for a destination that asks for one.'),
    key: { ...pem('Its key (PEM).'), 'x-secret': true },
    server_name: { type: 'string', minLength: 1, maxLength: 253, description: "The name that the certificate must have; the host where it isn't given." },
  },
} as const;

/** Options for tls.connect: the chain and the name are always checked, and nothing older than TLS 1.2 is spoken. Throws a sentence where cert and key don't come together. */
export const tlsOptions = ({
  ca,
  cert,
  key,
  server_name,
}: TlsConfig): SecureContextOptions & { readonly rejectUnauthorized: true; readonly servername?: string } => {
  if ((cert === undefined) !== (key === undefined)) throw new Error('tls.cert and tls.key belong together: give both, or neither.');
  return {
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2',
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ...(server_name !== undefined && { servername: server_name }),
  };
};
