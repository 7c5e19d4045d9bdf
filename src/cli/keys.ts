import { Command, InvalidArgumentError } from 'commander';
import { readExpiry } from '../caller/expiry.js';
import { PERMISSIONS, type Permission } from '../caller/types.js';
import { type ConnectionOptions, connect, withConnection } from './connection.js';
import { usage } from './failure.js';
import { type Output, outputOption, printFields, printJson, printTable, remark } from './output.js';

type Key = {
  readonly id: string;
  readonly name: string;
  readonly accounts: 'all' | readonly string[];
  readonly permissions: readonly string[];
  readonly created?: string;
  readonly expires?: string | null;
  readonly last_used?: string | null;
  readonly revoked?: string | null;
};
type Shared = ConnectionOptions & { readonly output: Output };
type CreateOptions = Shared & {
  readonly name: string;
  readonly account?: readonly string[];
  readonly allAccounts?: boolean;
  readonly permission: readonly Permission[];
  readonly expires?: string;
};

/** `7d`, `12h`, `4w` from now, or a date: as RFC 3339. */
export const whenItEnds = (text: string, now = Date.now()): string => {
  const read = readExpiry(text, now);
  if (!read.ok) throw new InvalidArgumentError(read.message);
  return new Date(read.time).toISOString();
};

const several = <T extends string>(value: T, before: readonly T[] = []): readonly T[] => [...before, value];

const permission = (value: string, before: readonly Permission[] = []): readonly Permission[] => {
  if (!(PERMISSIONS as readonly string[]).includes(value)) throw new InvalidArgumentError(`It must be one of ${PERMISSIONS.join(', ')}.`);
  return several(value as Permission, before);
};

const showSecret = (body: unknown, output: Output): void => {
  const { key, secret } = (body as { readonly data: { readonly key: Key; readonly secret: string } }).data;
  if (output === 'json') printJson(body);
  else printFields([['secret', secret], ...Object.entries(key)]);
  remark('The secret is shown this once; Verdict keeps only its hash.');
};

const create = async ({ name, account, allAccounts, permission: permissions, expires, output, ...target }: CreateOptions): Promise<void> => {
  if ((allAccounts === true) === (account !== undefined)) throw usage('Give either --account (once for each) or --all-accounts.');
  const wish = { name, accounts: account ?? 'all', permissions, ...(expires !== undefined && { expires }) };
  const { body } = await connect(target).call('POST', '/v1/keys', { body: wish });
  showSecret(body, output);
};

const list = async ({ output, ...target }: Shared): Promise<void> => {
  const { body } = await connect(target).call('GET', '/v1/keys');
  if (output === 'json') return printJson(body);
  const { keys } = (body as { readonly data: { readonly keys: readonly Key[] } }).data;
  printTable(
    ['id', 'name', 'accounts', 'permissions', 'expires', 'last used', 'revoked'],
    keys.map((key) => [
      key.id,
      key.name,
      key.accounts === 'all' ? 'all' : key.accounts.join(', '),
      key.permissions.join(', '),
      key.expires ?? 'never',
      key.last_used ?? 'never',
      key.revoked ?? '',
    ]),
    'There are no keys.',
  );
};

const rotate = async (id: string, { output, ...target }: Shared): Promise<void> => {
  const { body } = await connect(target).call('POST', `/v1/keys/${encodeURIComponent(id)}/rotate`);
  showSecret(body, output);
  remark(`The old key stays valid until it is revoked: verdict keys revoke ${id}`);
};

const revoke = async (id: string, { output, ...target }: Shared): Promise<void> => {
  const { body } = await connect(target).call('DELETE', `/v1/keys/${encodeURIComponent(id)}`);
  if (output === 'json') return printJson(body ?? { data: { id, revoked: true } });
  remark(`${id} is revoked.`);
};

/** `verdict keys`: the credentials of programs. */
export const keysCommand = (): Command => {
  const command = new Command('keys').description('make, list, rotate and revoke API keys');
  command.addCommand(
    withConnection(
      new Command('create')
        .description('make an API key; it is shown this once')
        .requiredOption('--name <name>', 'what its events carry as their source')
        .option('--account <id>', 'an account it may act on; once for each', several<string>)
        .option('--all-accounts', "every account: for a platform's own services")
        .requiredOption('--permission <name>', `what it may do; once for each: ${PERMISSIONS.join(', ')}`, permission)
        .option('--expires <when>', 'a span (7d, 12h, 4w) or a date; never without it', (text) => whenItEnds(text))
        .addOption(outputOption()),
    )
      .addHelpText(
        'after',
        `
Examples:
  $ verdict keys create --name control-plane --all-accounts --permission decision.evaluate
  $ verdict keys create --name libvirt --account acc-lagos --permission event.record --expires 90d
  $ verdict keys create --name auditor --account acc-lagos --permission audit.read --permission audit.export --output json`,
      )
      .action(create),
  );
  command.addCommand(
    withConnection(new Command('list').description('list keys, without their secrets').addOption(outputOption()))
      .addHelpText('after', '\nExamples:\n  $ verdict keys list\n  $ verdict keys list --output json')
      .action(list),
  );
  command.addCommand(
    withConnection(
      new Command('rotate')
        .argument('<id>', "the key's id")
        .description('make a successor; both are valid until the old one is revoked')
        .addOption(outputOption()),
    )
      .addHelpText('after', '\nExamples:\n  $ verdict keys rotate 01JDA4Q0V4M9GQ2Z9X1T7K3B5N')
      .action(rotate),
  );
  command.addCommand(
    withConnection(new Command('revoke').argument('<id>', "the key's id").description('end a key at once').addOption(outputOption()))
      .addHelpText('after', '\nExamples:\n  $ verdict keys revoke 01JDA4Q0V4M9GQ2Z9X1T7K3B5N')
      .action(revoke),
  );
  return command;
};
