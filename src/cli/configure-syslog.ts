import { readFileSync } from 'node:fs';
import { Command, Option } from 'commander';
import { type ConnectionOptions, withConnection } from './connection.js';
import { EXIT, Failure, usage } from './failure.js';
import { addForwarder, type FilterOptions, filterOf, withFilter } from './forwarders.js';
import { type Output, outputOption } from './output.js';

type Options = ConnectionOptions &
  FilterOptions & {
    readonly endpoint: string;
    readonly protocol: 'udp' | 'tcp' | 'tls' | 'relp' | 'relp-tls';
    readonly format: string;
    readonly name?: string;
    readonly syslogCa?: string;
    readonly syslogCert?: string;
    readonly syslogKey?: string;
    readonly output: Output;
  };

/** `HOST:PORT`, with an IPv6 address in brackets. */
export const endpointOf = (text: string): { readonly host: string; readonly port: number } => {
  const [, six, name, port] = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = six ?? name;
  if (host === undefined || Number(port) < 1 || Number(port) > 65_535)
    throw usage(`"${text}" is no HOST:PORT, such as siem.example.com:6514 or [2001:db8::1]:6514.`);
  return { host, port: Number(port) };
};

const pem = (path: string | undefined): string | undefined => {
  if (path === undefined) return undefined;
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new Failure(EXIT.usage, `${path} can't be read: ${(error as Error).message}.`);
  }
};

const configure = async ({ endpoint, protocol, format, name, syslogCa, syslogCert, syslogKey, output, ...rest }: Options): Promise<void> => {
  const { host, port } = endpointOf(endpoint);
  if ((syslogCert === undefined) !== (syslogKey === undefined)) throw usage('A client certificate takes both --syslog-cert and --syslog-key.');
  const [ca, cert, key] = [pem(syslogCa), pem(syslogCert), pem(syslogKey)];
  if (!protocol.endsWith('tls') && (ca ?? cert) !== undefined) throw usage(`Certificates are for tls and relp-tls; ${protocol} has none.`);
  const tls = { ...(ca !== undefined && { ca }), ...(cert !== undefined && { cert }), ...(key !== undefined && { key }) };
  const destination = { type: 'syslog', protocol, host, port, ...(Object.keys(tls).length > 0 && { tls }) };
  await addForwarder({ name: name ?? `syslog-${host}`, format, destination, ...filterOf(rest) }, { output, ...rest });
};

/** `verdict audit-logs configure-syslog`: platform A's name for a forwarder to syslog. */
export const configureSyslogCommand = (): Command =>
  withConnection(
    withFilter(
      new Command('configure-syslog')
        .description('send events on to a syslog server, as they come: makes a forwarder')
        .requiredOption('--endpoint <host:port>', 'the server')
        .addOption(new Option('--protocol <protocol>', 'how to speak to it').choices(['udp', 'tcp', 'tls', 'relp', 'relp-tls']).default('tls'))
        .addOption(new Option('--format <format>', 'the form of a message').default('rfc5424'))
        .option('--name <name>', "the forwarder's name; syslog-HOST without it")
        .option('--syslog-ca <file>', "PEM file with the authorities that the server's certificate is checked by")
        .option('--syslog-cert <file>', 'PEM file with a client certificate to show to the server')
        .option('--syslog-key <file>', "PEM file with that certificate's private key; kept encrypted"),
    ).addOption(outputOption()),
  )
    .addHelpText(
      'after',
      `
--ca, --cert and --key are for the connection to Verdict, as in every command.

Examples:
  $ verdict audit-logs configure-syslog --endpoint siem.example.com:6514 --protocol tls --format rfc5424
  $ verdict audit-logs configure-syslog --endpoint logs.internal:2514 --protocol relp --event "auth.*"`,
    )
    .action(configure);
