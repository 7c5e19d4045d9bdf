import { accessSync, constants } from 'node:fs';
import { Command } from 'commander';
import { type Config, configSchema, isUrl, loadConfig } from '../config.js';
import { addressGuard, openSecrets } from '../outbound/index.js';
import { verificationKeys } from '../rollout/keys.js';
import { readRoutes } from '../routes/load.js';
import { EXIT, Failure } from './failure.js';
import { type Output, outputOption, printJson, printTable, remark } from './output.js';
import { effectiveSettings } from './settings.js';

type Options = { readonly config?: string; readonly output: Output };

/** The configuration, or the failure that says what is wrong with it. */
const load = (path: string | undefined): Config => {
  try {
    const { config, warnings } = loadConfig(process.env, path);
    for (const warning of warnings) remark(warning);
    return config;
  } catch (error) {
    throw new Failure(EXIT.check, (error as Error).message);
  }
};

const show = ({ config: path, output }: Options): void => {
  const effective = effectiveSettings(load(path), process.env, path);
  if (output === 'json') printJson(effective.map(({ path: keys, variable, value, origin }) => ({ key: keys.join('.'), variable, value, origin })));
  else
    printTable(
      ['key', 'value', 'from'],
      effective.map(({ path: keys, value, origin, variable }) => [keys.join('.'), value, origin === 'variable' ? variable : origin]),
      'There are no settings.',
    );
};

/** The files that a node opens at its start. */
const filesOf = (config: Config): readonly (readonly [string, string])[] => [
  ['policy.bundle', isUrl(config.policy.bundle) ? '' : config.policy.bundle],
  ['policy.tls.ca', config.policy.tls.ca],
  ['policy.tls.cert', config.policy.tls.cert],
  ['policy.tls.key', config.policy.tls.key],
  ['http.tls.cert', config.http.tls.cert],
  ['http.tls.key', config.http.tls.key],
  ['http.tls.client_ca', config.http.tls.client_ca],
  ['routes.file', isUrl(config.routes.file) ? '' : config.routes.file],
  ['ext_authz.grpc_tls.cert', config.ext_authz.grpc_tls.cert],
  ['ext_authz.grpc_tls.key', config.ext_authz.grpc_tls.key],
  ['ext_authz.grpc_tls.client_ca', config.ext_authz.grpc_tls.client_ca],
  ['gateway.tls.cert', config.gateway.tls.cert],
  ['gateway.tls.key', config.gateway.tls.key],
  ['gateway.upstream_tls.ca', config.gateway.upstream_tls.ca],
  ['gateway.upstream_tls.cert', config.gateway.upstream_tls.cert],
  ['gateway.upstream_tls.key', config.gateway.upstream_tls.key],
  ['kafka.tls.ca', config.kafka.tls.ca],
  ['kafka.tls.cert', config.kafka.tls.cert],
  ['kafka.tls.key', config.kafka.tls.key],
  ['clickhouse.tls.ca', config.clickhouse.tls.ca],
  ['clickhouse.tls.cert', config.clickhouse.tls.cert],
  ['clickhouse.tls.key', config.clickhouse.tls.key],
];

const check = ({ config: path }: Options): void => {
  const config = load(path);
  for (const [key, file] of filesOf(config)) {
    if (file === '') continue;
    try {
      accessSync(file, constants.R_OK);
    } catch {
      throw new Failure(EXIT.check, `${key} names ${file}, which can't be read.`);
    }
  }
  try {
    verificationKeys(config.policy.verification_keys);
    if (config.routes.file !== '' && !isUrl(config.routes.file)) readRoutes(config.routes.file);
    addressGuard(config.outbound.allow);
    openSecrets(config.secrets);
  } catch (error) {
    throw new Failure(EXIT.check, (error as Error).message);
  }
  process.stdout.write('The configuration can be used.\n');
};

const withConfig = (command: Command): Command => command.option('--config <file>', 'the configuration file (VERDICT_CONFIG; verdict.yaml)');

/** `verdict config`: what is in force, whether it can be used, and what there is to set. */
export const configCommand = (): Command => {
  const command = withConfig(new Command('config'))
    .description('show the configuration in force, with its origin')
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
Examples:
  $ verdict config
  $ verdict config --output json
  $ verdict config check --config /etc/verdict/verdict.yaml
  $ verdict config schema > verdict.schema.json`,
    )
    .action(show);
  command.addCommand(
    withConfig(new Command('check'))
      .description('say whether a node could start with this configuration (exit code 6 if not)')
      .addHelpText('after', '\nExamples:\n  $ verdict config check\n  $ VERDICT_HTTP_PORT=eighty verdict config check')
      // The parent has the same option: commander gives it to whichever stands first on the line.
      .action((_options: unknown, own: Command) => check(own.optsWithGlobals())),
  );
  command.addCommand(
    new Command('schema')
      .description('print the JSON Schema of verdict.yaml')
      .addHelpText('after', '\nExamples:\n  $ verdict config schema')
      .action(() => printJson(configSchema)),
  );
  return command;
};
