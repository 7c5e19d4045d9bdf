import { Command, Option } from 'commander';
import { COMPRESSIONS, EXPORT_FORMATS } from '../export/index.js';
import { type ConnectionOptions, connect, withConnection } from './connection.js';
import { EXIT, Failure, usage } from './failure.js';
import { type FilterOptions, filterOf, jsonOf, withFilter } from './forwarders.js';
import { type Output, outputOption, printFields, printJson, printTable } from './output.js';

type Run = {
  readonly planned: string;
  readonly ended: string;
  readonly state: string;
  readonly rows: number;
  readonly place?: string;
  readonly reason?: string;
};
type Schedule = {
  readonly id: string;
  readonly name: string;
  readonly accounts: 'all' | readonly string[];
  readonly cron: string;
  readonly time_zone: string;
  readonly destination: { readonly type: string };
  readonly paused: boolean;
  readonly through: string;
  readonly runs: readonly Run[];
};
type One = { readonly data: { readonly schedule: Schedule } };
type Many = { readonly data: { readonly schedules: readonly Schedule[] } };
type Shared = ConnectionOptions & { readonly output: Output };

const PATH = '/v1/export-schedules';
const ID = 'the schedule, by its id or its name';

const show = (body: unknown, output: Output): void => {
  if (output === 'json') printJson(body);
  else printFields(Object.entries((body as One).data.schedule));
};

/** The path of a schedule that is given by its id or, where only one has it, its name. */
const pathOf = async (given: string, options: ConnectionOptions, act = ''): Promise<string> => {
  if (/^[0-9A-HJKMNP-TV-Z]{26}$/.test(given)) return `${PATH}/${given}${act}`;
  const { body } = await connect(options).call('GET', PATH);
  const named = (body as Many).data.schedules.filter(({ name }) => name === given);
  if (named.length > 1) throw usage(`Several schedules are named "${given}": give the id of one (${named.map(({ id }) => id).join(', ')}).`);
  if (!named[0]) throw new Failure(EXIT.notFound, `There is no schedule "${given}" that this credential may manage.`);
  return `${PATH}/${named[0].id}${act}`;
};

type AddOptions = Shared &
  FilterOptions & {
    readonly name: string;
    readonly cron: string;
    readonly timeZone?: string;
    readonly format: string;
    readonly compression?: string;
    readonly destination: string;
  };

const add = async ({ name, cron, timeZone, format, compression, destination, output, ...rest }: AddOptions): Promise<void> => {
  const body = {
    name,
    cron,
    ...(timeZone !== undefined && { time_zone: timeZone }),
    format,
    ...(compression !== undefined && { compression }),
    destination: jsonOf(destination),
    ...filterOf(rest),
  };
  show((await connect(rest).call('POST', PATH, { body })).body, output);
};

const list = async ({ output, ...target }: Shared): Promise<void> => {
  const { body } = await connect(target).call('GET', PATH);
  if (output === 'json') {
    printJson(body);
    return;
  }
  printTable(
    ['id', 'name', 'accounts', 'plan', 'to', 'state', 'exported through', 'last run'],
    (body as Many).data.schedules.map((one) => [
      one.id,
      one.name,
      one.accounts === 'all' ? 'all' : one.accounts.join(', '),
      `${one.cron} (${one.time_zone})`,
      one.destination.type,
      one.paused ? 'paused' : 'planned',
      one.through,
      one.runs[0] && `${one.runs[0].state} ${one.runs[0].ended}${one.runs[0].reason ? `: ${one.runs[0].reason}` : ''}`,
    ]),
    'There are no schedules.',
  );
};

const acting = (name: 'pause' | 'resume' | 'run', description: string): Command =>
  withConnection(new Command(name))
    .description(description)
    .addHelpText('after', `\nExamples:\n  $ verdict exports schedules ${name} nightly`)
    .argument('<schedule>', ID)
    .addOption(outputOption())
    .action(async (given: string, { output, ...target }: Shared) =>
      show((await connect(target).call('POST', await pathOf(given, target, `/${name}`))).body, output),
    );

/** `verdict exports schedules`: exports that are made again and again. */
export const schedulesCommand = (): Command =>
  new Command('schedules')
    .description('Exports that are made again and again by a plan, to a folder, a bucket or a webhook.')
    .addCommand(
      withConnection(withFilter(new Command('add')))
        .description('plans an export')
        .addHelpText(
          'after',
          `\nExamples:\n  $ verdict exports schedules add --name nightly --account acc-lagos --cron "30 2 * * *" --time-zone Africa/Lagos --format parquet --destination '{"type":"folder","path":"lagos"}'`,
        )
        .requiredOption('--name <name>', 'what to call it')
        .requiredOption('--cron <expression>', 'minute, hour, day of the month, month, day of the week')
        .option('--time-zone <name>', "by IANA's name; UTC, without it")
        .addOption(new Option('--format <format>', 'the form of the files').choices(EXPORT_FORMATS).default('jsonl'))
        .addOption(new Option('--compression <kind>', 'pack the files').choices(Object.keys(COMPRESSIONS)))
        .requiredOption('--destination <json>', 'where to: a JSON object with its type, or @FILE with one')
        .addOption(outputOption())
        .action(add),
    )
    .addCommand(
      withConnection(new Command('list'))
        .description('the schedules and how their last runs went')
        .addHelpText('after', '\nExamples:\n  $ verdict exports schedules list')
        .addOption(outputOption())
        .action(list),
    )
    .addCommand(
      withConnection(new Command('show'))
        .description('a schedule with its last runs')
        .addHelpText('after', '\nExamples:\n  $ verdict exports schedules show nightly')
        .argument('<schedule>', ID)
        .addOption(outputOption())
        .action(async (given: string, { output, ...target }: Shared) => show((await connect(target).call('GET', await pathOf(given, target))).body, output)),
    )
    .addCommand(acting('run', 'makes a run now of what was recorded until now'))
    .addCommand(acting('pause', 'plans nothing more for now'))
    .addCommand(acting('resume', 'goes on: what was missed becomes one run'))
    .addCommand(
      withConnection(new Command('remove'))
        .description('removes a schedule; what it exported stays')
        .addHelpText('after', '\nExamples:\n  $ verdict exports schedules remove nightly')
        .argument('<schedule>', ID)
        .action(async (given: string, target: ConnectionOptions) => {
          await connect(target).call('DELETE', await pathOf(given, target));
        }),
    );
