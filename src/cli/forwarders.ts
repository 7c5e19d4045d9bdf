import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { type ConnectionOptions, connect, withConnection } from './connection.js';
import { EXIT, Failure, usage } from './failure.js';
import { type Output, outputOption, printFields, printJson, printTable, remark } from './output.js';

type Lag = { readonly events: number; readonly seconds: number };
type Forwarder = {
  readonly id: string;
  readonly name: string;
  readonly accounts: 'all' | readonly string[];
  readonly format: string;
  readonly destination: { readonly type: string };
  readonly state: string;
  readonly reason?: string;
  readonly sent: number;
  readonly refused: number;
  readonly lag: Lag;
  readonly last_success?: string;
  readonly last_error?: { readonly at: string; readonly message: string };
};
type One = { readonly data: { readonly forwarder: Forwarder } };
type Many = { readonly data: { readonly forwarders: readonly Forwarder[] } };
type Step = { readonly step: string; readonly ok: boolean; readonly detail: string; readonly ms: number };
type Shared = ConnectionOptions & { readonly output: Output };

const PATH = '/v1/forwarders';
const several = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

const pathOf = (id: string, act?: string): string => `${PATH}/${encodeURIComponent(id)}${act === undefined ? '' : `/${act}`}`;

const show = (body: unknown, output: Output): void => {
  if (output === 'json') printJson(body);
  else printFields(Object.entries((body as One).data.forwarder));
};

/** The id of a forwarder that is given by its id or, where only one has it, its name. */
const idOf = async (given: string, options: ConnectionOptions): Promise<string> => {
  if (/^[0-9A-HJKMNP-TV-Z]{26}$/.test(given)) return given;
  const { body } = await connect(options).call('GET', PATH);
  const named = (body as Many).data.forwarders.filter(({ name }) => name === given);
  if (named.length > 1) throw usage(`Several forwarders are named "${given}": give the id of one (${named.map(({ id }) => id).join(', ')}).`);
  if (!named[0]) throw new Failure(EXIT.notFound, `There is no forwarder "${given}" that this credential may manage.`);
  return named[0].id;
};

export type Wish = {
  readonly name: string;
  readonly accounts?: 'all' | readonly string[];
  readonly filter?: { readonly actions?: readonly string[]; readonly results?: readonly string[]; readonly kinds?: readonly string[] };
  readonly format?: string;
  readonly destination: Readonly<Record<string, unknown>>;
  readonly region?: string;
  readonly since?: string;
};

export type FilterOptions = {
  readonly account?: readonly string[];
  readonly allAccounts?: boolean;
  readonly event?: readonly string[];
  readonly result?: readonly string[];
  readonly kind?: readonly string[];
  readonly region?: string;
  readonly since?: string;
};

/** What a feed is of, for every command that makes one. */
export const withFilter = (command: Command): Command =>
  command
    .option('--account <id>', 'only the events of this account; once for each', several)
    .option('--all-accounts', "the events of every account: for a platform's own services")
    .option('--event <action>', 'only this action, such as "instance.*"; once for each', several)
    .option('--result <result>', 'only this result; once for each', several)
    .option('--kind <kind>', 'only decisions, or only activities', several)
    .option('--region <name>', 'where the destination lies: accounts that are kept in regions go nowhere else')
    .option('--since <date>', 'begin with what was recorded then; now, without it');

export const filterOf = ({ account, allAccounts, event, result, kind, region, since }: FilterOptions): Omit<Wish, 'name' | 'destination'> => {
  if (account !== undefined && allAccounts === true) throw usage('Give either --account or --all-accounts.');
  const filter = { ...(event && { actions: event }), ...(result && { results: result }), ...(kind && { kinds: kind }) };
  return {
    ...(account && { accounts: account }),
    ...(allAccounts === true && { accounts: 'all' as const }),
    ...(Object.keys(filter).length > 0 && { filter }),
    ...(region !== undefined && { region }),
    ...(since !== undefined && { since }),
  };
};

/** Makes a forwarder and shows it. */
export const addForwarder = async (wish: Wish, { output, ...target }: Shared): Promise<void> => {
  const { body } = await connect(target).call('POST', PATH, { body: wish });
  show(body, output);
};

type AddOptions = Shared & FilterOptions & { readonly name: string; readonly format?: string; readonly destination: string };

/** JSON as it is written, or the file that @ names: secrets needn't stand on the command line. */
export const jsonOf = (text: string): Readonly<Record<string, unknown>> => {
  const source = text === '@-' ? readFileSync(0, 'utf8') : text.startsWith('@') ? readFileSync(text.slice(1), 'utf8') : text;
  try {
    const value: unknown = JSON.parse(source);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Readonly<Record<string, unknown>>;
  } catch {
    // Said below.
  }
  throw usage('--destination must be a JSON object, or @FILE with one (@- is standard input).');
};

const add = async ({ name, format, destination, output, ...rest }: AddOptions): Promise<void> => {
  const wish = { name, destination: jsonOf(destination), ...(format !== undefined && { format }), ...filterOf(rest) };
  await addForwarder(wish, { output, ...rest });
};

const list = async ({ output, ...target }: Shared): Promise<void> => {
  const { body } = await connect(target).call('GET', PATH);
  if (output === 'json') return printJson(body);
  printTable(
    ['id', 'name', 'accounts', 'destination', 'state', 'sent', 'refused', 'behind', 'last success', 'last error'],
    (body as Many).data.forwarders.map((one) => [
      one.id,
      one.name,
      one.accounts === 'all' ? 'all' : one.accounts.join(', '),
      `${one.destination.type} (${one.format})`,
      one.state,
      one.sent,
      one.refused,
      one.lag.events === 0 ? '' : `${one.lag.events} events, ${one.lag.seconds} s`,
      one.last_success ?? 'never',
      one.state === 'stopped' || one.state === 'waiting' ? (one.reason ?? one.last_error?.message ?? '') : '',
    ]),
    'There are no forwarders.',
  );
};

const get = async (id: string, { output, ...target }: Shared): Promise<void> => {
  const { body } = await connect(target).call('GET', pathOf(await idOf(id, target)));
  show(body, output);
};

const act =
  (name: 'pause' | 'resume') =>
  async (id: string, { output, ...target }: Shared): Promise<void> => {
    const { body } = await connect(target).call('POST', pathOf(await idOf(id, target), name));
    show(body, output);
  };

const replay = async (id: string, { output, from, to, ...target }: Shared & { readonly from: string; readonly to: string }): Promise<void> => {
  const { body } = await connect(target).call('POST', pathOf(await idOf(id, target), 'replay'), { body: { from, to } });
  show(body, output);
  if (output === 'table') remark(`It runs beside the live feed; \`verdict forwarders show ${id}\` tells how far it is.`);
};

const test = async (id: string, { output, ...target }: Shared): Promise<void> => {
  const { body } = await connect(target).call('POST', pathOf(await idOf(id, target), 'test'));
  const { ok, steps } = (body as { readonly data: { readonly ok: boolean; readonly steps: readonly Step[] } }).data;
  if (output === 'json') printJson(body);
  else
    printTable(
      ['step', 'went', 'ms', 'what happened'],
      steps.map((one) => [one.step, one.ok ? 'well' : 'wrong', one.ms, one.detail]),
      'No step was made.',
    );
  if (!ok) throw new Failure(EXIT.check, 'The trial did not reach its end: see the last step.');
};

const remove = async (id: string, { output, ...target }: Shared): Promise<void> => {
  const real = await idOf(id, target);
  const { body } = await connect(target).call('DELETE', pathOf(real));
  if (output === 'json') return printJson(body ?? { data: { id: real, removed: true } });
};

const onOne = (name: string, description: string, example: string): Command =>
  withConnection(new Command(name).argument('<id>', "the forwarder's id, or its name").description(description).addOption(outputOption())).addHelpText(
    'after',
    `\nExamples:\n  $ verdict forwarders ${example}`,
  );

/** `verdict forwarders`: standing feeds of events to other places. */
export const forwardersCommand = (): Command => {
  const command = new Command('forwarders').description('send events on to syslog, SIEMs and other places, as they come');
  command.addCommand(
    withConnection(
      withFilter(
        new Command('add')
          .description('make a forwarder')
          .requiredOption('--name <name>', 'what it is called')
          .requiredOption('--destination <json>', 'where it sends: a JSON object with its "type", or @FILE with one')
          .option('--format <format>', "the form that events take; the destination's usual one, without it"),
      ).addOption(outputOption()),
    )
      .addHelpText(
        'after',
        `
Examples:
  $ verdict forwarders add --name siem --all-accounts --destination @splunk.json
  $ verdict forwarders add --name lagos --account acc-lagos --event "instance.*" --result denied --destination @siem.json
  $ verdict forwarders add --name history --all-accounts --since 2026-01-01 --destination @siem.json`,
      )
      .action(add),
  );
  command.addCommand(
    withConnection(new Command('list').description('list forwarders, and how they do').addOption(outputOption()))
      .addHelpText('after', '\nExamples:\n  $ verdict forwarders list\n  $ verdict forwarders list --output json')
      .action(list),
  );
  command.addCommand(onOne('show', 'show one forwarder whole, without its secrets', 'show siem').action(get));
  command.addCommand(onOne('test', 'send one marked event, and say what each step did (exit code 6 if one went wrong)', 'test siem').action(test));
  command.addCommand(onOne('pause', 'stop sending for now', 'pause siem').action(act('pause')));
  command.addCommand(onOne('resume', 'go on where it was paused, or had stopped', 'resume siem').action(act('resume')));
  command.addCommand(
    onOne('replay', 'send a past range again, beside the live feed', 'replay siem --from 2024-02-01 --to 2024-02-29')
      .requiredOption('--from <date>', 'from this date or time on, by when events were recorded')
      .requiredOption('--to <date>', 'up to this date (the whole day) or time')
      .action(replay),
  );
  command.addCommand(onOne('remove', 'end a forwarder, and forget where it was', 'remove siem').action(remove));
  return command;
};
