import { Command, InvalidArgumentError } from 'commander';
import type { Entity } from '../evaluate/directory/types.js';
import type { JsonObject } from '../event/index.js';
import { type ConnectionOptions, connect, withConnection } from './connection.js';
import { EXIT, Failure, usage } from './failure.js';
import { groupsOf, type Line, readLines } from './ndjson.js';
import { type Output, outputOption, printFields, printJson, printTable, remark } from './output.js';
import { reviewCommand } from './review.js';
import { counted } from './text.js';

type Shared = ConnectionOptions & { readonly output: Output };
type WriteOptions = Shared & { readonly account?: string; readonly properties?: JsonObject; readonly ifMatch?: number; readonly ifNew?: boolean };
type Written = { readonly index: number; readonly status: number; readonly version?: number; readonly detail?: string };

/** As many as the API takes at once. */
const AT_ONCE = 1_000;
const PROGRESS_MS = 2_000;

const object = (text: string): JsonObject => {
  try {
    const value: unknown = JSON.parse(text);
    if (value !== null && typeof value === 'object' && !Array.isArray(value)) return value as JsonObject;
  } catch {
    // Told below.
  }
  throw new InvalidArgumentError('It must be a JSON object, such as \'{"role":"admin"}\'.');
};

const versionNumber = (text: string): number => {
  const value = Number(text.replaceAll('"', ''));
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('It must be a version: a whole number from 1.');
  return value;
};

const pathOf = (type: string, id: string): string => `/v1/entities/${encodeURIComponent(type)}/${encodeURIComponent(id)}`;

const show = (entity: Entity, output: Output): void => {
  if (output === 'json') printJson(entity);
  else printFields(Object.entries(entity));
};

const conditions = ({ ifMatch, ifNew }: WriteOptions): Readonly<Record<string, string>> => {
  if (ifMatch !== undefined && ifNew) throw usage('--if-match and --if-new can not both be given.');
  return { ...(ifMatch !== undefined && { 'if-match': `"${ifMatch}"` }), ...(ifNew && { 'if-none-match': '*' }) };
};

const bodyOf = ({ account, properties }: WriteOptions) => ({ ...(account !== undefined && { account }), ...(properties && { properties }) });

const list = async (
  type: string,
  { output, account, limit, cursor, ...target }: Shared & { readonly account?: string; readonly limit?: string; readonly cursor?: string },
) => {
  const { body } = await connect(target).call('GET', `/v1/entities/${encodeURIComponent(type)}`, { query: { account, limit, cursor } });
  if (output === 'json') return printJson(body);
  const { entities, next_cursor } = (body as { readonly data: { readonly entities: readonly Entity[]; readonly next_cursor?: string } }).data;
  printTable(
    ['id', 'account', 'version', 'properties', 'updated'],
    entities.map((one) => [one.id, one.account, String(one.version), one.properties, one.updated]),
    `There are no entities of type ${type}.`,
  );
  if (next_cursor) remark(`There is more: add --cursor ${next_cursor}`);
};

const get = async (type: string, id: string, { output, ...target }: Shared): Promise<void> => {
  const { body } = await connect(target).call('GET', pathOf(type, id));
  show(body as Entity, output);
};

const put = async (type: string, id: string, options: WriteOptions): Promise<void> => {
  const { body } = await connect(options).call('PUT', pathOf(type, id), { body: { properties: {}, ...bodyOf(options) }, headers: conditions(options) });
  show(body as Entity, options.output);
};

const patch = async (type: string, id: string, options: WriteOptions): Promise<void> => {
  const call = { body: bodyOf(options), type: 'application/merge-patch+json', headers: conditions(options) };
  const { body } = await connect(options).call('PATCH', pathOf(type, id), call);
  show(body as Entity, options.output);
};

const remove = async (type: string, id: string, options: WriteOptions): Promise<void> => {
  await connect(options).call('DELETE', pathOf(type, id), { headers: conditions(options) });
  if (options.output === 'json') return printJson({ type, id, deleted: true });
  remark(`${type}/${id} is deleted.`);
};

/** Writes every line of an NDJSON file; goes on past lines that are refused, names them, and fails at the end if there were any. */
const importFile = async (file: string, { output, ...target }: Shared): Promise<void> => {
  const client = connect(target);
  const refused: { readonly line: number; readonly detail: string }[] = [];
  let written = 0;
  const progress = setInterval(() => remark(`Importing: ${counted(written, 'entity', 'entities')} so far.`), PROGRESS_MS);
  try {
    for await (const group of groupsOf<Line>(readLines(file), AT_ONCE)) {
      const body = group.map(({ text }) => text).join('\n');
      const reply = await client.call('POST', '/v1/entities', { body, type: 'application/x-ndjson' });
      for (const one of (reply.body as { readonly data: { readonly entities: readonly Written[] } }).data.entities) {
        if (one.status < 300) written += 1;
        else refused.push({ line: group[one.index]?.number ?? 0, detail: one.detail ?? `status ${one.status}` });
      }
    }
  } finally {
    clearInterval(progress);
  }
  if (output === 'json') printJson({ written, refused });
  else remark(`${counted(written, 'entity', 'entities')} written from ${file === '-' ? 'standard input' : file}.`);
  for (const { line, detail } of refused) remark(`Line ${line}: ${detail}`);
  if (refused.length > 0) throw new Failure(EXIT.failed, `${counted(refused.length, 'line')} of ${file} could not be written.`);
};

const writing = (name: string, description: string, examples: string): Command =>
  withConnection(
    new Command(name)
      .argument('<type>', 'such as user, membership, instance')
      .argument('<id>')
      .description(description)
      .option('--if-match <version>', 'only if this version stands there', versionNumber),
  )
    .addOption(outputOption())
    .addHelpText('after', `\nExamples:\n${examples}`);

const withContent = (command: Command): Command =>
  command.option('--account <id>', 'the account it belongs to').option('--properties <json>', 'its properties, as a JSON object', object);

/** `verdict entities`: what Verdict knows of subjects and resources. */
export const entitiesCommand = (): Command => {
  const command = new Command('entities').description('read and write the directory');
  command.addCommand(
    withConnection(
      new Command('list')
        .argument('<type>', 'such as user, membership, instance')
        .description('list entities of a type, in order of id')
        .option('--account <id>', 'only those of this account')
        .option('--limit <count>', 'at most so many (1 to 1000)')
        .option('--cursor <cursor>', 'go on where an earlier page ended')
        .addOption(outputOption()),
    )
      .addHelpText('after', '\nExamples:\n  $ verdict entities list membership --account acc-lagos\n  $ verdict entities list instance --output json')
      .action(list),
  );
  command.addCommand(
    withConnection(new Command('get').argument('<type>').argument('<id>').description('show one entity').addOption(outputOption()))
      .addHelpText('after', '\nExamples:\n  $ verdict entities get user usr-ada\n  $ verdict entities get membership acc-lagos:usr-ada --output json')
      .action(get),
  );
  command.addCommand(
    withContent(
      writing(
        'put',
        'make or replace an entity',
        `  $ verdict entities put user usr-ada --properties '{"email":"ada@lagos.example"}'\n  $ verdict entities put membership acc-lagos:usr-ada --account acc-lagos --properties '{"role":"owner"}' --if-new`,
      ),
    )
      .option('--if-new', 'only if it does not exist')
      .action(put),
  );
  command.addCommand(
    withContent(
      writing(
        'patch',
        'change some properties; null takes one away',
        `  $ verdict entities patch membership acc-lagos:usr-ada --properties '{"role":"viewer"}' --if-match 3`,
      ),
    ).action(patch),
  );
  command.addCommand(
    writing('delete', 'take an entity away; its history stays in the audit log', '  $ verdict entities delete token tok-1 --if-match 2').action(remove),
  );
  command.addCommand(
    withConnection(
      new Command('import')
        .argument('<file>', 'NDJSON: {"type":…,"id":…,"account":…,"properties":{…}} a line; - is standard input')
        .description('write many entities')
        .addOption(outputOption()),
    )
      .addHelpText('after', '\nExamples:\n  $ verdict entities import fixtures/platform/entities.ndjson\n  $ ./dump-members | verdict entities import -')
      .action(importFile),
  );
  command.addCommand(reviewCommand());
  return command;
};
