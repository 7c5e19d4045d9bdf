import { Command, InvalidArgumentError, Option } from 'commander';
import type { Event } from '../event/index.js';
import type { Query } from './client.js';
import { configureSyslogCommand } from './configure-syslog.js';
import { type ConnectionOptions, connect, withConnection } from './connection.js';
import { exportLogs } from './export.js';
import { EXIT, Failure } from './failure.js';
import { type Output, outputOption, printFields, printJson, printTable, remark } from './output.js';
import { counted } from './text.js';

export type Filters = {
  readonly event?: string;
  readonly user?: string;
  readonly start?: string;
  readonly end?: string;
  readonly account?: string;
  readonly resource?: string;
  readonly result?: string;
  readonly kind?: string;
  readonly ip?: string;
  readonly requestId?: string;
  readonly q?: string;
};

type ListOptions = ConnectionOptions & Filters & { readonly limit?: number; readonly cursor?: string; readonly output: Output };
type Page = { readonly data: { readonly events: readonly Event[]; readonly next_cursor?: string | null } };

const count = (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('It must be a whole number from 1.');
  return value;
};

/** The filters of list and export, under platform A's names. */
export const withFilters = (command: Command): Command =>
  command
    .option('--event <action>', 'only this action, such as instance.delete')
    .option('--user <user>', 'only what this user did: an id or an e-mail address')
    .option('--start <date>', 'from this date or time on (2024-02-01, or RFC 3339)')
    .option('--end <date>', 'up to this date (the whole day) or time')
    .option('--account <id>', 'only this account')
    .option('--resource <resource>', 'only this resource: an id, or type/id')
    .addOption(new Option('--result <result>', 'only this result').choices(['allowed', 'denied', 'success', 'failure', 'error']))
    .addOption(new Option('--kind <kind>', 'only decisions, or only activities').choices(['decision', 'activity']))
    .option('--ip <address>', 'only what came from this address')
    .option('--request-id <id>', 'only what this request caused')
    .option('--q <text>', 'only what has this text in its action, ids, names, e-mail or details, or is the id in its caused_by');

/** The filters as the API names them. */
export const toQuery = ({ event, user, start, end, account, resource, result, kind, ip, requestId, q }: Filters): Query => ({
  start_date: start,
  end_date: end,
  event,
  user,
  account,
  resource,
  result,
  kind,
  ip,
  request_id: requestId,
  q,
});

const list = async (options: ListOptions): Promise<void> => {
  const { body } = await connect(options).call('GET', '/v1/audit-logs', { query: { ...toQuery(options), limit: options.limit, cursor: options.cursor } });
  const page = (body as Page).data;
  if (options.output === 'json') return printJson(body);
  printTable(
    ['time', 'account', 'actor', 'action', 'resource', 'result', 'id'],
    page.events.map((one) => [
      one.timestamp,
      one.account,
      one.actor.email || `${one.actor.type}/${one.actor.id}`,
      one.action,
      `${one.resource.type}/${one.resource.id}`,
      one.result,
      one.id,
    ]),
    'No events match.',
  );
  if (page.next_cursor) remark(`There is more: add --cursor ${page.next_cursor}`);
};

type GetOptions = ConnectionOptions & { readonly account?: string; readonly source?: string; readonly output: Output };

const get = async (id: string, options: GetOptions): Promise<void> => {
  const query = { account: options.account, source: options.source };
  const { body } = await connect(options).call('GET', `/v1/audit-logs/${encodeURIComponent(id)}`, { query });
  if (options.output === 'json') return printJson(body);
  printFields(Object.entries((body as { readonly data: Event }).data));
};

type Gap = { readonly log: string; readonly from: number; readonly to: number };

const gaps = async (options: ConnectionOptions & { readonly output: Output }): Promise<void> => {
  const { body } = await connect(options).call('GET', '/v1/audit-logs/gaps');
  const found = (body as { readonly data: { readonly gaps: readonly Gap[] } }).data.gaps;
  if (options.output === 'json') printJson(body);
  else
    printTable(
      ['log', 'from', 'to', 'events'],
      found.map(({ log, from, to }) => [log, from, to, to - from + 1]),
      'No gaps: the store has received every event of this node, and of the others up to what they last told of.',
    );
  const missing = found.reduce((sum, { from, to }) => sum + (to - from + 1), 0);
  if (missing > 0) throw new Failure(EXIT.check, `${counted(missing, 'event')} of ${counted(found.length, 'log range')} have not reached the store.`);
};

/** `verdict audit-logs`: search, read and export the record, and prove that it is whole. */
export const auditLogsCommand = (): Command => {
  const command = new Command('audit-logs').description('search, read and export the audit log');
  command.addCommand(
    withConnection(
      withFilters(new Command('list'))
        .description('list events, newest first')
        .option('--limit <count>', 'at most so many', count)
        .option('--cursor <cursor>', 'go on where an earlier page ended')
        .addOption(outputOption()),
    )
      .addHelpText(
        'after',
        `
Examples:
  $ verdict audit-logs list --limit 50
  $ verdict audit-logs list --event instance.delete --result denied
  $ verdict audit-logs list --user user@example.com --start 2024-02-01 --end 2024-02-29
  $ verdict audit-logs list --q web-1 --output json`,
      )
      .action(list),
  );
  command.addCommand(
    withConnection(
      new Command('get')
        .argument('<id>', "the event's id")
        .description('show one event whole: of several with this id the one recorded first')
        .option('--account <id>', 'the one of this account')
        .option('--source <name>', 'the one that this source recorded')
        .addOption(outputOption()),
    )
      .addHelpText(
        'after',
        `
Examples:
  $ verdict audit-logs get evt-01JDA4Q0V4M9GQ2Z9X1T7K3B5N
  $ verdict audit-logs get evt-01JDA4Q0V4M9GQ2Z9X1T7K3B5N --output json
  $ verdict audit-logs get job-17 --account acc-lagos --source libvirt`,
      )
      .action(get),
  );
  command.addCommand(
    withConnection(
      withFilters(new Command('export'))
        .description('export every event that matches, checked to be whole')
        .addOption(
          new Option('--format <format>', 'the form of the file').choices(['json', 'jsonl', 'csv', 'parquet', 'syslog', 'ocsf', 'cef']).default('json'),
        )
        .addOption(new Option('--compression <kind>', 'pack the file').choices(['gzip', 'zstd']))
        .option('--csv-raw', 'leave cells that a spreadsheet would take for formulas as they are')
        .option('--output <file>', 'write here, with FILE.manifest.json beside it (standard output without it)'),
    )
      .addHelpText(
        'after',
        `
The file appears only when its row count and SHA-256 are what the node says they must be;
otherwise nothing is written and the exit code is 6.

Examples:
  $ verdict audit-logs export --format json --output audit.json
  $ verdict audit-logs export --format csv --start 2024-02-01 --end 2024-02-29 --output february.csv
  $ verdict audit-logs export --format jsonl --account acc-lagos | gzip > lagos.jsonl.gz`,
      )
      .action(
        (
          options: ConnectionOptions &
            Filters & { readonly format: string; readonly compression?: string; readonly csvRaw?: boolean; readonly output?: string },
        ) =>
          exportLogs(connect(options), {
            format: options.format,
            query: { ...toQuery(options), ...(options.csvRaw === true && { csv_raw: true }), ...(options.compression && { compression: options.compression }) },
            ...(options.output !== undefined && { file: options.output }),
          }),
      ),
  );
  command.addCommand(
    withConnection(new Command('gaps').description('say which recorded events have not reached the store (exit code 6 if any)').addOption(outputOption()))
      .addHelpText('after', '\nExamples:\n  $ verdict audit-logs gaps\n  $ verdict audit-logs gaps --output json')
      .action(gaps),
  );
  command.addCommand(configureSyslogCommand());
  return command;
};
