import { createHash } from 'node:crypto';
import { closeSync, createReadStream, existsSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Command, Option } from 'commander';
import { COMPRESSIONS, EXPORT_FORMATS } from '../export/index.js';
import { type Filters, toQuery, withFilters } from './audit-logs.js';
import type { Client } from './client.js';
import { type ConnectionOptions, connect, withConnection } from './connection.js';
import { schedulesCommand } from './export-schedules.js';
import { EXIT, Failure } from './failure.js';
import { type Output, outputOption, printFields, printJson, printTable, remark } from './output.js';
import { counted } from './text.js';

type Part = { readonly name: string; readonly rows: number; readonly bytes: number; readonly sha256: string };
type Export = {
  readonly id: string;
  readonly account?: string;
  readonly state: 'queued' | 'running' | 'done' | 'failed';
  readonly format: string;
  readonly created: string;
  readonly rows: number;
  readonly bytes: number;
  readonly parts: readonly Part[];
  readonly expires?: string;
  readonly message?: string;
};
type One = { readonly data: Export };
type Many = { readonly data: { readonly exports: readonly Export[] } };
type Shared = ConnectionOptions & { readonly output: Output };

const PATH = '/v1/exports';
const POLL_MS = 500;
const PROGRESS_MS = 2_000;

const pathOf = (id: string, rest = ''): string => `${PATH}/${encodeURIComponent(id)}${rest}`;

const show = (body: unknown, output: Output): void => {
  if (output === 'json') {
    printJson(body);
    return;
  }
  const { parts, ...rest } = (body as One).data;
  printFields([...Object.entries(rest), ...parts.map((part) => ['part', `${part.name}  ${counted(part.bytes, 'byte')}  ${part.sha256}`] as const)]);
};

/** Resolves when an export has ended; says how far it is every two seconds. */
const ended = async (client: Client, id: string): Promise<Export> => {
  for (let told = Date.now(); ; await sleep(POLL_MS)) {
    const { data } = (await client.call('GET', pathOf(id))).body as One;
    if (data.state === 'done') return data;
    if (data.state === 'failed') throw new Failure(EXIT.failed, `The export ${id} failed: ${data.message ?? 'no reason is known'}`);
    if (Date.now() - told < PROGRESS_MS) continue;
    told = Date.now();
    remark(`The export ${id} is ${data.state}: ${counted(data.rows, 'row')} so far.${data.message ? ` ${data.message}` : ''}`);
  }
};

const hashOf = async (path: string): Promise<string> => {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(path)) hash.update(piece as Buffer);
  return hash.digest('hex');
};

/** Fetches a part into a file, from where an earlier attempt broke off, and checks that it is the part. */
const fetchPart = async (client: Client, id: string, part: Part, file: string): Promise<void> => {
  const draft = `${file}.${part.sha256.slice(0, 12)}.partial`;
  const had = statSync(draft, { throwIfNoEntry: false })?.size ?? 0;
  const from = had < part.bytes ? had : 0;
  const headers = { range: `bytes=${from}-`, 'if-range': `"${part.sha256}"` };
  const out = openSync(draft, from > 0 ? 'a' : 'w', 0o600);
  try {
    if (part.bytes > 0) {
      const message = await client.open(pathOf(id, `/parts/${encodeURIComponent(part.name)}`), undefined, headers);
      for await (const piece of message as AsyncIterable<Buffer>) writeSync(out, piece);
    }
    fsyncSync(out);
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw new Failure(EXIT.check, `The download of ${part.name} broke off: ${(error as Error).message}. Run the command again, and it goes on from there.`);
  } finally {
    closeSync(out);
  }
  if ((await hashOf(draft)) !== part.sha256) {
    rmSync(draft);
    throw new Failure(EXIT.check, `What came of ${part.name} is not what its SHA-256 says (${part.sha256}). It is not kept; run the command again.`);
  }
  renameSync(draft, file);
};

type CreateOptions = Shared & Filters & { readonly format: string; readonly compression?: string; readonly csvRaw?: boolean };

const create = async ({ output, format, compression, csvRaw, ...options }: CreateOptions): Promise<void> => {
  const filter = Object.fromEntries(Object.entries(toQuery(options)).filter(([, value]) => value !== undefined));
  const body = { ...filter, format, ...(compression !== undefined && { compression }), ...(csvRaw && { csv_raw: true }) };
  show((await connect(options).call('POST', PATH, { body })).body, output);
};

const list = async ({ output, ...target }: Shared): Promise<void> => {
  const { body } = await connect(target).call('GET', PATH);
  if (output === 'json') return printJson(body);
  printTable(
    ['id', 'account', 'state', 'format', 'rows', 'created', 'expires'],
    (body as Many).data.exports.map((one) => [one.id, one.account ?? 'all', one.state, one.format, one.rows, one.created, one.expires]),
    'This node has no exports.',
  );
};

const download = async (id: string, { folder, ...options }: ConnectionOptions & { readonly folder: string }): Promise<void> => {
  const client = connect(options);
  const { parts } = await ended(client, id);
  mkdirSync(folder, { recursive: true });
  for (const part of parts) {
    const file = join(folder, basename(part.name));
    if (existsSync(file) && (await hashOf(file)) === part.sha256) continue;
    await fetchPart(client, id, part, file);
    remark(`${file}: ${counted(part.rows, 'row')}, ${counted(part.bytes, 'byte')}.`);
  }
  const { body } = await client.call('GET', pathOf(id, '/manifest'));
  const manifest = join(folder, `${id}.manifest.json`);
  const out = openSync(manifest, 'w', 0o600);
  writeSync(out, `${JSON.stringify(body, null, 2)}\n`);
  fsyncSync(out);
  closeSync(out);
  remark(`${manifest}: what they hold.`);
};

type ArchiveOptions = ConnectionOptions & { readonly account: string; readonly file: string };

const archive = async ({ account, file, ...options }: ArchiveOptions): Promise<void> => {
  if (existsSync(file)) throw new Failure(EXIT.usage, `${file} is there already: give the name of a new file.`);
  const client = connect(options);
  const { body } = await client.call('POST', PATH, { body: { account, archive: true } });
  const { id, parts } = await ended(client, (body as One).data.id);
  const [part] = parts;
  if (!part) throw new Failure(EXIT.check, `The export ${id} has no file.`);
  await fetchPart(client, id, part, file);
  remark(`${file}: all of account ${account}, ${counted(part.rows, 'event')}, ${counted(part.bytes, 'byte')}.`);
};

/** `verdict exports`: exports that run by themselves on the node. */
export const exportsCommand = (): Command =>
  new Command('exports')
    .description('Exports too big for one request: they run on the node by themselves, and are fetched when they are done.')
    .addCommand(
      withConnection(withFilters(new Command('create')))
        .description('begins an export')
        .addHelpText('after', '\nExamples:\n  $ verdict exports create --account acc-lagos --start 2024-01-01 --format parquet')
        .addOption(new Option('--format <format>', 'the form of the files').choices(EXPORT_FORMATS).default('jsonl'))
        .addOption(new Option('--compression <kind>', 'pack the files').choices(Object.keys(COMPRESSIONS)))
        .option('--csv-raw', 'leave cells of a CSV as they are, even what a spreadsheet would take for a formula')
        .addOption(outputOption())
        .action(create),
    )
    .addCommand(
      withConnection(new Command('list'))
        .description('the exports of this node')
        .addHelpText('after', '\nExamples:\n  $ verdict exports list')
        .addOption(outputOption())
        .action(list),
    )
    .addCommand(
      withConnection(new Command('show'))
        .description('how far an export is')
        .addHelpText('after', '\nExamples:\n  $ verdict exports show exp-01HQ5T7M0M2Q9V1J4D6X8Z3B5C')
        .argument('<id>')
        .addOption(outputOption())
        .action(async (id: string, { output, ...target }: Shared) => show((await connect(target).call('GET', pathOf(id))).body, output)),
    )
    .addCommand(
      withConnection(new Command('download'))
        .description('waits for an export and fetches its parts, each checked; goes on where it broke off')
        .addHelpText('after', '\nExamples:\n  $ verdict exports download exp-01HQ5T7M0M2Q9V1J4D6X8Z3B5C --folder february')
        .argument('<id>')
        .option('--folder <path>', 'where to put them', '.')
        .action(download),
    )
    .addCommand(
      withConnection(new Command('delete'))
        .description('ends an export and removes its files')
        .addHelpText('after', '\nExamples:\n  $ verdict exports delete exp-01HQ5T7M0M2Q9V1J4D6X8Z3B5C')
        .argument('<id>')
        .action(async (id: string, target: ConnectionOptions) => {
          await connect(target).call('DELETE', pathOf(id));
        }),
    )
    .addCommand(schedulesCommand())
    .addCommand(
      withConnection(new Command('archive'))
        .description('all that is known of one account, as one tar.gz with a manifest: for its owner to take along')
        .addHelpText('after', '\nExamples:\n  $ verdict exports archive --account acc-lagos --file lagos.tar.gz')
        .requiredOption('--account <id>', 'the account')
        .requiredOption('--file <path>', 'where to put it')
        .action(archive),
    );
